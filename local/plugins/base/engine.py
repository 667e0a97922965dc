"""The engine's side of the conversation: its log."""

import threading

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc


class Engine:
    """Logs to the engine, once its address is known; before that, and when it is gone, messages are dropped."""

    def __init__(self, address: str = "") -> None:
        self._lock = threading.Lock()
        self._address = address
        self._stub: engine_pb2_grpc.EngineStub | None = None

    def connect(self, address: str) -> None:
        """Take another address, if one is given."""
        with self._lock:
            if address and address != self._address:
                self._address, self._stub = address, None

    def debug(self, message: str) -> None:
        """Log what only somebody who looks for a fault wants to see."""
        self._log(engine_pb2.DEBUG, message)

    def info(self, message: str, urn: str = "", ephemeral: bool = False) -> None:
        """Show how things go.

        Args:
            message: The message.
            urn: The resource that it belongs to.
            ephemeral: Show it only until the next one.
        """
        self._log(engine_pb2.INFO, message, urn, ephemeral)

    def warning(self, message: str) -> None:
        """Warn."""
        self._log(engine_pb2.WARNING, message)

    def _log(
        self, severity: engine_pb2.LogSeverity.ValueType, message: str, urn: str = "", ephemeral: bool = False
    ) -> None:
        with self._lock:
            if not self._address:
                return
            if self._stub is None:
                self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._address))
            stub = self._stub
        # Not waited for: a log is no reason to fail or to be slow.
        stub.Log.future(
            engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=ephemeral), timeout=5
        )
