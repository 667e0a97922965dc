"""Managed node groups as Nodes, the way EKS's own look.

https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html
https://kubernetes.io/docs/reference/labels-annotations-taints/
"""

from __future__ import annotations

import hashlib
import ipaddress
import random
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from local.aws.eks.cloud import Subnet
from local.aws.eks.store import Description

from .control_plane import HOST, KUBELET_ADDRESS_TYPE
from .kubelet.server import FEATURE

GROUP_LABEL = "eks.amazonaws.com/nodegroup"
IMAGE_LABEL = "eks.amazonaws.com/nodegroup-image"
_EFFECTS = {
    "NO_SCHEDULE": "NoSchedule",
    "NO_EXECUTE": "NoExecute",
    "PREFER_NO_SCHEDULE": "PreferNoSchedule",
}


@dataclass(frozen=True)
class Machine:
    """What an instance type has.

    Attributes:
        architecture: as Kubernetes names it.
        pods: how many pods get an address from its network interfaces.
    """

    name: str
    cpus: int
    memory_mib: int
    architecture: str
    pods: int

    @classmethod
    def of_type(cls, name: str) -> Machine:
        """Return what an instance type has, by EC2's own data."""
        from moto.ec2.models.instance_types import INSTANCE_TYPES

        facts: dict[str, Any] = INSTANCE_TYPES[name]
        network = facts["NetworkInfo"]
        arm = "arm64" in facts["ProcessorInfo"]["SupportedArchitectures"]
        return cls(
            name,
            facts["VCpuInfo"]["DefaultVCpus"],
            facts["MemoryInfo"]["SizeInMiB"],
            "arm64" if arm else "amd64",
            # https://github.com/awslabs/amazon-eks-ami/blob/main/nodeadm/internal/kubelet/eni-max-pods.txt
            network["MaximumNetworkInterfaces"] * (network["Ipv4AddressesPerInterface"] - 1) + 2,
        )

    def capacity(self) -> dict[str, str]:
        """Return a node's capacity; firmware and kernel keep about four percent of the memory."""
        return {
            "cpu": str(self.cpus),
            "memory": f"{self.memory_mib * 96 // 100}Mi",
            "pods": str(self.pods),
            "ephemeral-storage": "20893676Ki",
        }

    def allocatable(self) -> dict[str, str]:
        """Return what is left for pods after what EKS's images reserve.

        https://awslabs.github.io/amazon-eks-ami/nodeadm/doc/api/
        """
        first_cores = (60, 10, 5, 5)
        reserved_cpu = sum(first_cores[: self.cpus]) + max(0, self.cpus - 4) * 2.5
        reserved_memory = 255 + 11 * self.pods + 100
        return {
            **self.capacity(),
            "cpu": f"{self.cpus * 1000 - int(reserved_cpu)}m",
            "memory": f"{self.memory_mib * 96 // 100 - reserved_memory}Mi",
        }


def image_of(group: Description) -> str:
    """Return the id of the image that a group's nodes run: one for each type and release."""
    if group["amiType"] == "CUSTOM":
        return group["releaseVersion"]
    digest = hashlib.sha256(f"{group['amiType']} {group['releaseVersion']}".encode())
    return f"ami-{digest.hexdigest()[:17]}"


def desired_count(group: Description) -> int:
    """Return how many nodes a group should have now."""
    return 0 if group["status"] == "DELETING" else group["scalingConfig"]["desiredSize"]


