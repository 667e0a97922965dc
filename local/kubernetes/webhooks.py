"""Answers the API servers' questions: who is this (TokenReview), and may they (SubjectAccessReview)?

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication
https://kubernetes.io/docs/reference/access-authn-authz/webhook/
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from local.aws.http_server import WsgiServer

log = logging.getLogger(__name__)

# Takes the spec of a review and returns its status.
Reviewer = Callable[[dict[str, Any]], dict[str, Any]]


class WebhookServer:
    """A server on 127.0.0.1 for the webhooks of all clusters."""

    def __init__(self) -> None:
        self._reviewers: dict[str, Reviewer] = {}
        self._server = WsgiServer(0, self._answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="webhooks", daemon=True
        )
        self._thread.start()

    def add(self, path: str, reviewer: Reviewer) -> str:
        """Answer reviews at a path, in place of an earlier one; return its URL."""
        self._reviewers[path] = reviewer
        return f"{self._server.url}{path}"

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, answer = self._review(environ["RAW_URI"].partition("?")[0], environ["wsgi.input"].read())
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def _review(self, path: str, body: bytes) -> tuple[str, dict[str, Any]]:
        reviewer = self._reviewers.get(path)
        if reviewer is None:
            return "404 Not Found", {}
        try:
            review = json.loads(body)
            status = reviewer(review["spec"])
        except (ValueError, KeyError, TypeError):
            return "400 Bad Request", {}
        except Exception:  # a fault of ours must not let anybody in: the API server takes it for a refusal
            log.exception("a review at %s failed", path)
            return "500 Internal Server Error", {}
        return "200 OK", {"apiVersion": review["apiVersion"], "kind": review["kind"], "status": status}
