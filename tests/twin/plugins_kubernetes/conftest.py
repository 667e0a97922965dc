"""A control plane for all tests, and a plugin that a test talks to as the engine does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2_grpc

from local.plugins.base.engine import Engine
from local.plugins.kubernetes.package import KubernetesPackage
from local.plugins.kubernetes.servicer import KubernetesServicer
from tests.twin.plugins_kubernetes.control_plane import ControlPlane, running
from tests.twin.plugins_kubernetes.driver import Plugin

Start = Callable[..., Plugin]


class LoudEngine(Engine):
    """Keeps what a plugin says."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def _log(self, severity: Any, message: str, urn: str = "", ephemeral: bool = False) -> None:
        self.said.append(message)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server, etcd and controller manager; use a namespace of your own."""
    with running(tmp_path_factory.mktemp("control-plane")) as started:
        yield started


@pytest.fixture
def start() -> Iterator[Start]:
    """Start plugins with a configuration of the test's choice; not configured at all if it is None."""
    with futures.ThreadPoolExecutor(16) as threads:
        started: list[tuple[grpc.Server, grpc.Channel]] = []

        def make(config: dict[str, Any] | None, *, preview: bool = False) -> Plugin:
            server = grpc.server(threads)
            engine = LoudEngine()
            servicer = KubernetesServicer(KubernetesPackage(), engine)
            provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
            channel = grpc.insecure_channel(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
            server.start()
            started.append((server, channel))
            plugin = Plugin(provider_pb2_grpc.ResourceProviderStub(channel), engine.said)
            if config is not None:
                plugin.configure(config)
            return plugin

        yield make
        for server, channel in started:
            channel.close()
            server.stop(None).wait()


@pytest.fixture
def plugin(plane: ControlPlane, start: Start) -> Plugin:
    """A plugin for the control plane."""
    return start({"kubeconfig": plane.kubeconfig()})


_NUMBERS = itertools.count(1)


@pytest.fixture
def namespace(plane: ControlPlane) -> str:
    """A new namespace, with its default ServiceAccount. It ends with the control plane."""
    name = f"test-{next(_NUMBERS)}"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    plane.await_path(f"/api/v1/namespaces/{name}/serviceaccounts/default")
    return name


@pytest.fixture
def offline(start: Start) -> Plugin:
    """A plugin whose cluster is not known yet."""
    from local.plugins.base.wire import UNKNOWN

    return start({"kubeconfig": UNKNOWN})


@pytest.fixture
def kubeconfig_file(plane: ControlPlane, tmp_path: Path) -> Path:
    """A kubeconfig of the control plane."""
    file = tmp_path / "kubeconfig"
    file.write_text(plane.kubeconfig())
    return file
