"""The Amazon VPC CNI plugin: gives pods addresses of the VPC.

Follows v1.23.0's policy that is scoped to a cluster for IPv4, and for IPv6 its generic one, here in the VPCs only,
https://github.com/aws/amazon-vpc-cni-k8s/blob/v1.23.0/docs/iam-policy.md, in the cluster's region and account. The logs
of the network policy agent as in https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import VPCS, Choice, Flag
from ._logs import log_group_arns
from ._model import Argument, Cluster, Definition, allow

_TAG = "cluster.k8s.amazonaws.com/name"


def statements(
    cluster: Cluster, *, vpc_ids: Sequence[str], ip_family: str = "ipv4", network_policy_logs: bool = False
) -> list[Statement]:
    """Handle the cluster's network interfaces, or only their IPv6 addresses."""
    interfaces = cluster.arn("ec2", "network-interface/*")
    in_vpc = {"ArnLike": {"ec2:Vpc": [cluster.arn("ec2", f"vpc/{vpc}", account="*") for vpc in vpc_ids]}}
    described = ("InstanceTypes", "Instances", "NetworkInterfaces", "SecurityGroups", "Subnets", "Tags")
    result = [
        allow("Read", [f"ec2:Describe{what}" for what in described], ["*"]),
        allow("TagInterfaces", ["ec2:CreateTags"], [interfaces]),
    ]
    if ip_family == "ipv6":
        result.append(allow("AssignAddresses", ["ec2:AssignIpv6Addresses"], [interfaces], in_vpc))
    else:
        instances = cluster.arn("ec2", "instance/*")
        groups = cluster.arn("ec2", "security-group/*")
        subnets = cluster.arn("ec2", "subnet/*", account="*")
        made = {"StringEquals": {f"aws:RequestTag/{_TAG}": cluster.name}}
        own = {"StringEquals": {f"aws:ResourceTag/{_TAG}": cluster.name}}
        owned = {"StringEquals": {f"aws:ResourceTag/{cluster.ownership_tag}": "owned"}}
        attaching = ["AttachNetworkInterface", "DetachNetworkInterface", "ModifyNetworkInterfaceAttribute"]
        attaching = [f"ec2:{action}" for action in attaching]
        managing = ["AssignPrivateIpAddresses", "DeleteNetworkInterface", "UnassignPrivateIpAddresses"]
        managing = [f"ec2:{action}" for action in managing]
        result += [
            allow("CreateInterfaces", ["ec2:CreateNetworkInterface"], [interfaces], made),
            allow("CreateInterfacesIn", ["ec2:CreateNetworkInterface"], [subnets, groups], in_vpc),
            allow("ManageInterfaces", [*managing, *attaching], [interfaces], own),
            allow("AttachInterfaces", attaching, [instances], owned),
            allow("SetSecurityGroups", ["ec2:ModifyNetworkInterfaceAttribute"], [groups], in_vpc),
        ]
    if network_policy_logs:
        writing = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
        result += [
            allow("FindLogGroups", ["logs:DescribeLogGroups"], ["*"]),
            allow("WriteLogs", writing, log_group_arns(cluster, [f"/aws/eks/{cluster.name}/cluster"])),
        ]
    return result


PRESET = Definition(
    name="vpc-cni",
    title="Amazon VPC CNI",
    version="v1.23.0",
    source="https://github.com/aws/amazon-vpc-cni-k8s/blob/v1.23.0/docs/iam-policy.md",
    namespace="kube-system",
    service_account="aws-node",
    addon="vpc-cni",
    statements=statements,
    scope=(
        Argument("vpc_ids", VPCS, "the VPCs of the cluster's subnets", required=True),
        Argument("ip_family", Choice(("ipv4", "ipv6")), "the cluster's; ipv4 where left out"),
        Argument(
            "network_policy_logs", Flag(), "whether it sends network policy logs to CloudWatch; false where left out"
        ),
    ),
    note="For IPv4 the plugin's CLUSTER_NAME has to be set, as the EKS add-on does: it makes the tags that are needed.",
)
