"""AWS Node Termination Handler, reading events from a queue.

Follows v1.25.6, https://github.com/aws/aws-node-termination-handler/blob/v1.25.6/README.md, with the queues named and
lifecycle actions on the cluster's Auto Scaling groups only, and with the heartbeats that this version sends.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import QUEUES
from ._model import Argument, Cluster, Definition, allow


def statements(cluster: Cluster, *, queue_arns: Sequence[str]) -> list[Statement]:
    """Take events from the queues, and complete the lifecycle actions that they tell of."""
    group = cluster.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*")
    owned = {"StringEquals": {f"aws:ResourceTag/{cluster.ownership_tag}": "owned"}}
    reading = [f"autoscaling:Describe{what}" for what in ("AutoScalingInstances", "LifecycleHooks", "Tags")]
    acting = ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"]
    return [
        allow("Read", [*reading, "ec2:DescribeInstances"], ["*"]),
        allow("CompleteLifecycleActions", acting, [group], owned),
        allow("TakeEvents", ["sqs:DeleteMessage", "sqs:ReceiveMessage"], queue_arns),
    ]


PRESET = Definition(
    name="aws-node-termination-handler",
    title="AWS Node Termination Handler",
    version="v1.25.6",
    source="https://github.com/aws/aws-node-termination-handler/blob/v1.25.6/README.md",
    namespace="kube-system",
    service_account="aws-node-termination-handler",
    statements=statements,
    scope=(Argument("queue_arns", QUEUES, "the queues that events come from", required=True),),
    note="Groups need the tag `kubernetes.io/cluster/<cluster>` = `owned`, as those of managed node groups do.",
)
