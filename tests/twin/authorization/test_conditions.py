"""Every condition operator, with and without the key.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.aws.authorization.conditions import _OPERATORS, parse_conditions
from local.aws.authorization.context import Context

ARN = "arn:aws:eks:eu-west-1:111122223333:cluster/demo"


def holds(operator: str, wanted: Any, value: Any) -> bool:
    (test,) = parse_conditions({operator: {"k": wanted}})
    return test.holds(Context({"k": value}))


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringEqualsIgnoreCase", "aB", "Ab", True),
        ("StringNotEqualsIgnoreCase", "aB", "Ab", False),
        ("StringLike", "a*", "abc", True),
        ("StringLike", "a?", "abc", False),
        ("StringLike", "A*", "abc", False),
        ("StringNotLike", "a*", "abc", False),
        ("StringNotLike", ["x*", "y*"], "abc", True),
        ("NumericEquals", "10", "10.0", True),
        ("NumericEquals", 10, 10, True),
        ("NumericEquals", "10", "ten", False),
        ("NumericNotEquals", "10", "11", True),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "9", "10", True),
        ("NumericGreaterThanEquals", "10", "9", False),
        ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True),
        ("DateNotEquals", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", True),
        ("DateLessThan", "2026-01-02T00:00:00Z", "2026-01-01T23:59:59Z", True),
        ("DateLessThanEquals", "2026-01-02", "2026-01-02T00:00:00Z", True),
        ("DateGreaterThan", "1767225600", "2026-01-01T00:00:01Z", True),
        ("DateGreaterThanEquals", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z", True),
        ("DateLessThan", "tomorrow", "2026-01-01T00:00:00Z", False),
        ("Bool", "true", "true", True),
        ("Bool", True, True, True),
        ("Bool", "true", "false", False),
        ("Bool", "TRUE", "true", True),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
        ("BinaryEquals", "QmluYXJ5", "b3RoZXI=", False),
        ("BinaryEquals", "not base64!", "QmluYXJ5", False),
        ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
        ("IpAddress", "203.0.113.0/24", "203.0.114.9", False),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("IpAddress", "2001:db8::/32", "203.0.113.9", False),
        ("IpAddress", "203.0.113.9", "203.0.113.9", True),
        ("NotIpAddress", "203.0.113.0/24", "203.0.113.9", False),
        ("ArnEquals", ARN, ARN, True),
        ("ArnEquals", "arn:aws:eks:*:111122223333:cluster/*", ARN, True),
        ("ArnLike", "arn:aws:eks:eu-west-?:111122223333:cluster/demo", ARN, True),
        ("ArnLike", "arn:aws:*:cluster/demo", ARN, False),
        ("ArnLike", "*", ARN, False),
        ("ArnNotEquals", ARN, ARN, False),
        ("ArnNotLike", "arn:aws:eks:*:*:cluster/other", ARN, True),
        ("stringequals", "a", "a", True),
        # Several values in the request.
        ("ForAllValues:StringEquals", ["a", "b"], ["a"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAnyValue:StringEquals", ["a", "b"], ["c", "a"], True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["c"], False),
        ("ForAllValues:StringNotEquals", ["a"], ["b", "c"], True),
        ("ForAllValues:StringNotEquals", ["a"], ["a", "c"], False),
        ("ForAnyValue:StringNotEquals", ["a"], ["a", "c"], True),
        ("ForAnyValue:StringNotEquals", ["a"], ["a"], False),
        ("ForAnyValue:StringLike", "kube*", ["kubernetes-namespace", "x"], True),
        ("ForAllValues:StringLike", "kube*", ["kubernetes-namespace", "x"], False),
    ],
)
def test_a_key_that_is_there(operator: str, wanted: Any, value: Any, expected: bool) -> None:
    assert holds(operator, wanted, value) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("StringEquals", False),
        ("StringLike", False),
        ("StringNotEquals", True),
        ("StringNotLike", True),
        ("StringNotEqualsIgnoreCase", True),
        ("NumericEquals", False),
        ("NumericNotEquals", True),
        ("DateLessThan", False),
        ("DateNotEquals", True),
        ("Bool", False),
        ("BinaryEquals", False),
        ("IpAddress", False),
        ("NotIpAddress", True),
        ("ArnLike", False),
        ("ArnNotEquals", True),
        ("StringEqualsIfExists", True),
        ("NumericLessThanIfExists", True),
        ("BoolIfExists", True),
        ("ArnNotLikeIfExists", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringNotEquals", False),
        ("ForAnyValue:StringEqualsIfExists", True),
    ],
)
@pytest.mark.parametrize("value", [None, ()], ids=["absent", "without values"])
def test_a_key_that_is_not_there(operator: str, expected: bool, value: Any) -> None:
    assert holds(operator, "1", value) is expected


@pytest.mark.parametrize(
    ("wanted", "value", "expected"),
    [("true", None, True), ("false", None, False), ("true", "x", False), ("false", "x", True), (True, None, True)],
)
def test_null(wanted: Any, value: Any, expected: bool) -> None:
    assert holds("Null", wanted, value) is expected


def test_all_operators_and_all_keys_must_hold() -> None:
    tests = parse_conditions({"StringEquals": {"a": "1", "b": ["2", "3"]}, "Bool": {"c": "true"}})

    def all_hold(**values: Any) -> bool:
        return all(test.holds(Context(values)) for test in tests)

    assert all_hold(a="1", b="3", c=True)
    assert not all_hold(a="1", b="4", c=True)
    assert not all_hold(a="1", b="3", c=False)
    assert not all_hold(a="2", b="3", c=True)


def test_key_names_do_not_distinguish_case() -> None:
    (test,) = parse_conditions({"StringEquals": {"AWS:principaltag/TEAM": "red"}})
    assert test.holds(Context({"aws:PrincipalTag/team": "red"}))


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "keys", "expected"),
    [
        ("StringEquals", "${aws:PrincipalTag/ns}", "demo", {"aws:PrincipalTag/ns": "demo"}, True),
        ("StringLike", "${aws:PrincipalTag/ns}/*", "demo/x", {"aws:PrincipalTag/ns": "demo"}, True),
        ("StringLike", "${aws:PrincipalTag/ns}", "demo", {"aws:PrincipalTag/ns": "*"}, False),
        ("StringEquals", "${aws:PrincipalTag/ns}", "demo", {}, False),
        ("StringNotEquals", "${aws:PrincipalTag/ns}", "demo", {}, True),
        ("StringEquals", "${aws:PrincipalTag/ns, 'demo'}", "demo", {}, True),
        ("ArnLike", "arn:aws:eks:*:*:cluster/${aws:PrincipalTag/c}", ARN, {"aws:PrincipalTag/c": "demo"}, True),
        ("ArnLike", "${aws:PrincipalTag/c}", ARN, {"aws:PrincipalTag/c": ARN}, True),
        ("NumericEquals", "${aws:PrincipalTag/n}", "1", {"aws:PrincipalTag/n": "1"}, False),
    ],
)
def test_variables_in_values(operator: str, wanted: str, value: str, keys: dict[str, str], expected: bool) -> None:
    (test,) = parse_conditions({operator: {"k": wanted}})
    assert test.holds(Context({"k": value, **keys})) is expected


SOME_TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["NaN", "inf", "1e999999999", "99999999999999999999", "2026-13-01", "2026-01-01", "::1", "1.2.3.4/33", "${", "${a", "${a}", "*", "true", "=="]),
)  # fmt: skip


@given(
    st.sampled_from(sorted(_OPERATORS)), st.sampled_from(["", "ForAllValues:", "ForAnyValue:"]), SOME_TEXT, SOME_TEXT
)
def test_no_value_is_too_strange(operator: str, qualifier: str, wanted: str, value: str) -> None:
    """What cannot be compared is unequal, never an error; and a negated operator is its positive one's opposite."""
    (test,) = parse_conditions({f"{qualifier}{operator}": {"k": wanted}})
    outcome = test.holds(Context({"k": value}))
    opposite = operator.replace("not", "")
    if opposite != operator:
        (positive,) = parse_conditions({f"{qualifier}{opposite}": {"k": wanted}})
        assert positive.holds(Context({"k": value})) is not outcome
    else:
        assert outcome in (True, False)
