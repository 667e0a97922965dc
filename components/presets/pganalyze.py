"""The pganalyze collector: watches PostgreSQL on Amazon RDS and Aurora.

Follows the calls of v0.72.0, https://github.com/pganalyze/collector/tree/v0.72.0, and its guide,
https://pganalyze.com/docs/install/amazon_rds/03_install_collector_eks, with databases named.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import arns
from ._model import Argument, Cluster, Definition, allow


def statements(cluster: Cluster, *, db_instance_arns: Sequence[str], db_cluster_arns: Sequence[str]) -> list[Statement]:
    """Read what the databases are, their logs, metrics and parameters."""
    os_metrics = cluster.arn("logs", "log-group:RDSOSMetrics:log-stream:*")
    reading = ["rds:DescribeDBInstances", "rds:DescribeDBLogFiles", "rds:DownloadDBLogFilePortion"]
    result = [
        allow("ReadMetrics", ["cloudwatch:GetMetricStatistics"], ["*"]),
        allow("ReadSystemMetrics", ["logs:GetLogEvents"], [os_metrics]),
        allow("ReadParameters", ["rds:DescribeDBParameters"], [cluster.arn("rds", "pg:*")]),
        allow("ReadInstances", reading, db_instance_arns),
    ]
    if db_cluster_arns:
        result.append(allow("ReadClusters", ["rds:DescribeDBClusters"], db_cluster_arns))
    return result


PRESET = Definition(
    name="pganalyze",
    title="pganalyze collector",
    version="v0.72.0",
    source="https://github.com/pganalyze/collector/tree/v0.72.0",
    namespace="pganalyze",
    service_account="pganalyze-collector",
    statements=statements,
    scope=(
        Argument(
            "db_instance_arns",
            arns(
                "ARNs of RDS instances, in which `*` may stand for the end of the name",
                "arn:<partition>:rds:<region>:<account>:db:<name>",
                r"db:[a-z][a-z0-9-]{0,62}\*?",
            ),
            "the instances to watch",
            required=True,
        ),
        Argument(
            "db_cluster_arns",
            arns(
                "ARNs of Aurora clusters, in which `*` may stand for the end of the name",
                "arn:<partition>:rds:<region>:<account>:cluster:<name>",
                r"cluster:[a-z][a-z0-9-]{0,62}\*?",
            ),
            "the clusters that they are in, with Aurora",
        ),
    ),
    note=(
        "Name each server by RDS's own host name, or give `aws_db_instance_id` or `aws_db_cluster_id`: by another name "
        "the collector looks for its endpoint among all instances of the account, which is denied."
    ),
)
