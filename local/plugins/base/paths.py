"""Property paths: ``vpcConfig.subnetIds[0]``, ``tags["kubernetes.io/role/elb"]``, ``rules[*].fromPort``.

See https://www.pulumi.com/docs/iac/concepts/resources/options/ignorechanges/ for the syntax.
"""

import json
import re
from collections.abc import Iterable

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_SEGMENT = re.compile(r'\.?(?P<name>[^.\[\]"]+)|\[(?P<index>\d+)\]|\[(?P<any>\*)\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]')


def render(path: Path) -> str:
    """Write a path in the engine's syntax."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


def parse(text: str) -> Path:
    """Read a path in the engine's syntax; a wildcard becomes ``*``.

    Raises:
        ValueError: It is malformed.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        segment = _SEGMENT.match(text, position)
        if segment is None:
            raise ValueError(f"{text!r} is no property path")
        if segment["index"] is not None:
            parts.append(int(segment["index"]))
        elif segment["quoted"] is not None:
            parts.append(json.loads(segment["quoted"]))
        else:
            parts.append(segment["any"] or segment["name"])
        position = segment.end()
    return tuple(parts)


def covers(pattern: Path, path: Path) -> bool:
    """Say whether a path is the one of a pattern, or lies below it."""
    if len(pattern) > len(path):
        return False
    return all(wanted in ("*", part) for wanted, part in zip(pattern, path, strict=False))


def is_covered(path: Path, patterns: Iterable[Path]) -> bool:
    """Say whether any of the patterns covers a path."""
    return any(covers(pattern, path) for pattern in patterns)
