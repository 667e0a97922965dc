"""Tags on everything that has an ARN.

https://docs.aws.amazon.com/eks/latest/userguide/eks-using-tags.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..protocol import ServiceError
from .call import Call, behaviour
from .store import Cluster, Description

_LIMIT = 50


def _resources(cluster: Cluster) -> Iterator[tuple[str, Description]]:
    """Yield the ARN and description of a cluster and of all within it."""
    yield cluster.arn, cluster.description
    for group in cluster.nodegroups.values():
        yield group["nodegroupArn"], group
    for profile in cluster.fargate_profiles.values():
        yield profile["fargateProfileArn"], profile
    for addon in cluster.addons.values():
        yield addon["addonArn"], addon
    for entry in cluster.access_entries.values():
        yield entry.description["accessEntryArn"], entry.description
    for association in cluster.associations.values():
        yield association["associationArn"], association
    for provider in cluster.identity_providers.values():
        yield provider["identityProviderConfigArn"], provider


def find_by_arn(call: Call, arn: str) -> Description | None:
    """Return the description of the resource with this ARN, or None."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2:5] != ["eks", call.region.name, call.region.account]:
        return None
    names = parts[5].split("/")
    cluster = call.region.clusters.get(names[1]) if len(names) > 1 else None
    if cluster is None:
        return None
    if names[0] == "podidentityassociation":
        return cluster.associations.get(names[-1])
    return next((description for found, description in _resources(cluster) if found == arn), None)


def still_there(call: Call, result: dict[str, Any]) -> bool:
    """Tell whether the resource that an earlier answer described is still there."""
    for description in result.values():
        if isinstance(description, dict):
            for key, value in description.items():
                if key == "arn" or (key.endswith("Arn") and str(value).split(":")[2:3] == ["eks"]):
                    return key == "ownerArn" or find_by_arn(call, value) is not None
    return True


def _tagged(call: Call, arn: str) -> Description:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "eks":
        raise ServiceError("BadRequestException", f"Invalid resource ARN: {arn}")
    description = find_by_arn(call, arn)
    if description is None:
        raise ServiceError("NotFoundException", f"Resource not found: {arn}")
    return description


@behaviour
def tag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """TagResource."""
    description = _tagged(call, request["resourceArn"])
    tags = {**(description.get("tags") or {}), **call.check_tags(request["tags"])}
    if len(tags) > _LIMIT:
        raise ServiceError("BadRequestException", f"A resource can have at most {_LIMIT} tags.")
    description["tags"] = tags
    return {}


@behaviour
def untag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UntagResource."""
    description = _tagged(call, request["resourceArn"])
    tags = description.get("tags") or {}
    description["tags"] = {key: value for key, value in tags.items() if key not in request["tagKeys"]}
    return {}


@behaviour
def list_tags_for_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListTagsForResource."""
    return {"tags": _tagged(call, request["resourceArn"]).get("tags") or {}}
