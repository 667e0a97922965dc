"""Policy evaluation against what AWS documents."""

from __future__ import annotations

from typing import Any

import pytest

from local.aws.authorization.context import Context
from local.aws.authorization.evaluator import Policies, PolicyType, Request, denial_message, evaluate
from local.aws.authorization.policy import MalformedPolicy, Policy
from local.aws.authorization.principals import Kind, Principal

from .builders import (
    ACCOUNT,
    ALLOW_ALL,
    OTHER_ACCOUNT,
    PODS,
    ROLE_ARN,
    ROOT,
    SESSION,
    USER,
    decide,
    policy,
    statement,
)


def identity(*statements: dict[str, Any], **arguments: Any) -> bool:
    return decide(identity=(policy(*statements),), **arguments).allowed


# --- Action, NotAction, Resource, NotResource -----------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "action", "allowed"),
    [
        ("s3:GetObject", "s3:GetObject", True),
        ("S3:getobject", "s3:GetObject", True),
        ("s3:Get*", "s3:GetObject", True),
        ("s3:*", "s3:GetObject", True),
        ("*", "s3:GetObject", True),
        ("s3:GetObjec?", "s3:GetObject", True),
        ("s3:GetObject?", "s3:GetObject", False),
        ("s3:*Object", "s3:GetObjectTagging", False),
        ("s3:G*t*bj*t", "s3:GetObject", True),
        ("ec2:*", "s3:GetObject", False),
        ("s3:GetObject.", "s3:GetObjectX", False),
        (["ec2:*", "s3:GetObject"], "s3:GetObject", True),
    ],
)
def test_actions(pattern: Any, action: str, allowed: bool) -> None:
    assert identity(statement(action=pattern), action=action) is allowed


@pytest.mark.parametrize(
    ("pattern", "resource", "allowed"),
    [
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
        ("arn:aws:s3:::b", "arn:aws:s3:::B", False),
        ("arn:aws:s3:::b?", "arn:aws:s3:::b1", True),
        ("arn:aws:s3:::b?", "arn:aws:s3:::b12", False),
        ("arn:aws:s3:::*/k", "arn:aws:s3:::b/x/k", True),
        ("arn:aws:s3:::b[1]", "arn:aws:s3:::b1", False),
        ("arn:aws:sqs:*:111122223333:q", "arn:aws:sqs:eu-west-1:111122223333:q", True),
        ("arn:aws:sqs:*:111122223333:q", "arn:aws:sqs:eu-west-1:444455556666:q", False),
        ("arn:aws:sns:eu-west-1", "arn:aws:sns:eu-west-1:111122223333:topic", True),
        ("arn:aws:s3:::b/*", "*", False),
        ("*", "*", True),
        ("arn:aws:s3:*", "arn:aws:s3:::b/k", True),
        ("*b/k", "arn:aws:s3:::b/k", True),
    ],
)
def test_resources(pattern: Any, resource: str, allowed: bool) -> None:
    assert identity(statement(resource=pattern), resource=resource) is allowed


@pytest.mark.parametrize(
    ("given", "action", "resource", "allowed"),
    [
        (statement(NotAction="iam:*"), "s3:GetObject", "*", True),
        (statement(NotAction="iam:*"), "iam:CreateUser", "*", False),
        (statement(NotAction=["iam:*", "S3:get*"]), "s3:GetObject", "*", False),
        (statement(NotResource="arn:aws:s3:::secret/*"), "s3:GetObject", "arn:aws:s3:::b/k", True),
        (statement(NotResource="arn:aws:s3:::secret/*"), "s3:GetObject", "arn:aws:s3:::secret/k", False),
        (statement(NotResource=["arn:aws:s3:::a", "arn:aws:s3:::b?"]), "s3:X", "arn:aws:s3:::b1", False),
    ],
)
def test_negated_elements(given: dict[str, Any], action: str, resource: str, allowed: bool) -> None:
    assert identity(given, action=action, resource=resource) is allowed


def test_denying_all_but_some_resources() -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notresource.html
    only = (statement(action="s3:*"), statement("Deny", "s3:*", NotResource=["arn:aws:s3:::hr", "arn:aws:s3:::hr/*"]))
    assert identity(*only, resource="arn:aws:s3:::hr/payroll")
    assert not identity(*only, resource="arn:aws:s3:::finance/payroll")


