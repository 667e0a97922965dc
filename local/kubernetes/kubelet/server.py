"""Serves a cluster's API server as the kubelet of every node does.

https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime as dt
import logging
import re
import ssl
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from ..certificates import KeyPair
from ..pod_identity.api_server import ApiError, ApiServer, ApiUnavailable, Object
from ..pod_identity.reflector import Key
from .commands import PROTOCOLS, Command, Setting, run
from .containers import Containers, is_run
from .environment import Unresolvable
from .logs import Query, simulated
from .sandbox import PodIsGone, Sandboxes, find_container, has_ended
from .websocket import Closed, WebSocket, accept_key

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
# A node that declares it is sent WebSockets as they come from clients, and not translated into SPDY.
FEATURE = "ExtendWebSocketsToKubelet"
_PATH = re.compile(r"/(?P<what>exec|containerLogs)/(?P<namespace>[^/]+)/(?P<pod>[^/]+)/(?P<container>[^/]+)")
_HANDSHAKE_SECONDS = 10.0


@dataclass(frozen=True)
class Address:
    """Where the kubelet is, and how it and its one client know each other.

    Attributes:
        port: on 127.0.0.1.
        serving: its own certificate.
        authority: the certificate of the authority that signed its client's.
        client: the common name in its client's.
    """

    port: int
    serving: KeyPair
    authority: Path
    client: str


class _Refused(Exception):
    """A request is refused."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class _Request:
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]

    def first(self, name: str) -> str:
        """Return a parameter's value, empty when there is none."""
        return self.query.get(name, [""])[0]

    def flag(self, name: str) -> bool:
        """Tell whether a parameter is set."""
        return self.first(name) in ("1", "true")


