"""One operation on one resource: its deadline, its retries and waits, its place in the engine's log."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from .errors import Cancelled, NotYet, ProviderError

T = TypeVar("T")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
_GROWTH = 1.6

Log = Callable[[str], None]


class Call:
    """What create, read, update and delete of a resource get to work with.

    Attributes:
        backend: What `Package.configure` returned.
        timeout: Seconds that the operation may take.
        created: The id of a resource that exists already, though its creation is not complete.
    """

    def __init__(self, backend: Any, timeout: float, cancelled: threading.Event, *, info: Log = lambda _: None) -> None:
        self.backend = backend
        self.timeout = timeout
        self.created: str | None = None
        self.info = info
        self._cancelled = cancelled
        self._end = time.monotonic() + timeout

    def exists(self, identifier: str) -> None:
        """Note that from here on there is something to clean up: a failure keeps it in the stack's state."""
        self.created = identifier

    def pause(self, seconds: float) -> None:
        """Wait, unless the engine cancels.

        Raises:
            Cancelled: It did.
        """
        if self._cancelled.wait(max(seconds, 0)):
            raise Cancelled("the operation was cancelled")

    def poll(self, what: str, probe: Callable[[], T], *, within: float | None = None) -> T:
        """Ask until there is an answer; often at first and then less and less.

        Args:
            what: What is waited for, for the message that says that time is up.
            probe: Returns what is waited for, or raises `NotYet`.
            within: Seconds to wait at most; else up to the operation's deadline.

        Raises:
            ProviderError: The time is up.
            Cancelled: The engine cancelled.
        """
        start = time.monotonic()
        end = self._end if within is None else min(self._end, start + within)
        delay = FIRST_PAUSE
        while True:
            try:
                return probe()
            except NotYet as pending:
                left = end - time.monotonic()
                if left <= 0:
                    waited = time.monotonic() - start
                    raise ProviderError(f"{what}: timed out after {waited:.0f} s ({pending.state})") from None
            self.pause(min(delay, left))
            delay = min(delay * _GROWTH, LONGEST_PAUSE)

    def retry(self, action: Callable[[], T], again: Callable[[Exception], bool], within: float = 120) -> T:
        """Do something that may have to be repeated until other changes have spread.

        Args:
            action: What to do.
            again: Says of an error whether it may pass.
            within: Seconds after which the error is final.

        Raises:
            Exception: The action's own, when it may not pass or has not passed in time.
        """
        end = min(self._end, time.monotonic() + within)
        delay = FIRST_PAUSE
        while True:
            try:
                return action()
            except Exception as error:
                left = end - time.monotonic()
                if left <= 0 or not again(error):
                    raise
            self.pause(min(delay, left))
            delay = min(delay * _GROWTH, LONGEST_PAUSE)
