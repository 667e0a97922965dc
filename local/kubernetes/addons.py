"""Add-ons as the objects that EKS installs for them.

Those that every cluster has are here, and Pod Identity's agent. Others on offer install nothing: EKS reports
them as healthy, and nothing here depends on them.

https://docs.aws.amazon.com/eks/latest/userguide/workloads-add-ons-available-eks.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from local.aws.eks.store import Description

_REGISTRY_ACCOUNT = "602401143452"
_NOT_ON_VIRTUAL_NODES = ["fargate", "hybrid", "auto"]
# The version whose chart this follows, and whose behaviour the twin's agent does: see pod_identity.agent.
_AGENT_IMAGE_TAG = "v0.1.37"


@dataclass(frozen=True)
class Surroundings:
    """What an add-on's objects depend on besides the add-on.

    Attributes:
        dns_address: the cluster address of the DNS service.
    """

    cluster: str
    region: str
    dns_address: str


@dataclass(frozen=True)
class Installed:
    """One object of an add-on.

    Attributes:
        path: where it is in the API.
    """

    path: str
    body: Description


def objects_of(addon: Description, around: Surroundings) -> list[Installed]:
    """Return the objects that an add-on consists of, workload last."""
    make = _MAKERS.get(addon["addonName"])
    if make is None:
        return []
    values = yaml.safe_load(addon.get("configurationValues") or "") or {}
    return [_placed(body) for body in make(addon, values, around)]


def health_issues(objects: list[Description | None], patience_is_over: bool) -> list[Description] | None:
    """Judge an add-on by its workloads as they are.

    As on EKS a DaemonSet without any node to run on is healthy, because it has all pods that it wants, and
    a Deployment whose pods find no node is not.

    Args:
        objects: the add-on's objects as the API server has them; None for one that is not there.
        patience_is_over: whether what is not ready by now counts as unhealthy.

    Returns:
        The issues, as DescribeAddon has them; none when it is healthy, None when it is too early to say.
    """
    for found in objects:
        if found is None:
            return None
        if found["kind"] not in ("DaemonSet", "Deployment"):
            continue
        status = found.get("status", {})
        if status.get("observedGeneration", 0) < found["metadata"]["generation"]:
            return None
        if _is_complete(found, status):
            continue
        if not patience_is_over:
            return None
        return [
            {
                "code": "InsufficientNumberOfReplicas",
                "message": "The add-on is unhealthy because it doesn't have the desired number of replicas.",
                "resourceIds": [],
            }
        ]
    return []


def _is_complete(workload: Description, status: Description) -> bool:
    if workload["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        return status.get("numberReady", 0) >= wanted and status.get("updatedNumberScheduled", 0) >= wanted
    wanted = workload["spec"].get("replicas", 1)
    return status.get("readyReplicas", 0) >= wanted and status.get("updatedReplicas", 0) >= wanted


def _agent(addon: Description, values: dict[str, Any], around: Surroundings) -> list[Description]:
    """https://github.com/aws/eks-pod-identity-agent/tree/main/charts/eks-pod-identity-agent"""
    name = "eks-pod-identity-agent"
    agent = values.get("agent") or {}
    init = values.get("init") or {}
    probe_port = agent.get("probePort", 2703)
    environment = {"AWS_REGION": around.region, **(values.get("env") or {})}
    pull_policy = (values.get("image") or {}).get("pullPolicy", "Always")
    server = {
        "name": name,
        "image": _image(around, f"eks/{name}", _AGENT_IMAGE_TAG),
        "imagePullPolicy": pull_policy,
        "command": ["/go-runner", "/eks-pod-identity-agent", "server"],
        "args": [
            *("--port", "80"),
            *("--cluster-name", around.cluster),
            *("--probe-port", str(probe_port)),
            *_flags(agent.get("additionalArgs")),
        ],
        "env": _environment(environment),
        "ports": [
            {"containerPort": 80, "protocol": "TCP", "name": "proxy"},
            {"containerPort": probe_port, "protocol": "TCP", "name": "probes-port"},
        ],
        "securityContext": {"capabilities": {"add": ["CAP_NET_BIND_SERVICE"]}},
        "livenessProbe": _probe("/healthz", delay=30, failures=3),
        "readinessProbe": _probe("/readyz", delay=1, failures=30),
        "resources": values.get("resources") or {},
    }
    pod: Description = {
        "automountServiceAccountToken": False,
        "affinity": values.get("affinity") or _node_affinity(_NOT_ON_VIRTUAL_NODES),
        "priorityClassName": values.get("priorityClassName") or "system-node-critical",
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 30,
        "tolerations": values.get("tolerations") or [{"operator": "Exists"}],
        "containers": [server],
    }
    if init.get("create", True):
        pod["initContainers"] = [
            {
                "name": f"{name}-init",
                "image": server["image"],
                "imagePullPolicy": pull_policy,
                "command": ["/go-runner", "/eks-pod-identity-agent", "initialize"],
                "args": _flags(init.get("additionalArgs")),
                "securityContext": {"privileged": True},
            }
        ]
    for key in ("nodeSelector", "imagePullSecrets"):
        if values.get(key):
            pod[key] = values[key]
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name}
    daemonset = _daemonset(addon, name, labels, pod, values.get("updateStrategy") or _rolling("10%"))
    template = daemonset["spec"]["template"]["metadata"]
    template["labels"] |= values.get("podLabels") or {}
    if values.get("podAnnotations"):
        template["annotations"] = values["podAnnotations"]
    cloud = (values.get("daemonsets") or {}).get("cloud") or {}
    return [daemonset] if cloud.get("create", True) else []


