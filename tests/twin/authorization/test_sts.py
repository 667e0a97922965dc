"""Sessions and their limits, through STS on a running endpoint."""

from __future__ import annotations

import datetime as dt
import json
import urllib.error
import urllib.request
from typing import Any
from unittest import mock

import pytest

from local.aws.eks.cloud import Cloud

from .support import ACCOUNT, REGION, SECOND_ACCOUNT, Aws, allow, deny, document, refused, trusting

HERE = trusting({"AWS": ACCOUNT}, "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
LIST = allow("s3:ListAllMyBuckets")


def test_who_one_is(operator: Aws) -> None:
    assert operator.sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    role = operator.role(HERE, Path="/team/a/")
    name = role.rpartition("/")[2]
    identity = operator.assume(role, RoleSessionName="me").sts.get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/me"
    assert identity["UserId"] == operator.iam.get_role(RoleName=name)["Role"]["RoleId"] + ":me"
    user = operator.user()
    assert user.sts.get_caller_identity()["Arn"].startswith(f"arn:aws:iam::{ACCOUNT}:user/user-")


def test_nobody_is_told_who_he_is_with_an_explicit_deny_either(operator: Aws) -> None:
    assert operator.session(deny("*")).sts.get_caller_identity()["Account"] == ACCOUNT


@pytest.mark.parametrize(
    ("changes", "sts_code", "s3_code", "eks_code", "ec2_code"),
    [
        ({"aws_access_key_id": "ASIA" + "A" * 16}, "InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException", "AuthFailure"),
        ({"aws_session_token": "other"}, "InvalidClientTokenId", "InvalidToken", "UnrecognizedClientException", "AuthFailure"),
        ({"aws_secret_access_key": "other"}, "SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure"),
    ],
)  # fmt: skip
def test_wrong_credentials(
    operator: Aws, changes: dict[str, str], sts_code: str, s3_code: str, eks_code: str, ec2_code: str
) -> None:
    wrong = operator.session(allow("*")).with_keys(**changes)
    with refused(sts_code):
        wrong.sts.get_caller_identity()
    with refused(s3_code):
        wrong.s3.list_buckets()
    with refused(eks_code):
        wrong.eks.list_clusters()
    with refused(ec2_code):
        wrong.ec2.describe_vpcs()


def test_an_expired_session(operator: Aws, endpoint: Any) -> None:
    session = operator.session(allow("*"))
    key = session._keys["aws_access_key_id"]
    assert key is not None
    endpoint.gate.sessions.find(key, "aws").expiration = dt.datetime.now(dt.UTC)
    with refused("ExpiredToken"):
        session.sts.get_caller_identity()
    with refused("ExpiredToken"):
        session.s3.list_buckets()
    with refused("ExpiredTokenException"):
        session.eks.list_clusters()
    with refused("RequestExpired"):
        session.ec2.describe_vpcs()


def test_a_presigned_request_is_good_for_fifteen_minutes(operator: Aws) -> None:
    """Whatever its X-Amz-Expires says; that of other services is heeded."""

    def ask(age: float, expires: int) -> int:
        signed_at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age)
        with mock.patch("botocore.auth.get_current_datetime", return_value=signed_at):
            url = operator.user().sts.generate_presigned_url("get_caller_identity", ExpiresIn=expires, HttpMethod="GET")
        try:
            with urllib.request.urlopen(url) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    assert [ask(age, 60) for age in (0, 61, 899)] == [200] * 3
    assert [ask(905, expires) for expires in (60, 3600)] == [403] * 2


def test_an_inactive_key_of_a_user(operator: Aws) -> None:
    user = operator.user(LIST)
    user.s3.list_buckets()
    name = user.sts.get_caller_identity()["Arn"].rpartition("/")[2]
    operator.iam.update_access_key(UserName=name, AccessKeyId=user._keys["aws_access_key_id"], Status="Inactive")
    with refused("InvalidAccessKeyId"):
        user.s3.list_buckets()


