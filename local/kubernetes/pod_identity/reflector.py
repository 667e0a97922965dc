"""Follows a collection of the API server, by list and watch.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from .api_server import ApiError, ApiServer, ApiUnavailable, Object, Watch

log = logging.getLogger(__name__)

# Namespace and name.
Key = tuple[str, str]


def key_of(item: Object) -> Key:
    """Return an object's key."""
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


class Reflector:
    """Follows one collection in a thread of its own.

    Args:
        api: the API server.
        path: the collection, such as ``/api/v1/pods``.
        on_change: told the key and the object of everything that came or changed, and None for what went.
    """

    _FIRST_WAIT = 0.1
    _LONGEST_WAIT = 5.0

    def __init__(self, api: ApiServer, path: str, on_change: Callable[[Key, Object | None], None]) -> None:
        self._api = api
        self._path = path
        self._on_change = on_change
        self._known: set[Key] = set()
        self._version = ""
        self._watch: Watch | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reflector {path}", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        with self._lock:
            self._stopped.set()
            if self._watch is not None:
                self._watch.close()
        self._thread.join()

    def _run(self) -> None:
        wait = self._FIRST_WAIT
        while not self._stopped.is_set():
            try:
                if not self._version:
                    self._list()
                self._follow()
                wait = self._FIRST_WAIT
                continue
            except ApiError as error:
                # Too old a version is the ordinary case: list anew. Anything else is worth a line.
                if error.status != 410:
                    log.warning("%s: %s", self._path, error)
                self._version = ""
            except ApiUnavailable as error:
                log.info("%s: %s", self._path, error)
            self._stopped.wait(wait)
            wait = min(2 * wait, self._LONGEST_WAIT)

    def _list(self) -> None:
        found = self._api.get(self._path)
        items = {key_of(item): item for item in found["items"]}
        gone = self._known - items.keys()
        self._known = set(items)
        self._version = found["metadata"]["resourceVersion"]
        for key in gone:
            self._on_change(key, None)
        for key, item in items.items():
            self._on_change(key, item)

    def _follow(self) -> None:
        with self._lock:
            if self._stopped.is_set():
                return
            self._watch = self._api.watch(self._path, self._version)
        for event in self._watch:
            item = event["object"]
            self._version = item["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                continue
            key = key_of(item)
            if event["type"] == "DELETED":
                self._known.discard(key)
                self._on_change(key, None)
            else:
                self._known.add(key)
                self._on_change(key, item)
