"""`EksCluster`: a new EKS cluster with one managed node group."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks

from . import documents, rules
from ._base import after, allowed, token, validated

DEFAULT_KUBERNETES_VERSION = "1.36"
DEFAULT_LOG_TYPES = ("api", "audit", "authenticator")

NODE_POLICIES = {
    "worker": "AmazonEKSWorkerNodePolicy",  # with eks-auth:AssumeRoleForPodIdentity, which the agent calls
    "cni": "AmazonEKS_CNI_Policy",
    "registry": "AmazonEC2ContainerRegistryPullOnly",
    "ebs-csi": "service-role/AmazonEBSCSIDriverPolicy",
}
"""The AWS managed policies of the nodes' role, by the suffix of their attachment."""


class EksClusterArgs(TypedDict):
    """The arguments of an `EksCluster`."""

    cluster_name: pulumi.Input[str]
    """The cluster's name in EKS: 1 to 100 letters, digits, `-` and `_`."""
    vpc_id: pulumi.Input[str]
    """The VPC of the subnets."""
    private_subnet_ids: pulumi.Input[Sequence[str]]
    """Subnets in at least two zones, for the nodes and the control plane's network interfaces."""
    public_subnet_ids: NotRequired[pulumi.Input[Sequence[str]]]
    """Subnets for internet-facing load balancers. Default: none."""
    kubernetes_version: NotRequired[pulumi.Input[str]]
    """A Kubernetes version in EKS's standard support. Default: `1.36`."""
    endpoint_private_access: NotRequired[pulumi.Input[bool]]
    """Whether the API server is reached from inside the VPC. Default: true."""
    endpoint_public_access: NotRequired[pulumi.Input[bool]]
    """Whether the API server is reached from the internet. Default: true."""
    public_access_cidrs: NotRequired[pulumi.Input[Sequence[str]]]
    """The blocks from which the public endpoint answers. Default: all, as in EKS."""
    administrators: NotRequired[Mapping[str, pulumi.Input[str]]]
    """ARNs of IAM roles or users who administer the cluster beside its creator, by a key of yours. Default: none."""
    viewers: NotRequired[Mapping[str, pulumi.Input[str]]]
    """ARNs of IAM roles or users who may read Kubernetes objects, secrets excepted, by a key of yours: the role that
    previews pull requests, for instance. Default: none."""
    log_types: NotRequired[Sequence[str]]
    """The control plane logs that go to CloudWatch. Default: `api`, `audit` and `authenticator`."""
    log_retention_days: NotRequired[pulumi.Input[int]]
    """For how many days they are kept. Default: 30."""
    encryption_key_arn: NotRequired[pulumi.Input[str]]
    """A KMS key of yours that encrypts Kubernetes secrets. Default: EKS's own envelope encryption."""
    deletion_protection: NotRequired[pulumi.Input[bool]]
    """Whether EKS refuses to delete the cluster. Default: false."""
    auto_mode: NotRequired[bool]
    """Whether EKS runs nodes and the agent itself (EKS Auto Mode), in place of a node group. Default: false."""
    node_group_name: NotRequired[str]
    """The managed node group's name. Default: `dev`."""
    node_instance_types: NotRequired[pulumi.Input[Sequence[str]]]
    """The nodes' EC2 instance types. Default: `t3.medium`."""
    node_ami_type: NotRequired[pulumi.Input[str]]
    """The nodes' AMI type. Default: `AL2023_x86_64_STANDARD`."""
    node_min_size: NotRequired[pulumi.Input[int]]
    """The fewest nodes. Default: 1."""
    node_max_size: NotRequired[pulumi.Input[int]]
    """The most nodes. Default: 3."""
    node_desired_size: NotRequired[pulumi.Input[int]]
    """The nodes to begin with. Default: 3."""
    node_disk_size: NotRequired[pulumi.Input[int]]
    """Each node's root volume, encrypted gp3, in GiB. Default: 20."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for every resource. Default: none."""
    allow: NotRequired[Mapping[str, str]]
    """What is right here although a rule finds it: the rule's id, as it stands in brackets in the finding, and the
    reason. Default: nothing."""


