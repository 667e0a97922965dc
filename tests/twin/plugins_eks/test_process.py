"""The plugin as the engine starts it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2_grpc

from local.plugins.eks.provider import VERSION

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def plugin() -> Iterator[tuple[provider_pb2_grpc.ResourceProviderStub, float]]:
    start = time.monotonic()
    # The engine's address is contacted by a construction only, so nobody has to listen there.
    command = [sys.executable, "-m", "local.plugins.eks", "127.0.0.1:1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        elapsed = time.monotonic() - start
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel), elapsed
        process.terminate()


def test_version(plugin: tuple[provider_pb2_grpc.ResourceProviderStub, float]) -> None:
    assert plugin[0].GetPluginInfo(empty_pb2.Empty()).version == VERSION


def test_starts_without_the_modules_of_the_aws_sdk() -> None:
    """They take longer to import than everything that the plugin does."""
    program = (
        "import sys, local.plugins.eks.provider as p; p.EksProvider(); "
        "print([m for m in sys.modules if m.startswith(('pulumi_aws', 'pulumi_eks', 'pulumi_kubernetes'))])"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
