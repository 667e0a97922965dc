"""Updates: the records of changes to clusters, node groups and add-ons.

https://docs.aws.amazon.com/eks/latest/APIReference/API_Update.html
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ..protocol import ServiceError
from .call import Call, behaviour
from .store import Cluster, Description, Update


def record_update(
    call: Call,
    cluster: Cluster,
    kind: str,
    params: Mapping[str, str],
    nodegroup: str | None = None,
    addon: str | None = None,
) -> Description:
    """Record an update in progress; the transition that it belongs to makes it Successful.

    Args:
        kind: the update's type, such as ``VersionUpdate``.
        params: what was asked for, by the names of the model's UpdateParamType.
    """
    description: Description = {
        "id": str(uuid.uuid4()),
        "status": "InProgress",
        "type": kind,
        "params": [{"type": name, "value": value} for name, value in params.items()],
        "createdAt": call.now,
        "errors": [],
    }
    cluster.updates[description["id"]] = Update(description, nodegroup, addon)
    return dict(description)


def _matches(update: Update, request: dict[str, Any]) -> bool:
    return update.nodegroup == request.get("nodegroupName") and update.addon == request.get("addonName")


@behaviour
def list_updates(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListUpdates: of the cluster itself, or of one node group or add-on."""
    cluster = call.cluster(request["name"])
    found = {key: key for key, update in cluster.updates.items() if _matches(update, request)}
    ids, token = call.page(found, request)
    return {"updateIds": ids, "nextToken": token}


@behaviour
def describe_update(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeUpdate."""
    cluster = call.cluster(request["name"])
    update = cluster.updates.get(request["updateId"])
    if update is None or not _matches(update, request):
        raise ServiceError("ResourceNotFoundException", f"No update found for ID: {request['updateId']}")
    return {"update": update.description}
