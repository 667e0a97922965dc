"""The agent's cache of credentials, with the rules of its version 0.1.37.

Credentials are kept by token. They are renewed in the background once they are three hours old, whether
anybody asks or not, and no faster than three calls a second. A failed renewal that may be a passing one keeps the old
credentials in use, while they last, and is tried again after a minute or two; one that says that the pod has
lost its right removes them. Requests for a token that is being fetched wait for that fetch.

https://github.com/aws/eks-pod-identity-agent
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credentials:
    """What a pod gets."""

    access_key_id: str
    secret_access_key: str
    token: str
    account_id: str
    expiration: dt.datetime


class FetchError(Exception):
    """EKS Auth did not give credentials.

    Attributes:
        status: the HTTP status for the pod.
        irrecoverable: whether the pod has lost its right, as far as one can tell.
    """

    def __init__(self, status: int, message: str, irrecoverable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.irrecoverable = irrecoverable


@dataclass
class _Entry:
    credentials: Credentials
    # On the clock of the cache, when to renew.
    renew_at: float


@dataclass(frozen=True)
class CacheRules:
    """The agent's defaults.

    Attributes:
        renew_after: seconds after which credentials are renewed.
        shortest_life: seconds that credentials must still last to be handed out.
        retry_after: seconds until a renewal that failed is tried again; up to as much again is added at random.
        size: number of tokens; the least recently used goes first.
        renewals_per_second: how many renewals may start within a second.
    """

    renew_after: float = 3 * 3_600
    shortest_life: float = 15
    retry_after: float = 60
    size: int = 2_000
    renewals_per_second: float = 3


class CredentialCache:
    """Credentials by token.

    Args:
        fetch: gets credentials for a token from EKS Auth, or raises FetchError.
        rules: the agent's defaults when omitted.
    """

    def __init__(self, fetch: Callable[[str], Credentials], rules: CacheRules | None = None) -> None:
        self._fetch = fetch
        self._rules = rules or CacheRules()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._fetching: dict[str, threading.Lock] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._renew_all, name="credential-renewal", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """End it, and forget everything."""
        with self._changed:
            self._stopped = True
            self._entries.clear()
            self._changed.notify_all()
        self._thread.join()

    def get(self, token: str) -> Credentials:
        """Return credentials for a token.

        Raises:
            FetchError: there are none in the cache, and EKS Auth gave none.
        """
        with self._changed:
            lock = self._fetching.setdefault(token, threading.Lock())
        try:
            with lock:
                with self._changed:
                    entry = self._entries.get(token)
                    if entry is not None and self._life(entry.credentials) > self._rules.shortest_life:
                        self._entries.move_to_end(token)
                        return entry.credentials
                credentials = self._fetch(token)
                if self._life(credentials) <= self._rules.shortest_life:
                    raise FetchError(500, "fetched credentials are expired or will expire within the next seconds")
                self._keep(token, credentials, self._rules.renew_after)
                return credentials
        finally:
            with self._changed:
                if not lock.locked():
                    self._fetching.pop(token, None)

    @staticmethod
    def _life(credentials: Credentials) -> float:
        return (credentials.expiration - dt.datetime.now(dt.UTC)).total_seconds()

    def _keep(self, token: str, credentials: Credentials, renew_after: float) -> None:
        renew_at = time.monotonic() + min(renew_after, self._life(credentials))
        with self._changed:
            if self._stopped:
                return
            self._entries[token] = _Entry(credentials, renew_at)
            self._entries.move_to_end(token)
            while len(self._entries) > self._rules.size:
                self._entries.popitem(last=False)
            self._changed.notify_all()

    def _renew_all(self) -> None:
        while (token := self._next_due()) is not None:
            self._renew(token)
            with self._changed:
                self._changed.wait_for(lambda: self._stopped, 1 / self._rules.renewals_per_second)

    def _next_due(self) -> str | None:
        with self._changed:
            while not self._stopped:
                token = min(self._entries, key=lambda key: self._entries[key].renew_at, default=None)
                now = time.monotonic()
                if token is not None and self._entries[token].renew_at <= now:
                    return token
                self._changed.wait(None if token is None else self._entries[token].renew_at - now)
            return None

    def _renew(self, token: str) -> None:
        with self._changed:
            entry = self._entries.get(token)
        if entry is None:
            return
        try:
            self._keep(token, self._fetch(token), self._rules.renew_after)
            return
        except FetchError as error:
            log.info("credentials could not be renewed: %s", error)
            again = self._rules.retry_after * (1 + random.random())
            if not error.irrecoverable and self._life(entry.credentials) > self._rules.shortest_life:
                self._keep(token, entry.credentials, again)
                return
        with self._changed:
            self._entries.pop(token, None)