class EksCluster(pulumi.ComponentResource):
    """An EKS cluster that authenticates by access entries only, with one managed node group.

    Built on `pulumi_eks.Cluster`. Nodes run Amazon Linux 2023 and answer to IMDSv2 with a hop limit of 1, so that a pod
    cannot fall back to the node's role when it has none of its own. The log group is made here, with a retention,
    because the one that EKS would make is kept for ever and outlives the cluster.

    Raises `InvalidArgs` on names, versions, sizes and CIDR blocks that EKS would refuse.

    See https://docs.aws.amazon.com/eks/latest/userguide/create-cluster.html and
    https://www.pulumi.com/registry/packages/eks/api-docs/cluster/.
    """

    cluster_name: pulumi.Output[str]
    """The cluster's name, once its API server answers."""
    cluster_arn: pulumi.Output[str]
    """The cluster's ARN. It follows from the name, so it is known at preview and does not wait for the cluster: a trust
    policy that is scoped to it can be read in the pull request."""
    endpoint: pulumi.Output[str]
    """The URL of the API server."""
    certificate_authority: pulumi.Output[str]
    """The API server's CA certificate, base64."""
    oidc_issuer: pulumi.Output[str]
    """The URL of the cluster's OpenID Connect issuer."""
    kubernetes_version: pulumi.Output[str]
    """The Kubernetes version that runs."""
    kubeconfig: pulumi.Output[str]
    """A kubeconfig as JSON, secret. It gets its tokens by `aws eks get-token`."""
    node_role_arn: pulumi.Output[str]
    """The ARN of the nodes' role. Empty in Auto Mode."""
    ready: pulumi.Output[str]
    """The cluster's name, once there are nodes that can run a pod."""
    allowed: pulumi.Output[Mapping[str, str]]
    """What `allow` lets pass, with the reasons."""

    def __init__(self, name: str, args: EksClusterArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(token("EksCluster"), name, {**args}, opts)
        child = pulumi.ResourceOptions(parent=self)
        valid = validated(
            f"EksCluster {name!r}",
            rules.cluster,
            {
                "cluster_name": args["cluster_name"],
                "kubernetes_version": args.get("kubernetes_version", DEFAULT_KUBERNETES_VERSION),
                "endpoint_private_access": args.get("endpoint_private_access", True),
                "endpoint_public_access": args.get("endpoint_public_access", True),
                "public_access_cidrs": args.get("public_access_cidrs"),
                "administrators": args.get("administrators", {}),
                "viewers": args.get("viewers", {}),
                "log_types": args.get("log_types", DEFAULT_LOG_TYPES),
                "log_retention_days": args.get("log_retention_days", 30),
                "node_group_name": args.get("node_group_name", "dev"),
                "node_instance_types": args.get("node_instance_types", ["t3.medium"]),
                "node_ami_type": args.get("node_ami_type", "AL2023_x86_64_STANDARD"),
                "node_min_size": args.get("node_min_size", 1),
                "node_max_size": args.get("node_max_size", 3),
                "node_desired_size": args.get("node_desired_size", 3),
                "node_disk_size": args.get("node_disk_size", 20),
                "deletion_protection": args.get("deletion_protection", False),
                "auto_mode": args.get("auto_mode", False),
                "tags": args.get("tags", {}),
            },
            args.get("allow"),
            declared=EksClusterArgs,
        )
        tags = valid["tags"]
        partition = aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=self)).partition

        cluster_name = pulumi.Output.from_input(valid["cluster_name"])
        if valid["log_types"]:
            logs = aws.cloudwatch.LogGroup(
                f"{name}-logs",
                name=cluster_name.apply(lambda n: f"/aws/eks/{n}/cluster"),
                retention_in_days=valid["log_retention_days"],
                tags=tags,
                opts=child,
            )
            # EKS makes the log group itself when it is not there yet.
            cluster_name = after(cluster_name, logs.arn)

        cluster = eks.Cluster(
            name,
            name=cluster_name,
            version=valid["kubernetes_version"],
            vpc_id=args["vpc_id"],
            private_subnet_ids=args["private_subnet_ids"],
            public_subnet_ids=args.get("public_subnet_ids"),
            endpoint_private_access=valid["endpoint_private_access"],
            # True is EKS's default. Said explicitly, it makes `pulumi_eks` poll the endpoint for up to five minutes
            # from here, which `public_access_cidrs` may well shut out; nothing needs the API server before there are
            # nodes.
            endpoint_public_access=_unless_true(valid["endpoint_public_access"]),
            public_access_cidrs=valid["public_access_cidrs"],
            authentication_mode=eks.AuthenticationMode.API,
            access_entries={
                **_access_entries(partition, valid["administrators"], "admin", "AmazonEKSClusterAdminPolicy"),
                **_access_entries(partition, valid["viewers"], "view", "AmazonEKSViewPolicy"),
            }
            or None,
            enabled_cluster_log_types=list(valid["log_types"]),
            encryption_config_key_arn=args.get("encryption_key_arn"),
            deletion_protection=valid["deletion_protection"],
            auto_mode=eks.AutoModeOptionsArgs(enabled=True) if valid["auto_mode"] else None,
            skip_default_node_group=True,
            # Managed nodes and control plane share the security group that EKS makes for the cluster.
            skip_default_security_groups=True,
            tags=tags,
            opts=child,
        )
        control_plane = cluster.eks_cluster

        self.cluster_name = control_plane.name
        self.cluster_arn = self._arn(partition, valid["cluster_name"])
        self.endpoint = control_plane.endpoint
        self.certificate_authority = control_plane.certificate_authority.data
        self.oidc_issuer = control_plane.identities[0].oidcs[0].issuer
        self.kubernetes_version = control_plane.version
        self.kubeconfig = pulumi.Output.secret(cluster.kubeconfig_json)
        if valid["auto_mode"]:
            self.node_role_arn = pulumi.Output.from_input("")
            self.ready = self.cluster_name
        else:
            role_arn = self._node_role(name, partition, tags)
            self.node_role_arn = role_arn
            self.ready = self._nodes(name, valid, role_arn, args["private_subnet_ids"], tags)
        self.allowed = allowed(args)
        self.register_outputs(
            {
                "cluster_name": self.cluster_name,
                "cluster_arn": self.cluster_arn,
                "endpoint": self.endpoint,
                "certificate_authority": self.certificate_authority,
                "oidc_issuer": self.oidc_issuer,
                "kubernetes_version": self.kubernetes_version,
                "kubeconfig": self.kubeconfig,
                "node_role_arn": self.node_role_arn,
                "ready": self.ready,
                "allowed": self.allowed,
            }
        )

    def _arn(self, partition: pulumi.Output[str], cluster_name: pulumi.Input[str]) -> pulumi.Output[str]:
        invoke = pulumi.InvokeOutputOptions(parent=self)
        return pulumi.Output.all(
            partition,
            aws.get_region_output(opts=invoke).region,
            aws.get_caller_identity_output(opts=invoke).account_id,
            cluster_name,
        ).apply(lambda parts: documents.cluster_arn(*parts))

    def _node_role(
        self, name: str, partition: pulumi.Output[str], tags: Mapping[str, pulumi.Input[str]]
    ) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}-node",
            assume_role_policy=documents.to_json(documents.service_trust("ec2.amazonaws.com")),
            description="The nodes of an EKS cluster",
            tags=tags,
            opts=child,
        )
        attachments = [
            aws.iam.RolePolicyAttachment(
                f"{name}-node-{key}",
                role=role.name,
                policy_arn=partition.apply(lambda p, policy=policy: f"arn:{p}:iam::aws:policy/{policy}"),
                opts=child,
            )
            for key, policy in NODE_POLICIES.items()
        ]
        return after(role.arn, *(attachment.id for attachment in attachments))

    def _nodes(
        self,
        name: str,
        valid: Mapping[str, Any],
        role_arn: pulumi.Output[str],
        subnet_ids: pulumi.Input[Sequence[str]],
        tags: Mapping[str, pulumi.Input[str]],
    ) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        template = aws.ec2.LaunchTemplate(
            f"{name}-node",
            update_default_version=True,
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                # One hop ends at the node itself: a pod that asks IMDS for the node's credentials gets no answer.
                "http_put_response_hop_limit": 1,
            },
            block_device_mappings=[
                {
                    "device_name": "/dev/xvda",
                    "ebs": {
                        "volume_size": valid["node_disk_size"],
                        "volume_type": "gp3",
                        "encrypted": "true",
                        "delete_on_termination": "true",
                    },
                }
            ],
            tags=tags,
            opts=child,
        )
        nodes = aws.eks.NodeGroup(
            f"{name}-{valid['node_group_name']}",
            cluster_name=self.cluster_name,
            node_group_name=valid["node_group_name"],
            node_role_arn=role_arn,
            subnet_ids=subnet_ids,
            ami_type=valid["node_ami_type"],
            instance_types=valid["node_instance_types"],
            scaling_config={
                "min_size": valid["node_min_size"],
                "max_size": valid["node_max_size"],
                "desired_size": valid["node_desired_size"],
            },
            update_config={"max_unavailable": 1},
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            tags=tags,
            opts=child,
        )
        # CoreDNS becomes active only on nodes, so it is made after them and not by `pulumi_eks.Cluster`.
        aws.eks.Addon(
            f"{name}-coredns",
            cluster_name=nodes.cluster_name,
            addon_name="coredns",
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            tags=tags,
            opts=child,
        )
        return after(self.cluster_name, nodes.id)


def _unless_true(value: Any) -> Any:
    return value.apply(_unless_true) if isinstance(value, pulumi.Output) else None if value is True else value


def _access_entries(
    partition: pulumi.Output[str], principals: Mapping[str, pulumi.Input[str]], key: str, policy: str
) -> dict[str, eks.AccessEntryArgs]:
    """Access entries of principals who have one of EKS's access policies for the whole cluster."""
    return {
        name: eks.AccessEntryArgs(
            principal_arn=principal,
            access_policies={
                key: eks.AccessPolicyAssociationArgs(
                    policy_arn=partition.apply(lambda p: f"arn:{p}:eks::aws:cluster-access-policy/{policy}"),
                    access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                )
            },
        )
        for name, principal in principals.items()
    }