class Kubelet:
    """The kubelet of a cluster.

    Args:
        address: where it listens.
        api: the cluster's API server.
        folder: for what pods' commands need; emptied at the start and removed at the end.
        endpoint: URL of AWS, for pods' commands.
    """

    def __init__(self, address: Address, api: ApiServer, folder: Path, endpoint: str) -> None:
        self._address = address
        self._api = api
        self._sandboxes = Sandboxes(api, folder, endpoint, self._pod_is_gone)
        self._containers = Containers(api, self._sandboxes, folder / "logs")
        # By a pod's UID: what is to be told when it has gone.
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._connections: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="kubelet", daemon=True)
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()

    def start(self) -> None:
        """Begin to serve.

        Raises:
            OSError: the port cannot be had.
        """
        self._sandboxes.start()
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._sandboxes.stop()
            raise

    def stop(self) -> None:
        """End it, with all commands that it runs."""
        self._tell(self._stopping.set)
        self._thread.join()
        self._sandboxes.stop()

    def pod_changed(self, key: Key, pod: Object | None) -> None:
        """Note that a pod came, changed or went."""
        self._sandboxes.pod_changed(key, pod)
        self._tell(partial(self._containers.pod_changed, key, pod))
        if pod is not None and has_ended(pod):
            self._pod_is_gone(pod["metadata"]["uid"])

    def _pod_is_gone(self, uid: str) -> None:
        def tell() -> None:
            for event in self._waiting.get(uid, ()):
                event.set()

        self._tell(tell)

    def _tell(self, what: Callable[[], object]) -> None:
        """Have something done in the server's thread, unless that has ended."""
        with suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(what)

    # --- the server's thread; it lives as long as the commands, which the kernel ends together with it ---

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if self._started.done():
                log.exception("the kubelet has failed")
            else:
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._address.serving.certificate, self._address.serving.key)
        context.load_verify_locations(self._address.authority)
        context.verify_mode = ssl.CERT_REQUIRED
        server = await asyncio.start_server(
            self._connected, HOST, self._address.port, ssl=context, ssl_handshake_timeout=_HANDSHAKE_SECONDS
        )
        self._started.set_result(None)
        await self._stopping.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._containers.stop()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._answer(reader, writer)
        except (Closed, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.debug("a connection has ended: %s", error)
        except asyncio.CancelledError:
            pass  # the end of it all: there is nobody to tell
        except Exception:
            log.exception("a request failed")
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = _read(await reader.readuntil(b"\r\n\r\n"))
        try:
            self._authorize(writer)
            found = _PATH.fullmatch(request.path)
            if found is None:
                raise _Refused(HTTPStatus.NOT_FOUND, "this kubelet serves exec and containerLogs, and nothing else")
            namespace, name, container_name = (unquote(found[part]) for part in ("namespace", "pod", "container"))
            pod = await self._call(self._api.find, f"/api/v1/namespaces/{namespace}/pods/{name}")
            container = find_container(pod, container_name) if pod is not None else None
            if pod is None or container is None:
                raise _Refused(HTTPStatus.NOT_FOUND, f"container {container_name} of pod {name} does not exist")
            if found["what"] == "exec":
                await self._exec(request, pod, container, reader, writer)
            else:
                await self._logs(request, pod, container, reader, writer)
        except _Refused as refused:
            body = f"{refused}\n".encode()
            writer.write(_head(refused.status, {"Content-Type": "text/plain", "Content-Length": str(len(body))}) + body)
            await writer.drain()

    def _authorize(self, writer: asyncio.StreamWriter) -> None:
        """Refuse everybody but the API server, such as other holders of the cluster's certificates."""
        subject = (writer.get_extra_info("peercert") or {}).get("subject", ())
        names = [value for part in subject for key, value in part if key == "commonName"]
        if names != [self._address.client]:
            raise _Refused(HTTPStatus.FORBIDDEN, "only the API server may ask this kubelet")

    async def _call(self, work: Any, *arguments: Any) -> Any:
        """Call something that may block."""
        try:
            return await asyncio.to_thread(work, *arguments)
        except (ApiError, ApiUnavailable, OSError) as error:
            raise _Refused(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from None
        except Unresolvable as error:
            raise _Refused(HTTPStatus.INTERNAL_SERVER_ERROR, f"the container has not started: {error}") from None
        except PodIsGone as error:
            raise _Refused(HTTPStatus.NOT_FOUND, str(error)) from None

    @contextmanager
    def _until_gone(self, pod: Object) -> Iterator[asyncio.Event]:
        """Give an event that is set when a pod has gone."""
        uid, gone = pod["metadata"]["uid"], asyncio.Event()
        self._waiting[uid].add(gone)
        try:
            yield gone
        finally:
            self._waiting[uid].discard(gone)
            if not self._waiting[uid]:
                del self._waiting[uid]

    # --- exec ---

    async def _exec(
        self,
        request: _Request,
        pod: Object,
        container: Object,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        command = Command(
            tuple(request.query.get("command", ())),
            stdin=request.flag("input"),
            stdout=request.flag("output"),
            stderr=request.flag("error") and not request.flag("tty"),
            tty=request.flag("tty"),
        )
        if not command.words:
            raise _Refused(HTTPStatus.BAD_REQUEST, "there is no command")
        with self._until_gone(pod) as gone:
            if _is_run(pod, container):
                known = self._containers.container(pod, container["name"])
                if known is None or not known.is_running:
                    raise _Refused(HTTPStatus.NOT_FOUND, f'container not found ("{container["name"]}")')
            setting: Setting = await self._call(self._sandboxes.setting, pod, container)
            # Only now: a client that is refused tries again with an older protocol, and shows that refusal alone.
            protocol = _protocol(request)
            upgrade = {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Accept": accept_key(request.headers.get("sec-websocket-key", "")),
                "Sec-WebSocket-Protocol": protocol,
            }
            writer.write(_head(HTTPStatus.SWITCHING_PROTOCOLS, upgrade))
            await run(command, setting, WebSocket(reader, writer), gone)

    # --- logs ---

    async def _logs(
        self,
        request: _Request,
        pod: Object,
        container: Object,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        said = self._said(request, pod, container)
        headers = {"Content-Type": "text/plain", "Connection": "close"}
        writer.write(_head(HTTPStatus.OK, headers))

        async def send() -> None:
            async for part in said:
                writer.write(part)
                await writer.drain()

        # Nothing more is sent by a client, so the end of its half is the end of the connection.
        sending, client = asyncio.ensure_future(send()), asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait([sending, client], return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for end in (sending, client):
                end.cancel()

    def _said(self, request: _Request, pod: Object, container: Object) -> AsyncIterator[bytes]:
        """Return what a container said, as the client wants it."""
        query, name, pod_name = _query(request), container["name"], pod["metadata"]["name"]
        if not _is_run(pod, container):
            if request.flag("previous"):
                raise _no_previous(name, pod_name)
            return self._simulated(pod, name, query)
        known = self._containers.container(pod, name)
        found = known and (known.previous if request.flag("previous") else known.log)
        if found is not None:
            return found.read(query)
        if request.flag("previous"):
            raise _no_previous(name, pod_name)
        if known is None:
            raise _Refused(
                HTTPStatus.NOT_FOUND, f"the log of container {name!r} has gone: the twin has begun anew since"
            )
        reason = known.state.get("waiting", {}).get("reason", "PodInitializing")
        message = f"container {name!r} in pod {pod_name!r} is waiting to start: {reason}"
        raise _Refused(HTTPStatus.BAD_REQUEST, message)

    async def _simulated(self, pod: Object, name: str, query: Query) -> AsyncIterator[bytes]:
        """Yield the log of a container that does not run: one line, which says why there are no others."""
        text = (
            f"The container {name} is simulated: its image was not pulled and its command does not run. "
            "Commands of kubectl exec run on the machine of the twin."
        )
        started = pod.get("status", {}).get("startTime") or pod["metadata"]["creationTimestamp"]
        yield simulated(text, dt.datetime.fromisoformat(started), query)
        if query.follow and not has_ended(pod):
            with self._until_gone(pod) as gone:
                await gone.wait()


def _is_run(pod: Object, container: Object) -> bool:
    return is_run(container) and container not in (pod["spec"].get("ephemeralContainers") or [])


def _query(request: _Request) -> Query:
    since = None
    if seconds := request.first("sinceSeconds"):
        since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=int(seconds))
    elif moment := request.first("sinceTime"):
        since = dt.datetime.fromisoformat(moment)
    tail, limit = request.first("tailLines"), request.first("limitBytes")
    return Query(
        follow=request.flag("follow"),
        tail=int(tail) if tail else None,
        since=since,
        timestamps=request.flag("timestamps"),
        limit=int(limit) if limit else None,
    )


def _no_previous(container: str, pod: str) -> _Refused:
    return _Refused(HTTPStatus.BAD_REQUEST, f"previous terminated container {container!r} in pod {pod!r} not found")


def _protocol(request: _Request) -> str:
    """Return the version of the streams that both sides speak."""
    offered = [part.strip() for part in request.headers.get("sec-websocket-protocol", "").split(",")]
    if request.headers.get("upgrade", "").lower() != "websocket":
        raise _Refused(HTTPStatus.BAD_REQUEST, "this kubelet streams over WebSocket only; use kubectl 1.31 or newer")
    for protocol in PROTOCOLS:
        if protocol in offered:
            return protocol
    raise _Refused(HTTPStatus.BAD_REQUEST, f"this kubelet streams by {' and '.join(PROTOCOLS)} only")


def _read(head: bytes) -> _Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    _, _, rest = first.partition(" ")
    path, _, query = rest.partition(" ")[0].partition("?")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return _Request(path, parse_qs(query, keep_blank_values=True), headers)


def _head(status: HTTPStatus, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
