"""A queue of keys to work on, now or later."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class WorkQueue(Generic[Key]):
    """Hands out keys when they are due, each at most once at a time however often it was added.

    The pattern is that of Kubernetes controllers: who sees a change only adds a key, and the one worker looks
    up what is true when it gets to it, so a burst of changes costs one piece of work.
    """

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._changed = threading.Condition()
        self._closed = False

    def add(self, key: Key, after: float = 0.0) -> None:
        """Add a key, due after some seconds; of two times the earlier one counts."""
        with self._changed:
            due = time.monotonic() + after
            self._due[key] = min(due, self._due.get(key, due))
            self._changed.notify()

    def get(self) -> Key | None:
        """Await the next key that is due and take it; None once the queue is closed."""
        with self._changed:
            while not self._closed:
                key = min(self._due, key=self._due.__getitem__, default=None)
                now = time.monotonic()
                if key is not None and self._due[key] <= now:
                    del self._due[key]
                    return key
                self._changed.wait(None if key is None else self._due[key] - now)
            return None

    def close(self) -> None:
        """Let the worker end; what is still queued is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
