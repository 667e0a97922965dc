"""Clusters.

https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html
"""

from __future__ import annotations

import ipaddress
import secrets
from typing import Any

from ..protocol import ServiceError
from . import access
from .call import Call, behaviour, compact_json
from .seams import NeverReady
from .store import Cluster, Description, Transition
from .updates import record_update
from .versions import DEFAULT, VERSIONS, offered

LOG_TYPES = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
_GROUP_DESCRIPTION = (
    "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, "
    "as well as any managed workloads."
)
_PRIVATE_RANGES = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
_NODE_POOLS = {"general-purpose", "system"}


@behaviour
def create_cluster(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CreateCluster."""
    name = request["name"]
    if name in call.region.clusters:
        raise ServiceError("ResourceInUseException", f"Cluster already exists with name: {name}", clusterName=name)
    for member in ("outpostConfig", "kubeApiServerConfig", "kubeSchedulerConfig", "kubeControllerManagerConfig"):
        if member in request:
            call.refuse_parameter(f"{member} is not offered by the local endpoint", clusterName=name)
    if len(call.region.clusters) >= 100:
        raise ServiceError("ResourceLimitExceededException", "Cluster limit exceeded for account.")
    version = request.get("version", DEFAULT)
    if version not in offered(call.now.date()):
        call.refuse_parameter(f"unsupported Kubernetes version: {version}", clusterName=name)
    call.check_role(request["roleArn"], "eks.amazonaws.com", clusterName=name)
    tags = call.check_tags(request.get("tags"))
    network = _vpc_config(call, request["resourcesVpcConfig"])
    encryption = _checked_encryption(call, request.get("encryptionConfig"))
    auto_mode = _checked_auto_mode(call, request)
    mode = request.get("accessConfig", {}).get("authenticationMode")
    bootstrap = request.get("accessConfig", {}).get("bootstrapClusterCreatorAdminPermissions", True)
    if auto_mode and mode == "CONFIG_MAP":
        call.refuse_parameter("EKS Auto Mode requires authentication mode API or API_AND_CONFIG_MAP.")
    if auto_mode and request.get("bootstrapSelfManagedAddons", True):
        call.refuse_parameter("bootstrapSelfManagedAddons must be false for EKS Auto Mode clusters.")
    description: Description = {
        "name": name,
        "arn": call.arn(f"cluster/{name}"),
        "createdAt": call.now,
        "version": version,
        "roleArn": request["roleArn"],
        "resourcesVpcConfig": network,
        "kubernetesNetworkConfig": _kubernetes_network(call, request, network["vpcId"]),
        "logging": _logging(request.get("logging")),
        "status": "CREATING",
        "certificateAuthority": {},
        "platformVersion": VERSIONS[version].platform,
        "tags": tags,
        "health": {"issues": []},
        "accessConfig": {
            "authenticationMode": mode or ("API" if auto_mode else "CONFIG_MAP"),
            "bootstrapClusterCreatorAdminPermissions": bootstrap,
        },
        "upgradePolicy": {"supportType": request.get("upgradePolicy", {}).get("supportType", "EXTENDED")},
        "deletionProtection": request.get("deletionProtection", False),
    }
    if encryption:
        description["encryptionConfig"] = encryption
    # Answered only where asked for, as EKS does; clients take a member that they did not set for drift.
    for member in (
        "zonalShiftConfig",
        "remoteNetworkConfig",
        "computeConfig",
        "storageConfig",
        "controlPlaneScalingConfig",
    ):
        if member in request:
            description[member] = request[member]
    cluster = Cluster(description, creator=call.cloud.caller(call.access_key))
    network["clusterSecurityGroupId"] = _create_security_group(call, name, network["vpcId"])
    control_plane = call.data_plane.create_cluster(cluster)
    cluster.when_active = {
        "endpoint": control_plane.endpoint,
        "certificateAuthority": {"data": control_plane.certificate_authority},
        "identity": {"oidc": {"issuer": control_plane.issuer}},
    }
    call.region.clusters[name] = cluster
    if description["accessConfig"]["authenticationMode"] != "CONFIG_MAP" and bootstrap:
        access.admit_creator(call, cluster)
    if auto_mode and (role := request["computeConfig"].get("nodeRoleArn")):
        access.admit_node_role(call, cluster, role, "EC2")
    _begin(call, cluster, "ACTIVE")
    return {"cluster": description}


def _begin(call: Call, cluster: Cluster, outcome: str, update: str | None = None) -> None:
    call.lifecycle.begin(call.region.account, call.region.name, cluster.name, "cluster", cluster.name, outcome, update)


def _vpc_config(call: Call, request: dict[str, Any]) -> Description:
    subnet_ids = list(dict.fromkeys(request.get("subnetIds") or []))
    group_ids = list(request.get("securityGroupIds") or [])
    vpc_id = check_subnets(call, subnet_ids)
    _check_groups(call, group_ids)
    description: Description = {
        "subnetIds": subnet_ids,
        "securityGroupIds": group_ids,
        "vpcId": vpc_id,
        "endpointPublicAccess": request.get("endpointPublicAccess", True),
        "endpointPrivateAccess": request.get("endpointPrivateAccess", False),
        "publicAccessCidrs": _checked_cidrs(call, request.get("publicAccessCidrs")) or ["0.0.0.0/0"],
    }
    if "controlPlaneEgressMode" in request:
        description["controlPlaneEgressMode"] = request["controlPlaneEgressMode"]
    _check_endpoint_access(call, description)
    return description


def _check_endpoint_access(call: Call, network: Description) -> None:
    if not network["endpointPublicAccess"] and not network["endpointPrivateAccess"]:
        call.refuse_parameter("Private and public endpoint access cannot be false")


def check_subnets(call: Call, subnet_ids: list[str], at_least_zones: int = 2) -> str:
    """Refuse unknown subnets, several VPCs and too few zones; return the VPC's id."""
    if not subnet_ids:
        call.refuse_parameter("Subnets cannot be empty")
    found = []
    for subnet_id in subnet_ids:
        subnet = call.cloud.subnet(subnet_id)
        if subnet is None:
            call.refuse_parameter(f"The subnet ID '{subnet_id}' does not exist")
        found.append(subnet)
    vpcs = sorted({subnet.vpc_id for subnet in found})
    if len(vpcs) > 1:
        call.refuse_parameter(f"Subnets specified must be in the same VPC: {', '.join(vpcs)}")
    if len({subnet.zone for subnet in found}) < at_least_zones:
        call.refuse_parameter("Subnets specified must be in at least two different AZs")
    return vpcs[0]


def _check_groups(call: Call, group_ids: list[str]) -> None:
    if len(group_ids) > 5:
        call.refuse_parameter("You can specify at most 5 security groups")
    for group_id in group_ids:
        if not call.cloud.has_security_group(group_id):
            call.refuse_parameter(f"The security group '{group_id}' does not exist")


def _checked_cidrs(call: Call, cidrs: list[str] | None) -> list[str]:
    for cidr in cidrs or []:
        try:
            ipaddress.ip_network(cidr)
        except ValueError:
            call.refuse_parameter(f"The following CIDRs are not valid: {cidr}")
    return list(cidrs or [])


def _kubernetes_network(call: Call, request: dict[str, Any], vpc_id: str) -> Description:
    asked = request.get("kubernetesNetworkConfig", {})
    family = asked.get("ipFamily", "ipv4")
    description: Description = {
        "ipFamily": family,
        "elasticLoadBalancing": asked.get("elasticLoadBalancing", {"enabled": False}),
    }
    if family == "ipv6":
        if "serviceIpv4Cidr" in asked:
            call.refuse_parameter("ServiceIpv4Cidr cannot be specified for an IPv6 cluster.")
        description["serviceIpv6Cidr"] = f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}::/108"
        return description
    ranges = [ipaddress.ip_network(cidr) for cidr in call.cloud.vpc_cidrs(vpc_id)]
    if "serviceIpv4Cidr" in asked:
        description["serviceIpv4Cidr"] = _checked_service_range(call, asked["serviceIpv4Cidr"], ranges)
    else:
        ten = ipaddress.ip_network("10.0.0.0/8")
        in_ten = any(cidr.overlaps(ten) for cidr in ranges)
        description["serviceIpv4Cidr"] = "172.20.0.0/16" if in_ten else "10.100.0.0/16"
    return description


