"""Completes and judges what a program says of an object, before the API server does."""

from pulumi.runtime.proto import provider_pb2

from ..base.errors import ProviderError
from ..base.paths import Path
from ..base.properties import Failure
from ..base.wire import UNKNOWN, Values
from . import conditions, objects
from .cluster import Cluster
from .kinds import Token

PROPAGATION = {"foreground": "Foreground", "background": "Background", "orphan": "Orphan"}
"""What an annotation may say of an object's dependents at its deletion, and how the API spells it."""


def complete_metadata(
    asked: Token, request: provider_pb2.CheckRequest, olds: Values, values: Values, cluster: Cluster
) -> list[Failure]:
    """Give an object a name and a namespace, if the program does not.

    Args:
        asked: Its type.
        request: What the engine asks.
        olds: Its inputs so far.
        values: The object, which is completed in place.
        cluster: The cluster.

    Returns:
        What is wrong.
    """
    metadata = values["metadata"]
    failures = []
    if asked.patch and not cluster.server_side:
        failures.append(Failure((), "Patch resources need server-side apply: leave enableServerSideApply on"))
    if metadata.get("name") is not UNKNOWN and not metadata.get("name"):
        failures += _name(asked, request, olds, values, cluster)
    labels = objects.metadata(olds).get("labels")
    labelled = isinstance(labels, dict) and objects.MANAGED_BY in labels
    if labelled or not (olds or cluster.server_side):
        # Server-side apply notes who manages an object in the object itself; a label that is there stays.
        objects.put(metadata, "labels", objects.MANAGED_BY, "pulumi")
    if metadata.get("namespace") is not UNKNOWN and not metadata.get("namespace"):
        metadata.pop("namespace", None)
        # Of a custom resource whose definition is still to come, it is assumed, and corrected at its creation.
        if cluster.is_namespaced(asked.kind) is not False:
            metadata["namespace"] = cluster.default_namespace
    return failures


def _name(
    asked: Token, request: provider_pb2.CheckRequest, olds: Values, values: Values, cluster: Cluster
) -> list[Failure]:
    metadata = values["metadata"]
    where: Path = ("metadata", "name")
    if asked.patch:
        return [Failure(where, "a Patch resource needs the name of the object to patch")]
    if "generateName" in metadata:
        reason = "server-side apply needs to know the name: give `name`, or none to have one made"
        return [Failure(("metadata", "generateName"), reason)] if cluster.server_side else []
    wrong = None
    if objects.is_set(olds, objects.AUTONAMED) and objects.text(olds, "name"):
        metadata["name"] = objects.text(olds, "name")
    else:
        metadata["name"], wrong = objects.automatic_name(request)
    objects.put(metadata, "annotations", objects.AUTONAMED, "true")
    return [Failure(where, wrong)] if wrong else []


def judge_annotations(values: Values) -> list[Failure]:
    """Say what is wrong with Pulumi's own annotations."""
    failures = []
    timeout = objects.annotation(values, objects.TIMEOUT_SECONDS)
    if timeout and not timeout.replace(".", "", 1).isdigit():
        failures.append(_of_annotation(objects.TIMEOUT_SECONDS, f"{timeout!r} is no number of seconds"))
    propagation = objects.annotation(values, objects.DELETION_PROPAGATION)
    if propagation and propagation.lower() not in PROPAGATION:
        reason = f"{propagation!r} is none of {', '.join(PROPAGATION)}"
        failures.append(_of_annotation(objects.DELETION_PROPAGATION, reason))
    if asked_for := objects.annotation(values, objects.WAIT_FOR):
        try:
            conditions.asked_for(asked_for)
        except ProviderError as error:
            failures.append(_of_annotation(objects.WAIT_FOR, str(error)))
    return failures


def _of_annotation(name: str, reason: str) -> Failure:
    return Failure(("metadata", "annotations", name), reason)