# --- variables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "resource", "keys", "allowed"),
    [
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/alice/k", {"aws:username": "alice"}, True),
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/bob/k", {"aws:username": "alice"}, False),
        ("arn:aws:s3:::b/${AWS:UserName}/*", "arn:aws:s3:::b/alice/k", {"aws:username": "alice"}, True),
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b//k", {}, False),
        ("arn:aws:s3:::b/${aws:username, 'anyone'}/*", "arn:aws:s3:::b/anyone/k", {}, True),
        ("arn:aws:s3:::b/${aws:username,'anyone'}/*", "arn:aws:s3:::b/anyone/k", {"aws:username": "alice"}, False),
        ("arn:aws:s3:::b/${aws:PrincipalTag/team}/*", "arn:aws:s3:::b/red/k", {"aws:PrincipalTag/team": "red"}, True),
        # A wildcard inside a value is just a character.
        ("arn:aws:s3:::b/${aws:PrincipalTag/team}/*", "arn:aws:s3:::b/blue/k", {"aws:PrincipalTag/team": "*"}, False),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", {}, True),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/k", {}, False),
        ("arn:aws:s3:::b/${?}", "arn:aws:s3:::b/?", {}, True),
        ("arn:aws:s3:::b/${$}", "arn:aws:s3:::b/$", {}, True),
        # A key with two values cannot stand in a string.
        ("arn:aws:s3:::b/${aws:TagKeys}", "arn:aws:s3:::b/a", {"aws:TagKeys": ("a", "b")}, False),
    ],
)
def test_variables(pattern: str, resource: str, keys: dict[str, Any], allowed: bool) -> None:
    assert identity(statement(resource=pattern), resource=resource, context=keys) is allowed


@pytest.mark.parametrize("version", ["2008-10-17", None])
def test_the_old_version_knows_no_variables(version: str | None) -> None:
    old = policy(statement(resource="arn:aws:s3:::b/${aws:username}"), version=version)
    assert not decide(resource="arn:aws:s3:::b/alice", context={"aws:username": "alice"}, identity=(old,)).allowed
    assert decide(resource="arn:aws:s3:::b/${aws:username}", identity=(old,)).allowed


def test_an_unresolved_variable_never_widens() -> None:
    unknown = "arn:aws:s3:::b/${aws:PrincipalTag/team}/*"
    assert not identity(statement(NotResource=unknown))
    assert not identity(statement(), statement("Deny", NotResource=unknown))


# --- within one account -----------------------------------------------------------------------------------

ALLOWED_BY = {
    "user": {"AWS": USER.arn},
    "role": {"AWS": ROLE_ARN},
    "session": {"AWS": SESSION.arn},
    "account": {"AWS": ACCOUNT},
    "root": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "everybody": "*",
    "other account": {"AWS": OTHER_ACCOUNT},
    "service": {"Service": "pods.eks.amazonaws.com"},
}
NOTHING = policy(statement(action="ec2:*"))


