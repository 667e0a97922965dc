"""The twin's life: it starts once, is found again, stops without a trace, and does not get in another one's way."""

import json
import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.twin import Twin, TwinError


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    twin = Twin(tmp_path / "state", port=0)
    yield twin
    twin.remove()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/?Action=GetCallerIdentity&Version=2011-06-15", timeout=5) as response:
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


def test_two_twins_live_side_by_side(twin: Twin, tmp_path: Path) -> None:
    other = Twin(tmp_path / "other", port=0)
    try:
        assert twin.start() != other.start()
        other.stop()
        assert answers(twin.url())
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
        with pytest.raises(TwinError, match=rf"did not start on port {port}:\n.*{port}"):
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
