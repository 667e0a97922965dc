"""Pod identity associations.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html
"""

from __future__ import annotations

import json
import re
from typing import Any

from ..protocol import ServiceError
from .call import ROLE_ARN, Call, behaviour, random_id, trusts
from .store import Cluster, Description

SERVICE_PRINCIPAL = "pods.eks.amazonaws.com"
LIMIT_PER_CLUSTER = 5_000
POLICY_LIMIT = 2_048

# Kubernetes names; EKS's model leaves them unrestricted.
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def check_subject(call: Call, namespace: str, service_account: str) -> None:
    """Refuse names that no Kubernetes object can have."""
    if not _LABEL.fullmatch(namespace):
        call.refuse_parameter(f"The namespace {namespace!r} is not a valid Kubernetes namespace name.")
    if len(service_account) > 253 or not _SUBDOMAIN.fullmatch(service_account):
        call.refuse_parameter(
            f"The service account {service_account!r} is not a valid Kubernetes service account name."
        )


def _check_role(call: Call, arn: str, session_tags: bool) -> None:
    found = ROLE_ARN.fullmatch(arn)
    if found is None:
        call.refuse_parameter("The roleArn parameter format is not valid.")
    if found["account"] != call.region.account:
        call.refuse_parameter(
            "The role provided must be in the same account as the cluster; "
            "use targetRoleArn for a role of another account."
        )
    role = call.cloud.role(arn)
    if role is None:
        call.refuse_parameter("Role provided in the request does not exist.")
    actions = {"sts:AssumeRole", "sts:TagSession"} if session_tags else {"sts:AssumeRole"}
    if not trusts(role.trust, SERVICE_PRINCIPAL, actions):
        call.refuse_parameter("Trust policy of the role provided is invalid")


def _check_policy(call: Call, policy: str, session_tags: bool) -> None:
    if session_tags:
        call.refuse_parameter("disableSessionTags must be true when a policy is specified.")
    if len(policy) > POLICY_LIMIT:
        call.refuse_parameter(f"The policy must not be longer than {POLICY_LIMIT} characters.")
    try:
        document = json.loads(policy)
    except ValueError:
        call.refuse_parameter("The policy is not valid JSON.")
    if not isinstance(document, dict) or "Statement" not in document:
        call.refuse_parameter("The policy is not a valid IAM policy: it has no Statement.")


def _settle_members(call: Call, cluster: Cluster, association: Description) -> None:
    """Check what depends on several members, and derive the external id from them."""
    session_tags = not association["disableSessionTags"]
    _check_role(call, association["roleArn"], session_tags)
    target = association.get("targetRoleArn")
    if target is not None and not ROLE_ARN.fullmatch(target):
        call.refuse_parameter("The targetRoleArn parameter format is not valid.")
    if "policy" in association:
        _check_policy(call, association["policy"], session_tags)
    association.pop("externalId", None)
    if target is not None and not session_tags:
        # Without session tags this is how the target role can tell one association from another.
        association["externalId"] = "/".join(
            (
                call.region.name,
                call.region.account,
                cluster.name,
                association["namespace"],
                association["serviceAccount"],
            )
        )


def add_association(call: Call, cluster: Cluster, request: dict[str, Any], owner_arn: str | None = None) -> Description:
    """Make an association.

    Args:
        request: the members of CreatePodIdentityAssociation, without the cluster's name.
        owner_arn: ARN of the add-on that it belongs to.
    """
    namespace, service_account = request["namespace"], request["serviceAccount"]
    check_subject(call, namespace, service_account)
    if existing := cluster.subjects.get((namespace, service_account)):
        raise ServiceError("ResourceInUseException", f"Association already exists: {existing}")
    if len(cluster.associations) >= LIMIT_PER_CLUSTER:
        message = f"Maximum number of pod identity associations per cluster ({LIMIT_PER_CLUSTER}) reached."
        if "ResourceLimitExceededException" in call.operation.errors:
            raise ServiceError("ResourceLimitExceededException", message)
        raise ServiceError("InvalidRequestException", message)
    identifier = random_id("a-")
    association: Description = {
        "clusterName": cluster.name,
        "namespace": namespace,
        "serviceAccount": service_account,
        "roleArn": request["roleArn"],
        "associationArn": call.arn(f"podidentityassociation/{cluster.name}/{identifier}"),
        "associationId": identifier,
        "tags": call.check_tags(request.get("tags")),
        "createdAt": call.now,
        "modifiedAt": call.now,
        "disableSessionTags": request.get("disableSessionTags", False),
    }
    for member in ("targetRoleArn", "policy"):
        if request.get(member):
            association[member] = request[member]
    if owner_arn is not None:
        association["ownerArn"] = owner_arn
    _settle_members(call, cluster, association)
    cluster.associations[identifier] = association
    cluster.subjects[namespace, service_account] = identifier
    call.data_plane.associations_changed(cluster)
    return association


def remove_association(call: Call, cluster: Cluster, identifier: str) -> Description:
    """Remove an association that exists."""
    association = cluster.associations.pop(identifier)
    del cluster.subjects[association["namespace"], association["serviceAccount"]]
    call.data_plane.associations_changed(cluster)
    return association


def _find(cluster: Cluster, identifier: str) -> Description:
    association = cluster.associations.get(identifier)
    if association is None:
        raise ServiceError(
            "ResourceNotFoundException",
            f"The association ID {identifier} is not found in cluster {cluster.name}.",
        )
    return association


def _own(cluster: Cluster, identifier: str) -> Description:
    association = _find(cluster, identifier)
    if owner := association.get("ownerArn"):
        raise ServiceError(
            "InvalidRequestException",
            f"The association {identifier} is owned by {owner} and can only be changed through it.",
        )
    return association


@behaviour
def create_pod_identity_association(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CreatePodIdentityAssociation."""
    cluster = call.active_cluster(request["clusterName"])
    return {"association": add_association(call, cluster, request)}


@behaviour
def describe_pod_identity_association(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribePodIdentityAssociation."""
    return {"association": _find(call.cluster(request["clusterName"]), request["associationId"])}


@behaviour
def list_pod_identity_associations(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListPodIdentityAssociations, all or those of a namespace, a service account, or both."""
    cluster = call.cluster(request["clusterName"])
    members = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId", "ownerArn")
    filters = {key: request[key] for key in ("namespace", "serviceAccount") if request.get(key)}
    found = {
        key: {member: association.get(member) for member in members}
        for key, association in cluster.associations.items()
        if all(association[name] == value for name, value in filters.items())
    }
    associations, token = call.page(found, request)
    return {"associations": associations, "nextToken": token}


@behaviour
def update_pod_identity_association(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UpdatePodIdentityAssociation; an empty targetRoleArn or policy takes it away."""
    cluster = call.active_cluster(request["clusterName"])
    before = _own(cluster, request["associationId"])
    association = dict(before)
    for member in ("roleArn", "disableSessionTags", "targetRoleArn", "policy"):
        if member not in request:
            continue
        if request[member] == "" and member in ("targetRoleArn", "policy"):
            association.pop(member, None)
        else:
            association[member] = request[member]
    _settle_members(call, cluster, association)
    association["modifiedAt"] = call.now
    cluster.associations[association["associationId"]] = association
    call.data_plane.associations_changed(cluster)
    return {"association": association}


@behaviour
def delete_pod_identity_association(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeletePodIdentityAssociation."""
    cluster = call.active_cluster(request["clusterName"])
    _own(cluster, request["associationId"])
    return {"association": remove_association(call, cluster, request["associationId"])}
