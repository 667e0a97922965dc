"""The plugin's front: which component types it constructs and which methods it answers."""

from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import pulumi
from pulumi.errors import InputPropertiesError
from pulumi.provider import CallResult, ConstructResult, Provider
from pulumi.resource import DependencyResource
from pulumi.runtime import register_resource_module
from pulumi.runtime.rpc import ResourceModule

from .addons import VpcCniAddon
from .cluster import GET_KUBECONFIG, TOKEN, Cluster, ExistingCluster
from .resources import register_references
from .security_groups import NodeGroupSecurityGroup
from .wire import compact, to_json

VERSION = metadata.version("pulumi-eks")

_COMPONENTS: dict[str, Callable[[str, Mapping[str, Any], pulumi.ResourceOptions], Any]] = {
    TOKEN: Cluster,
    VpcCniAddon.TOKEN: VpcCniAddon,
    NodeGroupSecurityGroup.TOKEN: NodeGroupSecurityGroup,
}


class _Components(ResourceModule):
    """Turns references to components into components.

    A cluster is the target of method calls. The others occur inside of a cluster's outputs, and nobody looks into
    them there; an error raised here would never reach the engine, which would wait forever.
    """

    def version(self) -> None:
        return None

    def construct(self, name: str, typ: str, urn: str) -> pulumi.Resource:
        return ExistingCluster(name, urn) if typ == TOKEN else DependencyResource(urn)


class EksProvider(Provider):
    """Serves the components of `pulumi_eks`."""

    def __init__(self) -> None:
        super().__init__(VERSION, to_json({"name": "eks", "version": VERSION}))
        register_references()
        register_resource_module("eks", "index", _Components())

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: Mapping[str, Any],
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Construct a component.

        Raises:
            pulumi.errors.InputPropertiesError: It is none that this plugin serves.
        """
        component = _COMPONENTS.get(resource_type)
        if component is None:
            raise InputPropertiesError(
                f"{resource_type} is served by the official plugin of pulumi-eks only; this one serves "
                f"{', '.join(sorted(_COMPONENTS))}",
                [],
            )
        made = component(name, compact(inputs), options or pulumi.ResourceOptions())
        return ConstructResult(made.urn, made.outputs)

    def call(self, token: str, args: Mapping[str, Any]) -> CallResult:
        """Call a method of a component.

        Raises:
            ValueError: It is none that this plugin serves.
        """
        if token != GET_KUBECONFIG:
            raise ValueError(f"{token} is no method that this plugin serves")
        cluster: ExistingCluster = args["__self__"]
        credentials = {key: value for key, value in args.items() if key != "__self__"}
        return CallResult({"result": cluster.get_kubeconfig(credentials)})
