"""Requests that nobody signed: refused, but for what AWS, or a bucket's owner, lets everybody do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

import pytest

from .support import ACCOUNT, REGION, Aws, allow, ask, deny, document, refused, trusting, unique

READ = {"Action": "s3:GetObject", "Principal": "*"}


@pytest.fixture(scope="module")
def nobody(operator: Aws) -> Aws:
    return operator.anonymous()


def bucket_with(operator: Aws, *keys: str) -> str:
    bucket = operator.bucket()
    for key in keys:
        operator.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def grant(operator: Aws, bucket: str, *statements: dict[str, Any]) -> None:
    operator.s3.put_bucket_policy(Bucket=bucket, Policy=document(*statements))


def read(who: Aws, bucket: str, key: str = "k", **arguments: Any) -> bytes:
    return who.s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()


# --- every other service --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("sts", "get_caller_identity", {}, "MissingAuthenticationToken"),
        ("sts", "assume_role", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/x", "RoleSessionName": "job"}, "MissingAuthenticationToken"),
        ("iam", "list_roles", {}, "MissingAuthenticationToken"),
        ("iam", "create_user", {"UserName": "eve"}, "MissingAuthenticationToken"),
        ("rds", "describe_db_instances", {}, "MissingAuthenticationToken"),
        ("ec2", "describe_vpcs", {}, "MissingAuthenticationToken"),
        ("kms", "list_keys", {}, "MissingAuthenticationTokenException"),
        ("logs", "describe_log_groups", {}, "MissingAuthenticationTokenException"),
        ("sqs", "list_queues", {}, "MissingAuthenticationTokenException"),
        ("cognito-identity", "list_identity_pools", {"MaxResults": 1}, "MissingAuthenticationTokenException"),
        ("eks", "list_clusters", {}, "MissingAuthenticationTokenException"),
        ("eks", "describe_cluster", {"name": "demo"}, "MissingAuthenticationTokenException"),
        ("eks", "tag_resource", {"resourceArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/demo", "tags": {"a": "b"}}, "MissingAuthenticationTokenException"),
        ("eks-auth", "assume_role_for_pod_identity", {"clusterName": "demo", "token": "a.b.c"}, "MissingAuthenticationTokenException"),
        ("lambda", "list_functions", {}, "MissingAuthenticationTokenException"),
    ],
)  # fmt: skip
def test_every_protocol(nobody: Aws, service: str, operation: str, arguments: dict[str, Any], code: str) -> None:
    with refused(code, "" if service == "lambda" else "Missing Authentication Token") as response:
        getattr(getattr(nobody, service), operation)(**arguments)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_an_operation_in_the_query_string(operator: Aws) -> None:
    for target in (
        "/?Action=GetCallerIdentity&Version=2011-06-15",
        "/?Action=ListUsers&Version=2010-05-08",
        "/?Action=X",
    ):
        status, body = ask(operator.url, "GET", target)
        assert status == 403
        assert b"<Code>MissingAuthenticationToken</Code>" in body


def test_what_aws_answers_anybody(operator: Aws, nobody: Aws) -> None:
    """By its own model; there is no such list here."""
    made = operator.client("cognito-identity").create_identity_pool(
        IdentityPoolName=unique("pool"), AllowUnauthenticatedIdentities=True
    )
    pool = made["IdentityPoolId"]
    assert nobody.client("cognito-identity").get_id(IdentityPoolId=pool, AccountId=ACCOUNT)["IdentityId"]
    with refused("MissingAuthenticationTokenException"):
        nobody.client("cognito-identity").describe_identity_pool(IdentityPoolId=pool)


def test_what_is_none_of_aws(operator: Aws) -> None:
    for path in ("/twin/usage", "/twin/sessions", "/moto-api/data.json", "/eu-west-1_pool/.well-known/jwks.json"):
        status, body = ask(operator.url, "GET", path)
        assert status == 200, path
        assert json.loads(body) is not None
    assert ask(operator.url, "GET", "/moto-api/")[0] == 200
    assert ask(operator.url, "GET", "/latest/meta-data/iam/security-credentials/")[0] == 200


def test_where_resources_of_a_stack_report_to_nothing_else_can_be_asked(operator: Aws) -> None:
    """Moto's path for it is in CloudFormation; anybody may report there, and do nothing else."""
    cloudformation = operator.client("cloudformation")
    stack = unique("stack")
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    order = f"Action=DeleteStack&Version=2010-05-15&StackName={stack}"
    path = f"/cloudformation_{REGION}/cfnresponse"
    ask(operator.url, "POST", f"{path}?{order}")
    ask(operator.url, "POST", path, form, order)
    assert cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"


