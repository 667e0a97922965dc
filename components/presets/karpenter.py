"""Karpenter: launches and ends the instances that pods need.

Follows the controller's six policies of v1.14.1,
https://github.com/aws/karpenter-provider-aws/blob/v1.14.1/website/content/en/docs/getting-started/getting-started-with-karpenter/cloudformation.yaml
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import QUEUES, ROLES
from ._model import Argument, Cluster, Definition, allow

_NODE_POOL = "karpenter.sh/nodepool"
_NODE_CLASS = "karpenter.k8s.aws/ec2nodeclass"
_REGION = "topology.kubernetes.io/region"


def statements(cluster: Cluster, *, node_role_arns: Sequence[str], queue_arns: Sequence[str]) -> list[Statement]:
    """Launch and end the cluster's instances, keep instance profiles of the nodes' roles, hear of interruptions."""
    return [
        *_instances(cluster),
        *_instance_profiles(cluster, node_role_arns),
        *([allow("HearInterruptions", _HEARING, queue_arns)] if queue_arns else []),
        *_discovery(cluster),
    ]


def _instances(cluster: Cluster) -> list[Statement]:
    # Images and snapshots are anybody's, and subnets may be shared by another account.
    read = [cluster.arn("ec2", f"{kind}/*", account="") for kind in ("image", "snapshot")]
    shared = ("security-group", "subnet", "capacity-reservation", "placement-group")
    read += [cluster.arn("ec2", f"{kind}/*", account="*") for kind in shared]
    template = cluster.arn("ec2", "launch-template/*")
    instance = cluster.arn("ec2", "instance/*")
    kinds = ("fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request")
    made = [cluster.arn("ec2", f"{kind}/*") for kind in kinds]
    running = ["ec2:RunInstances", "ec2:CreateFleet"]
    own = {
        "StringEquals": {f"aws:ResourceTag/{cluster.ownership_tag}": "owned"},
        "StringLike": {f"aws:ResourceTag/{_NODE_POOL}": "*"},
    }
    ours = {f"aws:RequestTag/{cluster.ownership_tag}": "owned", "aws:RequestTag/eks:eks-cluster-name": cluster.name}
    pooled = {"StringLike": {f"aws:RequestTag/{_NODE_POOL}": "*"}}
    created = {**ours, "ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"]}
    retagged = {
        **own,
        "StringEqualsIfExists": {"aws:RequestTag/eks:eks-cluster-name": cluster.name},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]},
    }
    return [
        allow("LaunchFrom", running, read),
        allow("LaunchFromTemplates", running, [template], own),
        allow("Launch", [*running, "ec2:CreateLaunchTemplate"], made, {"StringEquals": ours, **pooled}),
        allow("TagNew", ["ec2:CreateTags"], made, {"StringEquals": created, **pooled}),
        allow("TagInstances", ["ec2:CreateTags"], [instance], retagged),
        allow("Terminate", ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"], [instance, template], own),
    ]


def _instance_profiles(cluster: Cluster, node_role_arns: Sequence[str]) -> list[Statement]:
    profiles = [cluster.arn("iam", "instance-profile/*", region="")]
    to_ec2 = {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"]}}
    own = {
        f"aws:ResourceTag/{cluster.ownership_tag}": "owned",
        f"aws:ResourceTag/{_REGION}": cluster.region,
    }
    ours = {
        f"aws:RequestTag/{cluster.ownership_tag}": "owned",
        "aws:RequestTag/eks:eks-cluster-name": cluster.name,
        f"aws:RequestTag/{_REGION}": cluster.region,
    }
    of_class, for_class = {f"aws:ResourceTag/{_NODE_CLASS}": "*"}, {f"aws:RequestTag/{_NODE_CLASS}": "*"}
    retagged = {"StringEquals": {**own, **ours}, "StringLike": {**of_class, **for_class}}
    managing = ["AddRoleToInstanceProfile", "DeleteInstanceProfile", "RemoveRoleFromInstanceProfile"]
    return [
        allow("PassNodeRoles", ["iam:PassRole"], node_role_arns, to_ec2),
        allow(
            "CreateProfiles", ["iam:CreateInstanceProfile"], profiles, {"StringEquals": ours, "StringLike": for_class}
        ),
        allow("TagProfiles", ["iam:TagInstanceProfile"], profiles, retagged),
        allow(
            "ManageProfiles",
            [f"iam:{action}" for action in managing],
            profiles,
            {"StringEquals": own, "StringLike": of_class},
        ),
        allow("ReadProfiles", ["iam:GetInstanceProfile"], profiles),
    ]


_HEARING = ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
_DESCRIBED = (
    *("CapacityReservations", "Images", "InstanceStatus", "InstanceTypeOfferings", "InstanceTypes", "Instances"),
    *("LaunchTemplates", "PlacementGroups", "SecurityGroups", "SpotPriceHistory", "Subnets"),
)


def _discovery(cluster: Cluster) -> list[Statement]:
    own = cluster.arn("eks", f"cluster/{cluster.name}")
    here = {"StringEquals": {"aws:RequestedRegion": cluster.region}}
    zones_of_cluster = {"StringEquals": {"arc-zonal-shift:ResourceIdentifier": own}}
    parameters = cluster.arn("ssm", "parameter/aws/service/*", account="")
    return [
        allow("ReadCluster", ["eks:DescribeCluster"], [own]),
        allow("ReadZonalShifts", ["arc-zonal-shift:GetManagedResource"], ["*"], zones_of_cluster),
        allow("Read", [f"ec2:Describe{what}" for what in _DESCRIBED], ["*"], here),
        allow("ReadImageParameters", ["ssm:GetParameter"], [parameters]),
        allow("ReadPrices", ["iam:ListInstanceProfiles", "pricing:GetProducts"], ["*"]),
    ]


PRESET = Definition(
    name="karpenter",
    title="Karpenter",
    version="v1.14.1",
    source=(
        "https://github.com/aws/karpenter-provider-aws/blob/v1.14.1/website/content/en/docs/getting-started/"
        "getting-started-with-karpenter/cloudformation.yaml"
    ),
    namespace="kube-system",
    service_account="karpenter",
    statements=statements,
    scope=(
        Argument(
            "node_role_arns",
            ROLES,
            "the roles of the nodes that it launches",
            required=True,
        ),
        Argument("queue_arns", QUEUES, "the queues that interruptions are told in"),
    ),
    exceptions={
        "arc-zonal-shift:GetManagedResource": (
            "clusters are no resource type of this action; the condition names the cluster instead"
        )
    },
)
