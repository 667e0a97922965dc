"""Cluster Autoscaler: sets the size of the cluster's Auto Scaling groups.

Follows 1.36.1,
https://github.com/kubernetes/autoscaler/blob/cluster-autoscaler-1.36.1/cluster-autoscaler/cloudprovider/aws/README.md,
and narrows what it changes to the groups with the tag by which it discovers them.
"""

from ..documents import Statement
from ._model import Cluster, Definition, allow


def statements(cluster: Cluster) -> list[Statement]:
    """Read groups, templates and instance types; change the groups of the cluster."""
    group = cluster.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*")
    nodegroups = cluster.arn("eks", f"nodegroup/{cluster.name}/*")
    discovered = {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster.name}": "owned"}
    reading = [
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeLaunchConfigurations",
        "autoscaling:DescribeScalingActivities",
        "ec2:DescribeImages",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:GetInstanceTypesFromInstanceRequirements",
    ]
    scaling = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    return [
        allow("ReadGroups", reading, ["*"]),
        allow("ReadNodeGroups", ["eks:DescribeNodegroup"], [nodegroups]),
        allow("ScaleGroups", scaling, [group], {"StringEquals": discovered}),
    ]


PRESET = Definition(
    name="cluster-autoscaler",
    title="Cluster Autoscaler",
    version="1.36.1",
    source="https://github.com/kubernetes/autoscaler/blob/cluster-autoscaler-1.36.1/cluster-autoscaler/cloudprovider/aws/README.md",
    namespace="kube-system",
    service_account="cluster-autoscaler",
    statements=statements,
    scope=(),
    note="Groups need the tag `k8s.io/cluster-autoscaler/<cluster>` = `owned`, as those of managed node groups do.",
)
