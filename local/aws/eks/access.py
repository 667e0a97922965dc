"""Access entries and their access policies.

https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
"""

from __future__ import annotations

import logging
import re
from typing import Any

from ..protocol import ServiceError
from .access_policies import AUTO_NODE, RULES
from .call import Call, behaviour
from .store import AccessEntry, Cluster, Description

log = logging.getLogger(__name__)

# https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html
POLICY_NAMES = (
    "AmazonAIOpsAssistantPolicy",
    "AmazonEKSACKPolicy",
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSArgoCDClusterPolicy",
    "AmazonEKSArgoCDPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStorageClusterPolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSComputeClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSEventPolicy",
    "AmazonEKSHybridPolicy",
    "AmazonEKSKROPolicy",
    "AmazonEKSLoadBalancingClusterPolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingClusterPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSSecretAdminPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
    "AmazonSagemakerHyperpodClusterPolicy",
    "AmazonSagemakerHyperpodControllerPolicy",
    "AmazonSagemakerHyperpodSpaceControllerPolicy",
    "AmazonSagemakerHyperpodSystemNamespacePolicy",
)

_EC2_NODE = "system:node:{{EC2PrivateDNSName}}"
_SESSION_NODE = "system:node:{{SessionName}}"
# User name and groups of the types that are for nodes; EKS sets both and users may not.
NODE_TYPES: dict[str, tuple[str, list[str]]] = {
    "EC2_LINUX": (_EC2_NODE, ["system:nodes"]),
    "EC2_WINDOWS": (_EC2_NODE, ["eks:kube-proxy-windows", "system:nodes"]),
    "EC2": (_EC2_NODE, ["system:nodes"]),
    "FARGATE_LINUX": (_SESSION_NODE, ["system:bootstrappers", "system:node-proxier", "system:nodes"]),
    "HYBRID_LINUX": (_SESSION_NODE, ["system:nodes"]),
    "HYPERPOD_LINUX": (_SESSION_NODE, ["system:nodes"]),
}
_PRINCIPAL = re.compile(
    r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):(?:(?P<root>root)|(?P<kind>role|user)/(?P<path>.+/)?(?P<name>[^/]+))"
)
_RESERVED_PREFIXES = ("amazon:", "aws:", "eks:", "iam:", "system:")


def _default_username(call: Call, principal: str) -> str:
    """Return the user name that EKS gives; that of a role has the role's name but not its path."""
    found = _PRINCIPAL.fullmatch(principal)
    if found is not None and found["kind"] == "role":
        return f"arn:{call.partition}:sts::{found['account']}:assumed-role/{found['name']}/{{{{SessionName}}}}"
    return principal


def _new_entry(
    call: Call,
    cluster: Cluster,
    principal: str,
    kind: str,
    username: str | None = None,
    groups: list[str] | None = None,
    tags: dict[str, str] | None = None,
) -> AccessEntry:
    found = _PRINCIPAL.fullmatch(principal)
    assert found is not None, principal
    subject = "root" if found["root"] else f"{found['kind']}/{found['account']}/{found['name']}"
    if kind in NODE_TYPES:
        username, groups = NODE_TYPES[kind]
    entry = AccessEntry(
        {
            "clusterName": cluster.name,
            "principalArn": principal,
            "kubernetesGroups": list(groups or []),
            "accessEntryArn": call.unique_arn(f"access-entry/{cluster.name}/{subject}"),
            "createdAt": call.now,
            "modifiedAt": call.now,
            "tags": tags or {},
            "username": username or _default_username(call, principal),
            "type": kind,
        }
    )
    cluster.access_entries[principal] = entry
    return entry


def _attach(call: Call, entry: AccessEntry, policy_arn: str, scope: Description) -> Description:
    before = entry.policies.get(policy_arn)
    entry.policies[policy_arn] = {
        "policyArn": policy_arn,
        "accessScope": {"type": scope["type"], "namespaces": list(scope.get("namespaces") or [])},
        "associatedAt": before["associatedAt"] if before else call.now,
        "modifiedAt": call.now,
    }
    return entry.policies[policy_arn]


