"""Associations as the rest of EKS sees them: some seconds late.

AWS says that associations are eventually consistent, with delays of several seconds after the API call has
returned, and that they must not be created or updated in critical paths. Here the delay is exact and of the
operator's choice; it is the same for creation, update and deletion, for admission and for EKS Auth.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from local.aws.eks.store import Description

Subject = tuple[str, str]
Associations = Mapping[Subject, Description]


class EffectiveAssociations:
    """A cluster's associations, each change effective after a delay.

    Args:
        delay: seconds.
        initial: associations that are effective at once: those of a cluster that was there before.
        on_effective: told what is effective whenever that changes, first at the start, from a thread of its own.
    """

    def __init__(self, delay: float, initial: Associations, on_effective: Callable[[Associations], None]) -> None:
        self._delay = delay
        self._effective = initial
        self._on_effective = on_effective
        self._coming: deque[tuple[float, Associations]] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="association-propagation", daemon=True)

    def start(self) -> None:
        """Begin to make changes effective."""
        self._thread.start()

    def stop(self) -> None:
        """End it; changes that are not effective yet are dropped."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def change(self, associations: Associations) -> None:
        """Note what the associations are from now on.

        Args:
            associations: all of them; neither the mapping nor its values may change afterwards.
        """
        with self._changed:
            self._coming.append((time.monotonic() + self._delay, associations))
            self._changed.notify_all()

    def get(self, namespace: str, service_account: str) -> Description | None:
        """Return the association that is effective now for a service account."""
        return self._effective.get((namespace, service_account))

    def _run(self) -> None:
        self._on_effective(self._effective)
        while (associations := self._next()) is not None:
            self._effective = associations
            self._on_effective(associations)

    def _next(self) -> Associations | None:
        """Await the newest associations that are due; None at the end."""
        with self._changed:
            while not self._stopped:
                due = None
                while self._coming and self._coming[0][0] <= time.monotonic():
                    due = self._coming.popleft()[1]
                if due is not None:
                    return due
                self._changed.wait(self._coming[0][0] - time.monotonic() if self._coming else None)
            return None
