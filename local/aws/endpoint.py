"""The endpoint, put together: one server, three services, one state."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from .authorization.gate import Gate
from .authorization.web_identity import IssuerKeys, no_issuer_keys
from .eks.seams import DataPlane
from .eks.service import EksService
from .eks_auth import EksAuthService, TokenVerifier
from .front import Front
from .http_server import WsgiServer
from .moto_app import MotoApplication, mend
from .persistence import Saver, StateFile

log = logging.getLogger(__name__)

SESSIONS_PATH = "/twin/sessions"
"""Where the endpoint tells of the sessions that STS issued, which on AWS is in CloudTrail's events."""


class Endpoint:
    """A local AWS endpoint. ``moto_app.configure`` must have been called before.

    Args:
        port: the port on 127.0.0.1; 0 takes any free one.
        account: the account id.
        region: the region of requests that name none.
        transition: seconds that CREATING, UPDATING and DELETING last.
        state: the folder to keep state in; in memory when None.
        data_plane: what runs clusters' Kubernetes; nothing by default.
        verifier: what judges pods' tokens; none is valid by default.
        issuer_keys: returns the keys of issuers of identity tokens; those of none by default.

    Raises:
        OSError: the port cannot be bound.
        StateError: the state in the folder cannot be used.
    """

    def __init__(
        self,
        port: int,
        account: str,
        region: str,
        transition: float,
        state: Path | None = None,
        data_plane: DataPlane | None = None,
        verifier: TokenVerifier | None = None,
        issuer_keys: IssuerKeys | None = None,
    ) -> None:
        self._account = account
        self._region = region
        self._moto = MotoApplication()
        # The port first: a second start of the same endpoint should say so, and not touch the state.
        self._server = WsgiServer(port, self._handle)
        try:
            file = StateFile(state, account) if state is not None else None
            store = file.load(mend) if file is not None else None
        except BaseException:
            self._server.server_close()
            raise
        # moto asks itself over HTTP in places, and takes the port from here.
        os.environ["MOTO_PORT"] = self.url.rpartition(":")[2]
        self.eks = EksService(account, self.lock_of, transition, data_plane, store)
        self.gate = Gate(account, self.lock_of, self.eks, issuer_keys or no_issuer_keys)
        self._front = Front(
            self._moto,
            self.eks,
            EksAuthService(self.eks, verifier),
            self.gate,
            region,
            on_change=self._note_change,
            on_reset=self.eks.reset,
            reports={SESSIONS_PATH: self.gate.sessions.current},
        )
        self._saver = (
            Saver(file, self.eks.store, lambda: [self.eks.lock, *self._front.all_locks()]) if file is not None else None
        )
        self.eks.lifecycle.on_change = self._note_change
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def url(self) -> str:
        """The base URL."""
        return self._server.url

    def start(self) -> None:
        """Begin to serve."""
        self.eks.lifecycle.start()
        self._thread.start()
        threading.Thread(target=self._warm, name="warm-up", daemon=True).start()

    def stop(self) -> None:
        """Stop to serve, and write the state.

        Raises:
            OSError: the state could not be written.
        """
        self._server.shutdown()
        self.eks.lifecycle.stop()
        # Held from here on: what is still being answered is either whole in the state or not in it.
        if self._saver is not None:
            self._saver.stop()
        self._server.close_connections()
        self._server.server_close()

    def _handle(self, environ, start_response):  # type: ignore[no-untyped-def]
        self._moto.load()  # also the gate asks moto's models, before moto itself is asked anything
        return self._front(environ, start_response)

    def lock_of(self, service: str) -> threading.RLock:
        """Return the lock that serialises one of moto's services."""
        return self._front.lock_of(service)

    def _note_change(self) -> None:
        if self._saver is not None:
            self._saver.note_change()

    def _warm(self) -> None:
        try:
            self._moto.warm(self._account, self._region, self.lock_of)
        except Exception:  # only speed is lost: each service is imported at its first call anyway
            log.exception("warming up failed")
