"""A resource's properties as plain values: what is not known yet is `UNKNOWN`, and it is noted when it is read.

`pulumi_policy` raises at each access to a value that is not known at preview, which would end the whole callback: one
unknown property would switch off every check after it. See https://www.pulumi.com/docs/insights/policy/.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy.proxy import UnknownValueError

from ._rules import rules

UNKNOWN = rules.UNKNOWN


def watched(props: Mapping[str, Any], asked: set[str], inputs: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """The properties; the path of each unknown value that is read goes to `asked`, as in `vpcConfig.subnetIds[0]`.

    Where `inputs` are given they stand in for what `props` do not have, or do not know yet.
    """
    members = {key: _member(props, key, key, asked) for key in props}
    for key in inputs or {}:
        if members.get(key, UNKNOWN) is UNKNOWN:
            members[key] = _member(inputs, key, key, asked)
    return _Object(members, "", asked)


def peek(props: Mapping[str, Any], key: str) -> Any:
    """A property by which resources are only told apart: that it is not known yet leaves nothing undecided."""
    return dict.get(props, key) if isinstance(props, dict) else None


def _plain(value: Any, path: str, asked: set[str]) -> Any:
    if isinstance(value, Mapping):
        prefix = f"{path}." if path else ""
        return _Object({key: _member(value, key, f"{prefix}{key}", asked) for key in value}, prefix, asked)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return _Array([_member(value, i, f"{path}[{i}]", asked) for i in range(len(value))], path, asked)
    return value


def _member(container: Any, key: Any, path: str, asked: set[str]) -> Any:
    try:
        return _plain(container[key], path, asked)
    except UnknownValueError:
        return UNKNOWN


class _Object(dict[str, Any]):
    def __init__(self, members: Mapping[str, Any], prefix: str, asked: set[str]):
        super().__init__(members)
        self._prefix, self._asked = prefix, asked

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if value is UNKNOWN:
            self._asked.add(f"{self._prefix}{key}")
        return value

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401 - that would be this method

    def items(self) -> Any:
        return [(key, self[key]) for key in self]

    def values(self) -> Any:
        return [self[key] for key in self]


class _Array(list[Any]):
    def __init__(self, members: Sequence[Any], path: str, asked: set[str]):
        super().__init__(members)
        self._path, self._asked = path, asked

    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self)):
            yield self[i]

    def __getitem__(self, index: Any) -> Any:
        value = super().__getitem__(index)
        if value is UNKNOWN:
            self._asked.add(f"{self._path}[{index}]")
        return value
