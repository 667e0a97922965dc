"""Pod identity of one cluster, put together: admission, agent, tokens, and the kubelet that runs pods' commands."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.aws.eks.store import Cluster, Description

from ..kubelet.server import Address as KubeletAddress
from ..kubelet.server import Kubelet
from .admission import COLLECTIONS, Admission
from .agent import Agent, EksAuth
from .api_server import ApiServer, Object
from .node_role import Node, NodeCredentials, NodeSessions, NoNode
from .propagation import Associations, EffectiveAssociations
from .reflector import Key, Reflector
from .tokens import TokenJudge

log = logging.getLogger(__name__)

# How the pods of the add-on's DaemonSet are told.
AGENT_NAMESPACE = "kube-system"
AGENT_LABELS = {"app.kubernetes.io/name": "eks-pod-identity-agent"}
_NODEGROUP_LABEL = "eks.amazonaws.com/nodegroup"
_PORT_FILE = "agent-port"


@dataclass(frozen=True)
class Surroundings:
    """What a cluster's pod identity finds around it.

    Attributes:
        api: the cluster's API server, as an administrator.
        issuer: the issuer of its service account tokens.
        endpoint: URL of AWS.
        kubelet: where the API server expects the kubelet of every node.
        folder: for its files; made when missing.
        node_sessions: issues credentials to nodes, which agents use.
        propagation: seconds until a change of associations is effective.
    """

    api: ApiServer
    issuer: str
    endpoint: str
    kubelet: KubeletAddress
    folder: Path
    node_sessions: NodeSessions
    propagation: float = 5.0


class ClusterPodIdentity:
    """Pod identity of one cluster.

    Args:
        cluster: the cluster, as EKS describes it.
        around: what it finds around it.

    Raises:
        OSError: the folder cannot be made, or no port be had for the agent.
    """

    def __init__(self, cluster: Cluster, around: Surroundings) -> None:
        region = cluster.arn.split(":")[3]
        self._cluster = cluster
        self._api = around.api
        self._folder = around.folder
        around.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.judge = TokenJudge(around.api, around.issuer)
        node = NodeCredentials(around.node_sessions, region, self._node)
        self.agent = self._make_agent(lambda: EksAuth(cluster.name, around.endpoint, region, node))
        (around.folder / _PORT_FILE).write_text(str(self.agent.port))
        self.admission = Admission(around.api, region, self.agent.full_uri)
        self._effective = EffectiveAssociations(
            around.propagation, _by_subject(cluster), self.admission.set_associations
        )
        self._pods = Reflector(around.api, "/api/v1/pods", self._pod_changed)
        self._accounts = Reflector(around.api, "/api/v1/serviceaccounts", self.admission.service_account_changed)
        self._installed = [Reflector(around.api, path, self.admission.object_changed) for path in COLLECTIONS]
        self._kubelet = Kubelet(around.kubelet, around.api, around.folder / "pods", around.endpoint)
        self._agent_pods: dict[Key, Object] = {}
        self._agent_lock = threading.Lock()

    def start(self) -> None:
        """Begin; the API server may still be starting.

        Raises:
            OSError: the kubelet's port cannot be had.
        """
        try:
            self._kubelet.start()
        except OSError:
            self.agent.close()
            raise
        self.admission.start()
        self._effective.start()
        for reflector in (self._accounts, *self._installed, self._pods):
            reflector.start()
        self._switch_agent()

    def stop_writing(self) -> None:
        """Cease to write files, and remove those of the pods, whose commands are ended."""
        self._kubelet.stop()

    def stop(self) -> None:
        """End it; a later start finds the agent's port again."""
        self.stop_writing()
        for reflector in (self._pods, *self._installed, self._accounts):
            reflector.stop()
        self._effective.stop()
        self.admission.stop()
        self.agent.close()

    def associations_changed(self, cluster: Cluster) -> None:
        """Note that an association came, changed or went; called with EKS's lock held."""
        self._effective.change(_by_subject(cluster))

    def association(self, namespace: str, service_account: str) -> Description | None:
        """Return the association that is effective now."""
        return self._effective.get(namespace, service_account)

    def _make_agent(self, connect: Callable[[], EksAuth]) -> Agent:
        """Make the agent at the port of the last start, for the sake of pods that were given its URL."""
        try:
            return Agent(connect, int((self._folder / _PORT_FILE).read_text()))
        except FileNotFoundError:
            return Agent(connect)
        except (OSError, ValueError) as error:
            log.warning("the agent moves to another port, and pods made before cannot reach it: %s", error)
            return Agent(connect)

    def _pod_changed(self, key: Key, pod: Object | None) -> None:
        self._kubelet.pod_changed(key, pod)
        if pod is not None and _is_agent(pod):
            self._agent_pods[key] = pod
        else:
            self._agent_pods.pop(key, None)
        self._switch_agent()

    def _switch_agent(self) -> None:
        """Let the agent run while one of the add-on's pods does; in Auto Mode it is built into the nodes."""
        with self._agent_lock:
            if not (self._auto_mode.get("enabled") or self._agent_pods):
                self.agent.stop()
                return
            try:
                self.agent.start()
            except OSError as error:
                log.error("the pod identity agent cannot listen on port %d: %s", self.agent.port, error)

    @property
    def _auto_mode(self) -> Description:
        return self._cluster.description.get("computeConfig", {})

    def _node(self) -> Node:
        """Return the node that the agent runs on."""
        for pod in list(self._agent_pods.values()):
            node = self._api.find(f"/api/v1/nodes/{pod['spec'].get('nodeName')}")
            if node is None:
                continue
            group = self._cluster.nodegroups.get(node["metadata"].get("labels", {}).get(_NODEGROUP_LABEL, ""))
            if group is not None:
                return Node(node["spec"]["providerID"].rpartition("/")[2], group["nodeRole"])
        if role := self._auto_mode.get("nodeRoleArn"):
            # Its nodes come and go with the pods, and are not shown by this twin.
            return Node(f"i-{secrets.token_hex(8)}0", role)
        raise NoNode("the agent runs on no node of a node group")


def _by_subject(cluster: Cluster) -> Associations:
    # A copy first: at a start the caller does not hold EKS's lock.
    return {(item["namespace"], item["serviceAccount"]): item for item in dict(cluster.associations).values()}


def _is_agent(pod: Object) -> bool:
    """Tell whether a pod is an agent that serves."""
    labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
    if pod["metadata"]["namespace"] != AGENT_NAMESPACE or any(
        labels.get(name) != value for name, value in AGENT_LABELS.items()
    ):
        return False
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