# --- S3 ---------------------------------------------------------------------------------------------------------


def test_buckets_are_nobodys(operator: Aws, nobody: Aws) -> None:
    bucket, new = bucket_with(operator, "k"), unique("never")
    here = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
    with refused("AccessDenied", "Access Denied"):
        nobody.s3.list_buckets()
    with refused("AccessDenied", "Access Denied"):
        nobody.s3.create_bucket(Bucket=new, **here)
    assert new not in [found["Name"] for found in operator.s3.list_buckets()["Buckets"]]
    for operation, arguments in (
        ("list_objects_v2", {}),
        ("get_bucket_location", {}),
        ("get_bucket_policy", {}),
        ("delete_bucket", {}),
        ("get_object", {"Key": "k"}),
        ("put_object", {"Key": "k", "Body": b"x"}),
        ("delete_object", {"Key": "k"}),
        ("delete_objects", {"Delete": {"Objects": [{"Key": "k"}]}}),
        ("create_multipart_upload", {"Key": "k"}),
        ("put_bucket_acl", {"ACL": "public-read"}),
    ):
        with refused("AccessDenied"):
            getattr(nobody.s3, operation)(Bucket=bucket, **arguments)
    with refused("403"):
        nobody.s3.head_object(Bucket=bucket, Key="k")
    assert read(operator, bucket) == b"k"


