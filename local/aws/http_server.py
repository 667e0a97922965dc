"""A small threaded HTTP/1.1 server for a WSGI application.

Why not werkzeug's development server, which moto uses: it closes the connection after every answer. With
many clients in parallel that costs a TCP connection per call and, now and then, an answer: a connection
that is closed while the other side has bytes in flight is reset, and a reset discards data that the client
has not read yet. The client then repeats a call that was already done. Here connections are kept alive, a
request's body is always read before the application runs, and the whole answer leaves in one write.
"""

from __future__ import annotations

import io
import json
import logging
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote_to_bytes

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

log = logging.getLogger(__name__)


USAGE_PATH = "/twin/usage"
"""Where the server answers how many requests it has served, and in how many seconds of work, as JSON."""


class _Usage:
    """What the server has done so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = 0
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        with self._lock:
            self._requests += 1
            self._seconds += seconds

    def as_json(self) -> bytes:
        with self._lock:
            return json.dumps({"requests": self._requests, "seconds": self._seconds}).encode()


class WsgiServer(socketserver.ThreadingTCPServer):
    """Serves a WSGI application on 127.0.0.1, one thread for each connection.

    Args:
        port: the port to listen on; 0 takes any free one.
        application: the WSGI application; it is called from many threads at once.

    Raises:
        OSError: the port cannot be bound.
    """

    # Rebinding at once after a restart is wanted; stealing a live server's port is not possible with it on Linux.
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, application: WsgiApplication) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.application = application
        self.usage = _Usage()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base URL of this server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, ConnectionError | TimeoutError):
            return  # The client went away; nobody is left to answer.
        log.error("connection from %s failed", client_address, exc_info=error)

    def close_connections(self) -> None:
        """End connections that clients keep open, so that a stop is not awaited by idle ones."""
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # Closed by the other side meanwhile.


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WsgiServer  # type: ignore[assignment]
    # Small answers must not wait for the acknowledgement of the previous packet.
    disable_nagle_algorithm = True
    wbufsize = -1
    rbufsize = 64 * 1024

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            return
        if self.path == USAGE_PATH:
            answer = "200 OK", [("Content-Type", "application/json")], self.server.usage.as_json()
        else:
            began = time.perf_counter()
            answer = self._run(body)
            self.server.usage.add(time.perf_counter() - began)
        status_line, headers, payload = answer
        code, _, reason = status_line.partition(" ")
        self.send_response_only(int(code), reason)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        if "content-length" not in names and int(code) >= 200 and int(code) not in (204, 304):
            self.send_header("Content-Length", str(len(payload)))
        if "date" not in names:
            self.send_header("Date", self.date_time_string())
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve

    def handle_expect_100(self) -> bool:
        # Writes are buffered, and clients wait up to a second for this before they send the body.
        continues = super().handle_expect_100()
        self.wfile.flush()
        return continues

    def _read_body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            self.send_error(400, "Content-Length is not a number")
            return None
        return self.rfile.read(length) if length else b""

    def _read_chunks(self) -> bytes | None:
        body = bytearray()
        while True:
            try:
                size = int(self.rfile.readline().split(b";")[0].strip(), 16)
            except ValueError:
                self.send_error(400, "malformed chunk")
                return None
            if size == 0:
                while self.rfile.readline().strip():
                    continue  # Trailers carry checksums that nothing here needs.
                return bytes(body)
            body += self.rfile.read(size)
            self.rfile.readline()

    def _run(self, body: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
        started: list[Any] = ["500 Internal Server Error", []]

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
            started[0], started[1] = status, headers

        try:
            chunks = self.server.application(self._environ(body), start_response)
            try:
                payload = b"".join(chunks)
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
        except Exception:  # moto lets faults through; the client must get an answer, not a lost connection
            log.exception("%s %s failed", self.command, self.path)
            return "500 Internal Server Error", [("Content-Type", "text/plain")], b"internal failure of the endpoint"
        return started[0], started[1], payload

    def _environ(self, body: bytes) -> dict[str, Any]:
        target = self.path
        if not target.startswith("/"):  # absolute form, as proxies send it
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        port = self.server.server_address[1]
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            # PATH_INFO is decoded by definition, but an ARN in a path contains encoded slashes.
            "RAW_URI": target,
            "REQUEST_URI": target,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            if key == "CONTENT_TYPE":
                environ[key] = value
            elif key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
                key = "HTTP_" + key
                environ[key] = f"{environ[key]},{value}" if key in environ else value
        environ.setdefault("HTTP_HOST", f"127.0.0.1:{port}")
        return environ

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)
