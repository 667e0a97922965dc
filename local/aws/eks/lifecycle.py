"""Changes that take time: CREATING, UPDATING, DELETING, and what follows.

A transition is data with a due time, so it survives a restart. It completes when its time has come:
before the next call is answered, and also without any call, because completion has effects elsewhere (a
cluster's security group goes with it, and until then its VPC cannot be deleted).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from .store import Store, Transition

log = logging.getLogger(__name__)

# Returns False when the transition cannot complete yet.
Completion = Callable[[Transition], bool]


class Lifecycle:
    """Schedules transitions and completes those that are due.

    Args:
        store: where transitions are kept.
        lock: EKS's lock; held while transitions complete.
        seconds: how long a transition takes.
        complete: carries out one completed transition.
    """

    # How often a transition that is not ready to complete is asked again.
    _ASK_AGAIN = 0.2

    def __init__(self, store: Store, lock: threading.RLock, seconds: float, complete: Completion) -> None:
        self.store = store
        self.seconds = seconds
        # Called when transitions completed; they may do so without a request.
        self.on_change: Callable[[], None] = lambda: None
        self._complete = complete
        self._changed = threading.Condition(lock)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="eks-lifecycle", daemon=True)

    def start(self) -> None:
        """Begin to complete transitions without being asked."""
        self._thread.start()

    def stop(self) -> None:
        """End it; transitions under way stay in the store."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def begin(
        self, account: str, region: str, cluster: str, kind: str, name: str, outcome: str, update: str | None = None
    ) -> None:
        """Begin a transition; one of the same resource that is under way is superseded, its update too."""
        with self._changed:
            due = time.time() + self.seconds
            for other in self.store.transitions:
                if (other.account, other.region, other.cluster, other.kind, other.name) == (
                    account,
                    region,
                    cluster,
                    kind,
                    name,
                ):
                    other.due = 0.0
            self._settle_until(0.0)
            self.store.transitions.append(Transition(due, account, region, cluster, kind, name, outcome, update))
            self._changed.notify_all()

    def settle(self) -> None:
        """Complete everything that is due."""
        with self._changed:
            self._settle_until(time.time())

    def _settle_until(self, now: float) -> None:
        due = [transition for transition in self.store.transitions if transition.due <= now]
        for transition in sorted(due, key=lambda item: item.due):
            if self._complete(transition):
                self.store.transitions.remove(transition)
                self.on_change()
            else:
                transition.due = time.time() + self._ASK_AGAIN

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                try:
                    self._settle_until(time.time())
                except Exception:  # the thread must outlive a fault, which is logged in full
                    log.exception("a transition could not be completed")
                    self._changed.wait(1.0)
                    continue
                nearest = min((item.due for item in self.store.transitions), default=None)
                # Shortly after the due time: waking a hair early would only spin.
                self._changed.wait(None if nearest is None else max(0.0, nearest - time.time()) + 0.002)
