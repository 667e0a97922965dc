"""Whether two patterns of ARNs can ever mean the same resource."""

import re
from functools import cache

_ANY, _SEGMENT = "*", "\0"

PROBE = "=zyxwvutsrqponmlkjihgfedcba-9876543210_ZYXWVUTSRQPONMLKJIHGFEDCBA="
"""A name that nothing has, with every letter in it: a pattern that means this one means all of them, or nearly so."""


def template(arn: str) -> str:
    """An ARN of AWS's reference, with its placeholders as patterns: any text, and for a bucket's name none with `/`."""
    return re.sub(r"\$\{(\w+)\}", lambda name: _SEGMENT if name[1] == "BucketName" else _ANY, arn)


def probe(arn: str) -> str:
    """An ARN of AWS's reference, of a resource that nobody has, in any partition, region and account."""
    *place, resource = arn.split(":", 5)
    return ":".join([*(_PLACEHOLDER.sub(_ANY, part) for part in place), _PLACEHOLDER.sub(PROBE, resource)])


def has_no_name(arn: str) -> bool:
    """Whether an ARN of AWS's reference leaves no choice of a resource, as there is but one of its type."""
    return _PLACEHOLDER.search(arn.split(":", 5)[-1]) is None


_PLACEHOLDER = re.compile(r"\$\{\w+\}")


@cache
def overlap(one: str, other: str) -> bool:
    """Whether some ARN is meant by both patterns, in which `*` is any text and `?` any character."""
    first, second = one.split(":", 5), other.split(":", 5)
    if len(first) == len(second) == 6:
        return all(meet(a, b) for a, b in zip(first, second, strict=True))
    # A `*` before the last part may stand for colons too.
    return meet(one, other)


def meet(a: str, b: str) -> bool:
    """Whether some text is meant by both patterns."""
    # The positions (i, j) that can be reached by some text that a[:i] and b[:j] both mean, to the ends of both.
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
