"""Prometheus that writes to Amazon Managed Service for Prometheus, and queries it where asked to.

Follows the service's user guide, https://docs.aws.amazon.com/prometheus/latest/userguide/set-up-irsa.html.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import Flag, arns
from ._model import Argument, Cluster, Definition, allow


def statements(cluster: Cluster, *, workspace_arns: Sequence[str], query: bool = False) -> list[Statement]:
    """Write samples to the workspaces, and read what series and labels they have."""
    reading = ["aps:GetLabels", "aps:GetMetricMetadata", "aps:GetSeries"]
    result = [allow("Write", ["aps:RemoteWrite", *reading], workspace_arns)]
    return [*result, allow("Query", ["aps:QueryMetrics"], workspace_arns)] if query else result


PRESET = Definition(
    name="amazon-managed-service-prometheus",
    title="Prometheus, for Amazon Managed Service for Prometheus",
    version="user guide",
    source="https://docs.aws.amazon.com/prometheus/latest/userguide/set-up-irsa.html",
    namespace="prometheus",
    service_account="amp-iamproxy-ingest-service-account",
    statements=statements,
    scope=(
        Argument(
            "workspace_arns",
            arns(
                "ARNs of workspaces", "arn:<partition>:aps:<region>:<account>:workspace/<id>", r"workspace/[\w-]{1,64}"
            ),
            "the workspaces to write to",
            required=True,
        ),
        Argument("query", Flag(), "whether it may also query them; false where left out"),
    ),
)
