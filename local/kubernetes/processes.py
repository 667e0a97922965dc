"""A group of child processes with one life, and a note of them on disk.

The note holds each process's id and the time when it started. It is what tells, after the parent was killed, which
processes to end: an id alone may belong to somebody else by then.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
"""A program that becomes another one, which dies with its parent."""

_NOTE = "processes.json"
_END_SECONDS = 5.0


class ProcessGroup:
    """The processes that run out of one folder.

    Args:
        folder: where their logs and the note of them are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        """Start a process; what it says goes to ``<name>.log``.

        The kernel ends it when the calling *thread* ends, so that must be one that lives as long as the group.
        """
        with open(self._folder / f"{name}.log", "ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=environment,
                # Ctrl-C in a terminal is for the parent, which ends these in their order.
                start_new_session=True,
            )
        self._write_note()

    def ended(self) -> list[str]:
        """Return the names of the processes that have ended by themselves."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def stop(self, *gently: str) -> None:
        """End all processes: those named are asked first, so that they can put their data away."""
        for name, process in self._running.items():
            (process.terminate if name in gently else process.kill)()
        for process in self._running.values():
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        (self._folder / _NOTE).unlink(missing_ok=True)

    def tail(self, name: str, lines: int = 5) -> str:
        """Return the last lines that a process said."""
        with contextlib.suppress(FileNotFoundError):
            text = (self._folder / f"{name}.log").read_text(errors="replace")
            return "\n".join(text.splitlines()[-lines:])
        return ""

    def _write_note(self) -> None:
        note = [{"pid": process.pid, "started": _start_time(process.pid)} for process in self._running.values()]
        partial = self._folder / f"{_NOTE}.partial"
        partial.write_text(json.dumps(note))
        partial.replace(self._folder / _NOTE)


def end_leftovers(folder: Path) -> int:
    """End the processes that a killed parent left behind in a folder; return how many there were."""
    try:
        note = json.loads((folder / _NOTE).read_text())
    except (FileNotFoundError, ValueError):
        return 0
    left = [entry["pid"] for entry in note if entry["started"] == _start_time(entry["pid"])]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _await_end(left)
    (folder / _NOTE).unlink(missing_ok=True)
    return len(left)


def _await_end(pids: Iterable[int]) -> None:
    """Wait for processes that are nobody's children here; they end soon after SIGKILL."""
    deadline = time.monotonic() + _END_SECONDS
    while any(_start_time(pid) is not None for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)


def _start_time(pid: int) -> str | None:
    """Return when a process started, in the system's own terms; None when it does not run."""
    if sys.platform != "linux":
        answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return answer.stdout.strip() or None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the name in parentheses and may hold spaces. After it, the first field is the state, and
    # the 20th (the 22nd of all) is the start in clock ticks since boot.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
