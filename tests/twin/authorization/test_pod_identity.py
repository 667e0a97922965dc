"""Credentials for pods: who gets them, and what they are good for.

https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from local.aws.authorization.pod_identity import Pod, session_name
from local.aws.eks.store import Cluster
from local.aws.protocol import ServiceError, operations_of, violations

from .support import ACCOUNT, REGION, SECOND_ACCOUNT, Aws, allow, deny, document, refused, trusting

SERVICE = {"Service": "pods.eks.amazonaws.com"}
BOTH = ("sts:AssumeRole", "sts:TagSession")
CLUSTER_ARN = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/demo"
CLUSTER = Cluster({"name": "demo", "arn": CLUSTER_ARN}, creator="")
POD = Pod("demo-ns", "demo-sa", "demo-app", "0b7b2a5c-5f55-4a6e-9c59-0e8d4f0b7a11")
LIST = allow("s3:ListAllMyBuckets")


def trust(*actions: str, **conditions: Any) -> str:
    elements = {"Condition": conditions} if conditions else {}
    return trusting(SERVICE, *(actions or BOTH), **elements)


def assume(endpoint: Any, role: str, pod: Pod = POD, **members: Any) -> dict[str, Any]:
    association = {
        "roleArn": role,
        "associationId": "a-12345678901234567",
        "associationArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:podidentityassociation/demo/a-12345678901234567",
        "disableSessionTags": False,
        **members,
    }
    return endpoint.gate.pod_identity.assume(CLUSTER, association, pod)


def denied(endpoint: Any, role: str, which: str = "associated", **members: Any) -> None:
    with pytest.raises(ServiceError) as caught:
        assume(endpoint, role, **members)
    assert caught.value.code == "AccessDeniedException"
    assert caught.value.message.endswith(f"permissions to assume the {which} role.")


def test_the_answer_is_what_the_model_says(operator: Aws, endpoint: Any) -> None:
    role = operator.role(trust(), LIST)
    answer = assume(endpoint, role)
    assert list(violations(operations_of("eks-auth")["AssumeRoleForPodIdentity"].output_shape, answer)) == []
    assert answer["audience"] == "pods.eks.amazonaws.com"
    assert answer["subject"] == {"namespace": "demo-ns", "serviceAccount": "demo-sa"}
    name = answer["assumedRoleUser"]["arn"].rpartition("/")[2]
    assert re.fullmatch(r"eks-demo-demo-app-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name)
    role_id = operator.iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["RoleId"]
    assert answer["assumedRoleUser"]["assumeRoleId"] == f"{role_id}:{name}"
    left = answer["credentials"]["expiration"] - dt.datetime.now(dt.UTC)
    assert left.total_seconds() == pytest.approx(6 * 3600, abs=5)


def test_the_blogs_verification(operator: Aws, endpoint: Any) -> None:
    """The pod lists buckets, may not make one, and is who it should be."""
    pod = Aws(operator.url, assume(endpoint, operator.role(trust(), LIST))["credentials"])
    pod.s3.list_buckets()
    with refused("AccessDenied", "s3:CreateBucket", "no identity-based policy"):
        pod.s3.create_bucket(Bucket="not-by-a-pod")
    assert ":assumed-role/" in pod.sts.get_caller_identity()["Arn"]


@pytest.mark.parametrize(
    "conditions",
    [
        {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        {"ArnEquals": {"aws:SourceArn": CLUSTER_ARN}},
        {"StringEquals": {"aws:SourceArn": CLUSTER_ARN, "aws:SourceAccount": ACCOUNT}},
        {"StringEquals": {"aws:RequestTag/eks-cluster-arn": CLUSTER_ARN}},
        {"StringEquals": {"aws:RequestTag/eks-cluster-name": "demo"}},
        {"StringEquals": {"aws:RequestTag/kubernetes-namespace": ["other", "demo-ns"]}},
        {"StringLike": {"aws:RequestTag/kubernetes-service-account": "demo-*"}},
        {"StringEquals": {"aws:RequestTag/kubernetes-pod-name": "demo-app"}},
        {"StringEquals": {"aws:RequestTag/kubernetes-pod-uid": POD.uid}},
        {"ForAllValues:StringLike": {"aws:TagKeys": ["eks-*", "kubernetes-*"]}, "Null": {"aws:TagKeys": "false"}},
        {"ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": "kubernetes-namespace"}},
        {"StringLike": {"sts:RoleSessionName": "eks-demo-*"}},
        {"Bool": {"aws:PrincipalIsAWSService": "true"}},
        {"Null": {"aws:SourceOrgID": "true", "sts:ExternalId": "true"}},
        {"StringEqualsIfExists": {"aws:SourceOrgID": "o-any"}},
    ],
)
def test_conditions_that_are_met(operator: Aws, endpoint: Any, conditions: dict[str, Any]) -> None:
    assume(endpoint, operator.role(trust(**conditions)))


@pytest.mark.parametrize(
    "document_of_trust",
    [
        trust("sts:AssumeRole"),
        trust("sts:TagSession"),
        trusting({"Service": "eks.amazonaws.com"}, *BOTH),
        trusting({"AWS": ACCOUNT}, *BOTH),
        trusting({"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/x"}, *BOTH),
        trust(StringEquals={"aws:SourceAccount": SECOND_ACCOUNT}),
        trust(ArnEquals={"aws:SourceArn": CLUSTER_ARN + "-2"}),
        trust(StringEquals={"aws:SourceArn": CLUSTER_ARN.upper()}),
        trust(StringEquals={"aws:SourceOrgID": "o-any"}),
        trust(StringEquals={"aws:RequestTag/kubernetes-namespace": "other"}),
        trust(StringEquals={"aws:RequestTag/kubernetes-service-account": "default"}),
        trust(StringEquals={"aws:RequestTag/eks-cluster-name": "other"}),
        trust(StringNotEquals={"aws:SourceAccount": ACCOUNT}),
        trust(Bool={"aws:PrincipalIsAWSService": "false"}),
        document(
            {"Effect": "Allow", "Principal": SERVICE, "Action": list(BOTH)},
            {"Effect": "Deny", "Principal": "*", "Action": "sts:TagSession"},
        ),
        document(
            {"Effect": "Allow", "Principal": SERVICE, "Action": list(BOTH)},
            {
                "Effect": "Deny",
                "Principal": SERVICE,
                "Action": "sts:AssumeRole",
                "Condition": {"StringNotLike": {"aws:RequestTag/kubernetes-namespace": "prod-*"}},
            },
        ),
        # Each half is allowed for another namespace.
        document(
            {"Effect": "Allow", "Principal": SERVICE, "Action": "sts:AssumeRole"},
            {
                "Effect": "Allow",
                "Principal": SERVICE,
                "Action": "sts:TagSession",
                "Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "other"}},
            },
        ),
    ],
)
def test_trust_that_refuses(operator: Aws, endpoint: Any, document_of_trust: str) -> None:
    denied(endpoint, operator.role(document_of_trust, allow("*")))


def test_a_role_that_is_gone(endpoint: Any) -> None:
    denied(endpoint, f"arn:aws:iam::{ACCOUNT}:role/gone")


def test_without_session_tags(operator: Aws, endpoint: Any) -> None:
    role = operator.role(trust("sts:AssumeRole"), allow("s3:*"))
    bucket = operator.bucket()
    Aws(operator.url, assume(endpoint, role, disableSessionTags=True)["credentials"]).s3.list_buckets()
    # A condition on a tag that is not sent cannot hold.
    tagged = operator.role(trust(StringEquals={"aws:RequestTag/kubernetes-namespace": "demo-ns"}))
    denied(endpoint, tagged, disableSessionTags=True)
    policy = document(allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*"))
    pod = Aws(operator.url, assume(endpoint, role, disableSessionTags=True, policy=policy)["credentials"])
    pod.s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with refused("AccessDenied", "no session policy allows the s3:ListAllMyBuckets action"):
        pod.s3.list_buckets()
    with pytest.raises(ServiceError, match="InvalidRequestException"):
        assume(endpoint, role, policy=policy)


def test_access_by_session_tags(operator: Aws, endpoint: Any) -> None:
    """https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html"""
    bucket = operator.bucket()
    for key, cluster in (("ours", "demo"), ("theirs", "other")):
        operator.s3.put_object(Bucket=bucket, Key=key, Body=b"x", Tagging=f"eks-cluster-name={cluster}")
    role = operator.role(
        trust(),
        allow(
            ["s3:GetObject", "s3:GetObjectTagging"],
            Condition={
                "StringEquals": {"s3:ExistingObjectTag/eks-cluster-name": "${aws:PrincipalTag/eks-cluster-name}"}
            },
        ),
        allow("s3:PutObject", f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/kubernetes-namespace}}/*"),
        allow("s3:ListBucket", Condition={"StringLike": {"s3:prefix": "${aws:PrincipalTag/kubernetes-namespace}/*"}}),
        deny("s3:*", Condition={"StringNotEquals": {"aws:PrincipalTag/kubernetes-service-account": "demo-sa"}}),
    )
    pod = Aws(operator.url, assume(endpoint, role)["credentials"])
    assert pod.s3.get_object(Bucket=bucket, Key="ours")["Body"].read() == b"x"
    pod.s3.get_object_tagging(Bucket=bucket, Key="ours")
    with refused("AccessDenied", f'"arn:aws:s3:::{bucket}/theirs"'):
        pod.s3.get_object(Bucket=bucket, Key="theirs")
    pod.s3.put_object(Bucket=bucket, Key="demo-ns/a", Body=b"")
    with refused("AccessDenied"):
        pod.s3.put_object(Bucket=bucket, Key="kube-system/a", Body=b"")
    assert pod.s3.list_objects_v2(Bucket=bucket, Prefix="demo-ns/")["KeyCount"] == 1
    with refused("AccessDenied", "s3:ListBucket"):
        pod.s3.list_objects_v2(Bucket=bucket)
    other = Aws(operator.url, assume(endpoint, role, Pod("demo-ns", "other", "p", "u"))["credentials"])
    with refused("AccessDenied", "with an explicit deny in an identity-based policy"):
        other.s3.get_object(Bucket=bucket, Key="ours")


def test_secrets_by_their_tags(operator: Aws, endpoint: Any) -> None:
    tag = {"Key": "kubernetes-namespace", "Value": "demo-ns"}
    operator.secretsmanager.create_secret(Name="ours", SecretString="x", Tags=[tag])
    operator.secretsmanager.create_secret(Name="theirs", SecretString="y")
    same = "${aws:PrincipalTag/kubernetes-namespace}"
    role = operator.role(
        trust(),
        allow(
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:*-??????",
            Condition={"StringEquals": {"secretsmanager:ResourceTag/kubernetes-namespace": same}},
        ),
    )
    pod = Aws(operator.url, assume(endpoint, role)["credentials"])
    assert pod.secretsmanager.get_secret_value(SecretId="ours")["SecretString"] == "x"
    with refused("AccessDeniedException", "secretsmanager:GetSecretValue"):
        pod.secretsmanager.get_secret_value(SecretId="theirs")


# --- target roles -----------------------------------------------------------------------------------------


def test_a_target_role_of_another_account(operator: Aws, endpoint: Any) -> None:
    """https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html"""
    there = Aws(operator.url, account=SECOND_ACCOUNT)
    first = operator.role(trust(), allow(list(BOTH), f"arn:aws:iam::{SECOND_ACCOUNT}:role/*"))
    conditions = {
        "StringEquals": {
            "aws:RequestTag/eks-cluster-arn": CLUSTER_ARN,
            "aws:RequestTag/kubernetes-namespace": "demo-ns",
            "aws:RequestTag/kubernetes-service-account": "demo-sa",
        },
        "ArnEquals": {"aws:PrincipalArn": first},
    }
    target = there.role(trusting({"AWS": ACCOUNT}, *BOTH, Condition=conditions), LIST)
    bucket = there.bucket()
    answer = assume(endpoint, first, targetRoleArn=target)
    assert answer["assumedRoleUser"]["arn"].startswith(f"arn:aws:sts::{SECOND_ACCOUNT}:assumed-role/")
    left = answer["credentials"]["expiration"] - dt.datetime.now(dt.UTC)
    assert left.total_seconds() == pytest.approx(3600, abs=5)
    pod = Aws(operator.url, answer["credentials"])
    assert bucket in [found["Name"] for found in pod.s3.list_buckets()["Buckets"]]
    assert pod.sts.get_caller_identity()["Account"] == SECOND_ACCOUNT
    # The tags came along.
    key = answer["credentials"]["accessKeyId"]
    assert endpoint.gate.sessions.find(key, "aws").tags["kubernetes-pod-name"] == "demo-app"


@pytest.mark.parametrize(
    ("permissions", "target_principal", "target_actions", "condition"),
    [
        ([], ACCOUNT, BOTH, {}),
        ([allow("sts:AssumeRole")], ACCOUNT, BOTH, {}),
        ([allow(list(BOTH))], SECOND_ACCOUNT, BOTH, {}),
        ([allow(list(BOTH))], ACCOUNT, ("sts:AssumeRole",), {}),
        ([allow(list(BOTH))], ACCOUNT, BOTH, {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "other"}}),
        ([allow(list(BOTH))], ACCOUNT, BOTH, {"StringEquals": {"sts:ExternalId": "x"}}),
        ([allow(list(BOTH)), deny("sts:TagSession")], ACCOUNT, BOTH, {}),
    ],
)
def test_target_roles_that_refuse(
    operator: Aws, endpoint: Any, permissions: list[Any], target_principal: str, target_actions: tuple[str, ...], condition: dict[str, Any]
) -> None:  # fmt: skip
    first = operator.role(trust(), *permissions)
    elements = {"Condition": condition} if condition else {}
    target = Aws(operator.url, account=SECOND_ACCOUNT).role(
        trusting({"AWS": target_principal}, *target_actions, **elements), allow("*")
    )
    denied(endpoint, first, "target", targetRoleArn=target)


def test_a_target_role_with_an_external_id(operator: Aws, endpoint: Any) -> None:
    first = operator.role(trust("sts:AssumeRole"), allow("sts:AssumeRole"))
    external_id = f"{REGION}/{ACCOUNT}/demo/demo-ns/demo-sa"
    condition = {"StringEquals": {"sts:ExternalId": external_id}}
    target = operator.role(trusting({"AWS": first}, Condition=condition), allow("s3:*"))
    members = {"targetRoleArn": target, "disableSessionTags": True}
    answer = assume(endpoint, first, **members, externalId=external_id, policy=document(LIST))
    pod = Aws(operator.url, answer["credentials"])
    pod.s3.list_buckets()
    with refused("AccessDenied", "no session policy"):
        pod.s3.create_bucket(Bucket="not-by-a-pod")
    denied(endpoint, first, "target", **members, externalId=external_id + "x")


# --- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cluster", "pod"), [("c", "p"), ("c" * 100, "p"), ("c", "p" * 253), ("c" * 100, "p" * 253)])
def test_session_names_fit(cluster: str, pod: str) -> None:
    name = session_name(cluster, pod)
    assert len(name) <= 64
    assert re.fullmatch(f"eks-{cluster[0]}+-{pod[0]}+-[-0-9a-f]{{36}}", name)
    assert session_name(cluster, pod) != name
