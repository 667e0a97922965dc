"""Check and diff of declared properties: tables, and what must hold whatever the values are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.plugins.base.properties import (
    DEFAULTS,
    Bool,
    Change,
    Int,
    Kind,
    List,
    Map,
    Object,
    Property,
    Set,
    Str,
    check_properties,
    computed,
    diff_properties,
    keep_unset,
    optional,
    output,
    required,
    unknown_where_unset,
)
from local.plugins.base.wire import UNKNOWN, Values

PROPERTIES: dict[str, Property] = {
    "name": required(Str(longest=8), replace=True),
    "mode": optional(Str(choices=("API", "CONFIG_MAP")), "API"),
    "size": computed(Int(least=1, most=9)),
    "on": optional(Bool()),
    "zones": optional(Set(Str())),
    "steps": optional(List(Str(), most=3)),
    "tags": optional(Map(Str())),
    "left": optional(Str(), conflicts=("right",)),
    "right": optional(Str()),
    "vpc": optional(
        Object({"ids": required(Set(Str())), "public": optional(Bool(), True), "group": output(Str())}),
    ),
    "taints": optional(Set(Object({"key": required(Str()), "value": optional(Str())}))),
    "arn": output(Str()),
}


def check(values: Values) -> tuple[Values, dict[str, str]]:
    from local.plugins.base.paths import render

    found: dict[str, str] = {}
    checked, _ = check_properties(PROPERTIES, values, (), lambda path, reason: found.update({render(path): reason}))
    return checked, found


@pytest.mark.parametrize(
    ("values", "where", "reason"),
    [
        ({}, "name", "missing required property"),
        ({"name": "123456789"}, "name", "9 characters are more than the 8"),
        ({"name": ["x"]}, "name", "expected a string, got a list"),
        ({"name": "x", "mode": "APL"}, "mode", "did you mean API?"),
        ({"name": "x", "size": 0}, "size", "0 is less than 1"),
        ({"name": "x", "size": 10}, "size", "10 is more than 9"),
        ({"name": "x", "size": 1.5}, "size", "expected a whole number, got the number 1.5"),
        ({"name": "x", "size": True}, "size", "expected a whole number, got the boolean true"),
        ({"name": "x", "on": "maybe"}, "on", 'expected a boolean, got the string "maybe"'),
        ({"name": "x", "zones": "a"}, "zones", "expected a list"),
        ({"name": "x", "zones": [["a"]]}, "zones[0]", "expected a string, got a list"),
        ({"name": "x", "zones": [None]}, "zones[0]", "expected a string, got null"),
        ({"name": "x", "steps": list("abcd")}, "steps", "at most 3"),
        ({"name": "x", "tags": {"a/b": {}}}, 'tags["a/b"]', "expected a string, got an object"),
        ({"name": "x", "left": "l", "right": "r"}, "left", "conflicts with right"),
        ({"name": "x", "vpc": {}}, "vpc.ids", "missing required property"),
        ({"name": "x", "vpc": {"ids": [], "Public": True}}, "vpc.Public", "did you mean public?"),
        ({"name": "x", "vpc": {"ids": [], "group": "g"}}, "vpc.group", "is an output"),
        ({"name": "x", "tag": {}}, "tag", "unknown property; did you mean tags?"),
        ({"name": "x", "arn": "a"}, "arn", "is an output and cannot be set"),
    ],
)
def test_what_is_wrong_is_said(values: Values, where: str, reason: str) -> None:
    _, found = check(values)
    assert list(found) == [where]
    assert reason in found[where]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    _, found = check({"size": 0, "mode": "X", "vpc": {"nope": 1}, "extra": 1})
    assert set(found) == {"name", "size", "mode", "vpc.ids", "vpc.nope", "extra"}


def test_defaults_and_spellings() -> None:
    checked, found = check({"name": 5, "size": "7", "on": "true", "vpc": {"ids": ["a"]}})
    assert not found
    assert checked == {
        "name": "5",
        "size": 7,
        "on": True,
        "mode": "API",
        "vpc": {"ids": ["a"], "public": True, DEFAULTS: ["public"]},
    }


@pytest.mark.parametrize("name", [name for name, declared in PROPERTIES.items() if not declared.output])
def test_an_unknown_passes_every_check(name: str) -> None:
    checked, found = check({"name": "x", name: UNKNOWN})
    assert not found
    assert checked[name] is UNKNOWN


def test_an_unknown_inside_hides_nothing_else() -> None:
    checked, found = check({"name": "x", "zones": [UNKNOWN, 1, []], "vpc": {"ids": UNKNOWN, "public": "no"}})
    assert set(found) == {"zones[2]", "vpc.public"}
    assert checked["zones"][0] is UNKNOWN


A, U, D = Kind.ADD, Kind.UPDATE, Kind.DELETE


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"name": "a"}, {"name": "a"}, []),
        ({"name": "a"}, {"name": "b"}, [Change(("name",), U, True)]),
        ({"name": "a"}, {"name": UNKNOWN}, [Change(("name",), U, True)]),
        ({}, {"on": True}, [Change(("on",), A)]),
        ({"on": True}, {}, [Change(("on",), D)]),
        ({"on": False}, {}, []),
        ({"left": ""}, {}, []),
        ({}, {"left": ""}, []),
        ({"size": 3}, {}, []),
        ({"size": 3}, {"size": 4}, [Change(("size",), U)]),
        ({"zones": ["a", "b"]}, {"zones": ["b", "a"]}, []),
        ({"zones": ["a", "b"]}, {"zones": ["b", "c"]}, [Change(("zones", 0), D), Change(("zones", 1), A)]),
        ({"zones": ["a", "b"]}, {"zones": ["a"]}, [Change(("zones", 1), D)]),
        ({"zones": ["a"]}, {"zones": ["a", UNKNOWN]}, [Change(("zones", 1), A)]),
        ({"zones": ["a"]}, {"zones": UNKNOWN}, [Change(("zones",), U)]),
        ({"steps": ["a", "b"]}, {"steps": ["b", "a"]}, [Change(("steps", 0), U), Change(("steps", 1), U)]),
        ({"tags": {"a": "1", "b": "2"}}, {"tags": {"b": "3", "c": "4"}}, None),
        ({"vpc": {"ids": ["a"], "public": True, "group": "g"}}, {"vpc": {"ids": ["a"], "public": True}}, []),
        ({"vpc": {"ids": ["a"], "public": True}}, {"vpc": {"ids": ["a"], "public": False}}, None),
        ({"vpc": {"ids": ["a"]}}, {}, [Change(("vpc",), D)]),
        ({"taints": [{"key": "a"}, {"key": "b"}]}, {"taints": [{"key": "b"}, {"key": "a"}]}, []),
        ({"arn": "x"}, {}, []),
    ],
)
def test_diff(old: Values, new: Values, changes: list[Change] | None) -> None:
    found = list(diff_properties(PROPERTIES, old, new))
    if changes is None:
        assert {change.path for change in found} in (
            {("tags", "a"), ("tags", "b"), ("tags", "c")},
            {("vpc", "public")},
        )
    else:
        assert found == changes


WORDS = st.sampled_from(["a", "b", "c", "d"])
GIVEN = st.fixed_dictionaries(
    {"name": WORDS},
    optional={
        "mode": st.sampled_from(["API", "CONFIG_MAP"]),
        "size": st.integers(1, 9),
        "on": st.booleans(),
        "zones": st.lists(WORDS, max_size=4, unique=True),
        "steps": st.lists(WORDS, max_size=3),
        "tags": st.dictionaries(WORDS, WORDS, max_size=3),
        "vpc": st.fixed_dictionaries({"ids": st.lists(WORDS, max_size=3)}, optional={"public": st.booleans()}),
        "taints": st.lists(st.fixed_dictionaries({"key": WORDS}, optional={"value": WORDS}), max_size=3),
    },
)


def plain(values: Values) -> Values:
    from local.plugins.base.properties import without_defaults

    return without_defaults(check(values)[0])


@given(GIVEN)
def test_what_is_as_it_should_be_has_no_diff(values: Values) -> None:
    new = plain(values)
    assert not list(diff_properties(PROPERTIES, new, new))


@given(GIVEN, st.randoms())
def test_the_order_of_sets_and_mappings_is_no_diff(values: Values, random: Any) -> None:
    new = plain(values)
    old = {key: new[key] for key in random.sample(list(new), len(new))}
    for key in ("zones", "taints"):
        if key in old:
            old[key] = random.sample(old[key], len(old[key]))
    assert not list(diff_properties(PROPERTIES, old, new))


@given(GIVEN, GIVEN)
def test_an_update_leads_to_no_diff(before: Values, after: Values) -> None:
    old, new = plain(before), plain(after)
    changes = list(diff_properties(PROPERTIES, old, new))
    updated = keep_unset(PROPERTIES, old, new)
    assert not list(diff_properties(PROPERTIES, updated, new))
    assert any(change.replace for change in changes) == (old["name"] != new["name"])


@given(GIVEN, st.sampled_from(sorted(set(PROPERTIES) - {"arn", "left", "right"})))
def test_an_unknown_is_always_a_change(values: Values, name: str) -> None:
    old = plain(values)
    changes = list(diff_properties(PROPERTIES, old, {**old, name: UNKNOWN}))
    assert [change.path for change in changes] == [(name,)]
    assert changes[0].replace == PROPERTIES[name].replace


@given(GIVEN)
def test_a_preview_keeps_what_is_given_and_leaves_the_rest_open(values: Values) -> None:
    new = plain(values)
    state = unknown_where_unset(PROPERTIES, new)
    assert state["arn"] is UNKNOWN
    assert all(state[key] == value for key, value in new.items() if key != "vpc")
    assert ("size" in new) == (state["size"] is not UNKNOWN)
    if "vpc" in new:
        assert state["vpc"] == {**new["vpc"], "group": UNKNOWN}
