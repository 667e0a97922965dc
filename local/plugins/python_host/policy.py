"""Starts a policy pack with the stack's configuration in its environment.

A Python policy pack takes the configuration from its environment when it starts. The engine sends it only in a call to
a pack that has started. So this front answers that call, starts the pack, and passes everything else on to it, byte for
byte. See https://www.pulumi.com/docs/iac/crossguard/.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
from pulumi.runtime.proto import language_pb2

from local.plugins.python_host.options import PythonOptions
from local.plugins.python_host.processes import Processes
from local.plugins.python_host.streams import Chunk, stream

__all__ = ["run_pack"]

_SERVICE = "/pulumirpc.Analyzer/"
_MESSAGE_LIMIT = ("grpc.max_receive_message_length", -1)


def run_pack(
    request: language_pb2.RunPluginRequest,
    options: PythonOptions,
    environment: dict[str, str],
    processes: Processes,
    on_end: Callable[[Callable[[], None]], None],
) -> Iterator[Chunk | int]:
    """Serves the policy pack of *request* until it ends.

    Args:
        on_end: Takes an action that is to be done when the engine ends the call.

    Yields:
        The front's port as the first line of standard output, then the pack's own output, and its exit code last.
    """
    front = _Front()
    with front.serving() as port:
        on_end(front.give_up)
        yield Chunk.out(f"{port}\n")
        variables = front.configuration.result()
        if variables is None:
            return
        # The folder comes last: it is an argument of pulumi.policy, after the engine's.
        folder = request.info.program_directory
        process = processes.start(
            [options.python(), "-u", "-m", "pulumi.policy", *request.args, folder],
            cwd=folder,
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        on_end(lambda: processes.stop(process))
        first = b""
        try:
            for chunk in stream(process):
                if front.attached or not chunk.stdout:
                    yield chunk
                    continue
                first += chunk.stdout
                line, newline, rest = first.partition(b"\n")
                if newline:
                    front.attach(int(line))
                    if rest:
                        yield Chunk(stdout=rest)
        except ValueError:
            yield Chunk(stderr=b"The policy pack printed this before its port: " + first)
            processes.stop(process)
        code = processes.wait(process)
        front.fail(f"the policy pack ended with exit code {code}")
        yield code


class _Front(grpc.GenericRpcHandler):
    """An analyzer that knows the handshake and the configuration, and asks the real one for all else."""

    def __init__(self) -> None:
        self.configuration: Future[dict[str, str] | None] = Future()
        """The variables that tell a pack about the stack: none if the engine wants it without one. None: never mind."""
        self._pack: Future[grpc.Channel] = Future()
        self._stack_request = b""
        self._lock = threading.Lock()

    @property
    def attached(self) -> bool:
        """Whether the pack is up."""
        return self._pack.done()

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        """Serves on a free port of 127.0.0.1, and gives that port."""
        server = grpc.server(
            # As many as the engine analyses at a time, and more: they only wait for the pack.
            ThreadPoolExecutor(max_workers=32, thread_name_prefix="policy"),
            options=[_MESSAGE_LIMIT],
        )
        server.add_generic_rpc_handlers((self,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            self.fail("the policy pack is shutting down")
            server.stop(None)

    def attach(self, port: int) -> None:
        """Passes calls on to the pack at *port* from now on."""
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[_MESSAGE_LIMIT])
        if self._stack_request:
            configure = channel.unary_unary(f"{_SERVICE}ConfigureStack")
            try:
                configure(self._stack_request, wait_for_ready=True)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:  # packs before 1.20 do not have it
                    self.fail(f"the policy pack refused its configuration: {error.details()}")
                    return
        self._settle(self._pack, channel)

    def fail(self, reason: str) -> None:
        """Ends the calls that are waiting for the pack. No effect once it is attached."""
        self._settle(self._pack, ConnectionError(reason))

    def give_up(self) -> None:
        """Ends the wait for a configuration."""
        self._settle(self.configuration, None)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Part of grpc's interface: the handler of a method."""
        method = handler_call_details.method
        own = {f"{_SERVICE}Handshake": self._handshake, f"{_SERVICE}ConfigureStack": self._configure}
        if handler := own.get(method):
            return grpc.unary_unary_rpc_method_handler(handler)
        if method.startswith(_SERVICE):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: self._forward(method, request, context))
        return None

    def _handshake(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        return b""

    def _configure(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        # Imported here, because most runs have no policy pack.
        from pulumi.runtime.proto import analyzer_pb2

        stack = analyzer_pb2.AnalyzerStackConfigureRequest.FromString(request)
        variables = {
            "PULUMI_ORGANIZATION": stack.organization,
            "PULUMI_PROJECT": stack.project,
            "PULUMI_STACK": stack.stack,
            "PULUMI_DRY_RUN": "true" if stack.dry_run else "false",
            "PULUMI_CONFIG": json.dumps(dict(stack.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(stack.config_secret_keys)),
        }
        self._stack_request = request
        self._settle(self.configuration, {name: value for name, value in variables.items() if value})
        return b""

    def _settle(self, future: Future[Any], outcome: object) -> None:
        """Gives *future* its outcome, if it has none yet."""
        with self._lock:
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _forward(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        # `pulumi policy publish` asks for the pack's contents without a stack.
        self._settle(self.configuration, {})
        try:
            return self._pack.result().unary_unary(method)(request)
        except ConnectionError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except grpc.RpcError as error:
            # Richer errors travel there.
            metadata: Any = error.trailing_metadata() or ()
            context.set_trailing_metadata(metadata)
            context.abort(error.code(), error.details() or "")
        raise AssertionError("abort raises")