def policy_arn(call: Call, name: str) -> str:
    """Return the ARN of one of EKS's access policies."""
    return f"arn:{call.partition}:eks::aws:cluster-access-policy/{name}"


def admit_creator(call: Call, cluster: Cluster) -> None:
    """Make the cluster's creator its administrator, as bootstrapClusterCreatorAdminPermissions asks."""
    if cluster.creator not in cluster.access_entries:
        entry = _new_entry(call, cluster, cluster.creator, "STANDARD")
        _attach(call, entry, policy_arn(call, "AmazonEKSClusterAdminPolicy"), {"type": "cluster"})


def admit_node_role(call: Call, cluster: Cluster, role_arn: str, kind: str) -> None:
    """Make the entry that lets nodes with this role join, if the cluster knows access entries."""
    mode = cluster.description["accessConfig"]["authenticationMode"]
    if mode == "CONFIG_MAP" or role_arn in cluster.access_entries:
        return
    entry = _new_entry(call, cluster, role_arn, kind)
    if kind == "EC2":
        _attach(call, entry, policy_arn(call, "AmazonEKSAutoNodePolicy"), {"type": "cluster"})


def retire_node_role(cluster: Cluster, role_arn: str) -> None:
    """Remove that entry again, with the last node group or profile that uses the role."""
    used = [group["nodeRole"] for group in cluster.nodegroups.values()]
    used += [profile["podExecutionRoleArn"] for profile in cluster.fargate_profiles.values()]
    entry = cluster.access_entries.get(role_arn)
    if (
        entry is not None
        and role_arn not in used
        and entry.description["type"] in ("EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX")
    ):
        del cluster.access_entries[role_arn]


