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
        (trust(Action=[]), {"trust-actions", "statement"}),
        # Principals.
        (trust(Principal={"Service": "eks-pods.amazonaws.com"}), {"trust-principal"}),
        (trust(Principal={"Service": "pods.eks.amazonaws.com.cn"}), {"trust-principal"}),
        (trust(Principal={"Service": "eks.amazonaws.com"}), set()),
        (trust(Principal={"Service": "eks-fargate-pods.amazonaws.com"}), set()),
        (trust(Principal={"Service": ["ec2.amazonaws.com", "pods.eks.amazonaws.com"]}), set()),
        (trust(Principal="*", Condition={}), {"trust-anyone"}),
        (trust(Principal={"AWS": "*"}, Condition={}), {"trust-anyone"}),
        (trust(Principal={"AWS": ["*", ROLE]}, Condition={}), {"trust-anyone"}),
        (trust(Principal={"Federated": "*"}, Condition={}), {"trust-anyone"}),
        # … whatever is asked of them, unless it says who they are.
        *((trust(Principal={"AWS": "*"}, Condition=condition), ids) for condition, ids in (
            ({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, set()),
            ({"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}}, set()),
            ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/r-1/*"}}, set()),
            ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}, set()),
            ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}}, set()),
            ({"StringLike": {"aws:userid": "AROAEXAMPLEEXAMPLE:*"}}, set()),
            ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, set()),
            ({"StringEquals": {"aws:PrincipalOrgID": UNKNOWN}}, set()),
            ({"StringEquals": UNKNOWN}, set()),
            ({"Bool": {"aws:SecureTransport": "true"}}, {"trust-anyone"}),
            ({"Bool": {"aws:SecureTransport": UNKNOWN}}, {"trust-anyone"}),
            ({"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, {"trust-anyone"}),
            ({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, {"trust-anyone"}),
            ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, {"trust-anyone"}),
            ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "*/r-1/*"}}, {"trust-anyone"}),
            ({"StringLike": {"aws:PrincipalAccount": "????????????"}}, {"trust-anyone"}),
            ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/demo"}}, {"trust-anyone"}),
            ({"StringLike": {"aws:userid": "*:demo"}}, {"trust-anyone"}),
            ({"StringEquals": {"aws:PrincipalTag/team": "demo"}}, {"trust-anyone"}),
            ({"StringEquals": {"sts:ExternalId": "secret"}}, {"trust-anyone"}),
            ({"Null": {"aws:PrincipalOrgID": "false"}}, {"trust-anyone"}),
        )),
        (trust(Principal={"AWS": ROLE}, Condition={}), set()),
        (document({**trust(Condition={})["Statement"][0], "Effect": "Deny"}), set()),
        # No scope, or one that limits nothing.
        (trust(Condition={}), {"trust-unscoped"}),
        (trust(Condition=None), {"trust-unscoped", "statement"}),
        (only("ArnLike", "aws:SourceArn", "*"), {"trust-unscoped"}),
        (only("ArnLike", "aws:SourceArn", "arn:aws:eks:*:*:cluster/*"), {"trust-unscoped"}),
        (only("StringLike", "aws:SourceAccount", "*"), {"trust-unscoped"}),
        (only("StringLike", "aws:SourceAccount", "????????????"), {"trust-unscoped"}),
        (only("StringLike", "aws:SourceAccount", "1*"), {"trust-unscoped"}),
        (only("StringLike", "aws:SourceAccount", [ACCOUNT, "1*"]), {"trust-unscoped"}),
        (only("ArnLike", "aws:SourceArn", "arn:aws:eks:eu-west-1:1*:cluster/*"), {"trust-unscoped"}),
        (only("ArnLike", "aws:SourceArn", f"arn:aws:eks:eu-west-1:{ACCOUNT[:-1]}?:cluster/demo"), {"trust-unscoped"}),
        (only("StringLike", "aws:SourceArn", "arn:aws:eks:*"), {"trust-unscoped"}),
        (only("StringLike", "aws:SourceOrgID", "o-*"), {"trust-unscoped"}),
        (only("ForAnyValue:StringLike", "aws:SourceOrgPaths", "o-a1b2c3d4e5/*"), {"trust-scope"}),
        (only("ForAnyValue:StringLike", "aws:SourceOrgPaths", "*"), {"trust-unscoped"}),
        (only("StringLike", "aws:RequestTag/eks-cluster-arn", "arn:aws:eks:*:*:cluster/demo"), {"trust-unscoped"}),
        (only("Null", "aws:SourceArn", "false"), {"trust-unscoped"}),
        (only("ForAllValues:StringEquals", "aws:SourceAccount", ACCOUNT), {"trust-unscoped"}),
        (only("StringEqualsIfExists", "aws:SourceAccount", ACCOUNT), {"trust-unscoped"}),
        (only("StringNotEquals", "aws:SourceAccount", ACCOUNT), {"trust-unscoped"}),
        (only("Bool", "aws:SecureTransport", "true"), {"trust-unscoped"}),
        (only("StringEquals", "aws:RequestTag/kubernetes-namespace", "demo-ns"), {"trust-unscoped"}),
        (only("StringEquals", "aws:RequestTag/eks-cluster-arn", CLUSTER), {"trust-scope"}),
        (only("StringEquals", "aws:SourceOrgID", "o-a1b2c3d4e5"), {"trust-scope"}),
        (only("StringEquals", "aws:SourceAccount", ACCOUNT), {"trust-scope"}),
        (only("ArnEquals", "aws:SourceArn", CLUSTER), {"trust-scope"}),
        # Half a scope beside one that is none.
        (trust(Condition={**SCOPE, "ArnEquals": {}, "ArnEqualsIfExists": {"aws:SourceArn": CLUSTER}}), {"trust-scope"}),
        (trust(Condition={**SCOPE, "ArnEquals": {}, "ArnLike": {"aws:SourceArn": "*"}}), {"trust-scope"}),
        (trust(Condition={**SCOPE, "ArnEquals": {}, "Null": {"aws:SourceArn": "false"}}), {"trust-scope"}),
        (trust(Condition={**SCOPE, "StringEquals": {}, "StringLike": {"aws:SourceAccount": "1*"}}), {"trust-scope"}),
        # What is asked beside a scope is no matter, where it can be met.
        (scoped("Null", "aws:SourceArn", "false"), set()),
        (scoped("StringNotLike", "aws:SourceArn", "*/test-*"), set()),
        (scoped("ArnNotEquals", "aws:SourceArn", ROLE), set()),
        (scoped("StringNotEquals", "aws:SourceAccount", "none"), set()),
        (scoped("StringNotEquals", "aws:RequestTag/kubernetes-namespace", "kube-*"), set()),
        (scoped("Null", "aws:RequestTag/kubernetes-namespace", "false"), set()),
        (scoped("Null", "aws:RequestTag/namespace", "false"), {"trust-session-tag"}),
        (scoped("Bool", "aws:SecureTransport", "true"), set()),
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
        (scoped("StringEquals", "aws:SourceAccount", [OTHER, UNKNOWN]), set()),
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
        (scoped("StringEquals", "aws:RequestTag/kubernetes-namespace", "team-?"), {"trust-wildcard"}),
        (scoped("StringEquals", "aws:SourceArn", CLUSTER[:-1] + "?"), {"trust-wildcard"}),
        (scoped("StringLike", "aws:RequestTag/kubernetes-namespace", "team-*"), set()),
        (scoped("Bool", "aws:RequestTag/kubernetes-namespace", True), {"trust-wildcard"}),
        (scoped("StringEquals", "sts:ExternalId", EXTERNAL_ID), {"trust-external-id"}),
        # OIDC providers.
        (trust(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A"}), {"trust-federated-subject"}),
        (trust(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/x"}, Condition={"StringLike": {"x:sub": "*"}}), {"trust-federated-subject"}),
        *((trust(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/x"}, Condition={"StringLike": {"x:sub": sub}}), ids) for sub, ids in (
            ("system:serviceaccount:a:b", set()),
            ("system:serviceaccount:a:*", set()),
            ("system:serviceaccount:team-*:b", set()),
            ("repo:octo-org/octo-repo:ref:refs/heads/main", set()),
            ("repo:octo-org/octo-repo:*", set()),
            ("repo:octo-org@123/octo-repo@456:environment:prod", set()),
            ("project_path:group/project:*", set()),
            (UNKNOWN, set()),
            (["repo:octo-org/octo-repo:*", UNKNOWN], set()),
            *((open_, {"trust-federated-subject"}) for open_ in (
                "*", "r*", "repo*", "?epo:a/b:*", "repo:*", "repo:*/*:*", "repo:octo-org/*", "repo:octo-org/*:*", "repo:octo-org/octo-*:*", "repo:*/octo-repo:*",
                "*:ref:refs/heads/main", "system:*", "system:serviceaccount:*", "system:serviceaccount:*:*", "system:serviceaccount:*:b", "project_path:*",
                ["repo:octo-org/octo-repo:*", "repo:*"], ["*", UNKNOWN],
            )),
        )),
        (trust(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/x"}, Condition={"StringEqualsIfExists": {"x:sub": "system:serviceaccount:a:b"}}), {"trust-federated-subject"}),
        (trust(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/x"}, Condition={"StringEquals": {"x:aud": "sts.amazonaws.com"}}), {"trust-federated-subject"}),
        # Forms.
        *((broken, {"statement"}) for broken in (
            document(),
            document(7),
            {"Version": "2012-10-17", "Statement": "x"},
            trust(Effect="allow"),
            trust(Resource="*"),
            trust(NotResource="*"),
            trust(NotPrincipal=SERVICE),
            trust(Principals=SERVICE),
            trust(Principal="pods.eks.amazonaws.com"),
            trust(Principal={}),
            trust(Principal=["*"]),
            trust(Principal={**SERVICE, "Services": "x"}),
            trust(Principal={**SERVICE, "AWS": []}),
            trust(Principal={**SERVICE, "AWS": [["*"]]}),
            trust(Principal={**SERVICE, "AWS": 123456789012}),
            scoped("StringEqualz", "aws:SourceArn", CLUSTER),
        )),
        (document({"Effect": "Allow", "NotPrincipal": {"AWS": ROLE}, "Action": "sts:AssumeRole"}), {"statement"}),
        (document({"Effect": "Allow", "Action": "sts:AssumeRole"}), {"statement"}),
        (trust(Action=[*BOTH, 7]), {"statement"}),
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
        trust(Condition={"StringEquals": UNKNOWN}),
        trust(Condition={"StringEquals": UNKNOWN, "ArnLike": {"aws:SourceArn": "*"}}),
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
    there = scoped("Null", "aws:RequestTag/kubernetes-namespace", "false")
    assert found(there, disable_session_tags=disabled) == ({"trust-needs-session-tags"} if disabled is True else set())
    for loose in (
        scoped("StringEqualsIfExists", "aws:RequestTag/kubernetes-namespace", "demo-ns"),
        scoped("StringNotEquals", "aws:RequestTag/kubernetes-namespace", "demo-ns"),
        scoped("Null", "aws:RequestTag/kubernetes-namespace", "true"),
        scoped("Null", "aws:RequestTag/kubernetes-namespace", UNKNOWN),
    ):
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
        # One of several, as for the same ServiceAccount in several clusters.
        (documents.target_trust(ROLE, external_ids=["another", EXTERNAL_ID]), True, set()),
        (documents.target_trust(ROLE, external_ids=["another", "third"]), True, {"chaining-external-id"}),
        (document(*(target(Condition={"StringEquals": {"sts:ExternalId": one}})["Statement"][0] for one in ("another", EXTERNAL_ID))), True, set()),
        (document(*(target(Condition={"StringEquals": {"sts:ExternalId": one}})["Statement"][0] for one in ("another", "third"))), True, {"chaining-external-id"}),
        (target(Condition={"StringEquals": {"sts:ExternalId": ["another", UNKNOWN]}}), True, set()),
        (target(Condition={"StringEquals": UNKNOWN}), True, set()),
        (target(Condition={"StringLike": {"sts:ExternalId": ["another", UNKNOWN]}}), True, set()),
        # As operators compare.
        (target(Condition={"StringEquals": {"sts:ExternalId": f"eu-west-1/{ACCOUNT}/demo/*"}}), True, {"chaining-external-id"}),
        (target(Condition={"StringEquals": {"sts:ExternalId": EXTERNAL_ID.upper()}}), True, {"chaining-external-id"}),
        (target(Condition={"StringEqualsIgnoreCase": {"sts:ExternalId": EXTERNAL_ID.upper()}}), True, set()),
        (target(Condition={"NumericEquals": {"sts:ExternalId": EXTERNAL_ID}}), True, {"chaining-external-id"}),
        (target(Condition={"StringNotEquals": {"sts:ExternalId": EXTERNAL_ID}}), True, {"chaining-external-id", "chaining-unscoped"}),
        (target(Condition={"StringLike": {"sts:ExternalId": "*"}}), True, {"chaining-external-id"}),
        (target(Condition={"StringLike": {"sts:ExternalId": "*/*"}}), True, {"chaining-external-id"}),
        (target(Condition={"StringEquals": {"sts:ExternalId": "*"}}), True, {"chaining-external-id"}),
        (target(Condition={"StringEqualsIfExists": {"sts:ExternalId": EXTERNAL_ID}}), True, {"chaining-unscoped"}),
        (target(Condition={"StringEqualsIfExists": {"sts:ExternalId": EXTERNAL_ID}}), False, {"chaining-trust"}),
        # Who may be anyone may be the role, too.
        (target(Principal="*"), True, {"trust-anyone"}),
        (target(Principal={"AWS": ["*"]}), True, {"trust-anyone"}),
        (target(Principal={"AWS": [["x"], ROLE]}), True, {"statement"}),
        (document(UNKNOWN), True, set()),
        # Session tags that are not sent.
        (documents.target_trust(ROLE, namespaces=["demo-ns"]), True, {"trust-needs-session-tags", "chaining-unscoped"}),
        (target(Action=UNKNOWN), True, set()),
        (target(Action=["sts:AssumeRole", UNKNOWN], Condition={}), False, set()),
        (target(), UNKNOWN, set()),
        (documents.target_trust(ROLE, namespaces=["demo-ns"]), UNKNOWN, set()),
        (target(Condition={"StringEquals": {"sts:ExternalId": "another"}}), UNKNOWN, {"chaining-external-id"}),
        (target(), False, {"chaining-trust", "chaining-external-id"}),
        (target(Action=BOTH), False, {"chaining-external-id"}),
        (documents.target_trust(ROLE), False, set()),
        (documents.target_trust(ROLE, namespaces=["demo-ns"], cluster_arns=[CLUSTER]), False, set()),
    ],
)  # fmt: skip
def test_target_roles(value: Any, disabled: Any, ids: set[str]) -> None:
    findings = rules.judge_target_trust(value, role_arn=ROLE, external_id=EXTERNAL_ID, disable_session_tags=disabled)
    assert {finding.rule for finding in findings} == ids
    assert all(finding.page.startswith("https://docs.aws.amazon.com/") for finding in findings)
    later = rules.judge_target_trust(value, role_arn=UNKNOWN, external_id=UNKNOWN, disable_session_tags=disabled)
    assert {finding.rule for finding in later} <= {"statement"}


@pytest.mark.parametrize(("value", "found"), [("x/*", True), ("*", True), ("x", False)])
def test_external_ids_are_judged_before_it_is_known_which_one_is_sent(value: str, found: bool) -> None:
    for external_id in (None, UNKNOWN):
        findings = rules.judge_target_trust(
            target(Condition={"StringEquals": {"sts:ExternalId": value}}),
            role_arn=ROLE,
            external_id=external_id,
            disable_session_tags=True,
        )
        assert {finding.rule for finding in findings} == ({"chaining-external-id"} if found else set())


@pytest.mark.parametrize(
    ("role", "account", "chained", "ids"),
    [
        (ROLE, ACCOUNT, None, set()),
        (ROLE, OTHER, None, {"role-account"}),
        (ROLE, ACCOUNT, TARGET, set()),
        (ROLE, ACCOUNT, ROLE, {"chaining-self"}),
        (ROLE.replace("arn:aws:", "arn:aws-cn:"), ACCOUNT, None, {"role-account"}),
        (ROLE.replace("arn:aws:", "arn:aws-cn:"), ACCOUNT, TARGET, {"role-account"}),
        (UNKNOWN, ACCOUNT, TARGET, set()),
        (ROLE, UNKNOWN, UNKNOWN, set()),
        ("demo", ACCOUNT, None, set()),
    ],
)
def test_roles_of_other_accounts_are_target_roles(role: Any, account: Any, chained: Any, ids: set[str]) -> None:
    findings = rules.judge_role_account(role, account, cluster_partition="aws", target_role_arn=chained)
    assert {finding.rule for finding in findings} == ids
    for partition in (None, UNKNOWN):
        later = rules.judge_role_account(role, account, cluster_partition=partition, target_role_arn=chained)
        assert ("role-account" in {finding.rule for finding in later}) is (account == OTHER)
