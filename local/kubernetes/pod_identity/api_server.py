"""A small client of a Kubernetes API server: what pod identity needs of it, no more.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

Object = dict[str, Any]

FIELD_MANAGER = "eks"


class ApiError(Exception):
    """The API server refused a request.

    Attributes:
        status: the HTTP status.
        reason: the Status object's reason, such as ``Expired``.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason


class ApiUnavailable(Exception):
    """The API server could not be reached."""


class ApiServer:
    """A client of one API server; safe for threads.

    Args:
        url: base URL.
        ca_file: the CA that signed its certificate.
        client_certificate: files of a client certificate and its key.
        token: bearer token, where no client certificate is used.
    """

    def __init__(
        self,
        url: str,
        ca_file: Path,
        client_certificate: tuple[Path, Path] | None = None,
        token: str | None = None,
    ) -> None:
        certificate, key = client_certificate or (None, None)
        self.url = url
        # Its discovery endpoints serve types of their own and nothing else.
        self._headers = {"Accept": "application/json, application/jwk-set+json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = urllib3.PoolManager(
            # Watches keep theirs.
            maxsize=32,
            ca_certs=str(ca_file),
            cert_file=certificate and str(certificate),
            key_file=key and str(key),
            # A read that was lost may be repeated; a change may not, and its caller knows what it means.
            retries=False,
        )

    def get(self, path: str, **query: str) -> Object:
        """Read.

        Raises:
            ApiError: refused; status 404 when there is no such object.
            ApiUnavailable: no answer.
        """
        return self._call("GET", path, query)

    def find(self, path: str) -> Object | None:
        """Read an object that may not exist.

        Raises:
            ApiError: refused.
            ApiUnavailable: no answer.
        """
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def create(self, path: str, body: Object, **query: str) -> Object:
        """Create in a collection, or call a subresource such as ``token``."""
        return self._call("POST", path, query, body)

    def apply(self, path: str, body: Object) -> Object:
        """Create or change by server-side apply, taking over fields that others own."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        # JSON is YAML, which is what this content type announces.
        return self._call("PATCH", path, query, body, "application/apply-patch+yaml")

    def patch_status(self, path: str, uid: str, status: Object) -> None:
        """Change the status of one certain object, as a kubelet does.

        Raises:
            ApiError: refused; status 409 when there is another object of that name.
        """
        body = {"metadata": {"uid": uid}, "status": status}
        self._call("PATCH", f"{path}/status", {}, body, "application/strategic-merge-patch+json")

    def finish_deletion(self, path: str, uid: str) -> None:
        """Let one certain object that is being deleted go.

        Raises:
            ApiError: refused; status 409 when there is another object of that name.
        """
        self._call("DELETE", path, {}, {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})

    def delete(self, path: str, **query: str) -> None:
        """Delete; an object that is gone already is fine."""
        try:
            self._call("DELETE", path, query)
        except ApiError as error:
            if error.status != 404:
                raise

    def watch(self, path: str, resource_version: str) -> Watch:
        """Begin to watch a collection.

        Raises:
            ApiError: refused; reason ``Expired`` when the version is too old.
            ApiUnavailable: no answer.
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            # The server ends a watch after a while by itself, so a lost connection is noticed at last.
            "timeoutSeconds": "300",
        }
        return Watch(self._send("GET", path, query, timeout=urllib3.Timeout(connect=5, read=330), stream=True))

    def close(self) -> None:
        """Close connections that are kept open."""
        self._pool.clear()

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        timeout = urllib3.Timeout(connect=5, read=30)
        return json.loads(self._send(method, path, query, body, content_type, timeout).data)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        content_type: str = "application/json",
        timeout: urllib3.Timeout | None = None,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = self._headers if body is None else {**self._headers, "Content-Type": content_type}
        payload = None if body is None else json.dumps(body).encode()
        try:
            response = self._pool.request(
                method, url, body=payload, headers=headers, timeout=timeout, preload_content=not stream
            )
            if response.status >= 400:
                raise _refusal(response.status, response.data)
        except urllib3.exceptions.HTTPError as error:
            raise ApiUnavailable(f"{method} {path}: {error}") from error
        return response


class Watch:
    """The events of one watch, until the server ends it or ``close`` is called, from any thread."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Object]:
        rest = b""
        try:
            for chunk in self._response.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise ApiError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
                    yield event
        except urllib3.exceptions.HTTPError as error:
            if not self._closed.is_set():
                raise ApiUnavailable(str(error)) from error
        finally:
            self._response.close()

    def close(self) -> None:
        """End it; the iteration stops at once."""
        self._closed.set()
        with suppress(ValueError):  # the server has ended it already
            self._response.shutdown()


def _refusal(status: int, body: bytes) -> ApiError:
    try:
        answer = json.loads(body)
        return ApiError(status, answer.get("reason", ""), answer.get("message", ""))
    except (ValueError, AttributeError):
        return ApiError(status, "", body.decode(errors="replace"))
