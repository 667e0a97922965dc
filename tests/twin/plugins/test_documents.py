"""Policies that mean the same, and those that do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.plugins.aws.documents import policy, same_json, same_policy
from local.plugins.base.wire import UNKNOWN


def document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}})


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (document(Action="a:b", Resource="*"), document(Action=["a:b"], Resource=["*"])),
        (document(Action=["a:c", "a:b"]), document(Action=["a:b", "a:c"])),
        (document(Principal="*"), document(Principal={"AWS": "*"})),
        (document(Principal={"AWS": "123456789012"}), document(Principal={"AWS": "arn:aws:iam::123456789012:root"})),
        (
            document(Condition={"StringEquals": {"aws:SourceAccount": "1"}}),
            document(Condition={"StringEquals": {"AWS:SourceAccount": ["1"]}}),
        ),
        (document(Condition={"Bool": {"aws:x": True}}), document(Condition={"Bool": {"aws:x": "true"}})),
    ],
)
def test_the_same(left: str, right: str) -> None:
    assert same_policy(left, right)
    assert same_policy(left, json.dumps(json.loads(right), indent=4))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (document(Action="a:b"), document(Action="a:c")),
        (document(Action="a:b"), document(NotAction="a:b")),
        (document(Action="a:b"), document(Action=["a:b", "a:c"])),
        (document(Action="a:b"), document(Action="a:b", Sid="x")),
        (document(Principal={"AWS": "1"}), document(Principal={"Service": "1"})),
        (document(Principal="*"), document(Principal={"Federated": "*"})),
        (document(Action="a:b"), "no JSON"),
        ("[]", "{}"),
    ],
)
def test_not_the_same(left: str, right: str) -> None:
    assert not same_policy(left, right)


ACTIONS = st.lists(st.sampled_from(["s3:Get", "s3:Put", "iam:Get", "*"]), min_size=1, max_size=3, unique=True)
STATEMENTS = st.lists(
    st.fixed_dictionaries(
        {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": ACTIONS, "Resource": st.just(["*"])}
    ),
    min_size=1,
    max_size=3,
)


@given(STATEMENTS, st.randoms())
def test_order_means_nothing(statements: list[dict[str, Any]], random: Any) -> None:
    shuffled = [
        {**dict(random.sample(list(s.items()), len(s))), "Action": random.sample(s["Action"], len(s["Action"]))}
        for s in random.sample(statements, len(statements))
    ]
    assert same_policy(
        json.dumps({"Version": "2012-10-17", "Statement": statements}),
        json.dumps({"Statement": shuffled, "Version": "2012-10-17"}, indent=1),
    )


@given(STATEMENTS, STATEMENTS)
def test_effects_and_actions_mean_something(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> None:
    def meaning(statements: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
        return sorted((s["Effect"], sorted(s["Action"])) for s in statements)

    texts = [json.dumps({"Version": "2012-10-17", "Statement": statements}) for statements in (left, right)]
    assert same_policy(*texts) == (meaning(left) == meaning(right))


def test_json() -> None:
    assert same_json('{"a": 1, "b": [1, 2]}', '{"b":[1,2],"a":1}')
    assert not same_json('{"b": [1, 2]}', '{"b": [2, 1]}')
    assert not same_json("{", "{")


@pytest.mark.parametrize(
    ("value", "reason"), [("{", "is not valid JSON"), ("[]", "expected a JSON object"), ("", "is not valid JSON")]
)
def test_what_is_no_document(value: str, reason: str) -> None:
    found: list[str] = []
    policy().check(value, ("policy",), lambda _, text: found.append(text))
    assert len(found) == 1
    assert reason in found[0]


def test_a_document_may_be_an_object() -> None:
    found: list[str] = []
    text = policy().check({"Version": "2012-10-17"}, ("policy",), lambda _, reason: found.append(reason))
    assert (text, found) == ('{"Version":"2012-10-17"}', [])
    assert policy().check({"Version": UNKNOWN}, ("policy",), lambda _, reason: found.append(reason)) is UNKNOWN
