"""A provider `aws` that takes whatever it is given and makes nothing: the engine shows the policy pack those types, too,
that local/plugins/aws has no part in.

A plugin of the version 0.0.1, beside the one of the SDK's version: resources get it by their option `version`.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from typing import Any

from pulumi.runtime.proto import provider_pb2

from local.plugins.aws.package import AwsPackage
from local.plugins.base.server import serve
from local.plugins.base.servicer import Servicer

VERSION = "0.0.1"


class _Package(AwsPackage):
    def __init__(self) -> None:
        super().__init__()
        self.version = VERSION


class _Servicer(Servicer):
    def Check(self, request: provider_pb2.CheckRequest, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Create(self, request: provider_pb2.CreateRequest, context: Any) -> Any:
        assert request.preview, "there is nothing behind it that could be made"
        return provider_pb2.CreateResponse(properties=request.properties)


def install(pulumi_home: Path) -> None:
    """Put it among the plugins of a PULUMI_HOME."""
    plugin = pulumi_home / "plugins" / f"resource-aws-v{VERSION}" / "pulumi-resource-aws"
    plugin.parent.mkdir(parents=True, exist_ok=True)
    plugin.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{__file__}" "$@"\n')
    plugin.chmod(0o755)


if __name__ == "__main__":
    serve(_Package(), _Servicer)
