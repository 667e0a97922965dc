"""Ready-made permissions of well-known workloads, each for a scope that is named: zones, buckets, keys, queues.

`build(name, clusters, scope)` makes a `Preset`, which has the permission policies and the namespace and ServiceAccount
that the workload customarily has; `judge(name, scope)` says beforehand all that is wrong with a scope. Nothing here
imports Pulumi, and nothing says `arn:aws:`: partition, region and account are those of the cluster's ARN.

Each preset is a file of its own, which says which project publishes the permissions, and at which version.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..rules import UNKNOWN, Finding
from . import (
    ack_s3,
    appmesh_controller,
    appmesh_envoy,
    argocd_image_updater,
    bedrock_invoke,
    cert_manager,
    cloudwatch_observability,
    cluster_autoscaler,
    ebs_csi,
    efs_csi,
    external_dns,
    external_secrets,
    fluent_bit,
    flux_image_reflector,
    fsx_csi,
    gateway_api_controller,
    karpenter,
    keda,
    lb_controller,
    lb_controller_targets,
    mountpoint_s3_csi,
    node_termination_handler,
    pganalyze,
    privateca_issuer,
    prometheus,
    secrets_store_csi,
    velero,
    vpc_cni,
)
from ._model import Argument, Cluster, Definition, Preset, closest, split

__all__ = ["PRESETS", "Argument", "Cluster", "Definition", "Preset", "build", "judge", "most_policies", "split"]

_MODULES = (
    ack_s3,
    appmesh_controller,
    appmesh_envoy,
    argocd_image_updater,
    bedrock_invoke,
    cert_manager,
    cloudwatch_observability,
    cluster_autoscaler,
    ebs_csi,
    efs_csi,
    external_dns,
    external_secrets,
    fluent_bit,
    flux_image_reflector,
    fsx_csi,
    gateway_api_controller,
    karpenter,
    keda,
    lb_controller,
    lb_controller_targets,
    mountpoint_s3_csi,
    node_termination_handler,
    pganalyze,
    privateca_issuer,
    prometheus,
    secrets_store_csi,
    velero,
    vpc_cni,
)
PRESETS: Mapping[str, Definition] = MappingProxyType(
    {one.name: one for one in sorted((module.PRESET for module in _MODULES), key=lambda one: one.name)}
)
"""All presets, by name and in alphabetical order."""


def judge(
    name: Any,
    scope: Any = None,
    prop: str = "scope",
    *,
    preset_prop: str = "preset",
    partition: str | None = None,
    camel_case: bool = False,
) -> list[Finding]:
    """Judge the choice of a preset and its scope; `UNKNOWN` stands for what is not known yet.

    `scope` is a mapping with the preset's arguments, by their names or the same in camelCase. `preset_prop` and `prop`
    are where the two stand; `partition`, where it is known, is the one that all ARNs have to be in. `camel_case` says
    how findings are to spell the names of arguments.
    """
    if name is UNKNOWN:
        return []
    if not isinstance(name, str) or name not in PRESETS:
        return [Finding("preset-name", preset_prop, name, "there is no such preset", closest(str(name), PRESETS))]
    return PRESETS[name].judge(scope, prop, partition, camel_case=camel_case)


def build(
    name: str,
    clusters: Cluster | Sequence[Cluster],
    scope: Mapping[str, Any] | None = None,
    policies: int | None = None,
) -> Preset:
    """The preset of this name for one cluster, or for several of one partition, and a scope.

    `policies` is how many policies there are to be, as few as can be where it is left out. The same arguments, in
    whatever order, give the same documents. Raises `ValueError` with all that `judge` finds, on a scope that is not
    known yet, and where more policies would be needed than asked for, or than a role can have.
    """
    return _definition(name).build(clusters, scope, policies)


def most_policies(name: str, scope: Mapping[str, Any] | None = None, clusters: int = 1) -> int:
    """How many policies a preset takes at most for a scope and so many clusters, whichever they are.

    It is what to ask `build` for where the policies have to be made before the clusters' ARNs are known. Raises
    `ValueError` as `build` does.
    """
    return _definition(name).most_policies(scope, clusters)


def _definition(name: str) -> Definition:
    findings = judge(name, UNKNOWN)
    if findings:
        raise ValueError(str(findings[0]))
    return PRESETS[name]
