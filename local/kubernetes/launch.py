"""Becomes another program that dies with the process that started it.

``python -I -S launch.py PARENT PROGRAM [ARGUMENT ...]``: asks Linux for SIGKILL when the parent dies, however it dies,
and then executes the program; the request survives that (https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html).
It is a program of its own because the request has to be made in the child, and Python code between fork and exec
is not safe in a parent with threads. Elsewhere than on Linux nothing is asked for; what a killed parent leaves
there is ended at the next start (:mod:`local.kubernetes.processes`).
"""

import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9

if __name__ == "__main__":
    parent, program = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before it could be asked for
            sys.exit(1)
    os.execv(program, sys.argv[2:])
