"""The package: how the plugin is called and configured."""

from collections.abc import Callable, Mapping
from importlib import metadata

from ..base.properties import Property
from ..base.resource import Function, Package, Resource
from ..base.wire import Values
from .cluster import Cluster
from .config import CONFIG, with_environment


class KubernetesPackage(Package):
    """The kubernetes provider.

    It declares no resource types: which there are is the cluster's to say.
    """

    name = "kubernetes"
    config: Mapping[str, Property] = CONFIG

    def __init__(self) -> None:
        # The engine identifies a plugin by the version of the SDK that asks for it.
        self.version = metadata.version("pulumi-kubernetes")
        self.resources: Mapping[str, Resource] = {}
        self.functions: Mapping[str, Function] = {}

    def configure(self, config: Values, warn: Callable[[str], None]) -> Cluster:
        return Cluster(with_environment(config), warn)

    def warm_up(self) -> None:
        import ssl  # noqa: F401 - the import is what takes the time

        import urllib3  # noqa: F401
        import yaml  # noqa: F401