@pytest.mark.parametrize(
    "trust",
    [
        trusting({"Service": "pods.eks.amazonaws.com"}),
        trusting({"AWS": SECOND_ACCOUNT}),
        trusting({"AWS": ACCOUNT}, Condition={"StringEquals": {"sts:ExternalId": "secret"}}),
        trusting({"AWS": ACCOUNT}, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
        trusting({"AWS": ACCOUNT}, "sts:AssumeRoleWithWebIdentity"),
        document(
            {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"},
            {"Effect": "Deny", "Principal": "*", "Action": "sts:*"},
        ),
    ],
)
def test_a_trust_policy_that_refuses(operator: Aws, trust: str) -> None:
    role = operator.role(trust)
    with refused("AccessDenied", "is not authorized to perform: sts:AssumeRole", "role trust policy"):
        operator.assume(role)
    with refused("AccessDenied"):
        operator.user(allow("*")).assume(role)


def test_a_trust_policy_that_names_the_account_leaves_it_to_identity_policies(operator: Aws) -> None:
    role = operator.role(HERE)
    with refused("AccessDenied", "no identity-based policy allows the sts:AssumeRole action"):
        operator.user().assume(role)
    operator.user(allow("sts:AssumeRole", role)).assume(role)


def test_a_role_that_is_not_there(operator: Aws) -> None:
    with refused("AccessDenied"):
        operator.assume(f"arn:aws:iam::{ACCOUNT}:role/nobody")


def test_external_id(operator: Aws) -> None:
    role = operator.role(trusting({"AWS": ACCOUNT}, Condition={"StringEquals": {"sts:ExternalId": "abc"}}))
    with refused("AccessDenied"):
        operator.assume(role, ExternalId="abd")
    operator.assume(role, ExternalId="abc")


def test_tagging_a_session_needs_a_permission_of_its_own(operator: Aws) -> None:
    role = operator.role(trusting({"AWS": ACCOUNT}))
    operator.assume(role)
    with refused("AccessDenied", "sts:TagSession"):
        operator.assume(role, Tags=[{"Key": "team", "Value": "red"}])


def test_session_tags_are_principal_tags_and_win_over_the_roles(operator: Aws) -> None:
    bucket = operator.bucket()
    statement = allow("s3:PutObject", f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/team}}/${{aws:PrincipalTag/level}}")
    role = operator.role(HERE, statement, Tags=[{"Key": "team", "Value": "blue"}, {"Key": "level", "Value": "1"}])
    plain = operator.assume(role)
    plain.s3.put_object(Bucket=bucket, Key="blue/1", Body=b"")
    tagged = operator.assume(role, Tags=[{"Key": "team", "Value": "red"}])
    tagged.s3.put_object(Bucket=bucket, Key="red/1", Body=b"")
    with refused("AccessDenied"):
        tagged.s3.put_object(Bucket=bucket, Key="blue/1", Body=b"")


def test_chaining_carries_transitive_tags_only(operator: Aws) -> None:
    bucket = operator.bucket()
    own = f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/team, 'none'}}/${{aws:PrincipalTag/level, 'none'}}"
    second = operator.role(HERE, allow("s3:PutObject", own))
    tags = [{"Key": "team", "Value": "red"}, {"Key": "level", "Value": "1"}]
    first = operator.session(allow(["sts:AssumeRole", "sts:TagSession"]), Tags=tags, TransitiveTagKeys=["team"])
    chained = first.assume(second)
    chained.s3.put_object(Bucket=bucket, Key="red/none", Body=b"")
    with refused("AccessDenied"):
        chained.s3.put_object(Bucket=bucket, Key="red/1", Body=b"")
    with refused("InvalidParameterValue", "transitive"):
        first.assume(second, Tags=[{"Key": "Team", "Value": "blue"}])
    with refused("ValidationError", "role chaining"):
        first.assume(second, DurationSeconds=3601)


