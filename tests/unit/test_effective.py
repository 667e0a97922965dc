import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from components import _effective
from components._effective import INJECTED, NotEffective, observe, probe, until_effective


class _Cluster(BaseHTTPRequestHandler):
    """Answers the creation of a pod with what the test put there, and remembers the request."""

    answer: tuple[int, Any]
    asked: list[tuple[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append((self.path, body))
        status, answer = type(self).answer
        text = json.dumps(answer or body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def cluster() -> Iterator[tuple[type[_Cluster], str]]:
    handler = type("Handler", (_Cluster,), {"answer": (201, None), "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield handler, kubeconfig(server.server_port)
        server.shutdown()
        thread.join()


def kubeconfig(port: int) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
    )


def injected() -> dict[str, Any]:
    pod = probe("demo-sa")
    pod["spec"]["containers"][0]["env"] = [{"name": INJECTED, "value": "http://169.254.170.23/v1/credentials"}]
    return pod


def test_a_pod_is_tried_and_not_made(cluster: tuple[type[_Cluster], str]) -> None:
    handler, config = cluster
    handler.answer = (201, injected())
    assert observe(config, "demo-ns", "demo-sa") is None
    ((path, body),) = handler.asked
    assert path == "/api/v1/namespaces/demo-ns/pods?dryRun=All"
    assert body["spec"]["serviceAccountName"] == "demo-sa"


def test_a_pod_without_the_variables_gets_no_credentials(cluster: tuple[type[_Cluster], str]) -> None:
    _, config = cluster
    said = observe(config, "demo-ns", "demo-sa")
    assert said is not None
    assert INJECTED in said


def test_a_refusal_is_told_in_the_cluster_s_words(cluster: tuple[type[_Cluster], str]) -> None:
    handler, config = cluster
    handler.answer = (403, {"kind": "Status", "message": 'pods is forbidden: User "x" cannot create'})
    said = observe(config, "demo-ns", "demo-sa")
    assert said is not None
    assert "403" in said
    assert "pods is forbidden" in said


def test_an_unreachable_cluster_is_told(cluster: tuple[type[_Cluster], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_effective, "_REQUEST_SECONDS", 1)
    said = observe(kubeconfig(1), "demo-ns", "demo-sa")
    assert said is not None
    assert said.startswith("the cluster is not reached")


def test_it_is_awaited() -> None:
    answers = iter(["not reached", "without", None])
    asyncio.run(until_effective(lambda: next(answers), "pods", 30, pytest.fail))
    assert next(answers, "all used") == "all used"


def test_the_wait_has_an_end_and_says_what_was_last_seen() -> None:
    with pytest.raises(NotEffective, match=r"pods get no credentials 0\.1 s .*: the reason\. .*ready_timeout"):
        asyncio.run(until_effective(lambda: "the reason", "pods", 0.1, lambda text: None))


def test_a_long_wait_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_effective, "_REPORT_SECONDS", 0)
    monkeypatch.setattr(_effective, "_INTERVAL_SECONDS", 0.01)
    answers, told = iter(["the reason", "the reason", None]), list[str]()
    asyncio.run(until_effective(lambda: next(answers), "pods", 30, told.append))
    assert told
    assert "the reason" in told[0]
