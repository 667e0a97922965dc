"""What of an object is secret."""

import base64
from collections.abc import Iterable
from typing import Any

from ..base.paths import Path
from ..base.wire import Values
from .kinds import Kind
from .objects import LAST_APPLIED

_MARK = "[secret]"
_SHORTEST = 4
"""Shorter texts occur everywhere, so hiding them would only make a message unreadable."""


def of_inputs(kind: Kind, secrets: Iterable[Path]) -> frozenset[Path]:
    """The secret paths of an object's inputs, given those that the program marked."""
    return _outermost({*secrets, *_of_kind(kind)})


def of_state(kind: Kind, secrets: Iterable[Path]) -> frozenset[Path]:
    """The secret paths of an object's state, given those of its inputs."""
    given = of_inputs(kind, secrets)
    found: set[Path] = set()
    for path in given:
        found.add(("__inputs", *path))
        # The elements of a list may come back in another order.
        fixed = next((index for index, part in enumerate(path) if isinstance(part, int)), len(path))
        found.add(path[:fixed])
    if given:
        # It repeats the whole object.
        found.add(("metadata", "annotations", LAST_APPLIED))
    return _outermost(found)


def _outermost(paths: set[Path]) -> frozenset[Path]:
    return frozenset(path for path in paths if not any(path[:length] in paths for length in range(len(path))))


def _of_kind(kind: Kind) -> frozenset[Path]:
    if (kind.group, kind.name) == ("", "Secret"):
        return frozenset({("data",), ("stringData",)})
    return frozenset()


def redact(message: str, values: Values, secrets: Iterable[Path]) -> str:
    """Take secret values out of a message, plain and in Base64: the API server repeats what it refuses."""
    for text in sorted(_texts(values, secrets), key=len, reverse=True):
        for form in (text, base64.b64encode(text.encode()).decode()):
            message = message.replace(form, _MARK)
    return message


def _texts(values: Values, secrets: Iterable[Path]) -> set[str]:
    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, str) and len(value) >= _SHORTEST:
            found.add(value)
        elif isinstance(value, dict):
            for item in value.values():
                collect(item)
        elif isinstance(value, list):
            for item in value:
                collect(item)

    for path in secrets:
        value: Any = values
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                value = None
        collect(value)
    return found
