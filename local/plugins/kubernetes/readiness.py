"""Waits until an object is what a program can rely on, and until a deleted one is gone.

What is waited for is the official provider's choice; `conditions` says when it is there. See
https://www.pulumi.com/docs/iac/clouds/kubernetes/guides/ and
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes for watches.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ..base.calls import Call
from ..base.errors import ProviderError
from . import objects
from .client import ApiError
from .cluster import Cluster
from .conditions import Failed, condition_for
from .kinds import ApiResource
from .kubeconfig import Json

_WATCH_SECONDS = 2.0
"""How long one watch lasts: also the longest time until a cancellation is heard."""

_EVENTS_SHOWN = 5

_TIMEOUTS = {("", "Pod"): 300.0}
_TIMEOUT = 600.0


class NotReady(ProviderError):
    """An object is there, and not as it should be.

    Attributes:
        live: The object as it was seen last.
    """

    def __init__(self, message: str, live: Json) -> None:
        super().__init__(message)
        self.live = live


def timeout_for(resource: ApiResource, wanted: Json) -> float:
    """Seconds that an operation may take where the program has no custom timeout."""
    with suppress(ValueError):
        return float(objects.annotation(wanted, objects.TIMEOUT_SECONDS))
    return _TIMEOUTS.get((resource.kind.group, resource.kind.name), _TIMEOUT)


def await_ready(call: Call, cluster: Cluster, resource: ApiResource, wanted: Json, live: Json) -> Json:
    """Wait until an object is ready.

    Args:
        call: The operation.
        cluster: The cluster.
        resource: The object's kind.
        wanted: What the program gave; its annotations may ask for something else to be waited for.
        live: The object.

    Returns:
        The object as it is then.

    Raises:
        NotReady: It has not become ready in time, or never will.
        Cancelled: The engine cancelled.
    """
    if objects.is_set(wanted, objects.SKIP_AWAIT):
        return live
    judge = condition_for(cluster, resource, wanted)
    if judge is None:
        return live
    end = time.monotonic() + call.timeout
    last, state = live, ""
    for seen in _versions(call, cluster, resource, live, end):
        if seen is None:
            raise NotReady(f"{_called(resource, last)} was deleted by somebody while it was waited for", last)
        last = seen
        try:
            found = judge(seen)
        except Failed as failure:
            raise NotReady(f"{_called(resource, last)}: {failure}{_events(cluster, last)}", last) from None
        if found is None:
            return seen
        if found != state:
            state = found
            call.info(f"waiting for {_called(resource, seen)}: {state}")
    raise NotReady(
        f"{_called(resource, last)} was not ready after {call.timeout:.0f} s: {state}{_events(cluster, last)}", last
    )


def await_gone(call: Call, cluster: Cluster, resource: ApiResource, live: Json) -> None:
    """Wait until a deleted object is gone.

    Raises:
        NotReady: It is still there; the message says what holds it.
        Cancelled: The engine cancelled.
    """
    end = time.monotonic() + call.timeout
    last = live
    for seen in _versions(call, cluster, resource, live, end):
        # One of the same name that somebody has created since is another object.
        if seen is None or seen["metadata"].get("uid") != live["metadata"].get("uid"):
            return
        if seen is not last and (held := _held_by(seen)):
            call.info(f"waiting for the end of {_called(resource, seen)}: {held}")
        last = seen
    raise NotReady(
        f"{_called(resource, last)} was still there {call.timeout:.0f} s after its deletion: "
        f"{_held_by(last) or 'nothing says what holds it'}",
        last,
    )


def _versions(call: Call, cluster: Cluster, resource: ApiResource, live: Json, end: float) -> Iterator[Json | None]:
    """Yield an object whenever it may have changed, None once it is gone, until the time is up.

    Beside the object itself, what its readiness depends on may change: so it is also yielded between the watches.
    """
    metadata = live["metadata"]
    name, namespace = metadata["name"], metadata.get("namespace")
    current: Json | None = cluster.find(resource, namespace, name)
    while True:
        yield current
        left = end - time.monotonic()
        if current is None or left <= 0:
            return
        version = current["metadata"]["resourceVersion"]
        call.pause(0)
        query = {"fieldSelector": f"metadata.name={name}", "resourceVersion": version}
        try:
            for event in cluster.client.watch(resource.path(namespace), query, min(left, _WATCH_SECONDS)):
                call.pause(0)
                if event["type"] != "BOOKMARK":
                    current = None if event["type"] == "DELETED" else event["object"]
                    yield current
                    if current is None:
                        return
        except ApiError as error:
            # The version is too old to watch from: look again.
            if error.code != 410:
                raise
        current = cluster.find(resource, namespace, name)


def _called(resource: ApiResource, live: Json) -> str:
    return f"{resource.kind.name} {objects.identifier(live)}"


def _held_by(live: Json) -> str:
    """What keeps a deleted object from going."""
    reasons = []
    finalizers = [*live["metadata"].get("finalizers", []), *live.get("spec", {}).get("finalizers", [])]
    if finalizers:
        reasons.append(f"its finalizers are not done: {', '.join(finalizers)}")
    reasons += [
        condition["message"]
        for condition in live.get("status", {}).get("conditions", [])
        # A namespace says by conditions what is left in it.
        if live.get("kind") == "Namespace" and condition.get("status") == "True" and condition.get("message")
    ]
    return "; ".join(reasons)


def _events(cluster: Cluster, live: Json) -> str:
    """The last warnings that the cluster has about an object, for an error's message."""
    metadata = live["metadata"]
    if not metadata.get("namespace"):
        return ""
    query = {"fieldSelector": f"involvedObject.uid={metadata.get('uid')},type=Warning"}
    try:
        found: list[Any] = cluster.client.get(f"/api/v1/namespaces/{metadata['namespace']}/events", query)["items"]
    except ProviderError:
        # Not everybody may read events, and the error that they belong to is what matters.
        return ""
    found.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    lines = dict.fromkeys(f"\n  {event.get('reason')}: {event.get('message')}" for event in found)
    return "".join(list(lines)[-_EVENTS_SHOWN:])
