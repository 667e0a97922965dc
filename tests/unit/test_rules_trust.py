"""Trust policies, ours and anybody's, by table."""

from typing import Any

import pytest

from components import documents, rules
from components.rules import UNKNOWN, Severity

ACCOUNT, OTHER = "123456789012", "210987654321"
CLUSTER = f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/demo"
ROLE, TARGET = f"arn:aws:iam::{ACCOUNT}:role/demo", f"arn:aws:iam::{OTHER}:role/target"
SERVICE = {"Service": "pods.eks.amazonaws.com"}
BOTH = ["sts:AssumeRole", "sts:TagSession"]
SCOPE = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": CLUSTER}}
EXTERNAL_ID = f"eu-west-1/{ACCOUNT}/demo/demo-ns/demo-sa"


def document(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trust(**changes: Any) -> dict[str, Any]:
    return document({"Effect": "Allow", "Principal": SERVICE, "Action": BOTH, "Condition": SCOPE} | changes)


def scoped(operator: str, key: str, value: Any) -> dict[str, Any]:
    given: dict[str, Any] = {**SCOPE, operator: {**SCOPE.get(operator, {}), key: value}}
    return trust(Condition=given)


def only(operator: str, key: str, value: Any) -> dict[str, Any]:
    return trust(Condition={operator: {key: value}})


def found(value: Any, **more: Any) -> set[str]:
    return {finding.rule for finding in rules.judge_trust(value, **more)}


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (trust(), set()),
        (documents.to_json(trust()), set()),
        (trust(Action=["STS:assumerole", "sts:TagSession"]), set()),
        # In two statements, as consoles write them.
        (document(*(trust(Action=action)["Statement"][0] for action in BOTH)), set()),
        # Actions.
        (trust(Action="sts:AssumeRole"), {"trust-actions"}),
        (trust(Action="sts:TagSession"), {"trust-actions"}),
        (trust(Action="sts:*"), {"trust-actions"}),
        (trust(Action=[*BOTH, "sts:SetSourceIdentity"]), {"trust-actions"}),
        (trust(Action=[]), {"trust-actions"}),
        # Principals.
        (trust(Principal={"Service": "eks-pods.amazonaws.com"}), {"trust-principal"}),
        (trust(Principal={"Service": "pods.eks.amazonaws.com.cn"}), {"trust-principal"}),
        (trust(Principal={"Service": "eks.amazonaws.com"}), set()),
        (trust(Principal={"Service": "eks-fargate-pods.amazonaws.com"}), set()),
        (trust(Principal={"Service": ["ec2.amazonaws.com", "pods.eks.amazonaws.com"]}), set()),
        (trust(Principal="*", Condition={}), {"trust-anyone"}),
        (trust(Principal={"AWS": "*"}, Condition={}), {"trust-anyone"}),
        (trust(Principal={"AWS": ["*", ROLE]}, Condition={}), {"trust-anyone"}),
        (trust(Principal={"AWS": "*"}, Condition={"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}), set()),
        (trust(Principal={"AWS": ROLE}, Condition={}), set()),
        (document({**trust(Condition={})["Statement"][0], "Effect": "Deny"}), set()),
        # No scope, or one that limits nothing.
        (trust(Condition={}), {"trust-unscoped"}),
        (trust(Condition=None), {"trust-unscoped"}),
        (only("ArnLike", "aws:SourceArn", "*"), {"trust-unscoped"}),
        (only("ArnLike", "aws:SourceArn", "arn:aws:eks:*:*:cluster/*"), {"trust-unscoped"}),
        (only("StringLike", "aws:SourceAccount", "*"), {"trust-unscoped"}),
        (only("StringEqualsIfExists", "aws:SourceAccount", ACCOUNT), {"trust-unscoped"}),
        (only("StringNotEquals", "aws:SourceAccount", ACCOUNT), {"trust-unscoped"}),
        (only("Bool", "aws:SecureTransport", "true"), {"trust-unscoped"}),
        (only("StringEquals", "aws:RequestTag/kubernetes-namespace", "demo-ns"), {"trust-unscoped"}),
        (only("StringEquals", "aws:RequestTag/eks-cluster-arn", CLUSTER), {"trust-scope"}),
        (only("StringEquals", "aws:SourceOrgID", "o-a1b2c3d4e5"), {"trust-scope"}),
        (only("StringEquals", "aws:SourceAccount", ACCOUNT), {"trust-scope"}),
        (only("ArnEquals", "aws:SourceArn", CLUSTER), {"trust-scope"}),
        # The cluster's ARN.
        (scoped("ArnEquals", "aws:SourceArn", CLUSTER.replace("cluster/demo", "podidentityassociation/demo/a-1")), {"trust-source-arn"}),
        (scoped("ArnEquals", "aws:SourceArn", ROLE), {"trust-source-arn"}),
        (scoped("ArnEquals", "aws:SourceArn", [CLUSTER, "arn:aws:eks:eu-west-1"]), {"trust-source-arn"}),
        (scoped("ArnEquals", "aws:SourceArn", "demo"), {"trust-source-arn", "trust-wildcard"}),
        (scoped("ArnLike", "aws:SourceArn", f"arn:aws:eks:*:{ACCOUNT}:cluster/demo-*"), set()),
        (scoped("StringEquals", "aws:SourceArn", CLUSTER), set()),
        (scoped("StringEquals", "aws:SourceArn", CLUSTER[:-1] + "*"), {"trust-wildcard"}),
        (scoped("NumericEquals", "aws:SourceArn", CLUSTER), {"trust-wildcard"}),
        (scoped("ArnEquals", "aws:SourceArn", CLUSTER.replace(ACCOUNT, OTHER)), {"trust-contradiction"}),
        (scoped("StringEquals", "aws:SourceAccount", OTHER), {"trust-contradiction"}),
        (scoped("StringEquals", "aws:SourceAccount", [ACCOUNT, OTHER]), set()),
        (scoped("StringEquals", "aws:SourceAccount", "12345678901"), {"trust-source-account"}),
        (scoped("StringEquals", "aws:SourceAccount", "demo"), {"trust-source-account"}),
        (scoped("StringEquals", "aws:SourceOrgID", "o-a1b2c3d4e5"), set()),
        (scoped("StringEquals", "aws:SourceOrgID", "r-a1b2"), {"trust-organization"}),
        # Session tags.
        (scoped("StringEquals", "aws:RequestTag/kubernetes-namespace", "demo-ns"), set()),
        (scoped("StringEquals", "aws:requesttag/Kubernetes-Namespace", "demo-ns"), set()),
        (scoped("StringEquals", "aws:RequestTag/namespace", "demo-ns"), {"trust-session-tag"}),
        (scoped("StringEquals", "aws:PrincipalTag/kubernetes-namespace", "demo-ns"), {"trust-session-tag"}),
        (scoped("StringEquals", "aws:RequestTag/kubernetes-namespace", "team-*"), {"trust-wildcard"}),
        (scoped("StringLike", "aws:RequestTag/kubernetes-namespace", "team-*"), set()),
        (scoped("StringEquals", "sts:ExternalId", EXTERNAL_ID), {"trust-external-id"}),
        # OIDC providers.
        (trust(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A"}), {"trust-federated-subject"}),
        (trust(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/x"}, Condition={"StringLike": {"x:sub": "*"}}), {"trust-federated-subject"}),
        (trust(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/x"}, Condition={"StringEquals": {"x:sub": "system:serviceaccount:a:b"}}), set()),
        # Forms.
        ("{", {"document-json"}),
        ({"Statement": trust()["Statement"]}, {"policy-version"}),
        (trust(Sid="x" * 2048), {"document-size"}),
    ],
)  # fmt: skip
def test_trust(value: Any, ids: set[str]) -> None:
    assert found(value) == ids


@pytest.mark.parametrize(
    "value",
    [
        UNKNOWN,
        None,
        document(UNKNOWN),
        {"Version": "2012-10-17", "Statement": UNKNOWN},
        trust(Principal=UNKNOWN),
        trust(Principal={"Service": UNKNOWN}),
        trust(Condition=UNKNOWN),
        trust(Effect=UNKNOWN),
        trust(Action=[BOTH[0], UNKNOWN]),
        scoped("ArnEquals", "aws:SourceArn", UNKNOWN),
        scoped("ArnEquals", "aws:SourceArn", [UNKNOWN]),
        trust(Condition={"ArnEquals": UNKNOWN, "StringEquals": {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": CLUSTER}}),
    ],
)  # fmt: skip
def test_what_is_not_known_is_no_finding(value: Any) -> None:
    assert found(value, required=value is not None) == set()


def test_what_is_not_known_hides_nothing() -> None:
    value = trust(
        Principal={"Service": ["pods.eks.amazonaws.com", UNKNOWN]}, Action="sts:AssumeRole", Condition=UNKNOWN
    )
    assert found(value) == {"trust-actions"}


@pytest.mark.parametrize("disabled", [True, False, None, UNKNOWN])
def test_session_tags_that_are_disabled_cannot_be_asked_for(disabled: Any) -> None:
    value = scoped("StringEquals", "aws:RequestTag/kubernetes-namespace", "demo-ns")
    assert found(value, disable_session_tags=disabled) == ({"trust-needs-session-tags"} if disabled is True else set())
    loose = scoped("StringEqualsIfExists", "aws:RequestTag/kubernetes-namespace", "demo-ns")
    assert found(loose, disable_session_tags=disabled) == set()


@pytest.mark.parametrize(("value", "trusted"), [(trust(), True), (trust(Principal={"AWS": ROLE}), False), (trust(Principal=UNKNOWN), UNKNOWN), (UNKNOWN, UNKNOWN), ("{", False), (None, False)])  # fmt: skip
def test_whether_pods_may_have_the_role(value: Any, trusted: Any) -> None:
    assert rules.trusts_pod_identity(value) is trusted
    assert ("association-trust" in found(value, required=True)) is (trusted is False and value not in ("{", None))


def test_findings_stand_where_the_key_is_spelt() -> None:
    (finding,) = rules.judge_trust(scoped("StringEquals", "aws:SourceOrgID", "r-1"), "trust")
    assert finding.property == "trust.Statement[0].Condition.aws:SourceOrgID"
    assert finding.severity is Severity.ERROR
    assert finding.page


# Target roles ----------------------------------------------------------------------------------------------------------


def target(**changes: Any) -> dict[str, Any]:
    (statement,) = documents.target_trust(ROLE, external_ids=[EXTERNAL_ID])["Statement"]
    return document({**statement, **changes})


@pytest.mark.parametrize(
    ("value", "disabled", "ids"),
    [
        (target(), True, set()),
        (target(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}), True, set()),
        (target(Principal={"AWS": ACCOUNT}), True, set()),
        (target(Principal={"AWS": TARGET}), True, {"chaining-trust"}),
        (target(Effect="Deny"), True, {"chaining-trust"}),
        (target(Principal=UNKNOWN), True, set()),
        (UNKNOWN, True, set()),
        (target(Condition={}), True, {"chaining-unscoped"}),
        (target(Condition=UNKNOWN), True, set()),
        (target(Condition={"StringEquals": {"sts:ExternalId": EXTERNAL_ID + "x"}}), True, {"chaining-external-id"}),
        (target(Condition={"StringLike": {"sts:ExternalId": f"eu-west-1/{ACCOUNT}/demo/*"}}), True, set()),
        (target(), False, {"chaining-trust", "chaining-external-id"}),
        (target(Action=BOTH), False, {"chaining-external-id"}),
        (documents.target_trust(ROLE), False, set()),
        (documents.target_trust(ROLE, namespaces=["demo-ns"], cluster_arns=[CLUSTER]), False, set()),
    ],
)
def test_target_roles(value: Any, disabled: bool, ids: set[str]) -> None:
    findings = rules.judge_target_trust(value, role_arn=ROLE, external_id=EXTERNAL_ID, disable_session_tags=disabled)
    assert {finding.rule for finding in findings} == ids
    assert rules.judge_target_trust(value, role_arn=UNKNOWN, external_id=UNKNOWN, disable_session_tags=disabled) == []


@pytest.mark.parametrize(
    ("role", "account", "chained", "ids"),
    [
        (ROLE, ACCOUNT, None, set()),
        (ROLE, OTHER, None, {"role-account"}),
        (ROLE, ACCOUNT, TARGET, set()),
        (ROLE, ACCOUNT, ROLE, {"chaining-self"}),
        (UNKNOWN, ACCOUNT, TARGET, set()),
        (ROLE, UNKNOWN, UNKNOWN, set()),
        ("demo", ACCOUNT, None, set()),
    ],
)
def test_roles_of_other_accounts_are_target_roles(role: Any, account: Any, chained: Any, ids: set[str]) -> None:
    findings = rules.judge_role_account(role, account, target_role_arn=chained)
    assert {finding.rule for finding in findings} == ids
