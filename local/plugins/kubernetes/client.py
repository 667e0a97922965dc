"""The API server over HTTP: requests, watches, and what its errors mean.

urllib3 alone, and it is loaded when it is first needed: the Python client of Kubernetes takes longer to import than a
preview of a small program may cost. See https://kubernetes.io/docs/reference/using-api/api-concepts/.
"""

import contextlib
import json
import re
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..base.errors import ProviderError
from .credentials import Credential, CredentialError, Credentials
from .kubeconfig import Json, KubeconfigError, Target, data_or_file

if TYPE_CHECKING:
    import urllib3

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_JSON = "application/json"

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0
_MOST_ATTEMPTS = 6
_LONGEST_WAIT = 30.0
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


class ApiError(ProviderError):
    """The API server refused a request.

    Attributes:
        code: The HTTP status.
        reason: Kubernetes' reason, such as ``NotFound``.
        causes: What is wrong with which field.
    """

    def __init__(self, code: int, status: Mapping[str, Any]) -> None:
        super().__init__(status.get("message") or f"the API server answered with status {code}")
        self.code = code
        self.reason: str = status.get("reason") or ""
        self.causes: list[Json] = (status.get("details") or {}).get("causes") or []


class Unreachable(ProviderError):
    """The API server cannot be reached, or does not know us."""


class Client:
    """A client of one cluster.

    Args:
        target: The way to the cluster.
        warn: Is told the API server's warnings, each one once.
        timeout: Seconds that a request may take.

    Raises:
        KubeconfigError: The cluster's entry is malformed.
    """

    def __init__(self, target: Target, warn: Callable[[str], None], timeout: float | None = None) -> None:
        self.server = target.server
        self._target = target
        self._warn = warn
        self._timeout = timeout or _READ_SECONDS
        self._credentials = Credentials(target)
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str] | None, urllib3.PoolManager] = {}
        self._warned: set[str] = set()

    # Requests

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Read an object, or a list of objects."""
        return self.request("GET", path, query)

    def find(self, path: str) -> Json | None:
        """Read an object; None if it does not exist."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = _JSON,
    ) -> Json:
        """Do a request and return the answer.

        Raises:
            ApiError: The API server refused it.
            Unreachable: It cannot be reached.
        """
        response = self._send(method, path, query, body, content_type)
        try:
            return json.loads(response.data) if response.data else {}
        except ValueError:
            raise Unreachable(f"what listens at {self.server} does not answer as an API server does") from None

    def watch(self, path: str, query: Mapping[str, str], seconds: float) -> Iterator[Json]:
        """Yield changes as they happen.

        Args:
            path: The path of a list.
            query: Which of its objects, and from which ``resourceVersion`` on.
            seconds: When to stop. The server ends the watch, so that the connection can be used again.

        Raises:
            ApiError: The API server refused it; code 410 if it has forgotten the version that was given.
            Unreachable: It cannot be reached.
        """
        whole = max(1, round(seconds))
        query = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(whole)}
        response = self._send("GET", path, query, None, _JSON, stream=True)
        rest = b""
        try:
            for chunk in response.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(event["object"].get("code", 500), event["object"])
                    yield event
            response.release_conn()
        except _http_errors() as error:
            raise Unreachable(f"the watch on {self.server} broke off: {_reason(error)}") from None
        finally:
            # Whoever has seen enough leaves the rest unread, and then nothing else can be asked on this connection.
            response.close()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        *,
        stream: bool = False,
    ) -> "urllib3.BaseHTTPResponse":
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        attempt = 0
        while True:
            attempt += 1
            credential = self._credential()
            headers = {"Accept": _JSON, "User-Agent": "pulumi-kubernetes", **credential.headers}
            if data is not None:
                headers["Content-Type"] = content_type
            try:
                response = self._pool(credential).request(
                    method, url, body=data, headers=headers, preload_content=not stream, retries=False, redirect=False
                )
            except _http_errors() as error:
                # A request that was not sent may be sent again, and so may one that asks for nothing to be done.
                if attempt < 3 and (_was_not_sent(error) or method == "GET") and not _is_refused(error):
                    continue
                raise Unreachable(f"the Kubernetes API server {self.server} is unreachable: {_reason(error)}") from None
            self._show_warnings(response.headers.getlist("Warning"))
            if response.status < 300:
                return response
            status = _status(response)
            if response.status == 401:
                if attempt < 3 and self._credentials.refused(credential):
                    continue
                raise Unreachable(
                    f"the Kubernetes API server {self.server} does not accept the kubeconfig's credentials "
                    f"({status.get('message') or 'Unauthorized'})"
                )
            # Busy, or not ready yet: it says itself when to come back.
            wait = response.headers.get("Retry-After", "")
            if response.status in (429, 503, 504) and wait.isdigit() and attempt < _MOST_ATTEMPTS:
                time.sleep(min(float(wait), _LONGEST_WAIT))
                continue
            raise ApiError(response.status, status)

    def _credential(self) -> Credential:
        try:
            return self._credentials.get()
        except CredentialError as error:
            raise Unreachable(str(error)) from None

    def _show_warnings(self, headers: list[str]) -> None:
        for text in {match for header in headers for match in _WARNING.findall(header)}:
            with self._lock:
                if text in self._warned:
                    continue
                self._warned.add(text)
            self._warn(text.replace('\\"', '"'))

    # Connections

    def _pool(self, credential: Credential) -> "urllib3.PoolManager":
        with self._lock:
            pool = self._pools.get(credential.certificate)
            if pool is None:
                pool = self._pools[credential.certificate] = self._make_pool(credential)
            return pool

    def _make_pool(self, credential: Credential) -> "urllib3.PoolManager":
        import urllib3
        import urllib3.util

        cluster = self._target.cluster
        options: dict[str, Any] = {
            # Without this, as many connections as there are threads would be made anew each time.
            "maxsize": 64,
            "timeout": urllib3.Timeout(connect=_CONNECT_SECONDS, read=self._timeout),
        }
        if self.server.startswith("https:"):
            options["ssl_context"] = self._tls(credential)
            if cluster.get("tls-server-name"):
                options["server_hostname"] = options["assert_hostname"] = cluster["tls-server-name"]
        proxy = cluster.get("proxy-url") or _proxy_for(self.server)
        if not proxy:
            return urllib3.PoolManager(**options)
        if not proxy.startswith(("http://", "https://")):
            raise KubeconfigError(f"the proxy {proxy} is none that this plugin can use: only http and https")
        parts = urllib3.util.parse_url(proxy)
        return urllib3.ProxyManager(
            proxy,
            proxy_headers=urllib3.make_headers(proxy_basic_auth=parts.auth) if parts.auth else None,
            **options,
        )

    def _tls(self, credential: Credential) -> ssl.SSLContext:
        import urllib3

        cluster = self._target.cluster
        authority = data_or_file(cluster, "certificate-authority")
        try:
            context = ssl.create_default_context(cadata=authority)
        except ssl.SSLError:
            raise KubeconfigError("the kubeconfig's certificate-authority is no PEM certificate") from None
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            # The kubeconfig asks for it; a warning at each request tells nobody anything new.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if credential.certificate:
            # OpenSSL takes a key from a file only; this one can be read by nobody else and is gone at once.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write("\n".join(credential.certificate))
                file.flush()
                try:
                    context.load_cert_chain(file.name)
                except ssl.SSLError:
                    raise KubeconfigError("the kubeconfig's client certificate and key do not fit") from None
        return context


