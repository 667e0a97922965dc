"""Properties that hold for every policy and request."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from local.aws.authorization.context import Context
from local.aws.authorization.evaluator import Policies, Request, evaluate
from local.aws.authorization.policy import Policy

from .builders import ACCOUNT, OTHER_ACCOUNT, PODS, ROLE_ARN, ROOT, SESSION, USER

ACTIONS = ["s3:GetObject", "s3:ListBucket", "sts:AssumeRole"]
RESOURCES = ["arn:aws:s3:::b", "arn:aws:s3:::b/k", "arn:aws:s3:::c/demo", "*"]
VALUES = ["demo", "other", "*"]


@st.composite
def statements(draw: st.DrawFn, with_principal: bool = False, effect: str | None = None) -> dict[str, Any]:
    actions = st.lists(st.sampled_from([*ACTIONS, "s3:*", "*", "S3:get?bject"]), min_size=1, max_size=2)
    resources = st.lists(
        st.sampled_from([*RESOURCES, "arn:aws:s3:::?/*", "arn:aws:s3:::c/${k}"]), min_size=1, max_size=2
    )
    found: dict[str, Any] = {
        "Effect": effect or draw(st.sampled_from(["Allow", "Deny"])),
        draw(st.sampled_from(["Action", "NotAction"])): draw(actions),
        draw(st.sampled_from(["Resource", "NotResource"])): draw(resources),
    }
    if draw(st.booleans()):
        operator = draw(
            st.sampled_from(
                [
                    "StringEquals",
                    "StringNotEquals",
                    "StringLikeIfExists",
                    "ForAllValues:StringEquals",
                    "ForAnyValue:StringLike",
                ]
            )
        )
        found["Condition"] = {
            operator: {"k": draw(st.lists(st.sampled_from([*VALUES, "${k}"]), min_size=1, max_size=2))}
        }
    if with_principal:
        names = st.lists(
            st.sampled_from([ACCOUNT, OTHER_ACCOUNT, ROLE_ARN, SESSION.arn, USER.arn]), min_size=1, max_size=3
        )
        found["Principal"] = draw(
            st.one_of(st.just("*"), names.map(lambda given: {"AWS": given}), st.just({"Service": PODS.arn}))
        )
    return found


def documents(with_principal: bool = False) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(statements(with_principal), max_size=3)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Request, dict[str, Any]]:
    keys = draw(st.one_of(st.none(), st.lists(st.sampled_from(VALUES), max_size=2)))
    request = Request(
        draw(st.sampled_from([ROOT, USER, SESSION, PODS])),
        draw(st.sampled_from(ACTIONS)),
        draw(st.sampled_from(RESOURCES)),
        Context({"k": keys}),
        draw(st.sampled_from([ACCOUNT, OTHER_ACCOUNT])),
    )
    optional = st.one_of(st.none(), documents())
    groups = {
        "identity": draw(documents()),
        "resource": draw(st.one_of(st.none(), documents(True))),
        "boundary": draw(optional),
        "session": draw(optional),
        "required": draw(st.booleans()),
    }
    return request, groups


def read(given: list[dict[str, Any]]) -> Policy:
    return Policy.parse({"Version": "2012-10-17", "Statement": given})


def run(request: Request, groups: dict[str, Any]) -> bool:
    return evaluate(
        request,
        Policies(
            identity=(read(groups["identity"]),),
            resource=None if groups["resource"] is None else read(groups["resource"]),
            boundary=None if groups["boundary"] is None else read(groups["boundary"]),
            session=None if groups["session"] is None else (read(groups["session"]),),
            resource_must_allow=groups["required"],
        ),
    ).allowed


@settings(max_examples=100, deadline=None)
@given(cases(), st.sampled_from(["identity", "resource", "boundary", "session"]))
def test_a_deny_that_applies_always_wins(case: tuple[Request, dict[str, Any]], where: str) -> None:
    request, groups = case
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*", **({"Principal": "*"} if where == "resource" else {})}
    assert not run(request, {**groups, where: [*(groups[where] or []), deny]})


@settings(max_examples=100, deadline=None)
@given(cases(), statements(effect="Allow"), st.sampled_from(["identity", "boundary", "session"]))
def test_one_more_allow_never_takes_away(
    case: tuple[Request, dict[str, Any]], more: dict[str, Any], where: str
) -> None:
    request, groups = case
    if groups[where] is not None and run(request, groups):
        assert run(request, {**groups, where: [*groups[where], more]})


@settings(max_examples=100, deadline=None)
@given(cases(), statements(with_principal=True, effect="Allow"))
def test_one_more_allow_of_the_resource_never_takes_away(
    case: tuple[Request, dict[str, Any]], more: dict[str, Any]
) -> None:
    request, groups = case
    if run(request, groups):
        assert run(request, {**groups, "resource": [*(groups["resource"] or []), more]})


@settings(max_examples=100, deadline=None)
@given(cases(), documents(), st.sampled_from(["boundary", "session"]))
def test_a_limit_never_grants(case: tuple[Request, dict[str, Any]], limit: list[dict[str, Any]], where: str) -> None:
    request, groups = case
    if run(request, {**groups, where: limit}):
        assert run(request, {**groups, where: None})


@settings(max_examples=100, deadline=None)
@given(cases())
def test_nothing_is_allowed_without_an_allow(case: tuple[Request, dict[str, Any]]) -> None:
    request, groups = case
    for name in ("identity", "resource", "boundary", "session"):
        if groups[name] is not None:
            groups[name] = [one for one in groups[name] if one["Effect"] == "Deny"]
    allowed = run(request, groups)
    assert not allowed or request.principal is ROOT
