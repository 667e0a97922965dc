"""Becomes another program that dies with the process that started it.

``python -I -S launch.py PARENT PROGRAM [ARGUMENT ...]``: asks Linux for SIGKILL when the parent dies, however it dies,
and then executes the program; the request survives that (https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html).
It is a program of its own because the request has to be made in the child, and Python code between fork and exec
is not safe in a parent with threads. Elsewhere than on Linux nothing is asked for; what a killed parent leaves
there is ended at the next start (:mod:`local.kubernetes.processes`).

Where standard input is a terminal it becomes the program's controlling one. A program that cannot be executed
ends with 126, as in a shell.
"""

import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def _environment() -> dict[bytes, bytes]:
    """Return the environment as it was given: Python adds a locale to its own where there is none."""
    if sys.platform != "linux":
        return dict(os.environb)
    with open("/proc/self/environ", "rb") as given:
        pairs = (entry.partition(b"=") for entry in given.read().split(b"\0") if entry)
        return {name: value for name, _, value in pairs}


if __name__ == "__main__":
    parent, program = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before it could be asked for
            sys.exit(1)
    if os.isatty(0):
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        os.execve(program, sys.argv[2:], _environment())
    except OSError as error:
        print(f"exec {program}: {error.strerror}", file=sys.stderr)
        sys.exit(126)
