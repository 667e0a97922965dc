"""The provider itself: its process, its configuration, and the way to the cluster."""

from __future__ import annotations

import http.server
import json
import os
import select
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
import pulumi_kubernetes
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from local.plugins.base.wire import UNKNOWN, decode, encode
from local.plugins.kubernetes.config import CONFIG
from local.plugins.kubernetes.kubeconfig import KubeconfigError, choose, load
from tests.twin.plugins_kubernetes.conftest import Start
from tests.twin.plugins_kubernetes.control_plane import ADMIN, VIEWER, ControlPlane, free_port
from tests.twin.plugins_kubernetes.driver import CONFIG_MAP, SERVICE_ACCOUNT, Plugin, Values, merged, message, urn

ROOT = Path(__file__).parents[3]
GROUP = "client.authentication.k8s.io"


def kubeconfig(server: str = "https://127.0.0.1:1", **cluster: Any) -> Values:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "current-context": "x",
    }


# The process


def test_process() -> None:
    begin = time.monotonic()
    command = [sys.executable, "-m", "local.plugins.kubernetes", "127.0.0.1:1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        elapsed = time.monotonic() - begin
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            assert stub.GetPluginInfo(empty_pb2.Empty()).version == metadata.version("pulumi-kubernetes")
            schema = json.loads(stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
            assert schema["name"] == "kubernetes" and "kubeconfig" in schema["config"]["variables"]
        process.terminate()
    # Far from what it takes here, and near enough to notice a heavy import.
    assert elapsed < 2


def test_the_start_loads_no_client() -> None:
    program = (
        "import sys; from local.plugins.base.stubs import without_the_sdk; without_the_sdk(); "
        "import local.plugins.kubernetes.servicer, local.plugins.kubernetes.package; "
        "print([m for m in ('urllib3', 'yaml', 'ssl', 'kubernetes', 'pulumi_kubernetes') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() in ("[]", "['ssl']")


def test_every_option_of_the_sdk_is_known() -> None:
    members = pulumi_kubernetes.ProviderArgs.__dict__
    names = {name for name, value in members.items() if isinstance(value, property)}
    camel = {name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:]) for name in names}
    assert camel == CONFIG.keys()


# The configuration


def check_config(plugin: Plugin, config: Values) -> dict[str, str]:
    response = plugin.stub.CheckConfig(provider_pb2.CheckRequest(urn=urn("p", "p"), news=encode(config)))
    return {failure.property: failure.reason for failure in response.failures}


def test_the_kubeconfig_is_secret(start: Start) -> None:
    plugin = start(None)
    request = provider_pb2.CheckRequest(urn=urn("p", "p"), news=encode({"kubeconfig": "a", "context": "b"}))
    assert decode(plugin.stub.CheckConfig(request).inputs).secrets == {("kubeconfig",)}


@pytest.mark.parametrize(
    ("config", "failed"),
    [
        ({"kubeconfig": json.dumps(kubeconfig(), indent=1)}, {}),
        ({"kubeconfig": UNKNOWN}, {}),
        ({"kubeconfig": "/nowhere"}, {}),
        ({"kubeconfig": "a:\n  - b\n c"}, {"kubeconfig": "is no YAML"}),
        ({"kubeconfig": json.dumps(kubeconfig(), indent=1), "context": "y"}, {"kubeconfig": "no context 'y', only x"}),
        ({"enableServerSideApply": "false", "kubeClientSettings": '{"timeout": 5}'}, {}),
        ({"enableServerSideApply": "maybe"}, {"enableServerSideApply": "JSON"}),
        ({"kubeConfig": "a"}, {"kubeConfig": "did you mean kubeconfig?"}),
        ({"renderYamlToDirectory": "out"}, {"renderYamlToDirectory": "only the official"}),
    ],
)
def test_check_config(start: Start, config: Values, failed: dict[str, str]) -> None:
    found = check_config(start(None), config)
    assert found.keys() == failed.keys()
    for name, reason in failed.items():
        assert reason in found[name]


OLD = json.dumps(kubeconfig())
RENEWED = json.dumps({**kubeconfig(), "users": [{"name": "u", "user": {"token": "other"}}]})
MOVED = json.dumps(kubeconfig("https://other:1"))


@pytest.mark.parametrize(
    ("old", "new", "changed", "replaces"),
    [
        ({"kubeconfig": OLD}, {"kubeconfig": OLD}, set(), set()),
        ({"kubeconfig": OLD}, {"kubeconfig": RENEWED}, {"kubeconfig"}, set()),
        ({"kubeconfig": OLD}, {"kubeconfig": MOVED}, {"kubeconfig"}, {"kubeconfig"}),
        ({"kubeconfig": OLD}, {"kubeconfig": UNKNOWN}, {"kubeconfig"}, {"kubeconfig"}),
        (
            {"kubeconfig": OLD, "clusterIdentifier": "a"},
            {"kubeconfig": MOVED, "clusterIdentifier": "a"},
            {"kubeconfig"},
            set(),
        ),
        (
            {"kubeconfig": OLD, "clusterIdentifier": "a"},
            {"kubeconfig": UNKNOWN, "clusterIdentifier": "a"},
            {"kubeconfig"},
            set(),
        ),
        (
            {"kubeconfig": OLD, "clusterIdentifier": "a"},
            {"kubeconfig": MOVED, "clusterIdentifier": "b"},
            {"kubeconfig", "clusterIdentifier"},
            {"clusterIdentifier"},
        ),
        ({"kubeconfig": OLD}, {"kubeconfig": OLD, "clusterIdentifier": "a"}, {"clusterIdentifier"}, set()),
        ({"kubeconfig": OLD}, {"kubeconfig": OLD, "namespace": "m"}, {"namespace"}, set()),
    ],
)
def test_diff_config(start: Start, old: Values, new: Values, changed: set[str], replaces: set[str]) -> None:
    request = provider_pb2.DiffRequest(urn=urn("p", "p"), old_inputs=encode(old), olds=encode(old), news=encode(new))
    found = start(None).stub.DiffConfig(request)
    assert set(found.diffs) == changed
    assert set(found.replaces) == replaces


def test_switches_of_the_environment(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE", "true")
    plugin = start({"kubeconfig": UNKNOWN})
    inputs = plugin.check(CONFIG_MAP, {"data": {"a": "1"}})
    request = provider_pb2.DiffRequest(
        urn=urn(CONFIG_MAP, "r"),
        old_inputs=inputs,
        olds=inputs,
        news=plugin.check(CONFIG_MAP, {"data": {"a": "2"}}, old=inputs),
    )
    assert not plugin.stub.Diff(request).replaces


# The kubeconfig


def test_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = {**kubeconfig(), "clusters": [], "current-context": "x"}
    second = kubeconfig("https://second:1", **{"certificate-authority": "ca.pem"})
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_text(json.dumps(first))
    (tmp_path / "two").write_text(json.dumps(second))
    monkeypatch.setenv(
        "KUBECONFIG", os.pathsep.join(map(str, (tmp_path / "a" / "one", tmp_path / "two", tmp_path / "none")))
    )
    target = choose(load(None))
    assert target.server == "https://second:1"
    assert target.cluster["certificate-authority"] == str(tmp_path / "ca.pem")
    assert target.namespace == "n"


@pytest.mark.parametrize(
    ("config", "arguments", "said"),
    [
        ({**kubeconfig(), "current-context": ""}, (), "no current context"),
        (kubeconfig(), ("other",), "no context 'other', only x"),
        (kubeconfig(), (None, "other"), "no cluster 'other', only c"),
        ({**kubeconfig(), "users": []}, (), "no user 'u', only none"),
        (kubeconfig(server=""), (), "has no server"),
    ],
)
def test_what_a_kubeconfig_lacks(config: Values, arguments: Any, said: str) -> None:
    with pytest.raises(KubeconfigError, match=said):
        choose(config, *arguments)


def test_no_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    """A program may have the provider and not use it; one that uses it is told."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    plugin = start({})
    plugin.preview(CONFIG_MAP, {})
    assert any("no kubeconfig" in line and "aws eks update-kubeconfig" in line for line in plugin.said)
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(CONFIG_MAP, {})
    assert "no kubeconfig" in message(failed)


# The way to the cluster


def test_nobody_listens(start: Start) -> None:
    server = f"https://127.0.0.1:{free_port()}"
    config = json.dumps(kubeconfig(server))
    plugin = start({"kubeconfig": config})
    assert plugin.preview(CONFIG_MAP, {"data": {"a": "1"}})["data"] == {"a": "1"}
    assert plugin.preview(CONFIG_MAP, {"data": {"a": "2"}}, name="other")["data"] == {"a": "2"}
    assert [line for line in plugin.said if f"{server} is unreachable" in line] == plugin.said, "said once"
    assert len(plugin.said) == 1
    made = plugin.check(CONFIG_MAP, {"metadata": {"name": "a"}})
    request = provider_pb2.DeleteRequest(id="n/a", urn=urn(CONFIG_MAP, "r"), properties=made)
    for call in (
        lambda: plugin.create(CONFIG_MAP, {}),
        lambda: plugin.read(CONFIG_MAP, "n/a"),
        lambda: plugin.stub.Delete(request),
    ):
        with pytest.raises(grpc.RpcError) as failed:
            call()
        assert f"{server} is unreachable" in message(failed)
    assert "PULUMI_K8S_DELETE_UNREACHABLE" in message(failed)
    start({"kubeconfig": config, "deleteUnreachable": "true"}).stub.Delete(request)
    lenient = start({"kubeconfig": config, "skipUpdateUnreachable": "true"})
    update = provider_pb2.UpdateRequest(id="n/a", urn=urn(CONFIG_MAP, "r"), olds=made, news=made)
    assert lenient.stub.Update(update).properties == made


def test_a_stranger_listens(start: Start, plane: ControlPlane) -> None:
    plugin = start({"kubeconfig": plane.kubeconfig(token="nobody")})
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(CONFIG_MAP, {})
    assert "does not accept the kubeconfig's credentials" in message(failed)
    config = json.dumps(kubeconfig(plane.server))
    with pytest.raises(grpc.RpcError) as failed:
        start({"kubeconfig": config}).create(CONFIG_MAP, {})
    assert "its certificate is not trusted" in message(failed)


def test_rights_that_are_missing(start: Start, plane: ControlPlane) -> None:
    plugin = start({"kubeconfig": plane.kubeconfig(token=VIEWER)})
    assert plugin.preview(CONFIG_MAP, {"data": {"a": "1"}})["data"] == {"a": "1"}, "a role may come with the program"
    made = start({"kubeconfig": plane.kubeconfig()}).create(SERVICE_ACCOUNT, {})
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert plugin.diff(made, labels).changes
    assert plugin.update(made, labels, preview=True).values["metadata"]["labels"] == {"a": "b"}
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(CONFIG_MAP, {})
    assert 'User "viewer" cannot' in message(failed)


def test_ways_in(start: Start, plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(ADMIN + "\n")
    ways = {
        "token-file": plane.kubeconfig(tokenFile=str(token)),
        "certificate": plane.kubeconfig(**plane.client_certificate()),
        "insecure": json.dumps(
            {
                **kubeconfig(plane.server, **{"insecure-skip-tls-verify": True}),
                "users": [{"name": "u", "user": {"token": ADMIN}}],
            }
        ),
        "impersonation": plane.kubeconfig(**{"token": ADMIN, "as": "somebody", "as-groups": ["system:masters"]}),
    }
    for name, config in ways.items():
        inputs = {"metadata": {"name": name, "namespace": namespace}}
        assert start({"kubeconfig": config}).create(SERVICE_ACCOUNT, inputs).id == f"{namespace}/{name}"


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """An HTTP proxy: its URL, and whom it was asked to connect to."""
    asked: list[str] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as other:
                self.send_response(200)
                self.end_headers()
                ends = {self.connection: other, other: self.connection}
                while True:
                    ready, _, _ = select.select(list(ends), [], [], 10)
                    for end in ready:
                        data = end.recv(65536)
                        if not data:
                            return
                        ends[end].sendall(data)
                    if not ready:
                        return

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_through_a_proxy(start: Start, plane: ControlPlane, proxy: tuple[str, list[str]]) -> None:
    url, asked = proxy
    config = json.loads(plane.kubeconfig())
    config["clusters"][0]["cluster"]["proxy-url"] = url
    assert start({"kubeconfig": json.dumps(config)}).read(SERVICE_ACCOUNT, "default/default") is not None
    assert set(asked) == {plane.server.removeprefix("https://")}


# Credential commands


class Command:
    """A credential command that counts its runs and answers with what a file says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / "credentials.sh"
        self.path.write_text(
            "#!/bin/sh\n"
            f'printf "%s %s\\n" "$KUBERNETES_EXEC_INFO" "$SPECIAL $*" >> {folder / "runs"}\n'
            f"if [ -f {folder / 'failure'} ]; then cat {folder / 'failure'} >&2; exit 3; fi\n"
            f"cat {folder / 'answer'}\n"
        )
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)

    def answers(self, version: str = "v1", **status: Any) -> None:
        answer = {"apiVersion": f"{GROUP}/{version}", "kind": "ExecCredential", "status": status}
        (self._folder / "answer").write_text(json.dumps(answer))

    def fails(self, text: str) -> None:
        (self._folder / "failure").write_text(text)

    @property
    def runs(self) -> list[str]:
        file = self._folder / "runs"
        return file.read_text().splitlines() if file.exists() else []

    def user(self, version: str = "v1", **more: Any) -> Values:
        return {"exec": {"apiVersion": f"{GROUP}/{version}", "command": str(self.path), **more}}


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def hours(number: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_command(start: Start, plane: ControlPlane, command: Command, version: str) -> None:
    """Run once, with what it may want to know, as long as its answer is good."""
    command.answers(version, token=ADMIN, expirationTimestamp=hours(1))
    more = {"args": ["eks", "get-token"], "env": [{"name": "SPECIAL", "value": "yes"}], "provideClusterInfo": True}
    plugin = start({"kubeconfig": plane.kubeconfig(**command.user(version, **more))})
    for _ in range(3):
        assert plugin.read(SERVICE_ACCOUNT, "default/default") is not None
    (run,) = command.runs
    information, _, rest = run.rpartition("} ")
    assert rest == "yes eks get-token"
    information = json.loads(information + "}")
    assert (information["apiVersion"], information["kind"]) == (f"{GROUP}/{version}", "ExecCredential")
    assert information["spec"]["interactive"] is False
    assert information["spec"]["cluster"]["server"] == plane.server


def test_command_is_run_again_when_its_answer_ends(start: Start, plane: ControlPlane, command: Command) -> None:
    command.answers(token=ADMIN, expirationTimestamp=hours(-1))
    plugin = start({"kubeconfig": plane.kubeconfig(**command.user())})
    plugin.read(SERVICE_ACCOUNT, "default/default")
    before = len(command.runs)
    plugin.read(SERVICE_ACCOUNT, "default/default")
    assert len(command.runs) > before


def test_command_is_run_again_when_its_answer_is_refused(start: Start, plane: ControlPlane, command: Command) -> None:
    command.answers(token=ADMIN)
    plugin = start({"kubeconfig": plane.kubeconfig(**command.user())})
    plugin.read(SERVICE_ACCOUNT, "default/default")
    assert len(command.runs) == 1
    command.answers(token="withdrawn")
    other = start({"kubeconfig": plane.kubeconfig(**command.user())})
    with pytest.raises(grpc.RpcError) as failed:
        other.read(SERVICE_ACCOUNT, "default/default")
    assert "does not accept" in message(failed)
    command.answers(token=ADMIN)
    assert other.read(SERVICE_ACCOUNT, "default/default") is not None


def test_command_gives_a_certificate(start: Start, plane: ControlPlane, command: Command) -> None:
    import base64

    pair = plane.client_certificate()
    pem = {name: base64.b64decode(pair[f"{name}-data"]).decode() for name in ("client-certificate", "client-key")}
    command.answers(clientCertificateData=pem["client-certificate"], clientKeyData=pem["client-key"])
    plugin = start({"kubeconfig": plane.kubeconfig(**command.user())})
    assert plugin.read(SERVICE_ACCOUNT, "default/default") is not None


@pytest.mark.parametrize(
    ("user", "answer", "failure", "said"),
    [
        ({}, None, "the token of the account has expired", "exit code 3: the token of the account has expired"),
        ({"apiVersion": f"{GROUP}/v1alpha1"}, {"token": "t"}, None, "v1alpha1"),
        (
            {"command": "no-such-command", "installHint": "Install it."},
            {"token": "t"},
            None,
            "not installed. Install it.",
        ),
        ({}, {}, None, "neither a token nor a certificate"),
        ({}, {"token": "t", "expirationTimestamp": "soon"}, None, "malformed expirationTimestamp"),
    ],
)
def test_command_that_is_of_no_use(
    start: Start, plane: ControlPlane, command: Command, user: Values, answer: Any, failure: str | None, said: str
) -> None:
    if failure is not None:
        command.fails(failure)
    command.answers(**(answer or {}))
    plugin = start({"kubeconfig": plane.kubeconfig(**merged(command.user(), {"exec": user}))})
    plugin.preview(CONFIG_MAP, {})
    assert any(said in line for line in plugin.said), plugin.said
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(CONFIG_MAP, {})
    assert said in message(failed)


def test_a_cluster_that_comes_up_late(start: Start, plane: ControlPlane, namespace: str) -> None:
    """That it was not there at first is no lasting verdict."""
    port = free_port()
    config = json.loads(plane.kubeconfig())
    config["clusters"][0]["cluster"].update({"server": f"https://127.0.0.1:{port}"})
    plugin = start({"kubeconfig": json.dumps(config)})
    plugin.preview(CONFIG_MAP, {})
    assert plugin.said
    with socket.create_server(("127.0.0.1", port)) as listener:
        threading.Thread(target=_relay, args=(listener, plane.server), daemon=True).start()
        made = plugin.create(CONFIG_MAP, {"metadata": {"name": "late", "namespace": namespace}})
        plugin.delete(made)
        listener.shutdown(socket.SHUT_RDWR)


def _relay(listener: socket.socket, server: str) -> None:
    host, _, port = server.removeprefix("https://").rpartition(":")

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        far = socket.create_connection((host, int(port)))
        for ends in ((near, far), (far, near)):
            threading.Thread(target=pump, args=ends, daemon=True).start()