def test_the_aws_cli(operator: Aws) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "awscli", "s3", "ls", "--no-sign-request"],
        env={"AWS_ENDPOINT_URL": operator.url, "AWS_DEFAULT_REGION": REGION, "AWS_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "(AccessDenied) when calling the ListBuckets operation: Access Denied" in ended.stderr


def test_a_bucket_policy_for_everybody(operator: Aws, nobody: Aws) -> None:
    bucket = bucket_with(operator, "open/k", "closed/k")
    objects = f"arn:aws:s3:::{bucket}"

    grant(operator, bucket, {**allow("s3:GetObject", f"{objects}/open/*"), "Principal": "*"})
    assert read(nobody, bucket, "open/k") == b"open/k"
    nobody.s3.head_object(Bucket=bucket, Key="open/k")
    for denied in (
        lambda: read(nobody, bucket, "closed/k"),
        lambda: nobody.s3.put_object(Bucket=bucket, Key="open/k", Body=b""),
        lambda: nobody.s3.list_objects_v2(Bucket=bucket),
    ):
        with refused("AccessDenied"):
            denied()

    everything = {**allow("s3:*", [objects, f"{objects}/*"]), "Principal": {"AWS": "*"}}
    grant(operator, bucket, everything, {**deny("s3:GetObject", f"{objects}/closed/*"), "Principal": "*"})
    nobody.s3.put_object(Bucket=bucket, Key="new", Body=b"new")
    assert read(operator, bucket, "new") == b"new"
    nobody.s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/new")
    nobody.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copy"}]})
    assert nobody.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 3
    for denied in (
        lambda: read(nobody, bucket, "closed/k"),
        lambda: nobody.s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/closed/k"),
    ):
        with refused("AccessDenied"):
            denied()


@pytest.mark.parametrize(
    ("elements", "granted"),
    [
        ({"Principal": {"AWS": ACCOUNT}}, False),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, False),
        ({"NotPrincipal": {"AWS": ACCOUNT}}, True),
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}, True),
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalType": "Anonymous", "aws:userid": "anonymous"}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}}, False),
        ({"Principal": "*", "Condition": {"StringLike": {"aws:PrincipalArn": "*"}}}, False),
        ({"Principal": "*", "Condition": {"Null": {"s3:authType": "true"}}}, True),
        ({"Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, False),
    ],
)  # fmt: skip
def test_whom_a_bucket_policy_means(operator: Aws, nobody: Aws, elements: dict[str, Any], granted: bool) -> None:
    bucket = bucket_with(operator, "k")
    grant(operator, bucket, {**allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"), **elements})
    if granted:
        assert read(nobody, bucket) == b"k"
    else:
        with refused("AccessDenied"):
            read(nobody, bucket)


def test_public_acls(operator: Aws, nobody: Aws) -> None:
    bucket = bucket_with(operator, "k")
    # That of a bucket is about the list of its objects, not about the objects.
    operator.s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert nobody.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    operator.s3.put_object(Bucket=bucket, Key="later", Body=b"later")
    for denied in (
        lambda: read(nobody, bucket),
        lambda: read(nobody, bucket, "later"),
        lambda: nobody.s3.get_bucket_acl(Bucket=bucket),
        lambda: nobody.s3.put_object(Bucket=bucket, Key="new", Body=b""),
    ):
        with refused("AccessDenied"):
            denied()
    operator.s3.put_object(Bucket=bucket, Key="shown", Body=b"shown", ACL="public-read")
    operator.s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
    assert (read(nobody, bucket, "shown"), read(nobody, bucket)) == (b"shown", b"k")
    with refused("AccessDenied"):
        nobody.s3.get_object_acl(Bucket=bucket, Key="shown")
    operator.s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    nobody.s3.put_object(Bucket=bucket, Key="new", Body=b"new")
    with refused("AccessDenied"):
        nobody.s3.delete_object(Bucket=bucket, Key="k")
    operator.s3.put_bucket_acl(Bucket=bucket, ACL="private")
    with refused("AccessDenied"):
        nobody.s3.list_objects_v2(Bucket=bucket)
    # Everybody is anybody: also who has signed, but may do nothing else.
    assert read(operator.session(), bucket) == b"k"
    grant(operator, bucket, {**deny("s3:GetObject", f"arn:aws:s3:::{bucket}/*"), "Principal": "*"})
    with refused("AccessDenied"):
        read(nobody, bucket)


def test_an_acl_is_of_one_version(operator: Aws, nobody: Aws) -> None:
    bucket = operator.bucket()
    operator.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    hidden = operator.s3.put_object(Bucket=bucket, Key="k", Body=b"hidden")["VersionId"]
    operator.s3.put_object(Bucket=bucket, Key="k", Body=b"shown", ACL="public-read")
    assert read(nobody, bucket) == b"shown"
    with refused("AccessDenied"):
        read(nobody, bucket, VersionId=hidden)


@pytest.mark.parametrize("setting", ["IgnorePublicAcls", "BucketOwnerEnforced"])
def test_acls_that_a_bucket_does_not_heed(operator: Aws, nobody: Aws, setting: str) -> None:
    bucket = operator.bucket()
    operator.s3.put_object(Bucket=bucket, Key="k", Body=b"k", ACL="public-read")
    assert read(nobody, bucket) == b"k"
    if setting == "IgnorePublicAcls":
        operator.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={setting: True})
    else:
        rules = {"Rules": [{"ObjectOwnership": setting}]}
        operator.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    with refused("AccessDenied"):
        read(nobody, bucket)


def test_a_bucket_that_is_restricted_to_its_account(operator: Aws, nobody: Aws) -> None:
    bucket = bucket_with(operator, "k")
    grant(operator, bucket, {**allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"), "Principal": "*"})
    session = operator.session()
    restricted = {"RestrictPublicBuckets": True}
    operator.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=restricted)
    assert read(session, bucket) == b"k"
    with refused("AccessDenied"):
        read(nobody, bucket)


def test_a_preflight_is_unsigned_by_nature(operator: Aws) -> None:
    bucket = operator.bucket()
    rule = {"AllowedMethods": ["PUT"], "AllowedOrigins": ["http://page"], "AllowedHeaders": ["*"]}
    operator.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    asked = {"Origin": "http://page", "Access-Control-Request-Method": "PUT"}
    assert ask(operator.url, "OPTIONS", f"/{bucket}/k", asked)[0] == 200


# --- signatures that are none of version 4's header ----------------------------------------------------------------


def fetch(url: str, **arguments: Any) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **arguments)) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_of_the_operator(operator: Aws, version: str) -> None:
    bucket = operator.bucket()
    s3 = operator.client("s3", signature_version=version)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", "ContentType": "text/plain"})
    assert fetch(put, method="PUT", data=b"x", headers={"Content-Type": "text/plain"})[0] == 200
    assert fetch(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})) == (200, b"x")
    assert fetch(s3.generate_presigned_url("list_buckets"))[0] == 200


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_forms_that_upload(operator: Aws, version: str) -> None:
    bucket = operator.bucket()

    def post(who: Aws, key: str) -> tuple[int, bytes]:
        form = who.client("s3", signature_version=version).generate_presigned_post(bucket, key)
        parts = [(f'name="{name}"', value) for name, value in form["fields"].items()]
        parts.append(('name="file"; filename="f"', "content"))
        body = "".join(f"--mark\r\nContent-Disposition: form-data; {what}\r\n\r\n{value}\r\n" for what, value in parts)
        headers = {"Content-Type": "multipart/form-data; boundary=mark"}
        return fetch(form["url"], method="POST", data=f"{body}--mark--\r\n".encode(), headers=headers)

    assert post(operator, "mine")[0] == 204
    assert read(operator, bucket, "mine") == b"content"
    # Their policies are not read, so a form of somebody who is not the operator must not be taken at its word.
    status, body = post(operator.session(allow("s3:*")), "theirs")
    assert (status, b"<Code>InvalidRequest</Code>" in body) == (400, True)
    status, body = fetch(
        f"{operator.url}/{bucket}", method="POST", data=b"", headers={"Content-Type": "multipart/form-data; boundary=m"}
    )
    assert status == 403
    assert [found["Key"] for found in operator.s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["mine"]


def test_an_old_signature_in_a_body(operator: Aws) -> None:
    """As SimpleDB's clients have it to this day."""
    assert operator.client("sdb").list_domains()["ResponseMetadata"]["HTTPStatusCode"] == 200
    with refused("IncompleteSignature"):
        operator.user(allow("*")).client("sdb").list_domains()


# --- what a request says must be what is judged -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def buckets(operator: Aws) -> tuple[str, str]:
    """A bucket that everybody may read, and one that nobody may."""
    shown, hidden = bucket_with(operator, "k"), bucket_with(operator, "secret")
    grant(operator, shown, {**allow("s3:*", [f"arn:aws:s3:::{shown}", f"arn:aws:s3:::{shown}/*"]), "Principal": "*"})
    return shown, hidden


@pytest.mark.parametrize(
    "host",
    [
        "{}.svc.cluster.local",
        "{}.localhost",
        "www.{}.example",
        "{}.s3.amazonaws.com",
        "{}.host.docker.internal",
        "s3.amazonaws.com",
        "{}",
    ],
)
def test_hosts_that_name_a_bucket_or_seem_to(operator: Aws, buckets: tuple[str, str], host: str) -> None:
    shown, hidden = buckets
    for path in (f"/{hidden}/secret", f"/{shown}/../{hidden}/secret", f"//{hidden}/secret"):
        status, body = ask(operator.url, "GET", path, {"Host": host.format(shown)})
        assert status != 200
        assert body != b"secret"


def test_keys_that_read_in_two_ways(operator: Aws) -> None:
    bucket = bucket_with(operator, "secret", "k.jpg")
    grant(operator, bucket, {**allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*.jpg"), "Principal": "*"})
    assert ask(operator.url, "GET", f"/{bucket}/k.jpg") == (200, b"k.jpg")
    for trick in (";.jpg", "#.jpg", "?.jpg", "?x=/k.jpg"):
        status, body = ask(operator.url, "GET", f"/{bucket}/secret{trick}")
        assert status != 200
        assert body != b"secret"


def test_lists_of_a_prefix(operator: Aws) -> None:
    bucket = bucket_with(operator, "open/k", "closed/k")
    listing = allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition={"StringEquals": {"s3:prefix": "open/"}})
    grant(operator, bucket, {**listing, "Principal": "*"})
    status, body = ask(operator.url, "GET", f"/{bucket}?prefix=open/")
    assert (status, b"open/k" in body) == (200, True)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for arguments, headers, content in (
        ("prefix=closed/", {}, ""),
        ("prefix=closed/&prefix=open/", {}, ""),
        ("prefix=open/", form, "prefix=closed/"),
        ("prefix=open/", form, "x="),
    ):
        status, body = ask(operator.url, "GET", f"/{bucket}?{arguments}", headers, content)
        assert (status, b"closed/k" in body) == (403, False)


def test_a_list_of_deletions_that_cannot_be_read_deletes_nothing(operator: Aws, nobody: Aws) -> None:
    bucket = bucket_with(operator, "k")
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(body)),
    }
    assert ask(operator.url, "POST", f"/{bucket}?delete", headers, chunked)[0] == 403
    assert read(operator, bucket) == b"k"


