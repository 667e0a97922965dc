"""The twin's life: it starts once, is found again, stops without a trace, and does not get in another one's way."""

import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.aws.http_server import USAGE_PATH
from local.kubernetes.pod_identity.api_server import ApiUnavailable
from local.stack import LocalStack
from local.twin import Twin, TwinError

from .aws.support import World
from .kubernetes.support import Kubernetes
from .workloads_support import program


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    twin = Twin(tmp_path / "state", port=0)
    yield twin
    twin.remove()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + USAGE_PATH, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def pid_of(twin: Twin) -> int:
    return json.loads((twin.state / "twin.json").read_text())["pid"]


def test_start_find_stop(twin: Twin) -> None:
    assert not twin.running()
    url = twin.start()
    assert twin.running()
    assert answers(url)
    assert twin.start() == url  # found, not started again
    assert twin.stop()
    assert not answers(url)
    assert not twin.stop()


def processes() -> str:
    return subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_two_twins_live_side_by_side(twin: Twin, tmp_path: Path) -> None:
    other = Twin(tmp_path / "other", port=0)
    try:
        worlds = [World(twin.start()), World(other.start())]
        for world in worlds:
            assert world.subnets and world.cluster_role, "made once, before two threads need them"
        with ThreadPoolExecutor() as pool:
            names = list(pool.map(lambda world: world.cluster(), worlds))
        kept, removed = (Kubernetes(world, name, tmp_path) for world, name in zip(worlds, names, strict=True))
        namespaces = "/api/v1/namespaces"
        kept.client().create(namespaces, {"metadata": {"name": "only-here"}})
        assert removed.client().find(f"{namespaces}/only-here") is None
        assert str(other.state) in processes()
        reader = removed.client()
        other.remove()
        assert str(other.state) not in processes()
        with pytest.raises(ApiUnavailable):
            reader.get(namespaces)
        assert answers(twin.url())
        assert kept.client().find(f"{namespaces}/only-here") is not None
    finally:
        other.remove()


def test_a_killed_twin_is_found_dead_and_started_anew(twin: Twin) -> None:
    twin.start()
    os.kill(pid_of(twin), signal.SIGKILL)
    os.waitpid(pid_of(twin), 0)
    assert not twin.running()
    with pytest.raises(TwinError, match="No twin is running"):
        twin.url()
    assert answers(twin.start())


def test_a_busy_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        twin = Twin(tmp_path / "state", port)
        with pytest.raises(
            TwinError, match=rf"did not start on port {port} \(--port or TWIN_PORT gives it another\):\n.*{port}"
        ):
            twin.start()
        assert not twin.running()


def test_nothing_is_left_after_remove(tmp_path: Path) -> None:
    twin = Twin(tmp_path / "state", port=0)
    twin.start()
    pid = pid_of(twin)
    twin.remove()
    assert not twin.state.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def lock_of(pid: int, stack: LocalStack) -> Path:
    lock = stack.twin.state / "pulumi-state/.pulumi/locks/organization" / stack.project / "local" / f"{pid}.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(json.dumps({"pid": pid, "username": "somebody", "hostname": "here"}))
    return lock


def test_the_lock_of_a_killed_pulumi_is_released_and_that_of_another_is_not(twin: Twin, tmp_path: Path) -> None:
    twin.start()
    stack = program(tmp_path / "empty", twin, "")
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    killed = subprocess.Popen(["sleep", "60"])
    killed.kill()
    killed.wait()
    lock_of(killed.pid, stack)
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    lives = lock_of(os.getpid(), stack)
    refused = stack.pulumi("up", "--yes", "--skip-preview", capture=True, check=False)
    assert "currently locked" in refused.stdout
    assert lives.exists()


def test_what_a_killed_pulumi_was_at_is_told(twin: Twin, tmp_path: Path) -> None:
    twin.start()
    stack = program(tmp_path / "empty", twin, "")
    assert stack.interrupted() == []
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    assert stack.interrupted() == []
    checkpoint = next((twin.state / "pulumi-state").glob(".pulumi/stacks/*/local.json"))
    state = json.loads(checkpoint.read_text())
    urn = "urn:pulumi:local::empty::aws:s3/bucket:Bucket::never"
    state["checkpoint"]["latest"]["pending_operations"] = [{"resource": {"urn": urn}, "type": "creating"}]
    checkpoint.write_text(json.dumps(state))
    assert stack.interrupted() == [urn]
