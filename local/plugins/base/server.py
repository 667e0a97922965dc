"""Runs a package as a plugin process.

The engine starts a plugin with its own address as argument and reads from standard output the port that the plugin
listens on.
"""

import os
import sys
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from .engine import Engine
from .resource import Package
from .servicer import Servicer

# Threads wait for the API most of the time; they are only started as they are needed.
_THREADS = 64
_MESSAGE_SIZE = 400 * 1024 * 1024
_PARENT_CHECK = 1.0


def serve(package: Package, servicer: type[Servicer] = Servicer) -> None:
    """Serve a package until the engine ends the process, or is gone itself.

    Args:
        package: The package.
        servicer: How the protocol is served, for a package whose resource types cannot be declared.
    """
    parent = os.getppid()
    engine = Engine(sys.argv[1] if len(sys.argv) > 1 else "")
    server = grpc.server(
        futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="call"),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_SIZE),
            ("grpc.max_send_message_length", _MESSAGE_SIZE),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer(package, engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    threading.Thread(target=package.warm_up, name="warm-up", daemon=True).start()
    # An engine that is killed does not end its plugins: its death shows in whose child this process is.
    while server.wait_for_termination(timeout=_PARENT_CHECK):
        if os.getppid() != parent:
            break
    server.stop(grace=None)
    # Calls that still wait for the API would keep the interpreter alive for as long as they take.
    sys.stdout.flush()
    os._exit(0)
