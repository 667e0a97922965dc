"""One endpoint with Kubernetes and one cluster with two nodes for all tests that only look and add."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import toolchain
from local.kubernetes.control_plane import TOOLS
from tests.twin.aws.support import World
from tests.twin.kubernetes.support import Kubernetes, KubernetesEndpoint


@pytest.fixture(scope="session")
def kubernetes_tools() -> None:
    """The parts of Kubernetes, which the first run has to build."""
    toolchain.ensure((*TOOLS, "kubectl"))


@pytest.fixture(scope="session")
def kubernetes_endpoint(kubernetes_tools: None) -> Iterator[str]:
    """URL of an endpoint that runs a control plane for each cluster."""
    running = KubernetesEndpoint()
    yield running.url
    code, log = running.stop()
    assert code == 0
    assert "Traceback" not in log, log


@pytest.fixture
def start_kubernetes(kubernetes_tools: None) -> Iterator[Callable[..., KubernetesEndpoint]]:
    """Start such endpoints with arguments of the test's choice; they end with the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> KubernetesEndpoint:
            running = KubernetesEndpoint(*arguments)
            stack.callback(lambda: running.stop() if running.process.poll() is None else None)
            return running

        yield start


@pytest.fixture(scope="session")
def world(kubernetes_endpoint: str) -> World:
    """A VPC, subnets and roles there."""
    return World(kubernetes_endpoint)


@pytest.fixture(scope="session")
def kubernetes(world: World, tmp_path_factory: pytest.TempPathFactory) -> Kubernetes:
    """A cluster with a node group of two; tests may add to it and must take away what they added."""
    name = world.cluster()
    folder: Path = tmp_path_factory.mktemp("kubernetes")
    found = Kubernetes(world, name, folder)
    world.nodegroup(name, scalingConfig={"minSize": 1, "maxSize": 3, "desiredSize": 2}, labels={"team": "blue"})
    return found