@pytest.mark.parametrize(
    ("who", "named", "identity_allows", "boundary", "session", "outcome"),
    [
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
        (SESSION, None, False, None, None, PolicyType.IDENTITY),
        (SESSION, None, True, None, None, True),
        (SESSION, None, True, NOTHING, None, PolicyType.BOUNDARY),
        (SESSION, None, True, ALLOW_ALL, None, True),
        (SESSION, None, False, ALLOW_ALL, None, PolicyType.IDENTITY),
        (SESSION, None, True, None, NOTHING, PolicyType.SESSION),
        (SESSION, None, True, ALLOW_ALL, ALLOW_ALL, True),
        (SESSION, None, False, None, ALLOW_ALL, PolicyType.IDENTITY),
        # A role's ARN: boundary and session policy still limit it.
        (SESSION, "role", False, None, None, True),
        (SESSION, "role", False, NOTHING, None, PolicyType.BOUNDARY),
        (SESSION, "role", False, None, NOTHING, PolicyType.SESSION),
        (SESSION, "role", False, ALLOW_ALL, ALLOW_ALL, True),
        # A session's ARN: nothing implicit limits it.
        (SESSION, "session", False, NOTHING, NOTHING, True),
        (SESSION, "everybody", False, NOTHING, NOTHING, True),
        # The account: it delegates.
        (SESSION, "account", False, None, None, PolicyType.IDENTITY),
        (SESSION, "root", False, None, None, PolicyType.IDENTITY),
        (SESSION, "root", True, None, None, True),
        # A user's ARN: nothing implicit limits it.
        (USER, "user", False, NOTHING, None, True),
        (USER, "account", False, None, None, PolicyType.IDENTITY),
        (USER, "everybody", False, None, None, True),
        # Somebody else.
        (SESSION, "user", False, None, None, PolicyType.IDENTITY),
        (SESSION, "other account", False, None, None, PolicyType.IDENTITY),
        (SESSION, "service", False, None, None, PolicyType.IDENTITY),
        (ROOT, None, False, None, None, True),
    ],
)
def test_within_an_account(
    who: Principal,
    named: str | None,
    identity_allows: bool,
    boundary: Policy | None,
    session: Policy | None,
    outcome: bool | PolicyType,
) -> None:
    decision = evaluate(
        Request(who, "s3:GetObject", "arn:aws:s3:::b/k", Context(), ACCOUNT),
        Policies(
            identity=(ALLOW_ALL,) if identity_allows else (),
            resource=policy(statement(Principal=ALLOWED_BY[named])) if named else None,
            boundary=boundary,
            session=None if session is None else (session,),
        ),
    )
    assert decision.allowed is (outcome is True)
    if isinstance(outcome, PolicyType):
        assert (decision.policy_type, decision.explicit) == (outcome, False)


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("identity", PolicyType.IDENTITY),
        ("boundary", PolicyType.BOUNDARY),
        ("session", PolicyType.SESSION),
        ("resource", PolicyType.RESOURCE),
    ],
)
def test_an_explicit_deny_wins_wherever_it_is(where: str, kind: PolicyType) -> None:
    deny = policy(
        statement(Principal="*") if where == "resource" else statement(),
        statement("Deny", "s3:Get*", Sid="NoReading", **({"Principal": "*"} if where == "resource" else {})),
        name="guard",
    )
    groups: dict[str, Any] = {"identity": (ALLOW_ALL,), "boundary": ALLOW_ALL, "session": (ALLOW_ALL,)}
    groups["resource"] = policy(statement(Principal={"AWS": SESSION.arn}))
    groups[where] = deny if where in ("boundary", "resource") else (ALLOW_ALL, deny)
    decision = evaluate(Request(SESSION, "s3:GetObject", "arn:aws:s3:::b/k", Context(), ACCOUNT), Policies(**groups))
    assert not decision.allowed
    assert (decision.explicit, decision.policy_type) == (True, kind)
    assert (decision.policy, decision.statement) == ("guard", "NoReading")


def test_a_deny_in_a_resource_policy_reaches_the_root_user() -> None:
    denied = policy(statement("Deny", Principal="*"))
    assert not decide(principal=ROOT, policies=Policies(resource=denied)).allowed


def test_several_session_policies_add_up_before_they_limit() -> None:
    session = (policy(statement(action="s3:GetObject")), policy(statement(action="s3:ListBucket")))
    for action, allowed in (("s3:GetObject", True), ("s3:ListBucket", True), ("s3:PutObject", False)):
        assert decide(action, identity=(ALLOW_ALL,), session=session).allowed is allowed


# --- across accounts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal_element", "identity_allows", "outcome"),
    [
        (None, True, PolicyType.RESOURCE),
        ({"AWS": ACCOUNT}, False, PolicyType.IDENTITY),
        ({"AWS": ACCOUNT}, True, True),
        ({"AWS": ROLE_ARN}, True, True),
        ({"AWS": ROLE_ARN}, False, PolicyType.IDENTITY),
        ({"AWS": SESSION.arn}, False, PolicyType.IDENTITY),
        ("*", False, PolicyType.IDENTITY),
        ("*", True, True),
        ({"AWS": OTHER_ACCOUNT}, True, PolicyType.RESOURCE),
    ],
)
def test_across_accounts_both_must_allow(
    principal_element: Any, identity_allows: bool, outcome: bool | PolicyType
) -> None:
    decision = evaluate(
        Request(SESSION, "s3:GetObject", "arn:aws:s3:::b/k", Context(), OTHER_ACCOUNT),
        Policies(
            identity=(ALLOW_ALL,) if identity_allows else (),
            resource=None if principal_element is None else policy(statement(Principal=principal_element)),
        ),
    )
    assert decision.allowed is (outcome is True)
    if isinstance(outcome, PolicyType):
        assert decision.policy_type is outcome