def test_durations(operator: Aws) -> None:
    role = operator.role(HERE, MaxSessionDuration=7200)

    def seconds(**arguments: Any) -> float:
        made = operator.sts.assume_role(RoleArn=role, RoleSessionName="job", **arguments)
        return (made["Credentials"]["Expiration"] - dt.datetime.now(dt.UTC)).total_seconds()

    assert seconds() == pytest.approx(3600, abs=5)
    assert seconds(DurationSeconds=7200) == pytest.approx(7200, abs=5)
    with refused("ValidationError", "MaxSessionDuration"):
        seconds(DurationSeconds=7201)
    with refused("ValidationError"):
        operator.client("sts", parameter_validation=False).assume_role(
            RoleArn=role, RoleSessionName="job", DurationSeconds=10
        )


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ("{", "MalformedPolicyDocument"),
        (document(allow("s3:*", Principal="*")), "MalformedPolicyDocument"),
        (json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*"}}), "MalformedPolicyDocument"),
    ],
)
def test_session_policies_that_are_none(operator: Aws, policy: str, code: str) -> None:
    with refused(code):
        operator.assume(operator.role(HERE), Policy=policy)


def test_session_policies_limit_and_never_grant(operator: Aws) -> None:
    bucket = operator.bucket()
    role = operator.role(HERE, allow("s3:*"))
    narrow = operator.assume(role, Policy=document(LIST, allow("iam:*")))
    narrow.s3.list_buckets()
    with refused("AccessDenied", "no session policy allows the s3:PutObject action"):
        narrow.s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with refused("AccessDenied", "no identity-based policy"):
        narrow.iam.list_roles()
    managed = operator.assume(role, PolicyArns=[{"arn": operator.managed(allow("s3:PutObject"))}])
    managed.s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with refused("AccessDenied", "no session policy"):
        managed.s3.list_buckets()
    with refused("ValidationError", "does not exist"):
        operator.assume(role, PolicyArns=[{"arn": f"arn:aws:iam::{ACCOUNT}:policy/none"}])


def test_source_identity_stays(operator: Aws) -> None:
    second = operator.role(HERE)
    first = operator.session(allow("sts:*"), SourceIdentity="ada")
    made = first.sts.assume_role(RoleArn=second, RoleSessionName="job")
    assert made["SourceIdentity"] == "ada"
    with refused("AccessDenied"):
        first.assume(second, SourceIdentity="bob")


def test_session_token_of_a_user(operator: Aws) -> None:
    user = operator.user(LIST)
    session = Aws(operator.url, user.sts.get_session_token()["Credentials"])
    assert session.sts.get_caller_identity()["Arn"] == user.sts.get_caller_identity()["Arn"]
    session.s3.list_buckets()
    with refused("AccessDenied"):
        session.s3.create_bucket(Bucket="never")
    with refused("AccessDenied"):
        session.sts.get_session_token()


