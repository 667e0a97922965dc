"""The EKS Pod Identity Agent: trades a pod's token for credentials, over HTTP on the machine itself.

On a node it listens on 169.254.170.23 and [fd00:ec2::23], port 80. Here there is one for each cluster, on
127.0.0.1 and a port of its own, which AWS's SDKs accept too. Path, header, status codes, bodies, the order of
its checks and its cache follow version 0.1.37 of the agent; health and metrics ports are not served.

While no agent runs in the cluster the port stays reserved but refuses connections, as on a node without it.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
https://github.com/aws/eks-pod-identity-agent
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver
from botocore.exceptions import BotoCoreError, ClientError
from joserfc import jws
from joserfc.errors import JoseError

from local.aws.http_server import WsgiServer

from .credential_cache import CacheRules, CredentialCache, Credentials, FetchError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
PATH = "/v1/credentials"
# Where botocore would look for what the operator has configured: a profile, two files, a bundle of certificates.
_NOTHING_OF_THE_OPERATOR = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "ca_bundle": (None, None, None, None),
}
# Errors of EKS Auth after which asking again with the same token is of no use.
_IRRECOVERABLE = {
    "ResourceNotFoundException",
    "ExpiredTokenException",
    "InvalidTokenException",
    "AccessDeniedException",
}


class EksAuth:
    """Calls AssumeRoleForPodIdentity.

    Args:
        cluster: the cluster's name.
        endpoint: URL of EKS Auth.
        region: the cluster's region.
        node: provides the credentials that the agent signs with, those of the node it runs on.
    """

    def __init__(self, cluster: str, endpoint: str, region: str, node: CredentialProvider) -> None:
        self._cluster = cluster
        session = botocore.session.Session(_NOTHING_OF_THE_OPERATOR)
        session.register_component("credential_provider", CredentialResolver([node]))
        self._client = session.create_client(
            "eks-auth",
            region_name=region,
            endpoint_url=endpoint,
            config=Config(
                # The agent gives up after a second; a machine that also plays AWS may be busier than that.
                connect_timeout=0.5,
                read_timeout=5,
                retries={"mode": "standard", "total_max_attempts": 3},
                # The clusterName and the token are checked by the service, whose errors are the ones wanted.
                parameter_validation=False,
            ),
        )
        self._faults = {
            shape.name: "client" if shape.metadata.get("error", {}).get("senderFault") else "server"
            for shape in self._client.meta.service_model.error_shapes
        }

    def fetch(self, token: str) -> Credentials:
        """Return credentials for a token.

        Raises:
            FetchError: EKS Auth refuses, or cannot be reached.
        """
        try:
            answer = self._client.assume_role_for_pod_identity(clusterName=self._cluster, token=token)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]  # type: ignore[typeddict-item]
            about = error.response["ResponseMetadata"]  # type: ignore[typeddict-item]
            fault = self._faults.get(code, "unknown")
            raise FetchError(
                about["HTTPStatusCode"],
                f"[{about.get('RequestId', '')}]: ({code}): {message}, fault: {fault}",
                code in _IRRECOVERABLE,
            ) from None
        except BotoCoreError as error:
            raise FetchError(500, f"unable to fetch credentials from EKS Auth: {error}") from None
        found = answer["credentials"]
        return Credentials(
            found["accessKeyId"],
            found["secretAccessKey"],
            found["sessionToken"],
            answer["assumedRoleUser"]["arn"].split(":")[4],
            found["expiration"],
        )

    def close(self) -> None:
        """Close connections."""
        self._client.close()


class RateLimit:
    """A token bucket: so many a second, and so many at once.

    Args:
        per_second: how fast the bucket fills.
        burst: how much it holds.
        clock: seconds, on a clock that never goes back.
    """

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._at = clock()
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Take one, if there is one."""
        with self._lock:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


