"""The Kubernetes provider of a cluster, where the kubernetes plugin can be had.

The official component always creates one, because it can rely on the plugin. Registering a provider starts its
plugin, so on a machine without it the cluster could not be created at all.
"""

import os
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import pulumi

from .wire import compact, to_json


def plugin_installed() -> bool:
    """Say whether the engine finds the official kubernetes plugin, among its own plugins or on the PATH."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    # Behind a launcher of ours stands local/plugins/kubernetes. It is left to programs that make Kubernetes objects:
    # the cluster's own provider serves aws-auth alone, and starting one would cost every preview seconds.
    installed = (
        not (found / "launcher.json").exists()
        for found in home.glob("plugins/resource-kubernetes-v*")
        if found.is_dir()
    )
    return any(installed) or shutil.which("pulumi-resource-kubernetes") is not None


class ConfigMap(pulumi.CustomResource):
    """A ConfigMap in the cluster."""

    token = "kubernetes:core/v1:ConfigMap"

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        version = pulumi.ResourceOptions(version=metadata.version("pulumi-kubernetes"))
        super().__init__(self.token, name, inputs, pulumi.ResourceOptions.merge(version, opts))


def provider(
    name: str,
    kubeconfig: pulumi.Output[dict[str, Any]],
    enable_config_map_mutable: pulumi.Input[bool] | None,
    parent: pulumi.Resource,
) -> pulumi.ProviderResource:
    """Create the cluster's Kubernetes provider."""
    # Imported here, because only this branch needs it and every start of the plugin would pay for it.
    from pulumi_kubernetes import Provider

    options = compact({"enable_config_map_mutable": enable_config_map_mutable})
    return Provider(name, pulumi.ResourceOptions(parent=parent), kubeconfig=kubeconfig.apply(to_json), **options)
