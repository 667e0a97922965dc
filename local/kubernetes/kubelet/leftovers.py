"""Ends what pods' commands have left running, whoever its parent is by now.

``python -I -S leftovers.py FOLDER`` waits for its standard input to end, which happens when the process that holds the
other end dies, however it dies. Then it ends all processes whose HOME lies in the folder, as that of every command
does. The kernel ends only the command itself together with its parent, and not what the command has started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

_END_SECONDS = 5.0


def end_all(folder: str | os.PathLike[str]) -> None:
    """End all processes whose HOME lies in a folder, and await their end."""
    home = f"HOME={os.fspath(folder).rstrip('/')}/"
    deadline = time.monotonic() + _END_SECONDS
    # Once more after each time: what is being started while they are looked for is found then.
    while (found := list(_with_variable(home.encode()))) and time.monotonic() < deadline:
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)


def _with_variable(text: bytes) -> Iterator[int]:
    """Yield the processes of this user with a variable that begins like this."""
    if sys.platform != "linux":
        listed = subprocess.run(["ps", "-xEww", "-o", "pid=,command="], capture_output=True, check=False)
        for line in listed.stdout.splitlines():
            if b" " + text in line:
                yield int(line.split(None, 1)[0])
        return
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as environment:
                    found = environment.read()
            except OSError:  # somebody else's, or gone
                continue
            if b"\0" + text in b"\0" + found:
                yield int(name)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end_all(sys.argv[1])
