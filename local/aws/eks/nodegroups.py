"""Managed node groups.

https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from ..protocol import ServiceError
from . import access
from .call import Call, behaviour, compact_json
from .clusters import check_subnets
from .store import Cluster, Description, Transition
from .updates import record_update
from .versions import VERSIONS

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,62}")
_LIMIT_PER_CLUSTER = 30
_DEFAULT_AMI = "AL2023_x86_64_STANDARD"
_DEFAULT_TYPE = "t3.medium"
_RESERVED_LABELS = ("eks.amazonaws.com/", "alpha.eksctl.io/", "kubernetes.io/", "k8s.io/")
# The day of the node images that this endpoint pretends to offer.
_IMAGE_DAY = "20261110"


def _nodegroup(cluster: Cluster, name: str) -> Description:
    group = cluster.nodegroups.get(name)
    if group is None:
        raise ServiceError(
            "ResourceNotFoundException",
            f"No node group found for name: {name}.",
            clusterName=cluster.name,
            nodegroupName=name,
        )
    return group


def _begin(call: Call, cluster: Cluster, name: str, outcome: str, update: str | None = None) -> None:
    call.lifecycle.begin(call.region.account, call.region.name, cluster.name, "nodegroup", name, outcome, update)


def release_version(ami_type: str, kubernetes: str) -> str | None:
    """Return the newest node image release, in the form that each family of images uses."""
    if ami_type == "CUSTOM":
        return None
    if ami_type.startswith("BOTTLEROCKET"):
        return "1.52.0-6a8b2c1d"
    patch = VERSIONS[kubernetes].patch
    return f"{kubernetes}-2026.11.10" if ami_type.startswith("WINDOWS") else f"{patch}-{_IMAGE_DAY}"


def _checked_scaling(call: Call, asked: dict[str, Any], before: dict[str, int]) -> dict[str, int]:
    scaling = {**before, **asked}
    low, high, wanted = scaling["minSize"], scaling["maxSize"], scaling["desiredSize"]
    if low > high:
        call.refuse_parameter(f"Minimum capacity {low} can't be greater than maximum size {high}")
    if wanted < low:
        call.refuse_parameter(f"Desired capacity {wanted} can't be less than minimum size {low}")
    if wanted > high:
        call.refuse_parameter(f"Desired capacity {wanted} can't be greater than maximum size {high}")
    return scaling


def _checked_update_config(call: Call, asked: dict[str, Any]) -> dict[str, Any]:
    if "maxUnavailable" in asked and "maxUnavailablePercentage" in asked:
        call.refuse_parameter("maxUnavailable and maxUnavailablePercentage cannot both be specified")
    if asked.get("maxUnavailable", 1) > 100:
        call.refuse_parameter("maxUnavailable can't be greater than 100")
    if not {"maxUnavailable", "maxUnavailablePercentage"} & set(asked):
        return {"maxUnavailable": 1, **asked}
    return dict(asked)


def _check_labels(call: Call, labels: dict[str, str]) -> None:
    for key in labels:
        if key.startswith(_RESERVED_LABELS):
            call.refuse_parameter(f"Label key {key} is reserved")


def _check_taints(call: Call, taints: list[dict[str, str]]) -> None:
    for taint in taints:
        if not taint.get("key") or not taint.get("effect"):
            call.refuse_parameter("A taint needs a key and an effect")
    if len(taints) > 50:
        call.refuse_parameter("A node group can have at most 50 taints")


def _launch_template(call: Call, spec: dict[str, str]) -> tuple[Description, dict[str, Any]]:
    """Find the launch template; return what the node group answers, and the template's data."""
    if ("id" in spec) == ("name" in spec):
        call.refuse_parameter("Either the launch template's id or its name must be specified, not both")
    found = call.cloud.launch_template(spec.get("id"), spec.get("name"), spec.get("version"))
    if found is None:
        wanted = spec.get("id") or spec.get("name")
        call.refuse_parameter(f"Launch template {wanted} version {spec.get('version', '$Default')} not found")
    template_id, name, version, data = found
    return {"id": template_id, "name": name, "version": version}, data


