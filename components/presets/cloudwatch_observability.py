"""The CloudWatch agent of the add-on Amazon CloudWatch Observability: Container Insights and Application Signals.

Follows the add-on's user guide,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/install-CloudWatch-Observability-EKS-addon.html, which
attaches `CloudWatchAgentServerPolicy` and `AWSXrayWriteOnlyAccess`. The actions of the first are allowed here on the
cluster's own log groups and on named metrics only; those of the second take no resources, so it is attached as it is.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import LOG_GROUPS, Items
from ._logs import log_group_arns
from ._model import Argument, Cluster, Definition, allow

_METRICS = ("ApplicationSignals", "CWAgent", "ContainerInsights", "ContainerInsights/Prometheus")


def statements(
    cluster: Cluster, *, log_group_names: Sequence[str], metric_namespaces: Sequence[str]
) -> list[Statement]:
    """Write logs and metrics of the cluster, and read the tags and volumes that they are labelled with."""
    own = [f"/aws/containerinsights/{cluster.name}/*", "/aws/application-signals/*"]
    groups = log_group_arns(cluster, [*own, *log_group_names])
    writing = ["CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents", "PutRetentionPolicy"]
    named = {"StringEquals": {"cloudwatch:namespace": sorted({*_METRICS, *metric_namespaces})}}
    configurations = cluster.arn("ssm", "parameter/AmazonCloudWatch-*")
    return [
        allow("WriteLogs", [f"logs:{action}" for action in writing], groups),
        allow("WriteMetrics", ["cloudwatch:PutMetricData"], ["*"], named),
        allow("Read", ["ec2:DescribeTags", "ec2:DescribeVolumes", "logs:DescribeLogGroups"], ["*"]),
        allow("ReadConfigurations", ["ssm:GetParameter"], [configurations]),
    ]


PRESET = Definition(
    name="aws-cloudwatch-observability",
    title="Amazon CloudWatch Observability",
    version="user guide",
    source="https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/install-CloudWatch-Observability-EKS-addon.html",
    namespace="amazon-cloudwatch",
    service_account="cloudwatch-agent",
    addon="amazon-cloudwatch-observability",
    statements=statements,
    scope=(
        Argument("log_group_names", LOG_GROUPS, "log groups to write to beside Container Insights' and Signals'"),
        Argument(
            "metric_namespaces",
            Items("namespaces of metrics", "MyApplication", r"(?!AWS/)[\w./#:-]{1,255}"),
            "namespaces of metrics to write beside the agent's own",
        ),
    ),
    managed_policies=("AWSXrayWriteOnlyAccess",),
)
