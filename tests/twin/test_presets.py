"""Every preset on the twin's IAM: its main actions are allowed inside its scope and denied outside.

All of them by its evaluator, with what AWS would know of each request; and nearly all by calls that pods make.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from components import documents, presets
from local.aws import moto_app
from local.aws.authorization.context import Context
from local.aws.authorization.evaluator import Policies, Request, evaluate
from local.aws.authorization.pod_identity import Pod
from local.aws.authorization.policy import Policy
from local.aws.authorization.principals import Kind, Principal
from local.aws.eks.store import Cluster as StoredCluster
from tests.unit.presets.scopes import ACCOUNT, UUID, cluster, scopes

from .authorization.support import REGION, Aws, unique
from .preset_calls import CLUSTER, LEFT_OUT, SCENARIOS

HERE = cluster()
OTHER = "444455556666"
POD = Principal(
    Kind.ROLE_SESSION,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/workload/eks-prod-pod",
    ACCOUNT,
    role_arn=f"arn:aws:iam::{ACCOUNT}:role/workload",
    user_id="AROAWORKLOAD:eks-prod-pod",
    unique_id="AROAWORKLOAD",
)


class Case(NamedTuple):
    allowed: bool
    action: str
    resource: str
    context: dict[str, Any]


def can(action: str, resource: str = "*", **context: Any) -> Case:
    return Case(True, action, resource, context.get("keys", {}))


def cannot(action: str, resource: str = "*", **context: Any) -> Case:
    return Case(False, action, resource, context.get("keys", {}))


def here(service: str, resource: str) -> str:
    return HERE.arn(service, resource)


def s3(resource: str) -> str:
    return f"arn:aws:s3:::{resource}"


def zone(identifier: str) -> str:
    return f"arn:aws:route53:::hostedzone/{identifier}"


def made(**tags: str) -> dict[str, str]:
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()}


def own(**tags: str) -> dict[str, str]:
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def records(*names: str) -> dict[str, list[str]]:
    """The keys of a change of records, as Route 53 normalizes their names."""
    return {"route53:ChangeResourceRecordSetsNormalizedRecordNames": list(names)}


ZONE, OTHER_ZONE = zone("Z0123456789ABCDEFGHIJ"), zone("ZOTHER")
QUEUE, OTHER_QUEUE = here("sqs", "events"), here("sqs", "orders")
KEY, OTHER_KEY = here("kms", f"key/{UUID}"), here("kms", "key/other")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/nodes/KarpenterNodeRole-prod"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
REPOSITORY, OTHER_REPOSITORY = here("ecr", "repository/team/shop"), here("ecr", "repository/other/shop")
SECRET, OTHER_SECRET = here("secretsmanager", "secret:orders/db-AbCdEf"), here("secretsmanager", "secret:admin-AbCdEf")
PARAMETER, OTHER_PARAMETER = here("ssm", "parameter/orders/db"), here("ssm", "parameter/admin")
MESH = here("appmesh", "mesh/shop")
VPC = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:vpc/vpc-0123456789abcdef0"
OTHER_VPC = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:vpc/vpc-0fedcba9876543210"
VOLUME, INSTANCE, GROUP = (here("ec2", f"{kind}/x") for kind in ("volume", "instance", "security-group"))
INTERFACE, TEMPLATE = here("ec2", "network-interface/eni-1"), here("ec2", "launch-template/lt-1")
SNAPSHOT = "arn:aws:ec2:eu-west-1::snapshot/snap-1"
AUTO_SCALING_GROUP = here("autoscaling", "autoScalingGroup:uuid:autoScalingGroupName/workers")
BALANCER = here("elasticloadbalancing", "loadbalancer/app/shop/0123456789abcdef")
LISTENER = here("elasticloadbalancing", "listener/app/shop/0123456789abcdef/0123456789abcdef")
TARGETS = here("elasticloadbalancing", "targetgroup/shop/0123456789abcdef")
ELBV2, EBS, OWNED, EFS, CNI = (
    "elbv2.k8s.aws/cluster",
    "ebs.csi.aws.com/cluster-name",
    "kubernetes.io/cluster/prod",
    "efs.csi.aws.com/cluster",
    "cluster.k8s.amazonaws.com/name",
)
LATTICE_SERVICE = here("vpc-lattice", "service/svc-1")
LATTICE_OWNER = "application-networking.k8s.aws/ManagedBy"
OWNER, OTHER_OWNER = f"{ACCOUNT}/prod/vpc-0123456789abcdef0", f"{ACCOUNT}/staging/vpc-0123456789abcdef0"
RUN = {
    **made(
        **{"kubernetes.io/cluster/prod": "owned", "eks:eks-cluster-name": "prod", "karpenter.sh/nodepool": "default"}
    )
}
NODE = {**own(**{"kubernetes.io/cluster/prod": "owned", "karpenter.sh/nodepool": "default"})}
MODEL = "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-opus"
OTHER_MODEL = "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0"
PROFILE = here("bedrock", "inference-profile/eu.amazon.nova-lite-v1:0")
AUTHORITY = here("acm-pca", f"certificate-authority/{UUID}")

CASES: dict[str, list[Case]] = {
    "ack-s3": [
        can("s3:CreateBucket", s3("my-team-a")),
        can("s3:PutBucketPolicy", s3("shop-assets")),
        can("iam:PassRole", ROLE, keys={"iam:PassedToService": "s3.amazonaws.com"}),
        cannot("iam:PassRole", ROLE, keys={"iam:PassedToService": "ec2.amazonaws.com"}),
        cannot("iam:PassRole", ADMIN, keys={"iam:PassedToService": "s3.amazonaws.com"}),
        cannot("s3:CreateBucket", s3("other")),
        cannot("s3:DeleteBucket", s3("shop-assets-2")),
        cannot("s3:GetObject", s3("shop-assets/key")),
    ],
    "amazon-managed-service-prometheus": [
        can("aps:RemoteWrite", here("aps", "workspace/ws-0a1b2c3d")),
        can("aps:QueryMetrics", here("aps", "workspace/ws-0a1b2c3d")),
        cannot("aps:RemoteWrite", here("aps", "workspace/ws-other")),
        cannot("aps:DeleteWorkspace", here("aps", "workspace/ws-0a1b2c3d")),
    ],
    "argocd-image-updater": [
        can("ecr:GetAuthorizationToken"),
        can("ecr:BatchGetImage", REPOSITORY),
        cannot("ecr:BatchGetImage", OTHER_REPOSITORY),
        cannot("ecr:PutImage", REPOSITORY),
    ],
    "aws-appmesh-controller": [
        can("appmesh:CreateVirtualNode", f"{MESH}/virtualNode/orders"),
        can("appmesh:DescribeMesh", MESH),
        can("acm:DescribeCertificate", here("acm", f"certificate/{UUID}")),
        can("route53:ChangeResourceRecordSets", ZONE),
        can("servicediscovery:CreateService", here("servicediscovery", "namespace/ns-0123456789abcdef")),
        can("servicediscovery:GetOperation", here("servicediscovery", "service/srv-1")),
        cannot("appmesh:CreateVirtualNode", here("appmesh", "mesh/other/virtualNode/orders")),
        cannot("appmesh:DeleteMesh", here("appmesh", "mesh/shop2")),
        cannot("servicediscovery:CreateService", here("servicediscovery", "namespace/ns-other")),
        cannot("route53:ChangeResourceRecordSets", OTHER_ZONE),
    ],
    "aws-appmesh-envoy-proxy": [
        can("appmesh:StreamAggregatedResources", f"{MESH}/virtualNode/orders"),
        can("acm:ExportCertificate", here("acm", f"certificate/{UUID}")),
        cannot("appmesh:StreamAggregatedResources", here("appmesh", "mesh/other/virtualNode/orders")),
        cannot("acm:ExportCertificate", here("acm", "certificate/other")),
        cannot("appmesh:DescribeMesh", MESH),
    ],
    "aws-cloudwatch-observability": [
        can("logs:PutLogEvents", here("logs", "log-group:/aws/containerinsights/prod/performance:log-stream:n1")),
        can("logs:CreateLogGroup", here("logs", "log-group:/shop/orders")),
        can("logs:PutLogEvents", here("logs", "log-group:/shop/orders:log-stream:n1")),
        can("cloudwatch:PutMetricData", keys={"cloudwatch:namespace": "ContainerInsights"}),
        can("cloudwatch:PutMetricData", keys={"cloudwatch:namespace": "Shop"}),
        cannot("cloudwatch:PutMetricData", keys={"cloudwatch:namespace": "AWS/EC2"}),
        cannot("logs:PutLogEvents", here("logs", "log-group:/aws/containerinsights/staging/performance:log-stream:n1")),
        cannot("logs:CreateLogGroup", here("logs", "log-group:/shop/orders2")),
    ],
    "aws-gateway-controller": [
        can("vpc-lattice:CreateService", LATTICE_SERVICE, keys=made(**{LATTICE_OWNER: OWNER})),
        can("vpc-lattice:DeleteService", LATTICE_SERVICE, keys=own(**{LATTICE_OWNER: OWNER})),
        can("vpc-lattice:ListServices"),
        can("vpc-lattice:TagResource", LATTICE_SERVICE, keys=made(**{LATTICE_OWNER: OWNER})),
        can("vpc-lattice:TagResource", LATTICE_SERVICE, keys={**own(**{LATTICE_OWNER: OWNER}), **made(team="a")}),
        can("vpc-lattice:UntagResource", LATTICE_SERVICE, keys=own(**{LATTICE_OWNER: OWNER})),
        cannot("vpc-lattice:TagResource", LATTICE_SERVICE, keys=made(team="a")),
        cannot("vpc-lattice:TagResource", LATTICE_SERVICE, keys={**own(**{LATTICE_OWNER: OTHER_OWNER}), **made(team="a")}),
        cannot("vpc-lattice:TagResource", LATTICE_SERVICE, keys={**own(**{LATTICE_OWNER: OWNER}), **made(**{LATTICE_OWNER: OTHER_OWNER})}),
        can("s3:PutBucketPolicy", s3("access-logs")),
        cannot("vpc-lattice:CreateService", LATTICE_SERVICE),
        cannot("vpc-lattice:CreateService", LATTICE_SERVICE, keys=made(**{LATTICE_OWNER: OTHER_OWNER})),
        cannot("vpc-lattice:DeleteService", LATTICE_SERVICE, keys=own(**{LATTICE_OWNER: OTHER_OWNER})),
        cannot("vpc-lattice:RegisterTargets", f"arn:aws:vpc-lattice:eu-west-1:{OTHER}:targetgroup/tg-1"),
        cannot("s3:PutBucketPolicy", s3("other")),
    ],
    "aws-load-balancer-controller": [
        can("elasticloadbalancing:CreateLoadBalancer", BALANCER, keys=made(**{ELBV2: "prod"})),
        can("elasticloadbalancing:DeleteLoadBalancer", BALANCER, keys=own(**{ELBV2: "prod"})),
        can("elasticloadbalancing:CreateListener", BALANCER),
        can("ec2:AuthorizeSecurityGroupIngress", GROUP, keys={"ec2:Vpc": VPC}),
        can("ec2:CreateSecurityGroup", VPC),
        can("wafv2:ListWebACLs"),
        can("ec2:DescribeVpcs"),
        can("elasticloadbalancing:AddTags", BALANCER, keys={**own(**{ELBV2: "prod"}), **made(team="a")}),
        cannot("elasticloadbalancing:AddTags", BALANCER, keys={**own(**{ELBV2: "staging"}), **made(**{ELBV2: "prod"})}),
        cannot("elasticloadbalancing:CreateLoadBalancer", BALANCER, keys=made(**{ELBV2: "staging"})),
        cannot("elasticloadbalancing:DeleteLoadBalancer", BALANCER, keys=own(**{ELBV2: "staging"})),
        cannot("elasticloadbalancing:DeleteLoadBalancer", BALANCER),
        cannot("ec2:AuthorizeSecurityGroupIngress", GROUP, keys={"ec2:Vpc": OTHER_VPC}),
        cannot("ec2:DeleteSecurityGroup", GROUP, keys=own(**{ELBV2: "staging"})),
        cannot("elasticloadbalancing:ModifyListener", LISTENER.replace(ACCOUNT, OTHER)),
        cannot("iam:CreateServiceLinkedRole", f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/eks.amazonaws.com/x"),
    ],
    "aws-load-balancer-controller-targets": [
        can("elasticloadbalancing:RegisterTargets", TARGETS),
        can("ec2:AuthorizeSecurityGroupIngress", here("ec2", "security-group/sg-0123456789abcdef0")),
        cannot("elasticloadbalancing:RegisterTargets", TARGETS.replace("shop", "other")),
        cannot("ec2:AuthorizeSecurityGroupIngress", GROUP),
        cannot("elasticloadbalancing:CreateTargetGroup", TARGETS),
    ],
    "aws-node-termination-handler": [
        can("sqs:ReceiveMessage", QUEUE),
        can("autoscaling:CompleteLifecycleAction", AUTO_SCALING_GROUP, keys=own(**{"kubernetes.io/cluster/prod": "owned"})),
        cannot("sqs:ReceiveMessage", OTHER_QUEUE),
        cannot("autoscaling:CompleteLifecycleAction", AUTO_SCALING_GROUP, keys=own(**{"kubernetes.io/cluster/staging": "owned"})),
    ],
    "aws-privateca-issuer": [
        can("acm-pca:IssueCertificate", AUTHORITY),
        can("acm-pca:GetCertificate", AUTHORITY),
        cannot("acm-pca:IssueCertificate", here("acm-pca", "certificate-authority/other")),
        cannot("acm-pca:DeleteCertificateAuthority", AUTHORITY),
    ],
    "bedrock-invoke": [
        can("bedrock:InvokeModel", MODEL),
        can("bedrock:InvokeModelWithResponseStream", PROFILE),
        can("bedrock:InvokeModel", OTHER_MODEL.replace("west-1", "north-1"), keys={"bedrock:InferenceProfileArn": PROFILE}),
        # A global profile routes to ARNs without a region.
        can("bedrock:InvokeModel", OTHER_MODEL.replace("eu-west-1", ""), keys={"bedrock:InferenceProfileArn": PROFILE}),
        cannot("bedrock:InvokeModel", OTHER_MODEL.replace("eu-west-1", "")),
        can("bedrock:ApplyGuardrail", here("bedrock", "guardrail/a1b2c3d4e5")),
        cannot("bedrock:InvokeModel", OTHER_MODEL),
        cannot("bedrock:InvokeModel", OTHER_MODEL, keys={"bedrock:InferenceProfileArn": f"{PROFILE}-other"}),
        cannot("bedrock:InvokeModel", MODEL.replace("west-1", "west-3")),
        cannot("bedrock:CreateGuardrail", here("bedrock", "guardrail/a1b2c3d4e5")),
    ],
    "cert-manager": [
        can("route53:ChangeResourceRecordSets", ZONE, keys={"route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]}),
        can("route53:GetChange", "arn:aws:route53:::change/C1"),
        cannot("route53:ChangeResourceRecordSets", ZONE, keys={"route53:ChangeResourceRecordSetsRecordTypes": ["TXT", "A"]}),
        cannot("route53:ChangeResourceRecordSets", OTHER_ZONE, keys={"route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]}),
        cannot("route53:DeleteHostedZone", ZONE),
    ],
    "cluster-autoscaler": [
        can("autoscaling:SetDesiredCapacity", AUTO_SCALING_GROUP, keys=own(**{"k8s.io/cluster-autoscaler/prod": "owned"})),
        can("eks:DescribeNodegroup", here("eks", "nodegroup/prod/workers/uuid")),
        cannot("autoscaling:SetDesiredCapacity", AUTO_SCALING_GROUP, keys=own(**{"k8s.io/cluster-autoscaler/staging": "owned"})),
        cannot("autoscaling:DeleteAutoScalingGroup", AUTO_SCALING_GROUP, keys=own(**{"k8s.io/cluster-autoscaler/prod": "owned"})),
        cannot("eks:DescribeNodegroup", here("eks", "nodegroup/prod-2/workers/uuid")),
    ],
    "ebs-csi": [
        can("ec2:CreateVolume", VOLUME, keys=made(**{EBS: "prod"})),
        can("ec2:AttachVolume", VOLUME, keys=own(**{EBS: "prod"})),
        can("ec2:AttachVolume", INSTANCE, keys=own(**{"kubernetes.io/cluster/prod": "owned"})),
        can("ec2:CreateVolume", SNAPSHOT, keys=own(**{EBS: "prod"})),
        can("ec2:CreateTags", VOLUME, keys={**own(**{EBS: "prod"}), "aws:TagKeys": ["team"]}),
        can("ec2:AttachVolume", VOLUME, keys=own(**{OWNED: "owned"})),
        can("ec2:DeleteVolume", VOLUME, keys=own(**{OWNED: "owned"})),
        can("ec2:CreateSnapshot", VOLUME, keys=own(**{OWNED: "owned"})),
        can("ec2:CreateVolume", SNAPSHOT, keys=own(**{OWNED: "owned"})),
        can("ec2:DeleteSnapshot", SNAPSHOT, keys=own(**{OWNED: "owned"})),
        can("ec2:CreateTags", VOLUME, keys={**own(**{OWNED: "owned"}), "aws:TagKeys": ["team"]}),
        cannot("ec2:CreateVolume", VOLUME, keys=made(**{OWNED: "owned"})),
        cannot("ec2:DeleteVolume", VOLUME, keys=own(**{"kubernetes.io/cluster/staging": "owned"})),
        cannot("ec2:DeleteVolume", VOLUME, keys=own(**{OWNED: "shared"})),
        cannot("ec2:DeleteVolume", VOLUME, keys=own(**{"ebs.csi.aws.com/cluster": "true"})),
        cannot("ec2:CreateTags", VOLUME, keys={**own(**{OWNED: "owned"}), "aws:TagKeys": [EBS]}),
        cannot("ec2:CreateTags", VOLUME, keys={**own(**{EBS: "prod"}), "aws:TagKeys": [OWNED]}),
        can("kms:CreateGrant", KEY, keys={"kms:GrantIsForAWSResource": True}),
        cannot("kms:CreateGrant", KEY, keys={"kms:GrantIsForAWSResource": False}),
        cannot("kms:Decrypt", OTHER_KEY),
        cannot("ec2:CreateVolume", VOLUME),
        cannot("ec2:CreateVolume", VOLUME, keys=made(**{EBS: "staging"})),
        cannot("ec2:DeleteVolume", VOLUME, keys=own(**{EBS: "staging"})),
        cannot("ec2:AttachVolume", INSTANCE, keys=own(**{"kubernetes.io/cluster/staging": "owned"})),
        cannot("ec2:DeleteSnapshot", SNAPSHOT),
        cannot("ec2:CreateTags", VOLUME, keys={**own(**{EBS: "prod"}), "aws:TagKeys": [EBS]}),
    ],
    "efs-csi": [
        can("elasticfilesystem:CreateAccessPoint", here("elasticfilesystem", "file-system/fs-0123456789abcdef0"), keys=made(**{EFS: "true"})),
        can("elasticfilesystem:DeleteAccessPoint", here("elasticfilesystem", "access-point/fsap-1"), keys=own(**{EFS: "true"})),
        can(
            "elasticfilesystem:TagResource",
            here("elasticfilesystem", "access-point/fsap-1"),
            keys={**made(**{EFS: "true"}), "elasticfilesystem:CreateAction": "CreateAccessPoint"},
        ),
        cannot("elasticfilesystem:TagResource", here("elasticfilesystem", "access-point/fsap-1"), keys=made(**{EFS: "true"})),
        cannot("elasticfilesystem:CreateAccessPoint", here("elasticfilesystem", "file-system/fs-0123456789abcdef0")),
        cannot("elasticfilesystem:CreateAccessPoint", here("elasticfilesystem", "file-system/fs-other"), keys=made(**{EFS: "true"})),
        cannot("elasticfilesystem:DeleteAccessPoint", here("elasticfilesystem", "access-point/fsap-1")),
    ],
    "external-dns": [
        can("route53:ListHostedZones"),
        can("route53:ListTagsForResources", OTHER_ZONE),
        can("route53:ChangeResourceRecordSets", ZONE, keys=records("a.shop.example.com", "cname-a.shop.example.com")),
        can("route53:ChangeResourceRecordSets", ZONE, keys=records("shop.example.com", "a-shop.example.com")),
        can("route53:ChangeResourceRecordSets", ZONE, keys=records("shop.example.com", "aaaa-shop.example.com")),
        can("route53:ChangeResourceRecordSets", ZONE, keys=records("shop.example.com", "cname-shop.example.com")),
        can("route53:ListResourceRecordSets", ZONE),
        cannot("route53:ChangeResourceRecordSets", ZONE, keys=records("a.shop.example.com", "example.com")),
        cannot("route53:ChangeResourceRecordSets", ZONE, keys=records("b-shop.example.com")),
        cannot("route53:ChangeResourceRecordSets", OTHER_ZONE, keys=records("a.shop.example.com")),
        cannot("route53:ListResourceRecordSets", OTHER_ZONE),
    ],
    "external-secrets": [
        can("secretsmanager:GetSecretValue", SECRET),
        can("ssm:GetParameter", PARAMETER),
        can("secretsmanager:PutSecretValue", SECRET),
        can("secretsmanager:DeleteSecret", SECRET, keys=own(**{"managed-by": "external-secrets"})),
        # Every update of a secret that exists deletes its resource policy first.
        can("secretsmanager:DeleteResourcePolicy", SECRET, keys=own(**{"managed-by": "external-secrets"})),
        can("secretsmanager:UntagResource", SECRET, keys=own(**{"managed-by": "external-secrets"})),
        can("ssm:PutParameter", PARAMETER),
        can("ssm:DeleteParameter", PARAMETER, keys=own(**{"managed-by": "external-secrets"})),
        can("ssm:RemoveTagsFromResource", PARAMETER, keys=own(**{"managed-by": "external-secrets"})),
        can("kms:Decrypt", KEY),
        cannot("secretsmanager:DeleteSecret", SECRET),
        cannot("secretsmanager:DeleteResourcePolicy", SECRET),
        cannot("secretsmanager:PutResourcePolicy", SECRET, keys=own(**{"managed-by": "external-secrets"})),
        cannot("secretsmanager:DeleteSecret", OTHER_SECRET, keys=own(**{"managed-by": "external-secrets"})),
        cannot("ssm:DeleteParameter", PARAMETER),
        cannot("ssm:DeleteParameter", OTHER_PARAMETER, keys=own(**{"managed-by": "external-secrets"})),
        cannot("secretsmanager:GetSecretValue", OTHER_SECRET),
        cannot("ssm:GetParameter", OTHER_PARAMETER),
        cannot("kms:Decrypt", OTHER_KEY),
    ],
    "fluent-bit": [
        can("logs:PutLogEvents", here("logs", "log-group:/shop/orders:log-stream:pod")),
        can("logs:CreateLogStream", here("logs", "log-group:audit:log-stream:pod")),
        can("s3:PutObject", s3("shop-logs/cluster/prod/2026/11")),
        can("s3:AbortMultipartUpload", s3("shop-logs/cluster/prod/2026/11")),
        cannot("s3:AbortMultipartUpload", s3("shop-logs/cluster/staging/2026/11")),
        can("firehose:PutRecordBatch", here("firehose", "deliverystream/logs")),
        can("kinesis:PutRecords", here("kinesis", "stream/logs")),
        can("es:ESHttpPost", here("es", "domain/logs/_bulk")),
        cannot("logs:PutLogEvents", here("logs", "log-group:audit2:log-stream:pod")),
        cannot("s3:PutObject", s3("shop-logs/cluster/staging/2026/11")),
        cannot("s3:GetObject", s3("shop-logs/cluster/prod/2026/11")),
        cannot("firehose:PutRecordBatch", here("firehose", "deliverystream/other")),
        cannot("es:ESHttpDelete", here("es", "domain/logs/_all")),
    ],
    "flux-image-reflector": [
        can("ecr:GetAuthorizationToken"),
        can("ecr:ListImages", REPOSITORY),
        cannot("ecr:ListImages", OTHER_REPOSITORY),
        cannot("ecr:BatchDeleteImage", REPOSITORY),
    ],
    "fsx-lustre-csi": [
        can("fsx:CreateFileSystem", here("fsx", "file-system/fs-1"), keys=made(CSIVolumeName="pvc-1")),
        can("fsx:DeleteFileSystem", here("fsx", "file-system/fs-1"), keys=own(CSIVolumeName="pvc-1")),
        can("s3:ListBucket", s3("training-data")),
        cannot("fsx:CreateFileSystem", here("fsx", "file-system/fs-1")),
        cannot("fsx:DeleteFileSystem", here("fsx", "file-system/fs-1")),
        cannot("s3:ListBucket", s3("other")),
        cannot("iam:PutRolePolicy", ADMIN),
    ],
    "karpenter": [
        can("ec2:RunInstances", INSTANCE, keys=RUN),
        can("ec2:RunInstances", "arn:aws:ec2:eu-west-1::image/ami-1"),
        can("ec2:CreateFleet", TEMPLATE, keys=NODE),
        can("ec2:TerminateInstances", INSTANCE, keys=NODE),
        can("iam:PassRole", ROLE, keys={"iam:PassedToService": "ec2.amazonaws.com"}),
        can("sqs:ReceiveMessage", QUEUE),
        can("ec2:DescribeInstances", keys={"aws:RequestedRegion": "eu-west-1"}),
        can("arc-zonal-shift:GetManagedResource", keys={"arc-zonal-shift:ResourceIdentifier": here("eks", "cluster/prod")}),
        cannot("arc-zonal-shift:GetManagedResource", keys={"arc-zonal-shift:ResourceIdentifier": here("eks", "cluster/other")}),
        cannot("ec2:DescribeInstances", keys={"aws:RequestedRegion": "us-east-1"}),
        cannot("ec2:RunInstances", INSTANCE),
        cannot("ec2:TerminateInstances", INSTANCE, keys=own(**{"kubernetes.io/cluster/staging": "owned", "karpenter.sh/nodepool": "default"})),
        cannot("iam:PassRole", ADMIN, keys={"iam:PassedToService": "ec2.amazonaws.com"}),
        cannot("iam:PassRole", ROLE, keys={"iam:PassedToService": "lambda.amazonaws.com"}),
        cannot("sqs:ReceiveMessage", OTHER_QUEUE),
        cannot("eks:DescribeCluster", here("eks", "cluster/staging")),
    ],
    "keda": [
        can("sqs:GetQueueAttributes", QUEUE),
        can("dynamodb:Query", here("dynamodb", "table/jobs/index/by-state")),
        can("dynamodb:DescribeStream", here("dynamodb", "table/jobs/stream/2026-11-25T00:00:00.000")),
        can("cloudwatch:GetMetricData"),
        can("sts:AssumeRole", ROLE),
        can("sts:TagSession", ROLE),
        cannot("sts:AssumeRole", ADMIN),
        cannot("sqs:GetQueueAttributes", OTHER_QUEUE),
        cannot("sqs:ReceiveMessage", QUEUE),
        cannot("dynamodb:Query", here("dynamodb", "table/orders")),
        cannot("dynamodb:GetItem", here("dynamodb", "table/jobs")),
    ],
    "mountpoint-s3-csi": [
        can("s3:ListBucket", s3("models")),
        can("s3:ListBucket", s3("datasets"), keys={"s3:prefix": "public/images/"}),
        can("s3:PutObject", s3("datasets/team/a")),
        can("kms:GenerateDataKey", KEY),
        cannot("s3:ListBucket", s3("datasets")),
        cannot("s3:ListBucket", s3("datasets"), keys={"s3:prefix": "private/"}),
        cannot("s3:GetObject", s3("datasets/private/a")),
        cannot("s3:DeleteBucket", s3("models")),
    ],
    "pganalyze": [
        can("rds:DescribeDBInstances", here("rds", "db:shop-1")),
        can("logs:GetLogEvents", here("logs", "log-group:RDSOSMetrics:log-stream:db-1")),
        cannot("rds:DownloadDBLogFilePortion", here("rds", "db:other")),
        cannot("rds:DescribeDBClusters", here("rds", "cluster:other")),
        cannot("logs:GetLogEvents", here("logs", "log-group:audit:log-stream:db-1")),
    ],
    "secrets-store-csi": [
        can("secretsmanager:GetSecretValue", SECRET),
        can("ssm:GetParameters", PARAMETER),
        cannot("secretsmanager:GetSecretValue", OTHER_SECRET),
        cannot("secretsmanager:PutSecretValue", SECRET),
        cannot("ssm:GetParameters", OTHER_PARAMETER),
        cannot("kms:Decrypt", OTHER_KEY),
    ],
    "velero": [
        can("s3:PutObject", s3("backups/prod/backups/daily/daily.tar.gz")),
        can("s3:ListBucket", s3("backups"), keys={"s3:prefix": "prod/backups/"}),
        can("ec2:CreateSnapshot", VOLUME),
        can("ec2:CreateSnapshot", SNAPSHOT, keys=made(**{"velero.io/backup": "daily"})),
        can("ec2:DeleteSnapshot", SNAPSHOT, keys=own(**{"velero.io/backup": "daily"})),
        can("ec2:CreateTags", SNAPSHOT, keys={"ec2:CreateAction": "CreateSnapshot"}),
        cannot("ec2:CreateTags", SNAPSHOT),
        cannot("s3:GetObject", s3("backups/staging/backups/daily/daily.tar.gz")),
        cannot("s3:ListBucket", s3("backups"), keys={"s3:prefix": "staging/"}),
        cannot("ec2:CreateSnapshot", SNAPSHOT),
        cannot("ec2:DeleteSnapshot", SNAPSHOT),
        cannot("kms:Decrypt", OTHER_KEY),
    ],
    "vpc-cni": [
        can("ec2:CreateNetworkInterface", INTERFACE, keys=made(**{CNI: "prod"})),
        can("ec2:CreateNetworkInterface", here("ec2", "subnet/subnet-1"), keys={"ec2:Vpc": VPC}),
        can("ec2:AttachNetworkInterface", INSTANCE, keys=own(**{"kubernetes.io/cluster/prod": "owned"})),
        can("logs:PutLogEvents", here("logs", "log-group:/aws/eks/prod/cluster:log-stream:node")),
        cannot("ec2:CreateNetworkInterface", INTERFACE, keys=made(**{CNI: "staging"})),
        cannot("ec2:CreateNetworkInterface", here("ec2", "subnet/subnet-1"), keys={"ec2:Vpc": OTHER_VPC}),
        cannot("ec2:DeleteNetworkInterface", INTERFACE, keys=own(**{CNI: "staging"})),
        cannot("ec2:AttachNetworkInterface", INSTANCE, keys=own(**{"kubernetes.io/cluster/staging": "owned"})),
        cannot("ec2:AssignIpv6Addresses", INTERFACE),
        cannot("logs:PutLogEvents", here("logs", "log-group:/aws/eks/staging/cluster:log-stream:node")),
    ],
}  # fmt: skip


def build(name: str, scope: dict[str, Any] | None = None) -> presets.Preset:
    return presets.build(name, HERE, scopes()[name] if scope is None else scope)


def decide(preset: presets.Preset, case: Case) -> bool:
    identity = tuple(Policy.parse(policy, f"{preset.name}-{n}") for n, policy in enumerate(preset.policies))
    request = Request(POD, case.action, case.resource, Context(case.context), ACCOUNT)
    return evaluate(request, Policies(identity=identity)).allowed


def test_every_preset_is_tried_inside_and_outside_of_its_scope() -> None:
    assert set(CASES) == set(presets.PRESETS)
    for name, cases in CASES.items():
        assert sum(case.allowed for case in cases) >= 2, name
        assert sum(not case.allowed for case in cases) >= 2, name


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{case.action}-{'in' if case.allowed else 'out'}-{number}")
        for name, cases in CASES.items()
        for number, case in enumerate(cases)
    ],
)
def test_inside_and_outside(name: str, case: Case) -> None:
    assert decide(build(name), case) is case.allowed


@pytest.mark.parametrize("name", sorted(CASES))
def test_another_account_or_cluster_is_outside(name: str) -> None:
    """What is allowed in one account's region is not in another's, where the resource has one to speak of."""
    preset = build(name)
    for case in CASES[name]:
        elsewhere = case.resource.replace(f":{ACCOUNT}:", f":{OTHER}:")
        if elsewhere != case.resource and "/vpc-" not in elsewhere and ":subnet/" not in elsewhere:
            assert not decide(preset, case._replace(resource=elsewhere)), case


def test_a_preset_for_two_clusters_is_for_both_and_no_third() -> None:
    preset = presets.build("ebs-csi", [HERE, cluster(name="staging")])
    for name, allowed in (("prod", True), ("staging", True), ("test", False)):
        assert decide(preset, can("ec2:CreateVolume", VOLUME, keys=made(**{EBS: name}))) is allowed


@pytest.mark.parametrize(
    ("name", "scope", "case"),
    [
        ("mountpoint-s3-csi", {"locations": ["models"], "read_only": True}, cannot("s3:PutObject", s3("models/a"))),
        ("mountpoint-s3-csi", {"locations": ["models"], "read_only": True}, can("s3:GetObject", s3("models/a"))),
        ("external-secrets", {"secret_arns": [here("secretsmanager", "secret:orders/*")]}, cannot("secretsmanager:PutSecretValue", SECRET)),
        ("external-secrets", {"secret_arns": [here("secretsmanager", "secret:orders/*")]}, cannot("ssm:GetParameter", PARAMETER)),
        ("external-dns", {"hosted_zone_arns": [ZONE]}, can("route53:ChangeResourceRecordSets", ZONE, keys=records("x"))),
        ("keda", {"queue_arns": [QUEUE]}, cannot("cloudwatch:GetMetricData")),
        ("keda", {"queue_arns": [QUEUE]}, cannot("sts:AssumeRole", ROLE)),
        ("ebs-csi", {}, cannot("ec2:AttachVolume", VOLUME, keys=own(**{OWNED: "owned"}))),
        ("ebs-csi", {}, cannot("ec2:DeleteSnapshot", SNAPSHOT, keys=own(**{OWNED: "owned"}))),
        ("ebs-csi", {}, can("ec2:AttachVolume", VOLUME, keys=own(**{EBS: "prod"}))),
        ("external-secrets", {"parameter_arns": [here("ssm", "parameter/orders/*")]}, cannot("ssm:DeleteParameter", PARAMETER, keys=own(**{"managed-by": "external-secrets"}))),
        ("vpc-cni", {"vpc_ids": ["vpc-0123456789abcdef0"], "ip_family": "ipv6"}, can("ec2:AssignIpv6Addresses", INTERFACE, keys={"ec2:Vpc": VPC})),
        ("vpc-cni", {"vpc_ids": ["vpc-0123456789abcdef0"], "ip_family": "ipv6"}, cannot("ec2:AssignIpv6Addresses", INTERFACE, keys={"ec2:Vpc": OTHER_VPC})),
        ("vpc-cni", {"vpc_ids": ["vpc-0123456789abcdef0"], "ip_family": "ipv6"}, cannot("ec2:CreateNetworkInterface", INTERFACE, keys=made(**{CNI: "prod"}))),
        ("vpc-cni", {"vpc_ids": ["vpc-0123456789abcdef0"]}, cannot("logs:PutLogEvents", here("logs", "log-group:/aws/eks/prod/cluster:log-stream:n"))),
        ("karpenter", {"node_role_arns": [ROLE]}, cannot("sqs:ReceiveMessage", QUEUE)),
        ("amazon-managed-service-prometheus", {"workspace_arns": [here("aps", "workspace/ws-0a1b2c3d")]}, cannot("aps:QueryMetrics", here("aps", "workspace/ws-0a1b2c3d"))),
        ("aws-load-balancer-controller-targets", {"target_group_arns": [TARGETS]}, cannot("ec2:AuthorizeSecurityGroupIngress", GROUP)),
    ],
)  # fmt: skip
def test_what_a_narrower_scope_leaves_out(name: str, scope: dict[str, Any], case: Case) -> None:
    assert decide(build(name, scope), case) is case.allowed


# --- on a running endpoint: real roles, pods' own sessions, real calls ---


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Any]:
    """An endpoint in this process."""
    before = dict(os.environ)
    moto_app.configure(CLUSTER.account)
    from local.aws.endpoint import Endpoint

    running = Endpoint(port=0, account=CLUSTER.account, region=REGION, transition=0.01)
    running.start()
    try:
        yield running
    finally:
        running.stop()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def operator(endpoint: Any) -> Aws:
    """Its operator."""
    return Aws(endpoint.url)


def workload(endpoint: Any, operator: Aws, name: str, scope: dict[str, Any]) -> Aws:
    """A pod with a new role that has a preset's policies, its own and AWS's."""
    preset = presets.build(name, CLUSTER, scope)
    cluster_arn = CLUSTER.arn("eks", f"cluster/{CLUSTER.name}")
    role = operator.role(documents.to_json(documents.trust([cluster_arn])))
    role_name = role.rpartition("/")[2]
    arns = [
        operator.iam.create_policy(PolicyName=unique(name), PolicyDocument=documents.to_json(policy))["Policy"]["Arn"]
        for policy in preset.policies
    ]
    for arn in (*arns, *preset.managed_policy_arns.values()):
        operator.iam.attach_role_policy(RoleName=role_name, PolicyArn=arn)
    association = {
        "roleArn": role,
        "associationId": "a-12345678901234567",
        "associationArn": CLUSTER.arn("eks", f"podidentityassociation/{CLUSTER.name}/a-12345678901234567"),
        "disableSessionTags": False,
    }
    pod = Pod(preset.namespace or "shop", preset.service_account or "orders", "pod", UUID)
    cluster = StoredCluster({"name": CLUSTER.name, "arn": cluster_arn}, creator="")
    return Aws(operator.url, endpoint.gate.pod_identity.assume(cluster, association, pod)["credentials"])


@pytest.mark.parametrize("name", sorted(CASES))
def test_iam_takes_every_preset(endpoint: Any, operator: Aws, name: str) -> None:
    workload(endpoint, operator, name, scopes()[name]).sts.get_caller_identity()


def test_every_preset_is_called_or_it_is_said_why_not() -> None:
    assert not set(SCENARIOS) & set(LEFT_OUT)
    assert set(SCENARIOS) | set(LEFT_OUT) == set(presets.PRESETS)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_calls_inside_and_outside(endpoint: Any, operator: Aws, name: str) -> None:
    scenario = SCENARIOS[name](operator)
    pod = workload(endpoint, operator, name, scenario.scope)
    for call in scenario.allowed:
        call.by(pod)
    for call in scenario.denied:
        with pytest.raises(ClientError, match="not authorized to perform") as caught:
            call.by(pod)
        code = caught.value.response["Error"]["Code"]  # type: ignore[typeddict-item]
        assert code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"), call


def test_tracing_is_allowed_by_awss_own_policy(operator: Aws) -> None:
    preset = build("aws-cloudwatch-observability")
    (arn,) = preset.managed_policy_arns.values()
    version = operator.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = operator.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    policy = Policy.parse(json.loads(json.dumps(document)), "AWSXrayWriteOnlyAccess")
    request = Request(POD, "xray:PutTraceSegments", "*", Context(), ACCOUNT)
    assert evaluate(request, Policies(identity=(policy,))).allowed
    assert not decide(preset, can("xray:PutTraceSegments"))