# --- principals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("element", "who", "allowed"),
    [
        ({"Service": "pods.eks.amazonaws.com"}, PODS, True),
        ({"Service": ["ec2.amazonaws.com", "pods.eks.amazonaws.com"]}, PODS, True),
        ({"Service": "eks.amazonaws.com"}, PODS, False),
        ({"AWS": ACCOUNT}, PODS, False),
        ("*", PODS, True),
        ({"AWS": "*"}, PODS, True),
        ({"Federated": "arn:aws:iam::111122223333:oidc-provider/x"}, PODS, False),
        (
            {"Federated": "arn:aws:iam::111122223333:oidc-provider/x"},
            Principal(Kind.FEDERATED, "x", provider="arn:aws:iam::111122223333:oidc-provider/x"),
            True,
        ),
        ("*", Principal(Kind.ANONYMOUS, "anonymous"), True),
        ({"AWS": ACCOUNT}, Principal(Kind.ANONYMOUS, "anonymous"), False),
        ({"AWS": "AROAREADER"}, SESSION, True),
        ({"AWS": "AIDAALICE"}, USER, True),
        ({"AWS": "AROAOTHER"}, SESSION, False),
        # No wildcard matches a part of a principal.
        ({"AWS": "arn:aws:iam::111122223333:role/*"}, SESSION, False),
        ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/other"}, SESSION, False),
    ],
)
def test_principals(element: Any, who: Principal, allowed: bool) -> None:
    assert decide(principal=who, policies=Policies(resource=policy(statement(Principal=element)))).allowed is allowed


@pytest.mark.parametrize(
    ("listed", "who", "denied"),
    [
        ([USER.arn, f"arn:aws:iam::{ACCOUNT}:root"], USER, False),
        ([USER.arn], USER, True),  # the account was forgotten
        ([USER.arn, f"arn:aws:iam::{ACCOUNT}:root"], SESSION, True),
        ([SESSION.arn, ROLE_ARN, ACCOUNT], SESSION, False),
        ([ROLE_ARN, ACCOUNT], SESSION, True),  # the session was forgotten
        ([f"arn:aws:iam::{ACCOUNT}:root"], ROOT, False),
    ],
)
def test_not_principal(listed: list[str], who: Principal, denied: bool) -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    guard = policy(statement("Deny", NotPrincipal={"AWS": listed}))
    assert decide(principal=who, policies=Policies((ALLOW_ALL,), guard)).allowed is not denied


# --- assuming roles -----------------------------------------------------------------------------------------

ASSUME = policy(statement(action="sts:AssumeRole"))


def trust(*statements: dict[str, Any]) -> Policy:
    return policy(*(statement(**{"action": "sts:AssumeRole", "resource": None, **given}) for given in statements))


