"""KEDA: scales workloads by queues, streams, tables and metrics.

Follows 2.20, https://keda.sh/docs/2.20/authentication-providers/aws/ and https://keda.sh/docs/2.20/scalers/aws-cloudwatch/,
and for the other scalers the calls that v2.20.2 makes, https://github.com/kedacore/keda/tree/v2.20.2/pkg/scalers.
Pod Identity's session tags go along to the roles that it assumes, as in `documents.chaining`.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import KINESIS_STREAMS, QUEUES, ROLES, Flag, arns
from ._model import Argument, Cluster, Definition, allow


def statements(
    cluster: Cluster,
    *,
    queue_arns: Sequence[str],
    stream_arns: Sequence[str],
    table_arns: Sequence[str],
    role_arns: Sequence[str],
    cloudwatch: bool = False,
) -> list[Statement]:
    """Read the lengths of queues, the shards of streams, the items of tables, and metrics; assume the roles."""
    sources = [
        ("ReadQueues", ["sqs:GetQueueAttributes"], queue_arns),
        ("ReadStreams", ["kinesis:DescribeStreamSummary"], stream_arns),
        ("ReadTables", ["dynamodb:DescribeTable", "dynamodb:Query"], table_arns),
        ("ReadIndexes", ["dynamodb:Query"], [f"{table}/index/*" for table in table_arns]),
        ("ReadTableStreams", ["dynamodb:DescribeStream"], [f"{table}/stream/*" for table in table_arns]),
        ("ReadMetrics", ["cloudwatch:GetMetricData"], ["*"] if cloudwatch else []),
        ("AssumeRoles", ["sts:AssumeRole", "sts:TagSession"], role_arns),
    ]
    return [allow(sid, actions, resources) for sid, actions, resources in sources if resources]


_SCOPE = (
    Argument("queue_arns", QUEUES, "the SQS queues to scale by"),
    Argument("stream_arns", KINESIS_STREAMS, "the Kinesis streams to scale by"),
    Argument(
        "table_arns",
        arns(
            "ARNs of DynamoDB tables",
            "arn:<partition>:dynamodb:<region>:<account>:table/<name>",
            r"table/[\w.-]{3,255}",
        ),
        "the DynamoDB tables to scale by, with their streams",
    ),
    Argument("cloudwatch", Flag(), "whether it may scale by CloudWatch's metrics, which cannot be named"),
    Argument("role_arns", ROLES, "the roles that TriggerAuthentications name as `roleArn`"),
)
PRESET = Definition(
    name="keda",
    title="KEDA",
    version="2.20",
    source="https://keda.sh/docs/2.20/authentication-providers/aws/",
    namespace="keda",
    service_account="keda-operator",
    statements=statements,
    scope=_SCOPE,
    any_of=tuple(argument.name for argument in _SCOPE),
    note="The trust policies of `role_arns` have to allow `sts:AssumeRole` and `sts:TagSession` to this role.",
)