def test_eks_takes_the_principal_behind_a_session_for_the_creator(operator: Aws, endpoint: Any) -> None:
    role = operator.role(HERE)
    user = operator.user()
    of_user = Aws(operator.url, user.sts.get_session_token()["Credentials"])
    cloud = Cloud(endpoint.gate.directory.lock_of, ACCOUNT, REGION, "aws")
    assert cloud.caller(str(operator.assume(role)._keys["aws_access_key_id"])) == role
    assert cloud.caller(str(of_user._keys["aws_access_key_id"])) == user.sts.get_caller_identity()["Arn"]


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_federation_token", {"Name": "ada"}),
        ("assume_root", {"TargetPrincipal": ACCOUNT, "TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}}),
        ("decode_authorization_message", {"EncodedMessage": "x"}),
        ("get_web_identity_token", {"Audience": ["x"], "SigningAlgorithm": "RS256"}),
        ("assume_role_with_saml", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/x", "PrincipalArn": f"arn:aws:iam::{ACCOUNT}:saml-provider/x", "SAMLAssertion": "eHh4eA=="}),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused_by_name(operator: Aws, operation: str, arguments: dict[str, Any]) -> None:
    callers = [operator, operator.user(allow("*")), operator.session(allow("*"))]
    if operation == "assume_role_with_saml":
        callers.append(operator.anonymous())
    for caller in callers:
        name = caller.sts.meta.method_to_api_mapping[operation]
        with refused("InvalidAction", f"{name} is not offered by the local endpoint"):
            getattr(caller.sts, operation)(**arguments)


def test_a_boundary_and_its_end(operator: Aws) -> None:
    boundary = operator.managed(allow("s3:List*"))
    role = operator.role(HERE, allow("s3:*"), PermissionsBoundary=boundary)
    session = operator.assume(role)
    session.s3.list_buckets()
    with refused("AccessDenied", "no permissions boundary allows the s3:CreateBucket action"):
        session.s3.create_bucket(Bucket="never")
    operator.iam.delete_role_permissions_boundary(RoleName=role.rpartition("/")[2])
    session.s3.delete_bucket(Bucket=operator.bucket())


def test_a_change_of_policy_counts_at_once_and_a_new_role_is_another(operator: Aws) -> None:
    role = operator.role(HERE)
    name = role.rpartition("/")[2]
    session = operator.assume(role)
    with refused("AccessDenied"):
        session.s3.list_buckets()
    operator.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(LIST))
    session.s3.list_buckets()
    operator.iam.delete_role_policy(RoleName=name, PolicyName="p")
    operator.iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    session.s3.list_buckets()
    operator.iam.detach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    operator.iam.delete_role(RoleName=name)
    operator.iam.create_role(RoleName=name, AssumeRolePolicyDocument=HERE)
    operator.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(LIST))
    with refused("AccessDenied"):
        session.s3.list_buckets()


def test_groups(operator: Aws) -> None:
    user = operator.user()
    name = user.sts.get_caller_identity()["Arn"].rpartition("/")[2]
    operator.iam.create_group(GroupName=f"of-{name}")
    operator.iam.put_group_policy(GroupName=f"of-{name}", PolicyName="p", PolicyDocument=document(LIST))
    with refused("AccessDenied"):
        user.s3.list_buckets()
    operator.iam.add_user_to_group(GroupName=f"of-{name}", UserName=name)
    user.s3.list_buckets()


def test_a_second_account(operator: Aws) -> None:
    there = Aws(operator.url, account=SECOND_ACCOUNT)
    assert there.sts.get_caller_identity()["Account"] == SECOND_ACCOUNT
    mine, theirs = operator.bucket(), there.bucket()
    target = there.role(trusting({"AWS": ACCOUNT}), LIST)
    with refused("AccessDenied"):
        operator.session().assume(target)
    visitor = operator.session(allow("sts:AssumeRole", target)).assume(target)
    names = [bucket["Name"] for bucket in visitor.s3.list_buckets()["Buckets"]]
    assert theirs in names and mine not in names


def test_sessions_outlive_a_restart_but_no_reset(start_endpoint: Any, tmp_path: Any) -> None:
    running = start_endpoint("--port", "0", "--state", str(tmp_path))
    before = Aws(running.url).session(LIST)
    before.s3.list_buckets()
    running.stop()
    after = before.with_keys()
    after.url = start_endpoint("--port", "0", "--state", str(tmp_path)).url
    after.s3.list_buckets()
    with refused("AccessDenied"):
        after.s3.create_bucket(Bucket="never")
    reset = urllib.request.Request(f"{after.url}/moto-api/reset", method="POST")
    with urllib.request.urlopen(reset) as reply:
        assert reply.status == 200
    with refused("InvalidAccessKeyId"):
        after.s3.list_buckets()
