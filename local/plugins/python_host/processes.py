"""Child processes of the host: each one in its own process group, none of them outlives the host."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

__all__ = ["Processes"]

# The engine gives a plugin five seconds to end. A program gets most of them to end by itself.
_GRACE_SECONDS = 2.0


class Processes:
    """The children that are running. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def start(
        self,
        command: Sequence[str],
        *,
        cwd: str | os.PathLike[str],
        env: Mapping[str, str],
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Starts *command* as the head of a process group.

        Raises:
            OSError: It cannot be started.
        """
        with self._lock:
            if self._closed:
                raise InterruptedError("the language host is shutting down")
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def wait(self, process: subprocess.Popen[bytes]) -> int:
        """Waits for *process* and returns its exit code, negative for a signal."""
        code = process.wait()
        with self._lock:
            self._running.discard(process)
        return code

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Ends *process* and its group: first by an interrupt, as Ctrl-C would, then by force.

        One that has ended already is left alone: its number may be another's by now.
        """
        if process.poll() is not None:
            return
        _signal(process, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        # It may take too long over the interrupt, and others of its group may outlive it.
        _signal(process, signal.SIGKILL)

    def stop_all(self, *, close: bool = False) -> None:
        """Ends all of them, side by side; with *close*, no further one can be started."""
        with self._lock:
            self._closed = self._closed or close
            running = list(self._running)
        stoppers = [threading.Thread(target=self.stop, args=(process,)) for process in running]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # the whole group is gone, which is what was wanted
