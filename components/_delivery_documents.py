"""Pure builders of the IAM documents for delivery from GitHub Actions: who may assume the two roles, and what they may.

Nothing here names a partition, and no action stands on `*` that could name its resource. Which actions there are comes
from what the components of this package do at preview, up, refresh and destroy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .documents import POLICY_VERSION, Document, Statement, _one_or_many, permissions

ISSUER = "token.actions.githubusercontent.com"
"""Who signs the tokens of GitHub's workflow runs."""

PASSED_TO = ("ec2.amazonaws.com", "eks.amazonaws.com", "pods.eks.amazonaws.com")
"""The services that get roles of the stack: nodes, clusters and add-ons, pods."""

AWS_POLICIES = (
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSWorkerNodeMinimalPolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "service-role/AmazonEBSCSIDriverPolicy",
)
"""The AWS managed policies that clusters and their nodes, also those of Auto Mode, get from `EksCluster`."""

_SERVICE_LINKED = ("eks.amazonaws.com", "eks-nodegroup.amazonaws.com", "autoscaling.amazonaws.com")

# What is made, by the type that its ARN is of. EKS makes more (network interfaces, instances), with rights of its own.
_OWN_TYPES = (
    "vpc",
    "subnet",
    "internet-gateway",
    "route-table",
    "natgateway",
    "elastic-ip",
    "security-group",
    "launch-template",
)
_CREATE_ACTIONS = (
    "AllocateAddress",
    "CreateInternetGateway",
    "CreateLaunchTemplate",
    "CreateNatGateway",
    "CreateRouteTable",
    "CreateSubnet",
    "CreateVpc",
    "RunInstances",
)


@dataclass(frozen=True)
class Scope:
    """What the two roles are for.

    `cluster_names` are the clusters that the stack makes, `name_prefixes` what the names of its IAM roles and policies
    begin with (with their path, without its first slash). With `resource_tags` only EC2 resources that carry these tags
    are changed. Every role that is made must carry `permissions_boundary`. `attachable_policy_arns` are policies that
    its roles may get beside their own and `AWS_POLICIES`, `encryption_key_arns` the KMS keys that encrypt secrets of
    clusters. `state_bucket` is the S3 bucket of Pulumi's state, `secrets_key_arn` the KMS key of the stack's secrets.
    """

    partition: str
    region: str
    account: str
    cluster_names: Sequence[str]
    name_prefixes: Sequence[str]
    resource_tags: Mapping[str, str] = field(default_factory=dict)
    permissions_boundary: str | None = None
    attachable_policy_arns: Sequence[str] = ()
    encryption_key_arns: Sequence[str] = ()
    state_bucket: str | None = None
    secrets_key_arn: str | None = None

    def arns(self, service: str, *resources: str) -> list[str]:
        """ARNs of regional resources of the account."""
        return [f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}" for resource in resources]

    def iam(self, kind: str) -> list[str]:
        """ARNs of the stack's IAM resources of a kind, `role` or `policy`."""
        return [f"arn:{self.partition}:iam::{self.account}:{kind}/{prefix}*" for prefix in sorted(self.name_prefixes)]

    def logs(self) -> list[str]:
        """ARNs of the clusters' log groups, which IAM wants with and without their streams."""
        groups = [f"log-group:/aws/eks/{name}/cluster" for name in sorted(self.cluster_names)]
        return self.arns("logs", *(form for group in groups for form in (group, f"{group}:*")))

    def clusters(self) -> list[str]:
        """ARNs of the clusters and of everything in them."""
        kinds = ("access-entry", "addon", "nodegroup", "podidentityassociation")
        names = sorted(self.cluster_names)
        return self.arns(
            "eks",
            *(f"cluster/{name}" for name in names),
            *(f"{kind}/{name}/*" for kind in kinds for name in names),
        )


def audience(partition: str) -> str:
    """Whom the tokens are for, as aws-actions/configure-aws-credentials asks for them; in China by its `audience`."""
    return "sts.amazonaws.com.cn" if partition == "aws-cn" else "sts.amazonaws.com"


