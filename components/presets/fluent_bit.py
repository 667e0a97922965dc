"""Fluent Bit: sends logs to CloudWatch, S3, Firehose, Kinesis or OpenSearch.

Follows v5.1's pages of its outputs, https://docs.fluentbit.io/manual/data-pipeline/outputs/cloudwatch and beside it,
each with its destinations named, and with the call by which v5.1.0 ends failed uploads to S3. For OpenSearch, which
names no permissions there, it is the bulk request that the plugin makes,
https://docs.aws.amazon.com/opensearch-service/latest/developerguide/ac.html.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import DELIVERY_STREAMS, KINESIS_STREAMS, LOCATIONS, LOG_GROUPS, arns
from ._logs import log_group_arns
from ._model import Argument, Cluster, Definition, allow
from ._s3 import object_arns


def statements(
    cluster: Cluster,
    *,
    log_group_names: Sequence[str],
    locations: Sequence[str],
    delivery_stream_arns: Sequence[str],
    stream_arns: Sequence[str],
    opensearch_domain_arns: Sequence[str],
) -> list[Statement]:
    """Write to the destinations that are given."""
    logging = ["CreateLogGroup", "CreateLogStream", "PutLogEvents", "PutRetentionPolicy"]
    bulk = [f"{domain}/*" for domain in opensearch_domain_arns]
    destinations = [
        ("WriteLogs", [f"logs:{action}" for action in logging], log_group_arns(cluster, log_group_names)),
        ("WriteObjects", ["s3:AbortMultipartUpload", "s3:PutObject"], object_arns(cluster, locations)),
        ("WriteDeliveryStreams", ["firehose:PutRecordBatch"], delivery_stream_arns),
        ("WriteStreams", ["kinesis:PutRecords"], stream_arns),
        ("WriteDomains", ["es:ESHttpPost"], bulk),
    ]
    return [allow(sid, actions, resources) for sid, actions, resources in destinations if resources]


_SCOPE = (
    Argument("log_group_names", LOG_GROUPS, "the log groups to write to"),
    Argument("locations", LOCATIONS, "the buckets, or prefixes in them, to write to"),
    Argument("delivery_stream_arns", DELIVERY_STREAMS, "the Firehose streams to write to"),
    Argument("stream_arns", KINESIS_STREAMS, "the Kinesis streams to write to"),
    Argument(
        "opensearch_domain_arns",
        arns(
            "ARNs of OpenSearch domains",
            "arn:<partition>:es:<region>:<account>:domain/<name>",
            r"domain/[a-z][a-z0-9-]{2,27}",
        ),
        "the OpenSearch domains to write to",
    ),
)
PRESET = Definition(
    name="fluent-bit",
    title="Fluent Bit",
    version="v5.1",
    source="https://docs.fluentbit.io/manual/data-pipeline/outputs/cloudwatch",
    namespace="amazon-cloudwatch",
    service_account="fluent-bit",
    statements=statements,
    scope=_SCOPE,
    any_of=tuple(argument.name for argument in _SCOPE),
)