@pytest.mark.parametrize(
    "authorization", ["AWS4-HMAC-SHA256 Credential=x", "X a/20260101/us-east-1/{}/aws4_request", "Bearer {}", "{}"]
)
def test_an_authorization_that_is_no_signature(operator: Aws, buckets: tuple[str, str], authorization: str) -> None:
    """Left to itself, moto would read a service from it, and serve that."""
    shown, hidden = buckets
    for service in ("iam", "s3", "sts"):
        headers = {"Authorization": authorization.format(service)}
        form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        status, body = ask(operator.url, "POST", "/", form, "Action=ListUsers&Version=2010-05-08")
        assert (status, b"MissingAuthenticationToken" in body) == (403, True)
        assert ask(operator.url, "GET", f"/{hidden}/secret", headers)[0] == 403
        assert ask(operator.url, "GET", f"/{shown}/k", headers) == (200, b"k")


def test_a_signed_request_goes_where_it_was_judged(operator: Aws) -> None:
    """And not where something else in its headers points."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "Action=ListUsers&Version=2010-05-08"
    headers = operator.session(allow("s3:*")).sign("s3", "POST", "/", form, body)
    algorithm, _, rest = headers["Authorization"].partition(" ")
    headers["Authorization"] = f"{algorithm} x/20260101/{REGION}/iam/aws4_request, {rest}"
    assert b"ListUsersResponse" not in ask(operator.url, "POST", "/", headers, body)[1]


def test_a_signature_in_the_query_is_good_for_its_own_service(operator: Aws) -> None:
    session = operator.session(allow("*"))
    s3 = session.client("s3", signature_version="s3v4")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "k"})
    credential = f"{session._keys['aws_access_key_id']}/20260101/{REGION}/iam/aws4_request"
    headers = {"Authorization": f"X Credential={credential}", "Content-Type": "application/x-www-form-urlencoded"}
    target = url.removeprefix(operator.url)
    status, body = ask(operator.url, "PUT", target, headers, "Action=ListUsers&Version=2010-05-08")
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)


def test_paths_that_seem_to_name_a_service(operator: Aws) -> None:
    """With which moto finds a service when nothing else names one."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in (f"/iam_{REGION}/", f"/cloudformation_{REGION}/", f"/{quote('moto-api', safe='')}x"):
        assert ask(operator.url, "POST", path, form, "Action=ListUsers&Version=2010-05-08")[0] == 403
        assert ask(operator.url, "GET", path)[0] == 403


