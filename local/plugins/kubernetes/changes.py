"""What changes between two versions of a program's object."""

from collections.abc import Iterator
from typing import Any

from ..base.paths import Path
from ..base.properties import Kind as ChangeKind
from ..base.wire import UNKNOWN

Change = tuple[Path, ChangeKind]


def compare(old: Any, new: Any, path: Path = ()) -> Iterator[Change]:
    """Compare two versions, leaf by leaf; what is unknown differs.

    Lists are compared place by place, as the program spells them.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            where = (*path, key)
            if key not in new:
                yield where, ChangeKind.DELETE
            elif key not in old:
                yield where, ChangeKind.ADD
            else:
                yield from compare(old[key], new[key], where)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            where = (*path, index)
            if index >= len(new):
                yield where, ChangeKind.DELETE
            elif index >= len(old):
                yield where, ChangeKind.ADD
            else:
                yield from compare(old[index], new[index], where)
    elif new is UNKNOWN or old is UNKNOWN or type(old) is not type(new) or old != new:
        yield path, ChangeKind.UPDATE


def merge_patch(old: Any, new: Any) -> Any:
    """Write the JSON merge patch (RFC 7396) that makes the new version of the old one."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    patch = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif old[key] != value:
            patch[key] = merge_patch(old[key], value)
    return patch