def _checked_service_range(call: Call, text: str, vpc_ranges: list[Any]) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        call.refuse_parameter(f"Invalid serviceIpv4Cidr: {text}")
    if not any(network.subnet_of(private) for private in _PRIVATE_RANGES if private.version == 4):  # type: ignore[arg-type]
        call.refuse_parameter("serviceIpv4Cidr must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    if not 12 <= network.prefixlen <= 24:
        call.refuse_parameter("serviceIpv4Cidr must have a netmask between /12 and /24")
    if any(network.overlaps(other) for other in vpc_ranges):
        call.refuse_parameter("serviceIpv4Cidr must not overlap with the CIDR blocks of the VPC")
    return text


def _logging(request: dict[str, Any] | None, before: Description | None = None) -> Description:
    enabled: set[str] = set()
    for setup in (before or {}).get("clusterLogging", []):
        if setup["enabled"]:
            enabled |= set(setup["types"])
    for setup in (request or {}).get("clusterLogging", []):
        types = set(setup.get("types", []))
        enabled = enabled | types if setup.get("enabled") else enabled - types
    setups = []
    if on := [kind for kind in LOG_TYPES if kind in enabled]:
        setups.append({"types": on, "enabled": True})
    if off := [kind for kind in LOG_TYPES if kind not in enabled]:
        setups.append({"types": off, "enabled": False})
    return {"clusterLogging": setups}


def _checked_encryption(call: Call, configs: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    for config in configs or []:
        if config.get("resources") != ["secrets"]:
            call.refuse_parameter("Encryption resources must be [secrets]")
        key = config.get("provider", {}).get("keyArn", "")
        if not call.cloud.has_key(key):
            call.refuse_parameter(f"The keyArn in encryptionConfig provider {key} is invalid")
    return list(configs or [])


def _checked_auto_mode(call: Call, request: dict[str, Any]) -> bool:
    """Refuse a half-enabled Auto Mode; return whether it is on."""
    switches = [
        request.get("computeConfig", {}).get("enabled"),
        request.get("kubernetesNetworkConfig", {}).get("elasticLoadBalancing", {}).get("enabled"),
        request.get("storageConfig", {}).get("blockStorage", {}).get("enabled"),
    ]
    if any(switch is not None for switch in switches) and len({bool(switch) for switch in switches}) > 1:
        call.refuse_parameter(
            "For EKS Auto Mode, please ensure that all required configs, including computeConfig, "
            "kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled."
        )
    compute = request.get("computeConfig", {})
    unknown = set(compute.get("nodePools") or []) - _NODE_POOLS
    if unknown:
        call.refuse_parameter(f"Invalid node pools: {', '.join(sorted(unknown))}")
    if compute.get("nodePools") and not compute.get("nodeRoleArn"):
        call.refuse_parameter("When Compute Config nodePools is not empty, nodeRoleArn must be specified.")
    if compute.get("nodeRoleArn"):
        call.check_role(compute["nodeRoleArn"], "ec2.amazonaws.com")
    return bool(switches[0])


def _create_security_group(call: Call, cluster: str, vpc_id: str) -> str:
    name = f"eks-cluster-sg-{cluster}-{secrets.randbelow(10**10)}"
    tags = {"Name": name, "aws:eks:cluster-name": cluster, f"kubernetes.io/cluster/{cluster}": "owned"}
    return call.cloud.create_security_group(vpc_id, name, _GROUP_DESCRIPTION, tags)


def complete(call: Call, cluster: Cluster, transition: Transition) -> bool:
    """Carry out the end of a cluster's transition."""
    if not transition.outcome:
        if not call.data_plane.is_gone(cluster):
            return False
        call.cloud.delete_security_group(cluster.description["resourcesVpcConfig"]["clusterSecurityGroupId"])
        del call.region.clusters[cluster.name]
        return True
    if cluster.description["status"] == "CREATING":
        try:
            if not call.data_plane.is_ready(cluster):
                return False
        except NeverReady as error:
            issue = {"code": "InternalFailure", "message": str(error), "resourceIds": []}
            cluster.description |= {"status": "FAILED", "health": {"issues": [issue]}}
            return True
        cluster.description |= cluster.when_active
    if cluster.description["status"] != "DELETING":
        cluster.description["status"] = transition.outcome
    return True


@behaviour
def describe_cluster(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeCluster."""
    return {"cluster": call.cluster(request["name"]).description}


@behaviour
def list_clusters(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListClusters; clusters registered from elsewhere are not offered, so ``include`` adds none."""
    names, token = call.page({name: name for name in call.region.clusters}, request)
    return {"clusters": names, "nextToken": token}


@behaviour
def delete_cluster(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteCluster."""
    name = request["name"]
    cluster = call.cluster(name)
    if cluster.description.get("deletionProtection"):
        raise ServiceError(
            "InvalidRequestException",
            f"Cluster {name} has deletion protection enabled. Disable deletion protection to delete the cluster.",
            clusterName=name,
        )
    if cluster.nodegroups:
        raise ServiceError("ResourceInUseException", "Cluster has nodegroups attached", clusterName=name)
    if cluster.fargate_profiles:
        raise ServiceError("ResourceInUseException", "Cluster has Fargate profiles attached", clusterName=name)
    status = cluster.description["status"]
    if status not in ("ACTIVE", "FAILED"):
        raise ServiceError(
            "ResourceInUseException", f"Cluster has an operation in progress: {status}", clusterName=name
        )
    cluster.description["status"] = "DELETING"
    call.data_plane.delete_cluster(cluster)
    _begin(call, cluster, "")
    return {"cluster": cluster.description}


# Which member of UpdateClusterConfig is which type of update; EKS takes one type at a time.
_UPDATE_TYPES = {
    "logging": "LoggingUpdate",
    "accessConfig": "AccessConfigUpdate",
    "upgradePolicy": "UpgradePolicyUpdate",
    "zonalShiftConfig": "ZonalShiftConfigUpdate",
    "remoteNetworkConfig": "RemoteNetworkConfigUpdate",
    "deletionProtection": "DeletionProtectionUpdate",
    "controlPlaneScalingConfig": "ControlPlaneScalingConfigUpdate",
}
_AUTO_MODE_MEMBERS = ("computeConfig", "kubernetesNetworkConfig", "storageConfig")


@behaviour
def update_cluster_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UpdateClusterConfig."""
    name = request["name"]
    cluster = _updatable(call, name)
    changes = {key: value for key, value in request.items() if key not in ("name", "clientRequestToken")}
    unsupported = set(changes) - {*_UPDATE_TYPES, *_AUTO_MODE_MEMBERS, "resourcesVpcConfig"}
    if unsupported:
        call.refuse_parameter(f"{sorted(unsupported)[0]} is not offered by the local endpoint", clusterName=name)
    if not changes:
        call.refuse_parameter("No changes needed for the config provided", clusterName=name)
    if len(changes) > 1 and set(changes) - set(_AUTO_MODE_MEMBERS):
        call.refuse_parameter("Only one type of update can be allowed.", clusterName=name)
    if set(changes) <= set(_AUTO_MODE_MEMBERS):
        kind, params, new = _auto_mode_update(call, cluster, changes)
    elif "resourcesVpcConfig" in changes:
        kind, params, new = _vpc_update(call, cluster, changes["resourcesVpcConfig"])
    else:
        member = next(iter(changes))
        kind = _UPDATE_TYPES[member]
        params, new = _simple_update(call, cluster, member, changes[member])
    if all(cluster.description.get(key) == value for key, value in new.items()):
        raise ServiceError("InvalidParameterException", "No changes needed for the config provided", clusterName=name)
    cluster.description |= new
    if "accessConfig" in new and new["accessConfig"]["bootstrapClusterCreatorAdminPermissions"]:
        access.admit_creator(call, cluster)
    update = record_update(call, cluster, kind, params)
    cluster.description["status"] = "UPDATING"
    _begin(call, cluster, "ACTIVE", update["id"])
    return {"update": update}


def _updatable(call: Call, name: str) -> Cluster:
    cluster = call.cluster(name)
    status = cluster.description["status"]
    if status != "ACTIVE":
        raise ServiceError(
            "ResourceInUseException",
            f"Cannot perform this operation while cluster {name} is in status {status}",
            clusterName=name,
        )
    return cluster


def _vpc_update(call: Call, cluster: Cluster, asked: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, Any]]:
    network = dict(cluster.description["resourcesVpcConfig"])
    moves = [key for key in ("subnetIds", "securityGroupIds") if key in asked]
    reach = [key for key in ("endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs") if key in asked]
    if moves and reach:
        call.refuse_parameter("Only one type of update can be allowed.", clusterName=cluster.name)
    if "subnetIds" in asked:
        if check_subnets(call, asked["subnetIds"]) != network["vpcId"]:
            call.refuse_parameter("Provided subnets belong to a different VPC than the cluster's.")
        network["subnetIds"] = list(asked["subnetIds"])
    if "securityGroupIds" in asked:
        _check_groups(call, asked["securityGroupIds"])
        network["securityGroupIds"] = list(asked["securityGroupIds"])
    if "publicAccessCidrs" in asked:
        network["publicAccessCidrs"] = _checked_cidrs(call, asked["publicAccessCidrs"]) or ["0.0.0.0/0"]
    for key in ("endpointPublicAccess", "endpointPrivateAccess", "controlPlaneEgressMode"):
        if key in asked:
            network[key] = asked[key]
    _check_endpoint_access(call, network)
    names = {
        "endpointPublicAccess": "EndpointPublicAccess",
        "endpointPrivateAccess": "EndpointPrivateAccess",
        "publicAccessCidrs": "PublicAccessCidrs",
        "subnetIds": "Subnets",
        "securityGroupIds": "SecurityGroups",
        "controlPlaneEgressMode": "ControlPlaneEgressMode",
    }
    params = {names[key]: value if isinstance(value, str) else compact_json(value) for key, value in asked.items()}
    kind = "VpcConfigUpdate" if moves else "EndpointAccessUpdate"
    if set(asked) == {"controlPlaneEgressMode"}:
        kind = "ControlPlaneEgressUpdate"
    return kind, params, {"resourcesVpcConfig": network}


def _simple_update(call: Call, cluster: Cluster, member: str, asked: Any) -> tuple[dict[str, str], dict[str, Any]]:
    before = cluster.description.get(member)
    if member == "logging":
        return {"ClusterLogging": compact_json(asked)}, {member: _logging(asked, before)}
    if member == "accessConfig":
        new = _changed_access(call, cluster.description["accessConfig"], asked)
        return {"AuthenticationMode": new["authenticationMode"]}, {member: new}
    if member == "upgradePolicy":
        return {"UpgradePolicy": asked.get("supportType", "EXTENDED")}, {member: asked}
    if member == "controlPlaneScalingConfig":
        tiers = {"UpdatedTier": asked.get("tier", "standard"), "PreviousTier": (before or {}).get("tier", "standard")}
        return tiers, {member: asked}
    name = {
        "zonalShiftConfig": "ZonalShiftConfig",
        "remoteNetworkConfig": "RemoteNetworkConfig",
        "deletionProtection": "DeletionProtection",
    }[member]
    return {name: compact_json(asked)}, {member: asked}


def _changed_access(call: Call, before: Description, asked: dict[str, Any]) -> Description:
    """Apply an authentication mode; it only ever moves from the ConfigMap towards the API."""
    order = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"]
    old, new = before["authenticationMode"], asked.get("authenticationMode", before["authenticationMode"])
    if order.index(new) not in (order.index(old), order.index(old) + 1):
        call.refuse_parameter(f"Unsupported authentication mode update from {old} to {new}")
    return {**before, "authenticationMode": new}


def _auto_mode_update(
    call: Call, cluster: Cluster, changes: dict[str, Any]
) -> tuple[str, dict[str, str], dict[str, Any]]:
    enabled = _checked_auto_mode(call, changes)
    if enabled and cluster.description["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
        call.refuse_parameter("EKS Auto Mode requires authentication mode API or API_AND_CONFIG_MAP.")
    network = dict(cluster.description["kubernetesNetworkConfig"])
    network |= changes.get("kubernetesNetworkConfig", {})
    new: dict[str, Any] = {"kubernetesNetworkConfig": network}
    if "computeConfig" in changes:
        before = cluster.description.get("computeConfig", {})
        new["computeConfig"] = {**before, **changes["computeConfig"]}
        if enabled and (role := changes["computeConfig"].get("nodeRoleArn")):
            access.admit_node_role(call, cluster, role, "EC2")
    if "storageConfig" in changes:
        new["storageConfig"] = changes["storageConfig"]
    names = {
        "computeConfig": "ComputeConfig",
        "kubernetesNetworkConfig": "KubernetesNetworkConfig",
        "storageConfig": "StorageConfig",
    }
    return "AutoModeUpdate", {names[key]: compact_json(value) for key, value in changes.items()}, new


@behaviour
def update_cluster_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UpdateClusterVersion: to the next minor version, and no other."""
    name, target = request["name"], request["version"]
    cluster = _updatable(call, name)
    current = cluster.description["version"]
    if target == current:
        call.refuse_parameter(f"Cluster is already at the desired version: {target}", clusterName=name)
    if target not in offered(call.now.date()):
        call.refuse_parameter(f"unsupported Kubernetes version: {target}", clusterName=name)
    if VERSIONS[target].minor != VERSIONS[current].minor + 1:
        call.refuse_parameter(
            f"Unsupported Kubernetes minor version update from {current} to {target}", clusterName=name
        )
    # Kubelets may be up to three minor versions older than the API server.
    behind = [
        group["nodegroupName"]
        for group in cluster.nodegroups.values()
        if VERSIONS[target].minor - VERSIONS[group["version"]].minor > 3
    ]
    if behind and not request.get("force"):
        call.refuse_parameter(
            f"Nodegroups {', '.join(sorted(behind))} must be updated before the cluster version can be updated",
            clusterName=name,
        )
    cluster.description |= {
        "version": target,
        "platformVersion": VERSIONS[target].platform,
        "status": "UPDATING",
    }
    params = {"Version": target, "PlatformVersion": VERSIONS[target].platform}
    update = record_update(call, cluster, "VersionUpdate", params)
    _begin(call, cluster, "ACTIVE", update["id"])
    return {"update": update}


@behaviour
def associate_encryption_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """AssociateEncryptionConfig: once in a cluster's life."""
    name = request["clusterName"]
    cluster = _updatable(call, name)
    if cluster.description.get("encryptionConfig"):
        call.refuse_parameter("Encryption is already enabled on the cluster", clusterName=name)
    if not request["encryptionConfig"]:
        call.refuse_parameter("encryptionConfig cannot be empty", clusterName=name)
    cluster.description["encryptionConfig"] = _checked_encryption(call, request["encryptionConfig"])
    params = {"EncryptionConfig": compact_json(request["encryptionConfig"])}
    update = record_update(call, cluster, "AssociateEncryptionConfig", params)
    cluster.description["status"] = "UPDATING"
    _begin(call, cluster, "ACTIVE", update["id"])
    return {"update": update}
