"""The request context: the keys that conditions and policy variables read.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Value = str | int | float | bool | Iterable[str]


class Context(Mapping[str, tuple[str, ...]]):
    """Condition keys and their values; names do not distinguish case.

    Args:
        values: by key, one value or several. None leaves the key out; an empty sequence is a key
            that is there without a value, as ``aws:TagKeys`` of a request without tags.
    """

    def __init__(self, values: Mapping[str, Value | None] | None = None) -> None:
        self._values: dict[str, tuple[str, ...]] = {}
        for key, value in (values or {}).items():
            if value is not None:
                self._values[key.lower()] = _texts(value)

    def __getitem__(self, key: str) -> tuple[str, ...]:
        return self._values[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _texts(value: Value) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, str | int | float):
        return (str(value),)
    return tuple(value)