def test_a_bucket_wins_over_a_path_of_eks(operator: Aws, nobody: Aws) -> None:
    """Unsigned, both look alike."""
    operator.s3.create_bucket(Bucket="clusters", CreateBucketConfiguration={"LocationConstraint": REGION})
    try:
        operator.s3.put_object(Bucket="clusters", Key="k", Body=b"k")
        with refused("AccessDenied"):
            read(nobody, "clusters")
        operator.s3.put_object_acl(Bucket="clusters", Key="k", ACL="public-read")
        assert read(nobody, "clusters") == b"k"
    finally:
        operator.s3.delete_object(Bucket="clusters", Key="k")
        operator.s3.delete_bucket(Bucket="clusters")
    with refused("MissingAuthenticationTokenException"):
        nobody.eks.describe_cluster(name="k")


def test_a_kept_reply_is_for_who_got_it(operator: Aws) -> None:
    """A retry repeats its call's answer; somebody else's request with the same id does not."""
    role = operator.role(trusting({"AWS": ACCOUNT}))
    invocation = {"amz-sdk-invocation-id": unique("invocation")}
    form = {"Content-Type": "application/x-www-form-urlencoded", **invocation}
    body = f"Action=AssumeRole&Version=2011-06-15&RoleSessionName=job&RoleArn={quote(role, safe='')}"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential=operator/20260101/{REGION}/sts/aws4_request"}
    status, first = ask(operator.url, "POST", "/", {**form, **signed}, body)
    assert status == 200
    assert ask(operator.url, "POST", "/", {**form, **signed}, body) == (200, first)
    assert ask(operator.url, "POST", "/", form, body)[0] == 403