def _cluster(call: Call, name: str) -> Cluster:
    cluster = call.active_cluster(name)
    if cluster.description["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
        raise ServiceError(
            "InvalidRequestException",
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform "
            "this operation.",
            clusterName=name,
        )
    return cluster


def _entry(cluster: Cluster, principal: str) -> AccessEntry:
    entry = cluster.access_entries.get(principal)
    if entry is None:
        raise ServiceError(
            "ResourceNotFoundException",
            "The specified principalArn could not be found. You can view your available access entries with "
            "'list-access-entries'.",
            clusterName=cluster.name,
        )
    return entry


def _check_names(call: Call, kind: str, request: dict[str, Any]) -> None:
    """Refuse user names and groups that are EKS's to set."""
    username, groups = request.get("username"), request.get("kubernetesGroups")
    if kind != "STANDARD" and (username or groups):
        call.refuse_parameter(f"The username and kubernetesGroups cannot be set for access entries of type {kind}.")
    if username is not None:
        if not username or len(username) > 253 or username.startswith(_RESERVED_PREFIXES):
            call.refuse_parameter(
                f"The username {username} is invalid, it cannot start with {', '.join(_RESERVED_PREFIXES)}"
            )
        if "{{SessionName}}" in username and ":" not in username.partition("{{SessionName")[0]:
            call.refuse_parameter("The username must have a colon before {{SessionName}}.")
    for group in groups or []:
        for prefix in _RESERVED_PREFIXES:
            if group.startswith(prefix):
                call.refuse_parameter(f"The kubernetes group name {group} is invalid, it cannot start with {prefix}")


@behaviour
def create_access_entry(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CreateAccessEntry."""
    cluster = _cluster(call, request["clusterName"])
    principal, kind = request["principalArn"], request.get("type", "STANDARD")
    if kind != "STANDARD" and kind not in NODE_TYPES:
        call.refuse_parameter(f"The access entry type {kind} is not supported.")
    found = _PRINCIPAL.fullmatch(principal)
    if found is None or (kind != "STANDARD" and found["kind"] != "role"):
        call.refuse_parameter("The principalArn parameter format is not valid")
    _check_names(call, kind, request)
    if principal in cluster.access_entries:
        raise ServiceError(
            "ResourceInUseException", "The specified access entry resource is already in use on this cluster."
        )
    if found["account"] == call.region.account and found["kind"] == "role" and call.cloud.role(principal) is None:
        call.refuse_parameter("The specified principalArn is invalid: invalid principal.")
    entry = _new_entry(
        call,
        cluster,
        principal,
        kind,
        request.get("username"),
        request.get("kubernetesGroups"),
        call.check_tags(request.get("tags")),
    )
    return {"accessEntry": entry.description}


@behaviour
def describe_access_entry(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeAccessEntry."""
    return {"accessEntry": _entry(_cluster(call, request["clusterName"]), request["principalArn"]).description}


@behaviour
def list_access_entries(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListAccessEntries, all or those with one policy."""
    cluster = _cluster(call, request["clusterName"])
    wanted = request.get("associatedPolicyArn")
    found = {arn: arn for arn, entry in cluster.access_entries.items() if not wanted or wanted in entry.policies}
    arns, token = call.page(found, request)
    return {"accessEntries": arns, "nextToken": token}


@behaviour
def update_access_entry(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UpdateAccessEntry: groups and user name."""
    entry = _entry(_cluster(call, request["clusterName"]), request["principalArn"])
    _check_names(call, entry.description["type"], request)
    if "kubernetesGroups" in request:
        entry.description["kubernetesGroups"] = list(request["kubernetesGroups"])
    if "username" in request:
        entry.description["username"] = request["username"]
    entry.description["modifiedAt"] = call.now
    return {"accessEntry": entry.description}


@behaviour
def delete_access_entry(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteAccessEntry."""
    cluster = _cluster(call, request["clusterName"])
    _entry(cluster, request["principalArn"])
    del cluster.access_entries[request["principalArn"]]
    return {}


@behaviour
def list_access_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListAccessPolicies."""
    found = {name: {"name": name, "arn": policy_arn(call, name)} for name in POLICY_NAMES}
    policies, token = call.page(found, request)
    return {"accessPolicies": policies, "nextToken": token}


@behaviour
def associate_access_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """AssociateAccessPolicy; again with another scope replaces the scope."""
    cluster = _cluster(call, request["clusterName"])
    entry = _entry(cluster, request["principalArn"])
    arn, scope = request["policyArn"], request["accessScope"]
    if arn not in {policy_arn(call, name) for name in POLICY_NAMES}:
        call.refuse_parameter("The policyArn parameter format is not valid")
    name = arn.rpartition("/")[2]
    if name == AUTO_NODE:
        log.warning("%s allows nothing here: this twin has no nodes of Auto Mode", name)
    elif name not in RULES:
        call.refuse_parameter(
            f"This twin cannot enforce the access policy {name}: AWS does not publish its rules, or keeps it for roles "
            "of its own services"
        )
    if entry.description["type"] not in ("STANDARD", "EC2"):
        raise ServiceError(
            "InvalidRequestException",
            f"Access policies cannot be associated with access entries of type {entry.description['type']}.",
        )
    if scope.get("type") == "namespace":
        if not scope.get("namespaces"):
            call.refuse_parameter("The namespaces of the access scope must be specified.")
    elif scope.get("type") != "cluster":
        call.refuse_parameter("The type of the access scope must be specified.")
    elif scope.get("namespaces"):
        call.refuse_parameter("Namespaces cannot be specified for an access scope of type cluster.")
    policy = _attach(call, entry, arn, scope)
    return {
        "clusterName": cluster.name,
        "principalArn": request["principalArn"],
        "associatedAccessPolicy": policy,
    }


@behaviour
def disassociate_access_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DisassociateAccessPolicy."""
    entry = _entry(_cluster(call, request["clusterName"]), request["principalArn"])
    if entry.policies.pop(request["policyArn"], None) is None:
        raise ServiceError(
            "ResourceNotFoundException", "The specified policyArn is not associated with the access entry."
        )
    return {}


@behaviour
def list_associated_access_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListAssociatedAccessPolicies."""
    cluster = _cluster(call, request["clusterName"])
    entry = _entry(cluster, request["principalArn"])
    policies, token = call.page(entry.policies, request)
    return {
        "clusterName": cluster.name,
        "principalArn": request["principalArn"],
        "associatedAccessPolicies": policies,
        "nextToken": token,
    }
