"""Whether two configurations of the provider lead to the same cluster."""

from collections.abc import Mapping
from typing import Any

from ..base.wire import UNKNOWN, Values
from .kubeconfig import KubeconfigError, choose, load

_WAYS = ("kubeconfig", "context", "cluster")


def other_cluster(old: Values, new: Values, changed: set[str]) -> set[str]:
    """Say which changes of the configuration mean that it leads to another cluster.

    Clusters have no identity of their own; the rules are those of the official provider, see ``clusterIdentifier`` in
    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/#inputs.
    """
    before, after = old.get("clusterIdentifier"), new.get("clusterIdentifier")
    if before is not None and after is not None:
        return set() if before == after else {"clusterIdentifier"}
    ways = changed.intersection(_WAYS)
    # What is not known yet may be another cluster.
    if not ways or any(config.get(name) is UNKNOWN for config in (old, new) for name in _WAYS):
        return ways
    return ways if _active_cluster(old) != _active_cluster(new) else set()


def _active_cluster(config: Values) -> Mapping[str, Any] | None:
    try:
        target = choose(load(config.get("kubeconfig")), config.get("context"), config.get("cluster"))
    except KubeconfigError:
        return None
    return {**target.cluster, "server": target.server}