class Refused(Exception):
    """The agent refuses a request by itself."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_token(token: str, now: float) -> None:
    """Check what the agent checks of a token before it asks EKS Auth: that it is one, and its times.

    Raises:
        Refused: it is not worth asking.
    """
    if not token:
        raise Refused(400, "Service account token cannot be empty")
    unreadable = "Service account token cannot be parsed: token is malformed: "
    if token.count(".") != 2:
        raise Refused(400, f"{unreadable}token contains an invalid number of segments")
    try:
        claims = json.loads(jws.extract_compact(token.encode()).payload)
    except (JoseError, ValueError):
        raise Refused(400, f"{unreadable}could not decode it") from None
    if not isinstance(claims, dict):
        raise Refused(400, f"{unreadable}could not JSON decode claim")
    failed = "Service account token failed basic claim validations: "
    for name in ("exp", "nbf"):
        if isinstance(claims.get(name), bool) or not isinstance(claims.get(name, 0), int | float):
            raise Refused(400, f"{unreadable}{name} is not a number")
    if "exp" in claims and now >= claims["exp"]:
        raise Refused(400, f"{failed}token is expired")
    if "nbf" in claims and now < claims["nbf"]:
        raise Refused(400, f"{failed}token is not valid yet")


class Agent:
    """The agent of one cluster.

    Args:
        connect: makes what calls EKS Auth; called at each start.
        port: the port to reserve; 0 takes any free one.
        rules: the cache's rules; the agent's defaults when omitted.
        limit: makes the limit on requests; the agent's default when omitted.

    Raises:
        OSError: the port cannot be had.
    """

    _REQUESTS_PER_SECOND = 1_000

    def __init__(
        self,
        connect: Callable[[], EksAuth],
        port: int = 0,
        rules: CacheRules | None = None,
        limit: Callable[[], RateLimit] | None = None,
    ) -> None:
        self._connect = connect
        self._rules = rules
        self._make_limit = limit or (lambda: RateLimit(self._REQUESTS_PER_SECOND, self._REQUESTS_PER_SECOND / 2))
        self._lock = threading.Lock()
        self._running: _Running | None = None
        # A socket that is bound and does not listen refuses connections, and keeps the port from others.
        self._reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._reserved.bind((HOST, port))
        except OSError:
            self._reserved.close()
            raise
        self.port: int = self._reserved.getsockname()[1]

    @property
    def full_uri(self) -> str:
        """The value for AWS_CONTAINER_CREDENTIALS_FULL_URI."""
        return f"http://{HOST}:{self.port}{PATH}"

    def start(self) -> None:
        """Begin to answer; nothing happens when it does already."""
        with self._lock:
            if self._running is None:
                self._running = _Running(self._connect(), self.port, self._rules, self._make_limit())

    def stop(self) -> None:
        """Cease to answer, and forget all credentials."""
        with self._lock:
            running, self._running = self._running, None
            if running is not None:
                running.stop()

    def close(self) -> None:
        """Stop, and give up the port."""
        self.stop()
        self._reserved.close()


class _Running:
    """What there is of an agent while it answers."""

    def __init__(self, eks_auth: EksAuth, port: int, rules: CacheRules | None, limit: RateLimit) -> None:
        self._eks_auth = eks_auth
        self._limit = limit
        self._host = f"{HOST}:{port}"
        self._server = WsgiServer(port, self._application)
        self._cache = CredentialCache(eks_auth.fetch, rules)
        self._cache.start()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="pod-identity-agent", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        self._cache.stop()
        self._eks_auth.close()

    def _application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            if environ["PATH_INFO"] != PATH:
                raise Refused(404, "404 page not found")
            if not self._limit.allows():
                raise Refused(429, "Too Many Requests")
            self._check_host(environ["HTTP_HOST"])
            token = environ.get("HTTP_AUTHORIZATION", "")
            check_token(token, dt.datetime.now(dt.UTC).timestamp())
            credentials = self._cache.get(token)
        except (Refused, FetchError) as error:
            headers = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
            start_response(f"{error.status} Refused", headers)
            return [f"{error}\n".encode()]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [_render(credentials)]

    def _check_host(self, host: str) -> None:
        """Refuse requests that reached this address under another name, as by DNS rebinding in a browser."""
        if host != self._host:
            raise Refused(
                403,
                f"Access Denied. Called agent through invalid address, please use either [{self._host}] "
                f"address not {host}",
            )


def _render(credentials: Credentials) -> bytes:
    members = {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.token,
        "AccountId": credentials.account_id,
        "Expiration": credentials.expiration.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
    }
    return json.dumps(members).encode()
