"""The twin's life: one process in the background, one state folder, one command to start it and one to stop it.

The AWS endpoint is that process, and whatever else the twin runs is its child. It holds a lock on a file of its state
folder for as long as it lives: who can take the lock knows that no twin is running there, whatever its files say,
even when it was killed.
"""

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from local import toolchain
from local.kubernetes.control_plane import TOOLS

# Each cluster's control plane is started again, which takes it about five seconds.
START_SECONDS = 120
STOP_SECONDS = 30


class TwinError(Exception):
    """The twin cannot do what was asked; the message says why and what to do."""


class Twin:
    """A twin of AWS in a state folder.

    Args:
        state: The folder for everything that it keeps. Made when missing, removed by `remove`.
        port: The port on 127.0.0.1 where its AWS endpoint listens; 0 for any that is free.
        propagation: For how many seconds EKS knows a pod identity association before pods get credentials by it.
            Default: 5, about what AWS means by "several seconds".
    """

    def __init__(self, state: Path, port: int, propagation: float = 5.0):
        self.state = state.absolute()
        self.port = port
        self.propagation = propagation
        self._about = self.state / "twin.json"
        self._log = self.state / "endpoint.log"
        self._child: subprocess.Popen[bytes] | None = None

    def url(self) -> str:
        """The endpoint's URL. Raises `TwinError` when no twin is running."""
        if not self.running():
            raise TwinError(f"No twin is running in {self.state}. Start one with: python -m local start")
        return json.loads(self._about.read_text())["url"]

    def running(self) -> bool:
        """Whether a twin lives in this state folder."""
        if not self._about.exists():
            return False
        # Shared, so that a look is in nobody's way but that of a start, which tries again.
        lock = self._take_lock(fcntl.LOCK_SH)
        if lock is None:
            return True
        os.close(lock)
        return False

    def start(self) -> str:
        """Start the twin, or find it running, and return its endpoint's URL. Raises `TwinError` when it cannot
        start, and `ToolchainError` when a part of Kubernetes cannot be had."""
        self.state.mkdir(parents=True, exist_ok=True)
        if self.running():
            return self.url()
        # Before the lock, for which others wait: the first time this may take a quarter of an hour.
        toolchain.ensure(TOOLS)
        lock: int | None = None

        def locked_or_running() -> bool:
            nonlocal lock
            lock = self._take_lock(fcntl.LOCK_EX)
            return lock is not None or self.running()

        if not _until(locked_or_running, START_SECONDS):
            raise TwinError(f"A twin is starting in {self.state}, but does not get ready; see {self._log}")
        if lock is None:
            return self.url()
        try:
            # What a killed twin left behind about itself is no longer true.
            self._about.unlink(missing_ok=True)
            return self._spawn(lock)
        finally:
            os.close(lock)  # the twin has a copy of its own

    def stop(self) -> bool:
        """Stop the twin and wait until it is gone. Returns whether there was one."""
        if not self.running():
            return False
        pid = json.loads(self._about.read_text())["pid"]
        os.kill(pid, signal.SIGTERM)
        if not _until(lambda: not self.running(), STOP_SECONDS):
            os.killpg(pid, signal.SIGKILL)
            if not _until(lambda: not self.running(), STOP_SECONDS):
                raise TwinError(f"The twin (process {pid}) does not stop; see {self._log}")
        if self._child is not None:
            self._child.wait()
        self._about.unlink(missing_ok=True)
        return True

    def remove(self) -> None:
        """Stop the twin and remove its state folder."""
        self.stop()
        if self.state.exists():
            shutil.rmtree(self.state)

    def _spawn(self, lock: int) -> str:
        command = [
            *(sys.executable, "-m", "local", "aws", "--kubernetes"),
            *("--port", str(self.port), "--state", str(self.state / "aws")),
            *("--propagation", str(self.propagation)),
        ]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=Path(__file__).parents[1],
                pass_fds=[lock],
                start_new_session=True,
            )
        assert process.stdout is not None
        with process.stdout as stdout:
            # One line is all that it ever writes there, when it is ready; nothing comes when it cannot be.
            ready, _, _ = select.select([stdout], [], [], START_SECONDS)
            word, _, url = stdout.readline().decode().strip().partition(" ") if ready else ("", "", "")
        if word != "ready":
            if process.poll() is None:
                process.kill()
            process.wait()
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
            raise TwinError(
                f"The AWS endpoint did not start on port {self.port} (--port or TWIN_PORT gives it another):\n{tail}"
            )
        partial = self._about.with_suffix(".partial")
        partial.write_text(json.dumps({"pid": process.pid, "url": url}))
        partial.replace(self._about)
        self._child = process
        return url

    def _take_lock(self, kind: int) -> int | None:
        descriptor = os.open(self.state / "twin.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