def _proxy_for(server: str) -> str | None:
    from urllib.request import getproxies_environment, proxy_bypass

    scheme, _, rest = server.partition("://")
    host = rest.partition("/")[0]
    # Go's client, and with it every other client of Kubernetes, never goes through a proxy to this machine.
    if re.fullmatch(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?", host) or proxy_bypass(host):
        return None
    return getproxies_environment().get(scheme)


def _http_errors() -> tuple[type[BaseException], ...]:
    import urllib3

    return (urllib3.exceptions.HTTPError, OSError)


def _was_not_sent(error: BaseException) -> bool:
    import urllib3

    # A pooled connection that the server has closed in the meantime shows as an answer that never began.
    return isinstance(error, (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError)) or (
        isinstance(error, urllib3.exceptions.ProtocolError) and "without response" in str(error)
    )


def _is_refused(error: BaseException) -> bool:
    return isinstance(error.__cause__, ConnectionRefusedError) or "Connection refused" in str(error)


def _reason(error: BaseException) -> str:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"its certificate is not trusted by the kubeconfig's certificate-authority ({text.rpartition(': ')[2]})"
    # urllib3 puts its own objects in front of what happened.
    text = re.sub(r"^.*?object at 0x[0-9a-f]+>:? ?|^HTTPS?Connection(Pool)?\([^)]*\): ", "", text)
    return text.strip("()'\" ") or type(error).__name__


def _status(response: "urllib3.BaseHTTPResponse") -> Json:
    with contextlib.suppress(ValueError):
        status = json.loads(response.data)
        if isinstance(status, dict):
            return status
    text = response.data.decode("utf-8", "replace").strip()
    return {"message": text[:500]} if text else {}