def _check_template(call: Call, request: dict[str, Any], data: dict[str, Any]) -> None:
    """Refuse what may stand in the launch template or in the request, but not where it stands."""
    if data.get("IamInstanceProfile"):
        call.refuse_parameter(
            "Launch template should not specify an instance profile. The noderole in your request will be used to "
            "construct an instance profile."
        )
    if any(interface.get("SubnetId") for interface in data.get("NetworkInterfaces", [])):
        call.refuse_parameter("Launch template should not specify subnets.")
    if "diskSize" in request:
        call.refuse_parameter("Disk size must be specified within the launch template.")
    if "remoteAccess" in request:
        call.refuse_parameter("Remote access configuration cannot be specified with a launch template.")
    if data.get("InstanceType") and request.get("instanceTypes"):
        call.refuse_parameter(
            "Instance types must be specified in either the launch template or the request, not in both."
        )
    if data.get("ImageId"):
        for member in ("amiType", "version", "releaseVersion"):
            if request.get(member) and request[member] != "CUSTOM":
                call.refuse_parameter(
                    f"You cannot specify {member} when specifying an image id within the launch template."
                )
    elif request.get("amiType") == "CUSTOM":
        call.refuse_parameter("The AMI type CUSTOM needs an image id within the launch template.")


def _check_instance_types(call: Call, types: list[str], ami_type: str) -> None:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    if len(types) > 20:
        call.refuse_parameter("A node group can have at most 20 instance types")
    for name in types:
        known = INSTANCE_TYPES.get(name)
        if known is None:
            call.refuse_parameter(f"The following supplied instance types do not exist: [{name}]")
        architectures = known["ProcessorInfo"]["SupportedArchitectures"]
        wanted = "arm64" if "ARM_64" in ami_type else "x86_64"
        if ami_type != "CUSTOM" and wanted not in architectures:
            call.refuse_parameter(f"[{name}] is not a valid instance type for requested amiType {ami_type}")