def subject(repository: str, context: str, owner_id: str | None = None, repository_id: str | None = None) -> str:
    """The `sub` claim of the tokens that GitHub gives to a repository's jobs.

    `repository` is `owner/name`, `context` what follows it: `pull_request`, `ref:refs/heads/main` or
    `environment:production`. With the ids it has the immutable form, which repositories made, renamed or transferred
    after July 15, 2026 have, and others that opted in.

    See https://docs.github.com/en/actions/reference/security/oidc.
    """
    owner, _, name = repository.partition("/")
    if owner_id is not None and repository_id is not None:
        owner, name = f"{owner}@{owner_id}", f"{name}@{repository_id}"
    kind, separator, value = context.partition(":")
    if kind == "environment":
        value = value.replace(":", "%3A")
    return f"repo:{owner}/{name}:{kind}{separator}{value}"


def github_trust(provider_arn: str, subjects: Sequence[str]) -> Document:
    """The trust policy that lets jobs with exactly these `sub` claims assume a role, by no pattern.

    See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html.
    """
    claims = {f"{ISSUER}:aud": audience(provider_arn.split(":")[1]), f"{ISSUER}:sub": _one_or_many(subjects)}
    return {
        "Version": POLICY_VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider_arn},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": claims},
            }
        ],
    }


def preview_policies(scope: Scope) -> dict[str, Document]:
    """What `pulumi preview --refresh` and `pulumi refresh --preview-only` need: to read, and nothing more.

    By a key that is part of the policy's name: `read`, and `state` where the scope names a bucket or a key of it.
    """
    return _documents({"read": _reading(scope), "state": _state(scope, write=False)})


def deploy_policies(scope: Scope) -> dict[str, Document]:
    """What `pulumi up` and `pulumi destroy` need, in several documents, because IAM takes 6,144 characters in one.

    By a key that is part of the policy's name: `read`, `network`, `cluster`, `identity`, and `state` where the scope
    names a bucket or a key of it.
    """
    return _documents(
        {
            "read": _reading(scope),
            "network": _network(scope),
            "cluster": _cluster(scope),
            "identity": _identity(scope),
            "state": _state(scope, write=True),
        }
    )


def _documents(groups: Mapping[str, Sequence[Statement]]) -> dict[str, Document]:
    return {key: permissions(statements) for key, statements in groups.items() if statements}


def _allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": _one_or_many(actions),
        "Resource": _one_or_many(resources),
    }
    return {**statement, "Condition": condition} if condition else statement


def _reading(scope: Scope) -> list[Statement]:
    return [
        _allow(
            "ReadWhatHasNoResource",
            [
                "ec2:DescribeAddresses",
                "ec2:DescribeAddressesAttribute",
                "ec2:DescribeAvailabilityZones",
                "ec2:DescribeInternetGateways",
                "ec2:DescribeLaunchTemplateVersions",
                "ec2:DescribeLaunchTemplates",
                "ec2:DescribeNatGateways",
                "ec2:DescribeNetworkAcls",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeRouteTables",
                "ec2:DescribeSecurityGroupRules",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
                "eks:DescribeAddonVersions",
                "logs:DescribeLogGroups",
            ],
            ["*"],
        ),
        _allow("ReadVpcs", ["ec2:DescribeVpcAttribute"], scope.arns("ec2", "vpc/*")),
        _allow(
            "ReadClusters",
            [
                "eks:DescribeAccessEntry",
                "eks:DescribeAddon",
                "eks:DescribeCluster",
                "eks:DescribeNodegroup",
                "eks:DescribePodIdentityAssociation",
                "eks:DescribeUpdate",
                "eks:ListAssociatedAccessPolicies",
                "eks:ListPodIdentityAssociations",
                "eks:ListTagsForResource",
            ],
            scope.clusters(),
        ),
        _allow(
            "ReadRoles",
            [
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListInstanceProfilesForRole",
                "iam:ListRolePolicies",
                "iam:ListRoleTags",
            ],
            scope.iam("role"),
        ),
        _allow(
            "ReadPolicies",
            ["iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyTags", "iam:ListPolicyVersions"],
            scope.iam("policy"),
        ),
        _allow("ReadLogGroups", ["logs:ListTagsForResource"], scope.logs()),
    ]


