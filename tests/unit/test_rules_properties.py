"""Ten thousand documents and more: what the builders write passes the rules and does on the twin's IAM what it should,
and what is broken is found."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from components import documents, rules
from components.rules import UNKNOWN, _actions, _iam
from local.aws.authorization.context import Context
from local.aws.authorization.evaluator import Policies, Request, evaluate
from local.aws.authorization.policy import Policy
from local.aws.authorization.principals import Kind, Principal

many = settings(
    max_examples=2600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)

ROLE = "arn:aws:iam::123456789012:role/demo"
PODS = Principal.service("pods.eks.amazonaws.com")
POD = Principal(
    Kind.ROLE_SESSION,
    "arn:aws:sts::123456789012:assumed-role/demo/pod",
    "123456789012",
    role_arn=ROLE,
    user_id="AROADEMO:pod",
    unique_id="AROADEMO",
)

# Numbers are drawn ten times as fast as texts; what a name may look like is judged elsewhere.
labels = st.integers(0, 10**6).map(lambda number: f"n-{number}")
names = st.integers(0, 10**6).map(lambda number: f"Name_{number}")
accounts = st.integers(1, 10**12 - 1).map(lambda number: f"{number:012}")
places = st.sampled_from([("aws", "eu-west-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")])
clusters = st.builds(
    lambda at, account, name: documents.cluster_arn(at[0], at[1], account, name), places, accounts, names
)
trusts = st.fixed_dictionaries(
    {"cluster_arns": st.lists(clusters, min_size=1, max_size=4, unique=True)},
    optional={
        "namespaces": st.lists(labels, min_size=1, max_size=3, unique=True),
        "service_accounts": st.lists(labels, min_size=1, max_size=3, unique=True),
        "organization_id": st.integers(1, 10**9).map(lambda number: f"o-{number:010}"),
    },
)


def may_assume(
    document: Mapping[str, Any], cluster: str, namespace: str, account: str, organization: str | None
) -> bool:
    """Whether the twin gives the role to a pod of this cluster, namespace and ServiceAccount."""
    context = Context(
        {
            "aws:SourceArn": cluster,
            "aws:SourceAccount": cluster.split(":")[4],
            "aws:SourceOrgID": organization,
            "aws:RequestTag/kubernetes-namespace": namespace,
            "aws:RequestTag/kubernetes-service-account": account,
        }
    )
    policies = Policies.trust(Policy.parse(document))
    return all(
        evaluate(Request(PODS, action, ROLE, context), policies).allowed
        for action in ("sts:AssumeRole", "sts:TagSession")
    )


@many
@given(trusts, clusters, labels, labels, st.data())
def test_trust_as_it_is_built(
    arguments: dict[str, Any], elsewhere: str, namespace: str, account: str, data: Any
) -> None:
    arns = arguments.pop("cluster_arns")
    document = documents.trust(arns, **arguments)
    assume(len(documents.to_json(document)) <= rules.TRUST_POLICY_SIZE)
    assert rules.judge_trust(document, required=True) == []
    organization = arguments.get("organization_id")
    inside = (
        data.draw(st.sampled_from(arns)),
        data.draw(st.sampled_from(arguments.get("namespaces", [namespace]))),
        data.draw(st.sampled_from(arguments.get("service_accounts", [account]))),
        organization,
    )
    assert may_assume(document, *inside)
    if elsewhere not in arns:
        assert not may_assume(document, elsewhere, *inside[1:])
    if namespace not in arguments.get("namespaces", [namespace]):
        assert not may_assume(document, inside[0], namespace, *inside[2:])
    if account not in arguments.get("service_accounts", [account]):
        assert not may_assume(document, *inside[:2], account, organization)
    if organization:
        assert not may_assume(document, *inside[:3], "o-0000000000")
    disabled = rules.judge_trust(document, disable_session_tags=True)
    assert {f.rule for f in disabled} <= {"trust-needs-session-tags"}
    assert bool(disabled) is bool({"namespaces", "service_accounts"} & set(arguments))


def _with(**changes: Any) -> Any:
    return lambda statement: {**statement, **changes}


def _condition(operator: str, key: str, value: Any) -> Any:
    def change(statement: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: dict(tests) for name, tests in statement["Condition"].items()}
        for tests in given.values():
            tests.pop(key, None)
        given.setdefault(operator, {})[key] = value
        return {**statement, "Condition": given}

    return change


BROKEN_TRUSTS = {
    "trust-actions": [_with(Action="sts:AssumeRole"), _with(Action=["sts:TagSession"]), _with(Action="sts:*"), _with(Action=["sts:AssumeRole", "sts:TagSession", "sts:AssumeRoleWithSAML"])],
    "trust-unscoped": [_with(Condition={}), _with(Condition={"ArnLike": {"aws:SourceArn": "*"}}), _with(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:eks:*:*:cluster/*"}})],
    "trust-anyone": [_with(Principal="*", Condition={}), _with(Principal={"AWS": "*"}, Condition={})],
    "trust-principal": [_with(Principal={"Service": "eks-pods.amazonaws.com"}), _with(Principal={"Service": "pods.eks.amazonaws.com.cn"})],
    "trust-source-arn": [_condition("ArnEquals", "aws:SourceArn", "arn:aws:eks:eu-west-1:123456789012:podidentityassociation/demo/a-1")],
    "trust-contradiction": [_condition("StringEquals", "aws:SourceAccount", "000000000001")],
    "trust-wildcard": [_condition("StringEquals", "aws:SourceArn", "arn:aws:eks:*:123456789012:cluster/demo")],
    "trust-session-tag": [_condition("StringEquals", "aws:RequestTag/namespace", "demo"), _condition("StringEquals", "aws:PrincipalTag/kubernetes-namespace", "demo")],
    "trust-external-id": [_condition("StringEquals", "sts:ExternalId", "demo")],
}  # fmt: skip


@many
@given(trusts, st.sampled_from([(rule, change) for rule, changes in BROKEN_TRUSTS.items() for change in changes]))
def test_trust_that_is_broken(arguments: dict[str, Any], broken: tuple[str, Any]) -> None:
    rule, change = broken
    arns = arguments.pop("cluster_arns")
    assume(not any(":000000000001:" in arn for arn in arns))
    (statement,) = documents.trust(arns, **arguments)["Statement"]
    document = {"Version": "2012-10-17", "Statement": [change(statement)]}
    assert rule in {finding.rule for finding in rules.judge_trust(document)}
    # The same as text, and beside a statement that is right.
    (other,) = documents.service_trust("ec2.amazonaws.com")["Statement"]
    beside = {"Version": "2012-10-17", "Statement": [other, change(statement)]}
    assert rule in {finding.rule for finding in rules.judge_trust(documents.to_json(beside))}


@functools.cache
def limitable() -> list[tuple[str, str]]:
    """Actions that take resources, each with the form of one ARN."""
    prefixes = ("s3", "sqs", "sns", "dynamodb", "secretsmanager", "ssm", "kms", "ec2", "eks", "lambda", "logs", "iam")
    found = []
    for prefix in prefixes:
        service = _actions.service(prefix)
        assert service is not None
        for action in service.actions.values():
            found += [(f"{prefix}:{action.name}", service.arns[kind]) for kind in action.resource_types]
    return [(action, arn) for action, arn in found if action != "iam:PassRole"]


@st.composite
def permitted(draw: st.DrawFn) -> tuple[str, str]:
    """An action, and an ARN that it takes."""
    action, form = draw(st.sampled_from(limitable()))
    partition, region = draw(places)
    fixed = {"Partition": partition, "Region": region, "Account": draw(accounts)}
    arn = re.sub(r"\$\{(\w+)\}", lambda name: fixed.get(name[1]) or draw(names).lower(), form)
    assume(not _iam.is_every_resource(arn) and "*" not in arn and "?" not in arn)
    return action, arn


def is_allowed(document: Mapping[str, Any], action: str, resource: str) -> bool:
    return evaluate(Request(POD, action, resource), Policies(identity=(Policy.parse(document),))).allowed


@many
@given(st.lists(permitted(), min_size=1, max_size=4), permitted())
def test_permissions_that_are_least(chosen: Sequence[tuple[str, str]], other: tuple[str, str]) -> None:
    statements = [{"Effect": "Allow", "Action": [action], "Resource": [arn]} for action, arn in chosen]
    document = documents.permissions(statements)
    assert rules.judge_policy_document(document) == []
    for action, arn in chosen:
        assert is_allowed(document, action, arn)
        assert not is_allowed(document, action, f"{arn}-other")
    if all(other[0] != action for action, _ in chosen):
        assert not is_allowed(document, *other)


BROKEN_STATEMENTS = {
    "iam-action": lambda s: {**s, "Action": [f"{s['Action'][0]}Xyzzy"]},
    "iam-all-actions": lambda s: {**s, "Action": ["*"]},
    "iam-service-wildcard": lambda s: {**s, "Action": [s["Action"][0].partition(":")[0] + ":*"]},
    "iam-resource-wildcard": lambda s: {**s, "Resource": "*"},
    "iam-not-resource": lambda s: {"Effect": "Allow", "Action": s["Action"], "NotResource": s["Resource"]},
    "iam-not-action": lambda s: {"Effect": "Allow", "NotAction": s["Action"], "Resource": s["Resource"]},
    "iam-resource-mismatch": lambda s: {**s, "Resource": ["arn:aws:chatbot::123456789012:no-such/thing"]},
    "iam-pass-role": lambda s: {**s, "Action": [*s["Action"], "iam:PassRole"], "Resource": "arn:aws:iam::123456789012:role/*"},
    "statement": lambda s: {**s, "Resource": []},
}  # fmt: skip


@many
@given(st.lists(permitted(), min_size=1, max_size=4), st.sampled_from(list(BROKEN_STATEMENTS)), st.booleans())
def test_permissions_that_are_broken(chosen: Sequence[tuple[str, str]], rule: str, beside_unknown: bool) -> None:
    first, *others = [{"Effect": "Allow", "Action": [action], "Resource": [arn]} for action, arn in chosen]
    broken = BROKEN_STATEMENTS[rule](first)
    statements = [*others, broken, *([UNKNOWN] if beside_unknown else [])]
    found = [finding for finding in rules.judge_permissions(statements) if finding.rule == rule]
    assert found
    assert found[0].property.startswith(f"statements[{len(others)}]")


def test_it_is_ten_thousand_and_more() -> None:
    assert 4 * many.max_examples > 10_000


@pytest.mark.parametrize("session_tags", [True, False])
def test_both_sides_of_a_target_role(session_tags: bool) -> None:
    target = "arn:aws:iam::210987654321:role/target"
    cluster = documents.cluster_arn("aws", "eu-west-1", "123456789012", "demo")
    external_id = documents.external_id(cluster, "demo-ns", "demo-sa")
    assert external_id == "eu-west-1/123456789012/demo/demo-ns/demo-sa"
    own = documents.permissions(documents.chaining([target], session_tags=session_tags))
    assert rules.judge_policy_document(own) == []
    trust = (
        documents.target_trust(ROLE, namespaces=["demo-ns"])
        if session_tags
        else documents.target_trust(ROLE, external_ids=[external_id])
    )
    judged = {"role_arn": ROLE, "external_id": external_id, "disable_session_tags": not session_tags}
    assert rules.judge_target_trust(trust, **judged) == []
    for namespace, allowed in (("demo-ns", True), ("other", False)):
        sent = {"sts:ExternalId": documents.external_id(cluster, namespace, "demo-sa")}
        if session_tags:
            sent = {"aws:RequestTag/kubernetes-namespace": namespace}
        of_caller = Policies(identity=(Policy.parse(own),))
        request = Request(POD, "sts:AssumeRole", target, Context(sent), resource_account="210987654321")
        assert evaluate(request, Policies.trust(Policy.parse(trust), of_caller)).allowed is allowed


def test_a_target_role_compares_tags_or_an_external_id() -> None:
    with pytest.raises(ValueError, match="one or the other"):
        documents.target_trust(ROLE, external_ids=["x"], namespaces=["y"])
    with pytest.raises(ValueError, match="not the ARN"):
        documents.external_id("demo", "a", "b")
