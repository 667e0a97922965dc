"""Pod identity of all clusters of an endpoint, between the data plane that runs them and EKS Auth."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from local.aws.authorization.assume_role import RoleAssumption
from local.aws.authorization.gate import Gate
from local.aws.eks.store import Cluster

from ..kubelet.server import Address as KubeletAddress
from .api_server import ApiServer
from .cluster import ClusterPodIdentity, Surroundings
from .node_role import Ec2Sessions
from .tokens import PodTokens

log = logging.getLogger(__name__)


class RunningControlPlane(Protocol):
    """What is needed of a cluster's control plane."""

    folder: Path
    client: ApiServer

    @property
    def issuer(self) -> str:
        """The issuer of its service account tokens."""
        ...

    @property
    def kubelet(self) -> KubeletAddress:
        """Where its API server expects the kubelet of every node."""
        ...


class PodIdentity:
    """Pod identity of all clusters, and the verifier that EKS Auth asks.

    Args:
        propagation: seconds until a change of associations is effective.
        control_plane_of: returns a cluster's control plane, None when it has none.
    """

    def __init__(self, propagation: float, control_plane_of: Callable[[Cluster], RunningControlPlane | None]) -> None:
        self._propagation = propagation
        self._control_plane_of = control_plane_of
        self._url = ""
        self._running: dict[str, ClusterPodIdentity] = {}
        self._ending: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._tokens: PodTokens | None = None
        self._nodes: Ec2Sessions | None = None

    def connect(self, url: str, gate: Gate) -> None:
        """Say where AWS is and who issues credentials there, before any cluster is ready.

        Args:
            url: the endpoint's base URL.
            gate: its IAM and STS.
        """
        self._url = url
        self._nodes = Ec2Sessions(RoleAssumption(gate.directory, gate.sessions))
        self._tokens = PodTokens(gate.pod_identity, lambda cluster: self._running.get(cluster.arn))

    def assume_role(self, cluster: Cluster, token: str) -> dict[str, Any]:
        """Return the members of AssumeRoleForPodIdentityResponse.

        Raises:
            ServiceError: one of the errors that AssumeRoleForPodIdentity models.
        """
        assert self._tokens is not None, "connect() comes first"
        return self._tokens.assume_role(cluster, token)

    def cluster_ready(self, cluster: Cluster) -> None:
        """Begin with a cluster whose control plane serves."""
        control_plane = self._control_plane_of(cluster)
        assert control_plane is not None
        assert self._nodes is not None, "connect() comes first"
        around = Surroundings(
            control_plane.client,
            control_plane.issuer,
            self._url,
            control_plane.kubelet,
            control_plane.folder / "pod-identity",
            self._nodes,
            self._propagation,
        )
        identity = ClusterPodIdentity(cluster, around)
        with self._lock:  # who ends it meanwhile finds it started
            identity.start()
            self._running[cluster.arn] = identity
        # Changes from before it could be told of any.
        identity.associations_changed(cluster)

    def associations_changed(self, cluster: Cluster) -> None:
        """Note that a cluster's associations changed; called with EKS's lock held."""
        if (identity := self._running.get(cluster.arn)) is not None:
            identity.associations_changed(cluster)

    def cluster_stopping(self, cluster: Cluster) -> None:
        """Begin to end with a cluster; called with EKS's lock held, which calls under way may wait for."""
        with self._lock:
            identity = self._running.pop(cluster.arn, None)
            if identity is None:
                return
            thread = threading.Thread(target=identity.stop, name=f"pod-identity-end {cluster.name}", daemon=True)
            self._ending = [*(other for other in self._ending if other.is_alive()), thread]
        # Its folder is removed together with the control plane's, so nothing may be written there from here on.
        identity.stop_writing()
        thread.start()

    def stop(self) -> None:
        """End with all clusters."""
        with self._lock:
            identities, self._running = list(self._running.values()), {}
            ending = self._ending
        for identity in identities:
            identity.stop()
        for thread in ending:
            thread.join()
