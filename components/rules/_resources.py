"""Whether two patterns of ARNs can ever mean the same resource."""

import re
from functools import cache

_ANY, _SEGMENT = "*", "\0"


def template(arn: str) -> str:
    """An ARN of AWS's reference, with its placeholders as patterns: any text, and for a bucket's name none with `/`."""
    return re.sub(r"\$\{(\w+)\}", lambda name: _SEGMENT if name[1] == "BucketName" else _ANY, arn)


@cache
def overlap(one: str, other: str) -> bool:
    """Whether some ARN is meant by both patterns, in which `*` is any text and `?` any character."""
    first, second = one.split(":", 5), other.split(":", 5)
    if len(first) == len(second) == 6:
        return all(_overlap(a, b) for a, b in zip(first, second, strict=True))
    # A `*` before the last part may stand for colons too.
    return _overlap(one, other)


def _overlap(a: str, b: str) -> bool:
    """The positions (i, j) that can be reached by some text that a[:i] and b[:j] both mean, to the ends of both."""
    todo, seen = [(0, 0)], set()
    while todo:
        i, j = todo.pop()
        if (i, j) in seen:
            continue
        seen.add((i, j))
        if i == len(a) and j == len(b):
            return True
        x, y = a[i : i + 1], b[j : j + 1]
        if x and x in _ANY + _SEGMENT:
            todo.append((i + 1, j))
            if y and (y in _ANY + _SEGMENT or x == _ANY or y != "/"):
                todo.append((i, j + 1))
        if y and y in _ANY + _SEGMENT:
            todo.append((i, j + 1))
            if x and (x in _ANY + _SEGMENT or y == _ANY or x != "/"):
                todo.append((i + 1, j))
        if x and y and (x == y or "?" in (x, y)) and not {x, y} & {_ANY, _SEGMENT}:
            todo.append((i + 1, j + 1))
    return False
