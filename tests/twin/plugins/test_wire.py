"""Values between the wire and Python, and property paths."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from local.plugins.base import paths
from local.plugins.base.wire import UNKNOWN, WireError, decode, encode, has_unknown

KEYS = st.text(min_size=1, max_size=8).filter(lambda key: not key.startswith("4dabf18"))
SCALARS = st.one_of(
    st.text(max_size=12), st.integers(-(2**50), 2**50), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.one_of(SCALARS, st.just(UNKNOWN)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
PROPERTIES = st.dictionaries(KEYS, VALUES, max_size=5)


def all_paths(value: Any, path: paths.Path = ()) -> list[paths.Path]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    return found + [below for key, item in children for below in all_paths(item, (*path, key))]


@given(PROPERTIES, st.data())
def test_what_is_written_is_read_again(values: dict[str, Any], data: st.DataObject) -> None:
    candidates = all_paths(values)
    secrets = frozenset(data.draw(st.sets(st.sampled_from(candidates)))) if candidates else frozenset()
    assert decode(encode(values, secrets)) == (values, secrets)


@given(PROPERTIES)
def test_a_secret_hides_what_it_holds(values: dict[str, Any]) -> None:
    written = json_format.MessageToDict(encode({"outer": values}, {("outer",)}))
    assert written["outer"]["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270"
    assert set(written["outer"]) == {"4dabf18193072939515e22adb298388d", "value"}


def special(signature: str, **members: Any) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update({"p": {"4dabf18193072939515e22adb298388d": signature, **members}})
    return struct


OUTPUT, RESOURCE = "d0e6a833031e9bbcd3f4e8bde6ca49a4", "5cf8f73096256a8f31e491e813e4eb8e"


def test_outputs() -> None:
    known = decode(special(OUTPUT, value="x", secret=True, dependencies=["urn"]))
    assert known == ({"p": "x"}, {("p",)})
    assert decode(special(OUTPUT)) == ({"p": UNKNOWN}, frozenset())


def test_a_resource_stands_for_its_id() -> None:
    assert decode(special(RESOURCE, urn="urn:x", id="vpc-1")).values == {"p": "vpc-1"}
    assert decode(special(RESOURCE, urn="urn:x", id="")).values == {"p": UNKNOWN}
    assert decode(special(RESOURCE, urn="urn:x")).values == {"p": UNKNOWN}


def test_assets_are_refused() -> None:
    with pytest.raises(WireError, match="assets"):
        decode(special("c44067f5952c0a294b673a41bacd8c17", text="x"))


def test_an_unknown_has_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(UNKNOWN)
    assert has_unknown({"a": [1, {"b": UNKNOWN}]})
    assert not has_unknown({"a": [1, {"b": 2}]})


@given(st.lists(st.one_of(st.integers(0, 9), st.text(min_size=1, max_size=9)), min_size=1, max_size=5))
def test_paths_are_read_as_they_are_written(parts: list[str | int]) -> None:
    path = ("root", *parts)
    assert paths.parse(paths.render(path)) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ('tags["kubernetes.io/role/elb"]', ("tags", "kubernetes.io/role/elb")),
        ("rules[*].from", ("rules", "*", "from")),
    ],
)
def test_paths(text: str, path: paths.Path) -> None:
    assert paths.parse(text) == path


@pytest.mark.parametrize("text", ["a[", 'a["b]', "a..[x]", "]"])
def test_malformed_paths(text: str) -> None:
    with pytest.raises(ValueError, match="no property path"):
        paths.parse(text)


def test_covering() -> None:
    assert paths.is_covered(("a", 3, "b"), [("a", "*", "b")])
    assert paths.is_covered(("a", "b"), [("a",)])
    assert not paths.is_covered(("a",), [("a", "b")])
