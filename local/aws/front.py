"""The front door: sends each request to EKS, to EKS Auth or to moto.

A signed request names its service in the credential scope of its signature; that decides. Of others the gate tells.
"""

from __future__ import annotations

import io
import json
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs

from .authorization.operations import HttpRequest
from .authorization.signature import other_signature_key
from .protocol import HttpReply

log = logging.getLogger(__name__)

_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Request:
    """One request to a service of ours.

    Attributes:
        access_key: who signed it; empty when nobody did.
        raw_path: the path, still percent-encoded.
    """

    method: str
    raw_path: str
    query: str
    headers: dict[str, str]
    body: bytes
    access_key: str
    region: str
    host: str


class Service(Protocol):
    """A service that the front can send requests to."""

    def handle(self, request: Request) -> HttpReply:
        """Answer one request; never raises."""
        ...


class Gate(Protocol):
    """Stands before all services."""

    def service_of(self, http: HttpRequest) -> str:
        """Return the service that a request is for when its signature does not say; empty when none of AWS's."""
        ...

    def answer(
        self,
        environ: dict[str, Any],
        raw_path: str,
        query: str,
        body: bytes,
        access_key: str,
        service: str,
        region: str,
    ) -> HttpReply | None:
        """Answer a request that must not go on to its service; None lets it."""
        ...


class ReplyKeeper:
    """Keeps replies for a while, so that a client's retry gets the first try's answer.

    AWS's SDKs send the same ``amz-sdk-invocation-id`` with every try of one call. When an answer is lost on
    its way, the retry of a call that was already done would otherwise be refused, for example with
    ``EntityAlreadyExists``. Only successes are kept: what was refused or failed has changed nothing. A retry
    that arrives while the first try still runs waits for it.

    Args:
        seconds: how long an answer is kept.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._entries: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, key: str, compute: Callable[[], HttpReply]) -> HttpReply:
        """Return the kept answer for a key, or compute and keep it."""
        now = time.monotonic()
        with self._lock:
            while self._entries and next(iter(self._entries.values())).born < now - self._seconds:
                self._entries.popitem(last=False)
            entry = self._entries.get(key)
            first = entry is None
            if entry is None:
                entry = self._entries[key] = _Kept(now)
        if not first:
            entry.done.wait()
            if entry.reply is not None:
                return entry.reply
            return compute()
        try:
            reply = compute()
            if reply.status < 400:
                entry.reply = reply
            else:
                self._forget(key, entry)
            return reply
        except BaseException:
            self._forget(key, entry)
            raise
        finally:
            entry.done.set()

    def _forget(self, key: str, entry: _Kept) -> None:
        with self._lock:
            if self._entries.get(key) is entry:
                del self._entries[key]

    def clear(self) -> None:
        """Forget all kept answers."""
        with self._lock:
            self._entries.clear()


class _Kept:
    def __init__(self, born: float) -> None:
        self.born = born
        self.reply: HttpReply | None = None
        self.done = threading.Event()


class Front:
    """The WSGI application of the endpoint.

    Args:
        moto: moto's own WSGI application.
        eks: Amazon EKS.
        eks_auth: Amazon EKS Auth.
        gate: authenticates and authorizes every request.
        region: the region of requests that name none.
        on_change: called after every request that may have changed state.
        on_reset: called when a client asked moto to forget everything.
        reports: what the twin tells of itself, which AWS has no API for: by path, what to answer as JSON.
    """

    def __init__(
        self,
        moto: Callable[..., Iterable[bytes]],
        eks: Service,
        eks_auth: Service,
        gate: Gate,
        region: str,
        on_change: Callable[[], None],
        on_reset: Callable[[], None],
        reports: Mapping[str, Callable[[], Any]],
    ) -> None:
        self._reports = reports
        self._moto = moto
        self._services: dict[str, Service] = {"eks": eks, "eks-auth": eks_auth}
        self._gate = gate
        self._region = region
        self._on_change = on_change
        self._on_reset = on_reset
        self._kept = ReplyKeeper()
        self._locks: dict[str, threading.RLock] = {}
        self._locks_lock = threading.Lock()

    def lock_of(self, service: str) -> threading.RLock:
        """Return the lock that serialises one service; moto's models are not safe for threads."""
        with self._locks_lock:
            return self._locks.setdefault(service, threading.RLock())

    def all_locks(self) -> list[threading.RLock]:
        """Return the locks of all services that were called so far, in a fixed order."""
        with self._locks_lock:
            return [lock for _, lock in sorted(self._locks.items())]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        access_key, region, service = scope.groups() if scope else ("", self._region, "")
        raw_path, _, query = environ["RAW_URI"].partition("?")
        if raw_path in self._reports:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._reports[raw_path]()).encode()]
        if not scope:
            service, access_key, region = self._presigned(query, region)
        if not service:
            http = HttpRequest.of(environ, raw_path, query, body, service, region)
            service = self._gate.service_of(http)
            access_key = other_signature_key(http.headers, http.form(), body) or ""

        def compute() -> HttpReply:
            answered = self._gate.answer(environ, raw_path, query, body, access_key, service, region)
            if answered is not None:
                return answered
            ours = self._services.get(service)
            if ours is None:
                known = environ
                if service:
                    # Where moto looks first. Left to itself, it could find another service than the gate has judged.
                    credential = f"{access_key or 'nobody'}/20000101/{region}/{service}/aws4_request"
                    known = {**environ, "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={credential}"}
                return self._ask_moto(service, known, body)
            headers = {
                key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
            }
            return ours.handle(
                Request(
                    environ["REQUEST_METHOD"],
                    raw_path,
                    query,
                    headers,
                    body,
                    access_key,
                    region,
                    environ["HTTP_HOST"],
                )
            )

        changing = _may_change(environ["REQUEST_METHOD"], service, body, raw_path)
        invocation = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        if raw_path == "/moto-api/reset" and environ["REQUEST_METHOD"] == "POST":
            reply = compute()
            self._kept.clear()
            self._on_reset()
        elif changing and invocation:
            reply = self._kept.answer(f"{service} {access_key} {invocation}", compute)
        else:
            reply = compute()
        if changing:
            self._on_change()
        start_response(f"{reply.status} {_reason(reply.status)}", list(reply.headers.items()))
        return [reply.body]

    @staticmethod
    def _presigned(query: str, region: str) -> tuple[str, str, str]:
        """Read the credential scope of a presigned URL, as `aws eks get-token` makes them for STS."""
        for credential in parse_qs(query).get("X-Amz-Credential", []):
            parts = credential.split("/")
            if len(parts) == 5:
                return parts[3], parts[0], parts[2]
        return "", "", region

    def _ask_moto(self, service: str, environ: dict[str, Any], body: bytes) -> HttpReply:
        environ = {**environ, "wsgi.input": io.BytesIO(body)}
        started: list[Any] = [500, {}]

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
            started[0] = int(status.partition(" ")[0])
            started[1] = dict(headers)

        with self.lock_of(service or "s3"):
            chunks = self._moto(environ, start_response)
            try:
                payload = b"".join(chunks)
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
        return HttpReply(started[0], payload, started[1])


_READ_ACTION = re.compile(rb"(?:^|&)Action=(?:Describe|Get|List|Simulate)")


def _may_change(method: str, service: str, body: bytes, raw_path: str) -> bool:
    """Tell a request that may change state from one that surely does not."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    if service in ("ec2", "iam", "sts") and _READ_ACTION.search(body):
        return False
    return not raw_path.startswith("/moto-api/data")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