def _network(scope: Scope) -> list[Statement]:
    own = scope.arns("ec2", *(f"{kind}/*" for kind in _OWN_TYPES))
    tags = scope.resource_tags
    requested = {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()}} if tags else None
    carried = {"StringEquals": {f"aws:ResourceTag/{key}": value for key, value in tags.items()}} if tags else None
    statements = [
        # What is made and what it is made in are told apart: a request's tags say nothing about whose VPC it names.
        _allow(
            "Make",
            ["ec2:AllocateAddress", "ec2:CreateInternetGateway", "ec2:CreateLaunchTemplate", "ec2:CreateVpc"],
            scope.arns("ec2", "elastic-ip/*", "internet-gateway/*", "launch-template/*", "vpc/*"),
            requested,
        ),
        _allow(
            "MakeInVpc",
            ["ec2:CreateRouteTable", "ec2:CreateSubnet"],
            scope.arns("ec2", "route-table/*", "subnet/*"),
            requested,
        ),
        _allow("MakeInSubnet", ["ec2:CreateNatGateway"], scope.arns("ec2", "natgateway/*"), requested),
        _allow(
            "Change",
            [
                "ec2:AssociateRouteTable",
                "ec2:AttachInternetGateway",
                "ec2:CreateLaunchTemplateVersion",
                "ec2:CreateNatGateway",
                "ec2:CreateRoute",
                "ec2:CreateRouteTable",
                "ec2:CreateSubnet",
                "ec2:CreateTags",
                "ec2:DeleteInternetGateway",
                "ec2:DeleteLaunchTemplate",
                "ec2:DeleteNatGateway",
                "ec2:DeleteRoute",
                "ec2:DeleteRouteTable",
                "ec2:DeleteSubnet",
                "ec2:DeleteTags",
                "ec2:DeleteVpc",
                "ec2:DetachInternetGateway",
                "ec2:DisassociateRouteTable",
                "ec2:ModifyLaunchTemplate",
                "ec2:ModifyVpcAttribute",
                "ec2:ReleaseAddress",
                "ec2:ReplaceRoute",
                "ec2:RevokeSecurityGroupEgress",
                "ec2:RevokeSecurityGroupIngress",
            ],
            own,
            carried,
        ),
    ]
    if tags:
        statements += [
            _allow(
                "TagWhatIsMade",
                ["ec2:CreateTags"],
                [*own, *scope.arns("ec2", "instance/*", "network-interface/*", "volume/*")],
                {"StringEquals": {"ec2:CreateAction": list(_CREATE_ACTIONS)}},
            ),
            # A VPC's default security group comes without tags; it is tagged and emptied.
            _allow(
                "AdoptDefaultSecurityGroup",
                ["ec2:CreateTags", "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
                scope.arns("ec2", "security-group/*"),
                {"Null": {f"aws:ResourceTag/{key}": "true" for key in tags}},
            ),
        ]
    return statements


def _cluster(scope: Scope) -> list[Statement]:
    tags = scope.resource_tags
    statements = [
        # CreateCluster has no resource yet; that only the stack's roles can be passed is what confines it.
        _allow(
            "MakeCluster",
            ["eks:CreateCluster"],
            ["*"],
            {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()}} if tags else None,
        ),
        _allow(
            "ChangeClusters",
            [
                "eks:AssociateAccessPolicy",
                "eks:CreateAccessEntry",
                "eks:CreateAddon",
                "eks:CreateNodegroup",
                "eks:CreatePodIdentityAssociation",
                "eks:DeleteAccessEntry",
                "eks:DeleteAddon",
                "eks:DeleteCluster",
                "eks:DeleteNodegroup",
                "eks:DeletePodIdentityAssociation",
                "eks:DisassociateAccessPolicy",
                "eks:TagResource",
                "eks:UntagResource",
                "eks:UpdateAccessEntry",
                "eks:UpdateAddon",
                "eks:UpdateClusterConfig",
                "eks:UpdateClusterVersion",
                "eks:UpdateNodegroupConfig",
                "eks:UpdateNodegroupVersion",
                "eks:UpdatePodIdentityAssociation",
            ],
            scope.clusters(),
        ),
        # EKS asks whether the caller could launch nodes by the launch template himself.
        _allow(
            "LaunchNodes",
            ["ec2:RunInstances"],
            [
                *scope.arns(
                    "ec2",
                    "instance/*",
                    "launch-template/*",
                    "network-interface/*",
                    "security-group/*",
                    "subnet/*",
                    "volume/*",
                ),
                f"arn:{scope.partition}:ec2:{scope.region}::image/*",
            ],
            {"ArnLike": {"ec2:LaunchTemplate": scope.arns("ec2", "launch-template/*")[0]}},
        ),
        _allow(
            "ChangeLogGroups",
            [
                "logs:CreateLogGroup",
                "logs:DeleteLogGroup",
                "logs:DeleteRetentionPolicy",
                "logs:PutRetentionPolicy",
                "logs:TagResource",
                "logs:UntagResource",
            ],
            scope.logs(),
        ),
    ]
    if scope.encryption_key_arns:
        statements += [
            _allow("SeeEncryptionKeys", ["kms:DescribeKey"], scope.encryption_key_arns),
            _allow(
                "GrantEncryptionKeys",
                ["kms:CreateGrant"],
                scope.encryption_key_arns,
                {"Bool": {"kms:GrantIsForAWSResource": "true"}},
            ),
        ]
    return statements


