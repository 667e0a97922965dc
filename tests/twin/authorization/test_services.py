"""Calls of sessions and users to the services behind the gate, allowed and denied."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest

from .support import ACCOUNT, REGION, Aws, allow, ask, deny, document, refused, trusting, unique

EKS = f"arn:aws:eks:{REGION}:{ACCOUNT}"


# --- S3 -----------------------------------------------------------------------------------------------------


def test_bucket_and_object_are_different_resources(operator: Aws) -> None:
    bucket = operator.bucket()
    operator.s3.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    reader = operator.session(allow("s3:*", f"arn:aws:s3:::{bucket}/*"))
    assert reader.s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"x"
    reader.s3.head_object(Bucket=bucket, Key="a/b")
    for denied in (reader.s3.list_objects_v2, reader.s3.get_bucket_location, reader.s3.delete_bucket):
        with refused("AccessDenied", f'"arn:aws:s3:::{bucket}"'):
            denied(Bucket=bucket)
    lister = operator.session(allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
    lister.s3.head_bucket(Bucket=bucket)
    assert lister.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    with refused("403"):
        lister.s3.head_object(Bucket=bucket, Key="a/b")


@pytest.mark.parametrize(
    ("action", "operation", "arguments"),
    [
        ("s3:PutObject", "put_object", {"Key": "k", "Body": b"x"}),
        ("s3:DeleteObject", "delete_object", {"Key": "k"}),
        ("s3:DeleteObject", "delete_objects", {"Delete": {"Objects": [{"Key": "k"}]}}),
        ("s3:GetObjectTagging", "get_object_tagging", {"Key": "base"}),
        (
            "s3:PutObjectTagging",
            "put_object_tagging",
            {"Key": "base", "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}},
        ),
        ("s3:PutObject", "create_multipart_upload", {"Key": "k"}),
        ("s3:ListBucketMultipartUploads", "list_multipart_uploads", {}),
        ("s3:ListBucketVersions", "list_object_versions", {}),
        ("s3:GetBucketVersioning", "get_bucket_versioning", {}),
        ("s3:PutEncryptionConfiguration", "delete_bucket_encryption", {}),
        ("s3:GetBucketLocation", "get_bucket_location", {}),
        ("s3:GetBucketAcl", "get_bucket_acl", {}),
        ("s3:PutBucketTagging", "put_bucket_tagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
        (
            "s3:PutBucketPublicAccessBlock",
            "put_public_access_block",
            {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}},
        ),
        ("s3:DeleteBucketPolicy", "delete_bucket_policy", {}),
    ],
)
def test_the_permission_of_each_operation(
    operator: Aws, action: str, operation: str, arguments: dict[str, Any]
) -> None:
    bucket = operator.bucket()
    operator.s3.put_object(Bucket=bucket, Key="base", Body=b"x")
    getattr(operator.session(allow(action)).s3, operation)(Bucket=bucket, **arguments)
    others = operator.session(deny(action), allow("*"))
    with refused("AccessDenied", f"perform: {action} on resource", "explicit deny"):
        getattr(others.s3, operation)(Bucket=bucket, **arguments)


def test_copying_needs_both_ends(operator: Aws) -> None:
    source, target = operator.bucket(), operator.bucket()
    operator.s3.put_object(Bucket=source, Key="k", Body=b"x")
    write = allow("s3:PutObject", f"arn:aws:s3:::{target}/*")
    copy = {"Bucket": target, "Key": "k", "CopySource": f"{source}/k"}
    with refused("AccessDenied", "s3:GetObject", source):
        operator.session(write).s3.copy_object(**copy)
    operator.session(write, allow("s3:GetObject", f"arn:aws:s3:::{source}/k")).s3.copy_object(**copy)


def test_bucket_policies(operator: Aws) -> None:
    bucket = operator.bucket()
    operator.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    role = operator.role(trusting({"AWS": ACCOUNT}), allow("sts:GetCallerIdentity"))
    session = operator.assume(role)

    def grant(*statements: dict[str, Any]) -> None:
        operator.s3.put_bucket_policy(Bucket=bucket, Policy=document(*statements))

    read = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
    with refused("AccessDenied"):
        session.s3.get_object(Bucket=bucket, Key="k")
    grant({**read, "Principal": {"AWS": ACCOUNT}})
    with refused("AccessDenied", "no identity-based policy"):
        session.s3.get_object(Bucket=bucket, Key="k")
    grant({**read, "Principal": {"AWS": role}})
    session.s3.get_object(Bucket=bucket, Key="k")
    secure = {"Bool": {"aws:SecureTransport": "false"}}
    guard = deny("s3:*", [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], Principal="*", Condition=secure)
    grant({**read, "Principal": {"AWS": role}}, guard)
    session.s3.get_object(Bucket=bucket, Key="k")
    # The usual guard against plain HTTP shuts out neither sessions nor the operator.
    operator.s3.get_object(Bucket=bucket, Key="k")
    grant({**read, "Principal": {"AWS": role}}, deny("s3:Get*", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": role}))
    with refused("AccessDenied", "with an explicit deny in a resource-based policy"):
        session.s3.get_object(Bucket=bucket, Key="k")


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_presigned_urls(operator: Aws) -> None:
    bucket = operator.bucket()
    operator.s3.put_object(Bucket=bucket, Key="k y/ü", Body=b"x")

    def presign(who: Aws, **arguments: Any) -> str:
        client = who.client("s3", signature_version=arguments.pop("version", "s3v4"))
        return client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k y/ü"}, **arguments)

    reader = operator.session(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    assert fetch(presign(reader)) == (200, b"x")
    assert fetch(presign(operator)) == (200, b"x")
    for url, code in (
        (presign(operator.session()), b"AccessDenied"),
        (presign(reader).replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"), b"SignatureDoesNotMatch"),
        (presign(reader, ExpiresIn=0), b"Request has expired"),
        # S3 takes the signatures of version 2 for no new bucket.
        (presign(reader, version="s3"), b"InvalidRequest"),
    ):
        status, body = fetch(url)
        assert status in (400, 403) and code in body


# --- other services -----------------------------------------------------------------------------------------


def test_eks_resources(operator: Aws) -> None:
    # Clusters need a network; what is denied and what is not found needs none.
    session = operator.session(
        allow("eks:DescribeCluster", f"{EKS}:cluster/demo-*"),
        allow("eks:ListClusters"),
        deny("eks:ListAddons", f"{EKS}:cluster/demo-b"),
        allow("eks:ListAddons"),
    )
    session.eks.list_clusters()
    with refused("ResourceNotFoundException"):
        session.eks.describe_cluster(name="demo-a")
    with refused("AccessDeniedException", f"eks:DescribeCluster on resource: {EKS}:cluster/other"):
        session.eks.describe_cluster(name="other")
    with refused("ResourceNotFoundException"):
        session.eks.list_addons(clusterName="demo-a")
    with refused("AccessDeniedException", "explicit deny"):
        session.eks.list_addons(clusterName="demo-b")
    with refused("AccessDeniedException", "eks:CreatePodIdentityAssociation"):
        session.eks.create_pod_identity_association(
            clusterName="demo-a", namespace="n", serviceAccount="s", roleArn=f"arn:aws:iam::{ACCOUNT}:role/x"
        )


def test_roles_can_be_passed_only_where_they_may(operator: Aws) -> None:
    mine, theirs = f"arn:aws:iam::{ACCOUNT}:role/mine", f"arn:aws:iam::{ACCOUNT}:role/theirs"
    to_pods = {"StringEquals": {"iam:PassedToService": "pods.eks.amazonaws.com"}}
    session = operator.session(allow("eks:*"), allow("iam:PassRole", mine, Condition=to_pods))

    def associate(role: str) -> None:
        session.eks.create_pod_identity_association(
            clusterName="absent", namespace="n", serviceAccount="s", roleArn=role
        )

    with refused("ResourceNotFoundException"):
        associate(mine)
    with refused("AccessDeniedException", f"iam:PassRole on resource: {theirs}"):
        associate(theirs)
    with refused("AccessDeniedException", "iam:PassRole"):
        session.eks.create_addon(clusterName="absent", addonName="vpc-cni", serviceAccountRoleArn=mine)


def test_only_nodes_may_ask_for_pods_credentials(operator: Aws) -> None:
    ask = {"clusterName": "absent", "token": "a.b.c"}
    node = operator.session(allow("eks-auth:AssumeRoleForPodIdentity", f"{EKS}:cluster/*"))
    with refused("ResourceNotFoundException"):
        node.client("eks-auth").assume_role_for_pod_identity(**ask)
    with refused("AccessDeniedException", f"eks-auth:AssumeRoleForPodIdentity on resource: {EKS}:cluster/absent"):
        operator.session().client("eks-auth").assume_role_for_pod_identity(**ask)


def test_iam_resources_have_paths(operator: Aws) -> None:
    trust = trusting({"AWS": ACCOUNT})
    inside, outside = (operator.role(trust, Path=path).rpartition("/")[2] for path in ("/team/", "/"))
    session = operator.session(allow("iam:*", f"arn:aws:iam::{ACCOUNT}:role/team/*"))
    session.iam.get_role(RoleName=inside)
    with refused("AccessDenied", f"role/{outside} because"):
        session.iam.get_role(RoleName=outside)
    session.iam.create_role(RoleName=unique("made"), Path="/team/", AssumeRolePolicyDocument=trust)
    with refused("AccessDenied", "iam:CreateRole"):
        session.iam.create_role(RoleName=unique("made"), AssumeRolePolicyDocument=trust)


def test_condition_keys_of_requests(operator: Aws) -> None:
    trust = trusting({"AWS": ACCOUNT})
    boundary = operator.managed(allow("s3:*"))
    session = operator.session(
        allow(
            ["iam:CreateRole", "iam:TagRole"],
            Condition={
                "StringEquals": {"aws:RequestTag/team": "red", "iam:PermissionsBoundary": boundary},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
            },
        ),
    )

    def create(**arguments: Any) -> None:
        session.iam.create_role(RoleName=unique("made"), AssumeRolePolicyDocument=trust, **arguments)

    red = {"Key": "team", "Value": "red"}
    create(Tags=[red], PermissionsBoundary=boundary)
    for arguments in (
        {"Tags": [red]},
        {"PermissionsBoundary": boundary},
        {"Tags": [{"Key": "team", "Value": "blue"}], "PermissionsBoundary": boundary},
        {"Tags": [red, {"Key": "more", "Value": ""}], "PermissionsBoundary": boundary},
    ):
        with refused("AccessDenied"):
            create(**arguments)


def test_ec2_resources_and_regions(operator: Aws) -> None:
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "team", "Value": "red"}]}]
    vpc = operator.ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]
    other = operator.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    red = {"StringEquals": {"aws:ResourceTag/team": "red"}}
    session = operator.session(
        allow("ec2:DescribeVpcs", Condition={"StringEquals": {"aws:RequestedRegion": REGION}}),
        allow("ec2:DeleteVpc", f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/*", Condition=red),
        allow("ec2:CreateVpc", Condition={"StringEquals": {"aws:RequestTag/team": "red"}}),
    )
    session.ec2.describe_vpcs()
    session.ec2.create_vpc(CidrBlock="10.2.0.0/16", TagSpecifications=tags)
    with refused("UnauthorizedOperation", "ec2:CreateVpc", "You are not authorized to perform this operation."):
        session.ec2.create_vpc(CidrBlock="10.2.0.0/16")
    with refused("UnauthorizedOperation", f"vpc/{other}"):
        session.ec2.delete_vpc(VpcId=other)
    session.ec2.delete_vpc(VpcId=vpc)


def test_key_policies_must_consent(operator: Aws) -> None:
    key = operator.kms.create_key()["KeyMetadata"]
    session = operator.session(allow("kms:*"))
    session.kms.describe_key(KeyId=key["KeyId"])
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}}
    closed = document({**statement, "Action": "kms:*", "Resource": "*"})
    operator.kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=closed)
    with refused("AccessDeniedException", "no resource-based policy allows the kms:DescribeKey action"):
        session.kms.describe_key(KeyId=key["KeyId"])


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "message"),
    [
        ("sqs", "send_message", {"QueueUrl": "http://x/1/queue", "MessageBody": "x"}, f"sqs:sendmessage on resource: arn:aws:sqs:{REGION}:{ACCOUNT}:queue"),
        ("dynamodb", "get_item", {"TableName": "t", "Key": {"k": {"S": "v"}}}, f"dynamodb:GetItem on resource: arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/t"),
        ("logs", "create_log_group", {"logGroupName": "g"}, f"logs:CreateLogGroup on resource: arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"),
        ("lambda", "invoke", {"FunctionName": "f"}, f"lambda:InvokeFunction on resource: arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"),
        ("cloudwatch", "list_metrics", {}, "cloudwatch:ListMetrics"),
    ],
)  # fmt: skip
def test_every_protocol(operator: Aws, service: str, operation: str, arguments: dict[str, Any], message: str) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as caught:
        getattr(getattr(operator.session(), service), operation)(**arguments)
    error = caught.value.response["Error"]  # type: ignore[typeddict-item]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException")
    assert message.lower() in error["Message"].lower()


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/x-amz-json-1.1"}


@pytest.mark.parametrize(
    ("service", "allowed", "method", "target", "headers", "body"),
    [
        ("iam", "iam:ListUsers", "POST", "/", FORM, "Action={}&Version=2010-05-08&UserName=eve&Action=ListUsers"),
        ("iam", "iam:ListUsers", "POST", "/?Action=ListUsers", FORM, "Action={}&Version=2010-05-08&UserName=eve"),
        ("iam", "iam:ListUsers", "POST", "/?Action={}&UserName=eve", FORM, "Action=ListUsers&Version=2010-05-08"),
        ("iam", "iam:ListUsers", "POST", "/?Action=ListUsers", {**JSON, "X-Amz-Target": "x.ListUsers"}, "Action={}&UserName=eve"),
        ("iam", "iam:ListUsers", "POST", "/", {**FORM, "X-Amz-Target": "x.ListUsers"}, "Action={}&UserName=eve&Version=2010-05-08"),
        ("kms", "kms:ListKeys", "POST", "/?Action=CreateKey", {**JSON, "X-Amz-Target": "TrentService.ListKeys"}, "{{}}"),
        ("kms", "kms:ListKeys", "POST", "/", {**JSON, "X-Amz-Target": "TrentService.ListKeys", "Action": "CreateKey"}, "{{}}"),
        ("eks", "eks:ListClusters", "DELETE", "/clusters/demo?Action=ListClusters", {}, ""),
        ("lambda", "lambda:ListFunctions", "DELETE", "/2015-03-31/functions/f?Action=ListFunctions", {}, ""),
        ("lambda", "lambda:ListFunctions", "DELETE", "/2099-01-01/functions/f?Action=ListFunctions", {}, ""),
    ],
)  # fmt: skip
def test_a_request_that_names_two_operations(
    operator: Aws, service: str, allowed: str, method: str, target: str, headers: dict[str, str], body: str
) -> None:
    """It is judged by the one that is carried out, or not at all."""
    session = operator.session(allow(allowed))
    forbidden = "CreateUser"
    target, body = target.format(forbidden), body.format(forbidden)
    before = len(operator.kms.list_keys()["Keys"])
    status, answer = ask(operator.url, method, target, session.sign(service, method, target, headers, body), body)
    assert b"CreateUserResponse" not in answer
    assert "eve" not in [user["UserName"] for user in operator.iam.list_users()["Users"]]
    assert len(operator.kms.list_keys()["Keys"]) == before
    # KMS carries out what was judged; of the others it cannot be told.
    assert (status == 200) is (service == "kms"), answer


def test_a_packed_body_is_judged_unpacked(operator: Aws) -> None:
    body = gzip.compress(b'{"logGroupName": "packed"}')
    session = operator.session(
        allow("logs:CreateLogGroup"), deny("logs:*", f"arn:aws:logs:{REGION}:{ACCOUNT}:*packed*")
    )
    headers = {**JSON, "X-Amz-Target": "Logs_20140328.CreateLogGroup", "Content-Encoding": "gzip"}
    status, answer = ask(operator.url, "POST", "/", session.sign("logs", "POST", "/", headers, body), body)
    assert (status, b"explicit deny" in answer) == (400, True)


def test_a_user_and_the_default_of_nothing(operator: Aws) -> None:
    user = operator.user(allow("s3:ListAllMyBuckets"))
    user.s3.list_buckets()
    with refused("AccessDenied", ":user/user-", "s3:CreateBucket"):
        user.s3.create_bucket(Bucket="never")
    own = "arn:aws:iam::*:user/${aws:username}"
    named = operator.user(allow(["iam:ListAccessKeys", "iam:GetUser"], own))
    named.iam.list_access_keys()
    with refused("AccessDenied"):
        named.iam.list_access_keys(UserName=user.sts.get_caller_identity()["Arn"].rpartition("/")[2])


def test_the_aws_cli(operator: Aws) -> None:
    keys = operator.session(allow("s3:ListAllMyBuckets"))._keys
    environment = {
        "AWS_ACCESS_KEY_ID": str(keys["aws_access_key_id"]),
        "AWS_SECRET_ACCESS_KEY": str(keys["aws_secret_access_key"]),
        "AWS_SESSION_TOKEN": str(keys["aws_session_token"]),
        "AWS_ENDPOINT_URL": operator.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "1",
    }

    def aws(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "awscli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert aws("s3", "ls").returncode == 0
    denied = aws("s3", "mb", "s3://not-by-a-session")
    assert denied.returncode != 0
    assert "s3:CreateBucket" in denied.stderr + denied.stdout
    told = aws("sts", "get-caller-identity", "--output", "json")
    assert told.returncode == 0, told.stderr
    identity = json.loads(told.stdout)
    assert ":assumed-role/" in identity["Arn"]