def _vpc_cni(addon: Description, values: dict[str, Any], around: Surroundings) -> list[Description]:
    name = "aws-node"
    pod = {
        "serviceAccountName": name,
        "affinity": values.get("affinity") or _node_affinity(_NOT_ON_VIRTUAL_NODES),
        "priorityClassName": "system-node-critical",
        "hostNetwork": True,
        "tolerations": values.get("tolerations") or [{"operator": "Exists"}],
        "initContainers": [{"name": "aws-vpc-cni-init", "image": _image(around, "amazon-k8s-cni-init", addon)}],
        "containers": [
            {
                "name": name,
                "image": _image(around, "amazon-k8s-cni", addon),
                "env": _environment({"CLUSTER_NAME": around.cluster, **(values.get("env") or {})}),
                "resources": values.get("resources") or {"requests": {"cpu": "25m"}},
            },
            {"name": "aws-eks-nodeagent", "image": _image(around, "amazon/aws-network-policy-agent", addon)},
        ],
    }
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "aws-vpc-cni", "k8s-app": name}
    return [_service_account(addon, name), _daemonset(addon, name, labels, pod, _rolling("10%"))]


def _kube_proxy(addon: Description, values: dict[str, Any], around: Surroundings) -> list[Description]:
    name = "kube-proxy"
    pod = {
        "serviceAccountName": name,
        "affinity": values.get("affinity") or _node_affinity(["fargate", "auto"]),
        "priorityClassName": "system-node-critical",
        "hostNetwork": True,
        "tolerations": values.get("tolerations") or [{"operator": "Exists"}],
        "containers": [
            {
                "name": name,
                "image": _image(around, "eks/kube-proxy", addon),
                "command": ["kube-proxy", "--v=2", "--config=/var/lib/kube-proxy-config/config"],
                "resources": values.get("resources") or {"requests": {"cpu": "100m"}},
            }
        ],
    }
    return [_service_account(addon, name), _daemonset(addon, name, {"k8s-app": name}, pod, _rolling("10%"))]


def _coredns(addon: Description, values: dict[str, Any], around: Surroundings) -> list[Description]:
    name, labels = "coredns", {"eks.amazonaws.com/component": "coredns", "k8s-app": "kube-dns"}
    pod = {
        "serviceAccountName": name,
        "affinity": values.get("affinity") or _node_affinity([]),
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "tolerations": values.get("tolerations")
        or [
            {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
        ],
        "containers": [
            {
                "name": name,
                "image": _image(around, "eks/coredns", addon),
                "args": ["-conf", "/etc/coredns/Corefile"],
                "resources": values.get("resources")
                or {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}},
            }
        ],
    }
    deployment = _workload(addon, "Deployment", name, labels, pod)
    deployment["spec"] |= {
        "replicas": values.get("replicaCount", 2),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
    }
    service: Description = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "namespace": _namespace(addon),
            "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {
            "selector": {"k8s-app": "kube-dns"},
            "clusterIP": around.dns_address,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
            ],
        },
    }
    return [_service_account(addon, name), service, deployment]


_MAKERS: dict[str, Callable[[Description, dict[str, Any], Surroundings], list[Description]]] = {
    "coredns": _coredns,
    "eks-pod-identity-agent": _agent,
    "kube-proxy": _kube_proxy,
    "vpc-cni": _vpc_cni,
}


def _namespace(addon: Description) -> str:
    return addon["namespaceConfig"]["namespace"]


def _image(around: Surroundings, repository: str, tag: str | Description) -> str:
    suffix = "amazonaws.com.cn" if around.region.startswith("cn-") else "amazonaws.com"
    chosen = tag if isinstance(tag, str) else tag["addonVersion"]
    return f"{_REGISTRY_ACCOUNT}.dkr.ecr.{around.region}.{suffix}/{repository}:{chosen}"


def _flags(arguments: dict[str, str] | None) -> list[str]:
    return [part for flag, value in (arguments or {}).items() for part in (flag, value) if part]


def _environment(variables: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": str(value)} for name, value in variables.items()]


def _probe(path: str, delay: int, failures: int) -> Description:
    return {
        "httpGet": {"host": "localhost", "path": path, "port": "probes-port", "scheme": "HTTP"},
        "failureThreshold": failures,
        "initialDelaySeconds": delay,
        "timeoutSeconds": 10,
    }


def _node_affinity(excluded_compute_types: list[str]) -> Description:
    expressions = [
        {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
        {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64", "arm64"]},
    ]
    if excluded_compute_types:
        expressions.append(
            {"key": "eks.amazonaws.com/compute-type", "operator": "NotIn", "values": excluded_compute_types}
        )
    terms = [{"matchExpressions": expressions}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def _rolling(max_unavailable: str) -> Description:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max_unavailable}}


def _service_account(addon: Description, name: str) -> Description:
    metadata: Description = {"name": name, "namespace": _namespace(addon)}
    if role := addon.get("serviceAccountRoleArn"):
        metadata["annotations"] = {"eks.amazonaws.com/role-arn": role}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def _daemonset(
    addon: Description, name: str, labels: dict[str, str], pod: Description, strategy: Description
) -> Description:
    workload = _workload(addon, "DaemonSet", name, labels, pod)
    workload["spec"]["updateStrategy"] = strategy
    return workload


def _workload(addon: Description, kind: str, name: str, labels: dict[str, str], pod: Description) -> Description:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": _namespace(addon), "labels": dict(labels)},
        "spec": {
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": dict(labels)}, "spec": pod},
        },
    }


_COLLECTIONS = {
    "DaemonSet": "/apis/apps/v1/namespaces/{namespace}/daemonsets",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
}


def _placed(body: Description) -> Installed:
    metadata = body["metadata"]
    return Installed(_COLLECTIONS[body["kind"]].format(**metadata) + f"/{metadata['name']}", body)
