"""The package: all resource types and functions, and how it is configured."""

from collections.abc import Callable, Mapping
from importlib import metadata

from ..base.properties import Property
from ..base.resource import Function, Package, Resource
from ..base.wire import Values
from .backend import Aws
from .config import CONFIG
from .functions import ec2, meta, ssm
from .functions import eks as eks_functions
from .functions import iam as iam_functions
from .resources import eks, iam, kms, launch_template, logs, routes, s3, security_groups, vpc

_FUNCTIONS = (meta, ec2, iam_functions, eks_functions, ssm)
_RESOURCES = (vpc, routes, security_groups, launch_template, iam, eks, logs, kms, s3)


class AwsPackage(Package):
    """The aws provider."""

    name = "aws"
    config: Mapping[str, Property] = CONFIG

    def __init__(self) -> None:
        # The engine identifies a plugin by the version of the SDK that asks for it.
        self.version = metadata.version("pulumi-aws")
        self.resources: Mapping[str, Resource] = {
            token: resource for module in _RESOURCES for token, resource in module.RESOURCES.items()
        }
        self.functions: Mapping[str, Function] = {
            token: function for module in _FUNCTIONS for token, function in module.FUNCTIONS.items()
        }

    def configure(self, config: Values, warn: Callable[[str], None]) -> Aws:
        return Aws(config, warn)