def _identity(scope: Scope) -> list[Statement]:
    boundary = scope.permissions_boundary
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}} if boundary else {}
    attachable = [
        *scope.iam("policy"),
        *(f"arn:{scope.partition}:iam::aws:policy/{policy}" for policy in AWS_POLICIES),
        *scope.attachable_policy_arns,
    ]
    statements = [
        _allow("MakeRoles", ["iam:CreateRole"], scope.iam("role"), bounded),
        _allow(
            "ChangeRoles",
            [
                "iam:DeleteRole",
                "iam:TagRole",
                "iam:UntagRole",
                "iam:UpdateAssumeRolePolicy",
                "iam:UpdateRole",
                "iam:UpdateRoleDescription",
            ],
            scope.iam("role"),
        ),
        _allow(
            "AttachPolicies",
            ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            scope.iam("role"),
            {**bounded, "ArnLike": {"iam:PolicyARN": _one_or_many(attachable)}},
        ),
        _allow(
            "ChangePolicies",
            [
                "iam:CreatePolicy",
                "iam:CreatePolicyVersion",
                "iam:DeletePolicy",
                "iam:DeletePolicyVersion",
                "iam:TagPolicy",
                "iam:UntagPolicy",
            ],
            scope.iam("policy"),
        ),
        _allow(
            "PassRoles",
            ["iam:PassRole"],
            scope.iam("role"),
            {"StringEquals": {"iam:PassedToService": list(PASSED_TO)}},
        ),
        _allow(
            "MakeServiceLinkedRoles",
            ["iam:CreateServiceLinkedRole"],
            [f"arn:{scope.partition}:iam::{scope.account}:role/aws-service-role/*"],
            {"StringEquals": {"iam:AWSServiceName": list(_SERVICE_LINKED)}},
        ),
    ]
    if boundary:
        # To set it is allowed, to take it away is not.
        statements.append(_allow("BoundRoles", ["iam:PutRolePermissionsBoundary"], scope.iam("role"), bounded))
    return statements


def _state(scope: Scope, *, write: bool) -> list[Statement]:
    statements = []
    if scope.state_bucket:
        bucket = f"arn:{scope.partition}:s3:::{scope.state_bucket}"
        actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"] if write else ["s3:GetObject"]
        statements += [
            _allow("ListState", ["s3:ListBucket"], [bucket]),
            _allow("WriteState" if write else "ReadState", actions, [f"{bucket}/.pulumi/*"]),
        ]
    if scope.secrets_key_arn:
        # Without it a stack with secrets cannot be previewed either.
        actions = ["kms:Decrypt", "kms:Encrypt"] if write else ["kms:Decrypt"]
        statements.append(_allow("StackSecrets", actions, [scope.secrets_key_arn]))
    return statements