@behaviour
def create_nodegroup(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CreateNodegroup."""
    cluster, name = call.active_cluster(request["clusterName"]), request["nodegroupName"]
    details = {"clusterName": cluster.name, "nodegroupName": name}
    if not _NAME.fullmatch(name):
        call.refuse_parameter(
            "The nodegroup name must start with a letter or digit and consist of at most 63 letters, digits, "
            "hyphens and underscores.",
            **details,
        )
    if name in cluster.nodegroups:
        message = f"NodeGroup already exists with name {name} and cluster name {cluster.name}"
        raise ServiceError("ResourceInUseException", message, **details)
    if len(cluster.nodegroups) >= _LIMIT_PER_CLUSTER:
        raise ServiceError("ResourceLimitExceededException", "Nodegroup limit exceeded for cluster.", **details)
    call.check_role(request["nodeRole"], "ec2.amazonaws.com", **details)
    if check_subnets(call, request["subnets"], at_least_zones=1) != cluster.description["resourcesVpcConfig"]["vpcId"]:
        call.refuse_parameter("Subnets are not in the cluster's VPC", **details)
    template, data = _launch_template(call, request["launchTemplate"]) if "launchTemplate" in request else (None, {})
    if template is not None:
        _check_template(call, request, data)
    ami_type = "CUSTOM" if data.get("ImageId") else request.get("amiType", _DEFAULT_AMI)
    version = request.get("version", cluster.description["version"])
    if version != cluster.description["version"]:
        call.refuse_parameter(f"Requested Nodegroup version {version} is not the cluster's version", **details)
    _check_ami(call, ami_type, version)
    in_template = [data["InstanceType"]] if data.get("InstanceType") else []
    types = list(request.get("instanceTypes") or ([] if in_template else [_DEFAULT_TYPE]))
    _check_instance_types(call, types or in_template, ami_type)
    labels, taints = dict(request.get("labels") or {}), list(request.get("taints") or [])
    _check_labels(call, labels)
    _check_taints(call, taints)
    release = release_version(ami_type, version)
    if request.get("releaseVersion", release) != release:
        call.refuse_parameter(
            f"Requested release version {request['releaseVersion']} is not valid for kubernetes version {version}.",
            **details,
        )
    group: Description = {
        "nodegroupName": name,
        "nodegroupArn": call.unique_arn(f"nodegroup/{cluster.name}/{name}"),
        "clusterName": cluster.name,
        "version": version,
        "releaseVersion": release or data.get("ImageId"),
        "createdAt": call.now,
        "modifiedAt": call.now,
        "status": "CREATING",
        "capacityType": request.get("capacityType", "ON_DEMAND"),
        "scalingConfig": _checked_scaling(
            call, request.get("scalingConfig") or {}, {"minSize": 1, "maxSize": 2, "desiredSize": 2}
        ),
        "subnets": list(request["subnets"]),
        "amiType": ami_type,
        "nodeRole": request["nodeRole"],
        "labels": labels,
        "resources": {"autoScalingGroups": [{"name": f"eks-{name}-{uuid.uuid4()}"}]},
        "health": {"issues": []},
        "updateConfig": _checked_update_config(call, request.get("updateConfig") or {}),
        "tags": call.check_tags(request.get("tags")),
    }
    if types:
        group["instanceTypes"] = types
    if taints:
        group["taints"] = taints
    if template is None:
        group["diskSize"] = request.get("diskSize", 50 if ami_type.startswith("WINDOWS") else 20)
    else:
        group["launchTemplate"] = template
    for member in ("remoteAccess", "nodeRepairConfig", "warmPoolConfig"):
        if member in request:
            group[member] = request[member]
    cluster.nodegroups[name] = group
    access.admit_node_role(
        call, cluster, request["nodeRole"], "EC2_WINDOWS" if ami_type.startswith("WINDOWS") else "EC2_LINUX"
    )
    call.data_plane.nodegroup_changed(cluster, group)
    _begin(call, cluster, name, "ACTIVE")
    return {"nodegroup": group}


def _check_ami(call: Call, ami_type: str, version: str) -> None:
    if ami_type.startswith("AL2_") and VERSIONS[version].minor >= 33:
        call.refuse_parameter(f"AMI Type {ami_type} is only supported for kubernetes versions 1.32 or earlier")


@behaviour
def describe_nodegroup(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeNodegroup."""
    return {"nodegroup": _nodegroup(call.cluster(request["clusterName"]), request["nodegroupName"])}


@behaviour
def list_nodegroups(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListNodegroups."""
    cluster = call.cluster(request["clusterName"])
    names, token = call.page({name: name for name in cluster.nodegroups}, request)
    return {"nodegroups": names, "nextToken": token}


@behaviour
def delete_nodegroup(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteNodegroup."""
    cluster, name = call.active_cluster(request["clusterName"]), request["nodegroupName"]
    group = _nodegroup(cluster, name)
    if group["status"] == "DELETING":
        return {"nodegroup": group}
    if group["status"] == "UPDATING":
        call.refuse_state("Nodegroup cannot be deleted while an update is in progress", nodegroupName=name)
    group |= {"status": "DELETING", "modifiedAt": call.now}
    call.data_plane.nodegroup_changed(cluster, group)
    _begin(call, cluster, name, "")
    return {"nodegroup": group}


def _updatable(call: Call, request: dict[str, Any]) -> tuple[Cluster, Description]:
    cluster, name = call.active_cluster(request["clusterName"]), request["nodegroupName"]
    group = _nodegroup(cluster, name)
    if group["status"] not in ("ACTIVE", "DEGRADED"):
        call.refuse_state(
            f"Nodegroup cannot be updated as it is currently not in Active State: {group['status']}",
            clusterName=cluster.name,
            nodegroupName=name,
        )
    return cluster, group


def _start(call: Call, cluster: Cluster, group: Description, kind: str, params: dict[str, str]) -> dict[str, Any]:
    name = group["nodegroupName"]
    group |= {"status": "UPDATING", "modifiedAt": call.now}
    update = record_update(call, cluster, kind, params, nodegroup=name)
    call.data_plane.nodegroup_changed(cluster, group)
    _begin(call, cluster, name, "ACTIVE", update["id"])
    return {"update": update}


@behaviour
def update_nodegroup_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UpdateNodegroupConfig: scaling, labels, taints and how updates run."""
    cluster, group = _updatable(call, request)
    new: Description = {}
    params: dict[str, str] = {}
    if labels := request.get("labels"):
        added, removed = labels.get("addOrUpdateLabels") or {}, labels.get("removeLabels") or []
        _check_labels(call, added)
        kept = {key: value for key, value in group["labels"].items() if key not in removed}
        new["labels"] = kept | added
        if added:
            params["LabelsToAdd"] = compact_json(added)
        if removed:
            params["LabelsToRemove"] = compact_json(removed)
    if taints := request.get("taints"):
        added, removed = taints.get("addOrUpdateTaints") or [], taints.get("removeTaints") or []
        gone = {(taint.get("key"), taint.get("effect")) for taint in [*removed, *added]}
        kept = [taint for taint in group.get("taints", []) if (taint["key"], taint["effect"]) not in gone]
        _check_taints(call, [*kept, *added])
        new["taints"] = [*kept, *added]
        if added:
            params["TaintsToAdd"] = compact_json(added)
        if removed:
            params["TaintsToRemove"] = compact_json(removed)
    if scaling := request.get("scalingConfig"):
        new["scalingConfig"] = _checked_scaling(call, scaling, group["scalingConfig"])
        names = {"minSize": "MinSize", "maxSize": "MaxSize", "desiredSize": "DesiredSize"}
        params |= {names[key]: str(value) for key, value in scaling.items()}
    if config := request.get("updateConfig"):
        new["updateConfig"] = _checked_update_config(call, config)
        names = {
            "maxUnavailable": "MaxUnavailable",
            "maxUnavailablePercentage": "MaxUnavailablePercentage",
            "updateStrategy": "UpdateStrategy",
        }
        params |= {names[key]: str(value) for key, value in config.items()}
    if repair := request.get("nodeRepairConfig"):
        new["nodeRepairConfig"] = repair
        params["NodeRepairConfig"] = compact_json(repair)
    if pool := request.get("warmPoolConfig"):
        new["warmPoolConfig"] = pool
        params["WarmPoolEnabled"] = compact_json(pool.get("enabled", False))
    if not new:
        call.refuse_parameter("No changes were specified", nodegroupName=group["nodegroupName"])
    group |= new
    if not group.get("taints"):
        group.pop("taints", None)
    return _start(call, cluster, group, "ConfigUpdate", params)


@behaviour
def update_nodegroup_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UpdateNodegroupVersion: Kubernetes version, node image release, launch template version."""
    cluster, group = _updatable(call, request)
    details = {"clusterName": cluster.name, "nodegroupName": group["nodegroupName"]}
    new: Description = {}
    params: dict[str, str] = {}
    if spec := request.get("launchTemplate"):
        if "launchTemplate" not in group:
            call.refuse_parameter("The node group was created without a launch template", **details)
        template, data = _launch_template(call, spec)
        if template["id"] != group["launchTemplate"]["id"]:
            call.refuse_parameter("You cannot change the launch template, only its version", **details)
        _check_template(call, {}, data)
        if bool(data.get("ImageId")) != (group["amiType"] == "CUSTOM"):
            call.refuse_parameter("You cannot change between a custom and an EKS optimized image", **details)
        new["launchTemplate"] = template
        params |= {"LaunchTemplateName": template["name"], "LaunchTemplateVersion": template["version"]}
        if data.get("ImageId"):
            new["releaseVersion"] = data["ImageId"]
    if group["amiType"] == "CUSTOM":
        if request.get("version") or request.get("releaseVersion"):
            call.refuse_parameter("You cannot specify version or releaseVersion with a custom image", **details)
    elif not spec or request.get("version") or request.get("releaseVersion"):
        version = request.get("version", group["version"])
        if version not in VERSIONS or version not in (group["version"], cluster.description["version"]):
            call.refuse_parameter(
                f"Nodegroup Kubernetes version should be the cluster's: {cluster.description['version']}", **details
            )
        _check_ami(call, group["amiType"], version)
        release = release_version(group["amiType"], version)
        if request.get("releaseVersion", release) != release:
            call.refuse_parameter(
                f"Requested release version {request['releaseVersion']} is not valid for kubernetes version {version}.",
                **details,
            )
        new |= {"version": version, "releaseVersion": release}
        params |= {"Version": version, "ReleaseVersion": release or ""}
    group |= new
    return _start(call, cluster, group, "VersionUpdate", params)


def complete(call: Call, cluster: Cluster, transition: Transition) -> bool:
    """Carry out the end of a node group's transition, once its nodes are what they should be."""
    group = cluster.nodegroups.get(transition.name)
    if group is None:  # gone with a later transition, while this one waited for its nodes
        return True
    if not call.data_plane.is_nodegroup_settled(cluster, group):
        return False
    if not transition.outcome:
        del cluster.nodegroups[transition.name]
        access.retire_node_role(cluster, group["nodeRole"])
    elif group["status"] != "DELETING":
        group["status"] = transition.outcome
    return True
