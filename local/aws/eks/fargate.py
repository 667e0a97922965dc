"""Fargate profiles.

https://docs.aws.amazon.com/eks/latest/userguide/fargate-profile.html
"""

from __future__ import annotations

from typing import Any

from ..protocol import ServiceError
from . import access
from .call import Call, behaviour
from .clusters import check_subnets
from .store import Cluster, Description, Transition


def _profile(cluster: Cluster, name: str) -> Description:
    profile = cluster.fargate_profiles.get(name)
    if profile is None:
        raise ServiceError(
            "ResourceNotFoundException",
            f"No Fargate Profile found with name: {name}.",
            clusterName=cluster.name,
            fargateProfileName=name,
        )
    return profile


@behaviour
def create_fargate_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CreateFargateProfile; EKS creates and deletes one profile at a time."""
    cluster, name = call.active_cluster(request["clusterName"]), request["fargateProfileName"]
    if name in cluster.fargate_profiles:
        raise ServiceError(
            "InvalidRequestException", f"A Fargate Profile already exists with this name in this cluster: {name}"
        )
    if any(profile["status"] != "ACTIVE" for profile in cluster.fargate_profiles.values()):
        raise ServiceError(
            "InvalidRequestException", "Cannot create Fargate Profile because another one is changing in this cluster."
        )
    selectors = request.get("selectors") or []
    if not 1 <= len(selectors) <= 5 or not all(item.get("namespace") for item in selectors):
        call.refuse_parameter("A Fargate profile needs one to five selectors, each with a namespace.")
    call.check_role(request["podExecutionRoleArn"], "eks-fargate-pods.amazonaws.com")
    network = cluster.description["resourcesVpcConfig"]
    subnets = list(request.get("subnets") or network["subnetIds"])
    if check_subnets(call, subnets, at_least_zones=1) != network["vpcId"]:
        call.refuse_parameter("Subnets must be in the cluster's VPC")
    profile: Description = {
        "fargateProfileName": name,
        "fargateProfileArn": call.unique_arn(f"fargateprofile/{cluster.name}/{name}"),
        "clusterName": cluster.name,
        "createdAt": call.now,
        "podExecutionRoleArn": request["podExecutionRoleArn"],
        "subnets": subnets,
        "selectors": selectors,
        "status": "CREATING",
        "tags": call.check_tags(request.get("tags")),
        "health": {"issues": []},
    }
    cluster.fargate_profiles[name] = profile
    access.admit_node_role(call, cluster, request["podExecutionRoleArn"], "FARGATE_LINUX")
    call.lifecycle.begin(call.region.account, call.region.name, cluster.name, "fargate-profile", name, "ACTIVE")
    return {"fargateProfile": profile}


@behaviour
def describe_fargate_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeFargateProfile."""
    return {"fargateProfile": _profile(call.cluster(request["clusterName"]), request["fargateProfileName"])}


@behaviour
def list_fargate_profiles(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListFargateProfiles."""
    cluster = call.cluster(request["clusterName"])
    names, token = call.page({name: name for name in cluster.fargate_profiles}, request)
    return {"fargateProfileNames": names, "nextToken": token}


@behaviour
def delete_fargate_profile(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteFargateProfile."""
    cluster, name = call.active_cluster(request["clusterName"]), request["fargateProfileName"]
    profile = _profile(cluster, name)
    if any(item["status"] != "ACTIVE" for item in cluster.fargate_profiles.values()):
        call.refuse_parameter("Cannot delete Fargate Profile because another one is changing in this cluster.")
    profile["status"] = "DELETING"
    call.lifecycle.begin(call.region.account, call.region.name, cluster.name, "fargate-profile", name, "")
    return {"fargateProfile": profile}


def complete(call: Call, cluster: Cluster, transition: Transition) -> bool:
    """Carry out the end of a profile's transition."""
    if transition.outcome:
        cluster.fargate_profiles[transition.name]["status"] = transition.outcome
    else:
        profile = cluster.fargate_profiles.pop(transition.name)
        access.retire_node_role(cluster, profile["podExecutionRoleArn"])
    return True