@pytest.mark.parametrize(
    ("who", "given", "identity_policies", "allowed"),
    [
        # An identity-based policy alone never assumes a role.
        (USER, [{"Principal": {"AWS": OTHER_ACCOUNT}}], (ASSUME,), False),
        (USER, [{"Principal": {"AWS": ACCOUNT}}], (ASSUME,), True),
        (USER, [{"Principal": {"AWS": ACCOUNT}}], (), False),
        (USER, [{"Principal": {"AWS": USER.arn}}], (), True),
        (SESSION, [{"Principal": {"AWS": ROLE_ARN}}], (), True),
        (ROOT, [{"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}], (), True),
        (ROOT, [{"Principal": {"Service": "pods.eks.amazonaws.com"}}], (), False),
        (USER, [{"Principal": {"Service": "pods.eks.amazonaws.com"}}], (ALLOW_ALL,), False),
        (PODS, [{"Principal": {"Service": "pods.eks.amazonaws.com"}}], (), True),
        (PODS, [{"Principal": {"Service": "eks.amazonaws.com"}}], (), False),
        (
            PODS,
            [
                {"Principal": {"Service": "pods.eks.amazonaws.com"}},
                {"effect": "Deny", "Principal": "*", "Condition": {"StringNotEquals": {"aws:SourceAccount": OTHER_ACCOUNT}}},
            ],
            (),
            False,
        ),
        (
            PODS,
            [{"Principal": {"Service": "pods.eks.amazonaws.com"}, "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}],
            (),
            True,
        ),
        (
            PODS,
            [{"Principal": {"Service": "pods.eks.amazonaws.com"}, "Condition": {"StringEquals": {"aws:SourceOrgID": "o-1"}}}],
            (),
            False,
        ),
    ],
)  # fmt: skip
def test_trust(
    who: Principal, given: list[dict[str, Any]], identity_policies: tuple[Policy, ...], allowed: bool
) -> None:
    policies = Policies.trust(trust(*given), Policies(identity=identity_policies))
    keys = {"aws:SourceAccount": ACCOUNT}
    assert decide("sts:AssumeRole", ROLE_ARN, who, keys, policies=policies).allowed is allowed


# --- AWS's own examples ---------------------------------------------------------------------------------------


def test_the_abac_tutorial() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/tutorial_attribute-based-access-control.html"""
    tutorial = Policy.parse(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AllActionsSecretsManagerSameProjectSameTeam",
                    "Effect": "Allow",
                    "Action": "secretsmanager:*",
                    "Resource": "*",
                    "Condition": {
                        "StringEquals": {
                            "aws:ResourceTag/access-project": "${aws:PrincipalTag/access-project}",
                            "aws:ResourceTag/access-team": "${aws:PrincipalTag/access-team}",
                            "aws:ResourceTag/cost-center": "${aws:PrincipalTag/cost-center}",
                        },
                        "ForAllValues:StringEquals": {
                            "aws:TagKeys": ["access-project", "access-team", "cost-center", "Name", "OwnedBy"]
                        },
                        "StringEqualsIfExists": {
                            "aws:RequestTag/access-project": "${aws:PrincipalTag/access-project}",
                        },
                    },
                },
                {
                    "Sid": "ReadSecretsManagerSameTeam",
                    "Effect": "Allow",
                    "Action": ["secretsmanager:Describe*", "secretsmanager:Get*", "secretsmanager:List*"],
                    "Resource": "*",
                    "Condition": {"StringEquals": {"aws:ResourceTag/access-team": "${aws:PrincipalTag/access-team}"}},
                },
                {
                    "Sid": "DenyUntagSecretsManagerReservedTags",
                    "Effect": "Deny",
                    "Action": "secretsmanager:UntagResource",
                    "Resource": "*",
                    "Condition": {"ForAnyValue:StringLike": {"aws:TagKeys": "access-*"}},
                },
            ],
        }
    )
    peg_eng = {
        f"aws:PrincipalTag/{key}": value
        for key, value in (("access-project", "peg"), ("access-team", "eng"), ("cost-center", "987654"))
    }

    def ask(action: str, project: str, team: str, **keys: Any) -> bool:
        tags = {
            "aws:ResourceTag/access-project": project,
            "aws:ResourceTag/access-team": team,
            "aws:ResourceTag/cost-center": "987654",
        }
        return decide(
            action,
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x",
            context={**peg_eng, **tags, **keys},
            identity=(tutorial,),
        ).allowed

    assert ask("secretsmanager:PutSecretValue", "peg", "eng")
    assert not ask("secretsmanager:PutSecretValue", "uni", "eng")
    assert ask("secretsmanager:GetSecretValue", "uni", "eng")
    assert not ask("secretsmanager:GetSecretValue", "uni", "qas")
    assert not ask("secretsmanager:UntagResource", "peg", "eng", **{"aws:TagKeys": ["access-team"]})
    assert ask("secretsmanager:UntagResource", "peg", "eng", **{"aws:TagKeys": ["Name"]})
    assert not ask(
        "secretsmanager:TagResource",
        "peg",
        "eng",
        **{"aws:RequestTag/access-project": "uni", "aws:TagKeys": ["access-project"]},
    )
    assert not ask("secretsmanager:TagResource", "peg", "eng", **{"aws:TagKeys": ["Other"]})


def test_pod_identity_abac() -> None:
    """https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html"""
    shared = policy(
        statement(
            action=["s3:GetObject", "s3:GetObjectTagging"],
            Condition={
                "StringEquals": {"s3:ExistingObjectTag/eks-cluster-name": "${aws:PrincipalTag/eks-cluster-name}"}
            },
        ),
        statement(
            action="s3:ListBucket",
            resource="arn:aws:s3:::shared",
            Condition={"StringLike": {"s3:prefix": "${aws:PrincipalTag/kubernetes-namespace}/*"}},
        ),
    )
    session = {"aws:PrincipalTag/eks-cluster-name": "demo", "aws:PrincipalTag/kubernetes-namespace": "demo-ns"}
    tag = "s3:ExistingObjectTag/eks-cluster-name"

    def ask(action: str, resource: str, **keys: Any) -> bool:
        return decide(action, resource, context={**session, **keys}, identity=(shared,)).allowed

    assert ask("s3:GetObject", "arn:aws:s3:::shared/k", **{tag: "demo"})
    assert not ask("s3:GetObject", "arn:aws:s3:::shared/k", **{tag: "other"})
    assert not ask("s3:GetObject", "arn:aws:s3:::shared/k")
    assert ask("s3:ListBucket", "arn:aws:s3:::shared", **{"s3:prefix": "demo-ns/logs"})
    assert not ask("s3:ListBucket", "arn:aws:s3:::shared", **{"s3:prefix": "kube-system/logs"})
    # Without session tags the variable has no value, and the statement allows nothing.
    assert not decide("s3:GetObject", context={tag: "demo"}, identity=(shared,)).allowed


# --- messages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ({}, "because no identity-based policy allows the s3:GetObject action"),
        ({"identity": (policy(statement("Deny")),)}, "with an explicit deny in an identity-based policy"),
        ({"identity": (ALLOW_ALL,), "boundary": NOTHING}, "because no permissions boundary allows the s3:GetObject action"),
        ({"boundary": policy(statement("Deny"))}, "with an explicit deny in a permissions boundary"),
        ({"identity": (ALLOW_ALL,), "session": (NOTHING,)}, "because no session policy allows the s3:GetObject action"),
        ({"session": (policy(statement("Deny")),)}, "with an explicit deny in a session policy"),
    ],
)  # fmt: skip
def test_messages_are_those_of_aws(arguments: dict[str, Any], end: str) -> None:
    request = Request(SESSION, "s3:GetObject", "arn:aws:s3:::b/k", Context(), ACCOUNT)
    message = denial_message(request, evaluate(request, Policies(**arguments)), quote_resource=True)
    assert (
        message
        == f'User: {SESSION.arn} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" {end}'
    )


def test_messages_about_trust() -> None:
    request = Request(USER, "sts:AssumeRole", ROLE_ARN, Context(), ACCOUNT)
    refused = evaluate(request, Policies.trust(trust({"Principal": {"AWS": OTHER_ACCOUNT}})))
    assert denial_message(request, refused).endswith("because no role trust policy allows the sts:AssumeRole action")
    denied = evaluate(request, Policies.trust(trust({"effect": "Deny", "Principal": "*"})))
    assert denial_message(request, denied).endswith("with an explicit deny in the role trust policy")


def test_another_accounts_policies_are_not_told() -> None:
    request = Request(SESSION, "sts:AssumeRole", f"arn:aws:iam::{OTHER_ACCOUNT}:role/x", Context(), OTHER_ACCOUNT)
    message = denial_message(request, evaluate(request, Policies.trust(trust({"Principal": {"AWS": OTHER_ACCOUNT}}))))
    assert message.endswith(f"on resource: arn:aws:iam::{OTHER_ACCOUNT}:role/x")


# --- grammar ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "[]",
        "{}",
        {"Version": "2013-01-01", "Statement": []},
        {"Statement": ["x"]},
        {"Statement": {"Effect": "Maybe", "Action": "*", "Resource": "*"}},
        {"Statement": {"Effect": "Allow", "Resource": "*"}},
        {"Statement": {"Effect": "Allow", "Action": "*", "NotAction": "x:*", "Resource": "*"}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "NotResource": "*"}},
        {"Statement": {"Effect": "Allow", "Action": 5, "Resource": "*"}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Conditions": {}}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringIs": {"a": "b"}}}},
        {
            "Statement": {
                "Effect": "Allow",
                "Action": "*",
                "Resource": "*",
                "Condition": {"NullIfExists": {"a": "true"}},
            }
        },
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Null": {"a": "perhaps"}}}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": "x"}}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Principal": {"Robot": "x"}}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Principal": "someone"}},
        {"Statement": {"Effect": "Allow", "Action": "*", "Principal": {"AWS": []}}},
    ],
)
def test_malformed_documents_are_refused(document: Any) -> None:
    with pytest.raises(MalformedPolicy):
        Policy.parse(document)
