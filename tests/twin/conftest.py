"""The local AWS endpoint, run as users run it: a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.kubernetes.processes import LAUNCH

ROOT = Path(__file__).resolve().parents[2]


Starter = Callable[..., "RunningEndpoint"]


def dying_with_this_process(*command: str) -> list[str]:
    """Return a command that the kernel ends together with this process, however that ends.

    An endpoint takes its control planes along. The thread that starts it must be one that lasts.
    """
    return [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), *command]


class RunningEndpoint:
    """A started endpoint: its process and its URL."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            dying_with_this_process(sys.executable, "-m", "local.aws", *arguments),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        # Blocks until the line is there, or the process has ended.
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            _, error = self.process.communicate()
            raise RuntimeError(f"the endpoint did not start: {line}{error}")
        self.url = line.split()[1]

    def stop(self) -> tuple[int, str]:
        """End it as its users do; return the exit code and what it logged."""
        self.process.terminate()
        _, error = self.process.communicate(timeout=20)
        return self.process.returncode, error


@pytest.fixture
def start_endpoint() -> Iterator[Starter]:
    """Start endpoints with arguments of the test's choice; they end with the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> RunningEndpoint:
            running = RunningEndpoint(*arguments)
            stack.callback(_stop_if_running, running)
            return running

        yield start


def _stop_if_running(running: RunningEndpoint) -> None:
    if running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="session")
def aws_endpoint() -> Iterator[str]:
    """URL of an endpoint that all tests of the session share; use names of your own on it."""
    running = RunningEndpoint("--port", "0", "--transition", "0.05")
    yield running.url
    code, log = running.stop()
    assert code == 0
    assert "Traceback" not in log, log