def new_node(
    group: Description, region: str, subnet: Subnet, machine: Machine, kubelet_port: int, taken: Collection[str]
) -> Description:
    """Return a new node of a group.

    Args:
        kubelet_port: where the API server finds its kubelet, on this machine.
        taken: addresses that other nodes have.
    """
    address = _free_address(subnet.cidr, taken)
    name = f"ip-{address.replace('.', '-')}.{_domain(region)}"
    windows = group["amiType"].startswith("WINDOWS")
    node: Description = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {}, "annotations": {}},
        "spec": {"providerID": f"aws:///{subnet.zone}/i-{secrets.token_hex(9)[:17]}"},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "InternalDNS", "address": name},
                {"type": "Hostname", "address": name},
                {"type": KUBELET_ADDRESS_TYPE, "address": HOST},
            ],
            "capacity": machine.capacity(),
            "allocatable": machine.allocatable(),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
            "declaredFeatures": [FEATURE],
            "nodeInfo": _node_info(group, machine, "windows" if windows else "linux"),
        },
    }
    system = "windows" if windows else "linux"
    labels = {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/instance-type": machine.name,
        "beta.kubernetes.io/os": system,
        "eks.amazonaws.com/capacityType": group["capacityType"],
        GROUP_LABEL: group["nodegroupName"],
        IMAGE_LABEL: image_of(group),
        "failure-domain.beta.kubernetes.io/region": region,
        "failure-domain.beta.kubernetes.io/zone": subnet.zone,
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": system,
        "node.kubernetes.io/instance-type": machine.name,
        "topology.k8s.aws/zone-id": subnet.zone_id,
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": subnet.zone,
    }
    if template := group.get("launchTemplate"):
        labels["eks.amazonaws.com/sourceLaunchTemplateId"] = template["id"]
        labels["eks.amazonaws.com/sourceLaunchTemplateVersion"] = template["version"]
    node["metadata"]["labels"] = labels
    return node


def configured(node: Description, group: Description, cordoned: bool = False) -> Description:
    """Return what a node should be, by its group's labels and taints as they are now: a body to apply.

    Args:
        node: as it was made, or as it is.
        cordoned: whether new pods must stay away.
    """
    system = {key: value for key, value in node["metadata"]["labels"].items() if _is_eks_label(key)}
    body: Description = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node["metadata"]["name"], "labels": {**(group.get("labels") or {}), **system}},
        "spec": {"providerID": node["spec"]["providerID"]},
    }
    if taints := group.get("taints"):
        body["spec"]["taints"] = [
            {"key": taint["key"], "value": taint.get("value", ""), "effect": _EFFECTS[taint["effect"]]}
            for taint in taints
        ]
    if cordoned:
        body["spec"]["unschedulable"] = True
    return body


def is_ready(node: Description) -> bool:
    """Tell whether a node is Ready."""
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def instance_id(node: Description) -> str:
    """Return the id of the EC2 instance that a node is."""
    return node["spec"].get("providerID", "").rpartition("/")[2]


def address_of(node: Description) -> str:
    """Return a node's address in its VPC."""
    addresses = node.get("status", {}).get("addresses", [])
    return next((entry["address"] for entry in addresses if entry["type"] == "InternalIP"), "")


def _is_eks_label(key: str) -> bool:
    # EKS refuses these prefixes in a node group's own labels.
    domain = key.partition("/")[0]
    return domain.endswith(("kubernetes.io", "k8s.io", "k8s.aws", "eks.amazonaws.com"))


def _domain(region: str) -> str:
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def _free_address(cidr: str, taken: Collection[str]) -> str:
    network = ipaddress.ip_network(cidr)
    # The first four addresses and the last are AWS's own.
    for _ in range(10_000):
        address = str(network[random.randrange(4, network.num_addresses - 1)])
        if address not in taken:
            return address
    raise ValueError(f"there is no free address in {cidr}")


def _node_info(group: Description, machine: Machine, system: str) -> dict[str, str]:
    kubernetes = (group["releaseVersion"] or "").partition("-")[0]
    if kubernetes.count(".") != 2:
        kubernetes = f"{group['version']}.0"
    build = hashlib.sha256(kubernetes.encode()).hexdigest()[:7]
    processor = {"amd64": "x86_64", "arm64": "aarch64"}[machine.architecture]
    unique = secrets.token_hex(16)
    return {
        "architecture": machine.architecture,
        "bootID": unique,
        "containerRuntimeVersion": "containerd://2.1.5",
        "kernelVersion": f"6.12.53-69.119.amzn2023.{processor}",
        "kubeProxyVersion": "",
        "kubeletVersion": f"v{kubernetes}-eks-{build}",
        "machineID": f"ec2{unique[3:]}",
        "operatingSystem": system,
        "osImage": "Windows Server 2022 Datacenter" if system == "windows" else "Amazon Linux 2023",
        "systemUUID": f"ec2{unique[3:]}",
    }
