"""Waiting for the API server of a new cluster."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local.plugins.eks.readiness import await_healthy, is_loopback


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server that is unavailable twice, and then healthy."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(503 if len(asked) < 3 else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}", asked
    listening.shutdown()
    listening.server_close()


def test_asks_until_it_is_healthy(server: tuple[str, list[str]]) -> None:
    url, asked = server
    reports: list[str] = []
    assert asyncio.run(await_healthy(url, reports.append))
    assert asked == ["/healthz"] * 3
    assert len(reports) == 2
    assert url in reports[0]


def test_nobody_listening_here_is_final() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    start = time.monotonic()
    assert not asyncio.run(await_healthy(f"https://127.0.0.1:{port}", pytest.fail))
    assert time.monotonic() - start < 1


def test_gives_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        assert not asyncio.run(await_healthy(url, lambda _: None, deadline=0.2))
        assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://[::1]:6443", True),
        ("https://localhost", True),
        ("https://ABC.gr7.eu-west-1.eks.amazonaws.com", False),
        ("https://10.0.0.1", False),
    ],
)
def test_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
