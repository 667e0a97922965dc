"""The executable ``pulumi-language-python``: serves the language host on a free port until the engine is done."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc

from local.plugins.base.stubs import without_the_sdk
from local.plugins.python_host.processes import Processes

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Serves, and returns the exit code when the engine has ended or a signal came."""
    parser = argparse.ArgumentParser(prog="pulumi-language-python", description=__doc__)
    parser.add_argument("engine", nargs="?", default="", help="address of the engine")
    # What the engine adds when it is asked to log or trace. The host has nothing to say there.
    parser.add_argument("--tracing", help=argparse.SUPPRESS)
    parser.add_argument("-v", dest="verbosity", help=argparse.SUPPRESS)
    parser.add_argument("--logtostderr", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--logflow", action="store_true", help=argparse.SUPPRESS)
    arguments, _ = parser.parse_known_args(argv)

    # The host is started twice in every preview, and needs few of the SDK's messages and nothing else of it.
    without_the_sdk()
    from pulumi.runtime.proto import language_pb2_grpc

    from local.plugins.python_host.host import PythonHost

    # One byte through it ends the host. Python writes it for signals the moment they come, in whatever thread: a
    # threading primitive would not do, because a signal handler may interrupt the very wait that it has to wake.
    waiting, ending = socket.socketpair()
    ending.setblocking(False)
    signal.set_wakeup_fd(ending.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _just_wake_up)

    processes = Processes()
    server = grpc.server(
        # A thread for every plugin that runs and every call beside; they mostly wait, and are made when needed.
        ThreadPoolExecutor(max_workers=128, thread_name_prefix="host"),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(PythonHost(arguments.engine, processes), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    if arguments.engine:
        threading.Thread(target=_watch, args=(arguments.engine, ending), daemon=True, name="watch").start()

    # The engine reads the port from the first line; what programs print comes after it.
    print(port, flush=True)
    waiting.recv(1)
    processes.stop_all(close=True)
    server.stop(None)
    sys.stdout.flush()
    # grpc's and the pool's threads may still be in a call that nobody waits for any more.
    os._exit(0)


def _just_wake_up(number: int, frame: FrameType | None) -> None:
    """A handler, because without one a signal would not come to Python."""


def _watch(engine: str, ending: socket.socket) -> None:
    """Ends the host when the engine is gone, however it went: an idle connection to it breaks."""
    host, _, port = engine.rpartition(":")
    try:
        while True:
            with socket.create_connection((host, int(port))) as connection:
                # The engine closes a connection that never speaks after a while; then there is just a new one.
                while connection.recv(4096):
                    continue
    except OSError:
        ending.send(b"\0")


if __name__ == "__main__":
    sys.exit(main())
