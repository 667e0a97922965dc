"""Log groups of CloudWatch Logs."""

from collections.abc import Sequence

from ._model import Cluster


def log_group_arns(cluster: Cluster, names: Sequence[str]) -> list[str]:
    """The ARNs of the groups and of all that is in them."""
    groups = [cluster.arn("logs", f"log-group:{name}") for name in names]
    return [arn for group in groups for arn in ([group] if group.endswith("*") else [group, f"{group}:*"])]
