"""Runs a real Kubernetes for every cluster of the AWS endpoint."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import ipaddress
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Protocol

from local import toolchain
from local.aws.eks import seams
from local.aws.eks.cloud import Cloud, Subnet
from local.aws.eks.store import Cluster, Description

from .addons import Surroundings
from .authentication import Refused, ask_sts, entry_of, read_token, user_of
from .authorization import allowing_policy
from .control_plane import START_SECONDS, TOOLS, ControlPlane, Settings
from .kubelet import leftovers
from .pod_identity.api_server import ApiError, ApiUnavailable
from .processes import end_leftovers
from .runner import ClusterRunner
from .webhooks import WebhookServer

log = logging.getLogger(__name__)

Key = tuple[str, str]


class Eks(Protocol):
    """What the data plane asks of EKS."""

    lock: threading.RLock

    def all_clusters(self) -> Iterable[Cluster]:
        """Yield every cluster."""
        ...


class KubernetesDataPlane:
    """A control plane for every cluster.

    Args:
        state: the endpoint's state folder, in which all of it goes into ``kubernetes``; when None, a temporary
            folder that goes with the endpoint, or with the next one if that was killed.

    Attributes:
        on_ready: called with a cluster when its control plane serves, from a thread of the cluster's own; for what
            else lives in clusters.
        on_associations_changed: called with a cluster when its pod identity associations changed, while EKS
            holds its lock.
        on_stopping: called with a cluster before its control plane is ended.

    Raises:
        ToolchainError: a part of Kubernetes cannot be had.
    """

    def __init__(self, state: Path | None) -> None:
        self._tools = toolchain.ensure(TOOLS)
        self._lock_file: IO[str] | None = None
        self._temporary = state is None
        if state is None:
            self._folder, self._lock_file = _temporary_folder()
        else:
            self._folder = state / "kubernetes"
        self._runners: dict[Key, ClusterRunner] = {}
        self._webhooks = WebhookServer()
        self._eks: Eks | None = None
        self._endpoint_host = ""
        self._lock_of: Callable[[str], Any] | None = None
        self.on_ready: Callable[[Cluster], None] = lambda cluster: None
        self.on_associations_changed: Callable[[Cluster], None] = lambda cluster: None
        self.on_stopping: Callable[[Cluster], None] = lambda cluster: None

    def connect(self, eks: Eks, url: str, lock_of: Callable[[str], Any]) -> None:
        """Say where the endpoint is, before it serves.

        Args:
            eks: its EKS.
            url: its base URL.
            lock_of: returns the lock that serialises one of moto's services.
        """
        self._eks, self._lock_of = eks, lock_of
        self._endpoint_host = url.partition("://")[2]

    def restore(self) -> None:
        """Start the control planes of clusters that the endpoint already has, and wait until they serve.

        What a killed endpoint left running is ended first, also of clusters that are not there any more.

        Raises:
            NeverReady: one did not start.
        """
        assert self._eks is not None
        with self._eks.lock:
            clusters = list(self._eks.all_clusters())
            known = {self._key(cluster) for cluster in clusters}
            leftovers.end_all(self._folder)
            for folder in self._folder.glob("*/*"):
                end_leftovers(folder)
                if (folder.parent.name, folder.name) not in known:
                    shutil.rmtree(folder)
            for cluster in clusters:
                if cluster.description["status"] != "DELETING":
                    self._restore_one(cluster)
        deadline = time.monotonic() + START_SECONDS
        for cluster in clusters:
            runner = self._runners.get(self._key(cluster))
            if runner is not None and not (runner.await_start(deadline - time.monotonic()) and self.is_ready(cluster)):
                raise seams.NeverReady(f"the control plane of {cluster.name} does not get ready")

    def stop(self) -> None:
        """End everything; data stays if the endpoint keeps its state."""
        for runner in self._runners.values():
            runner.stop(keep_data=not self._temporary)
        for runner in self._runners.values():
            runner.join()
        self._webhooks.stop()
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock_file is not None:
            self._lock_file.close()

    def control_plane(self, cluster: Cluster) -> ControlPlane | None:
        """Return a cluster's control plane, for its client, keys, issuer and folder; None when it has none."""
        runner = self._runners.get(self._key(cluster))
        return runner.control_plane if runner is not None else None

    def issuer_keys(self, issuer: str) -> dict[str, Any] | None:
        """Return the JSON Web Key Set of the cluster that has this issuer; None when none has, or it does not serve."""
        for runner in list(self._runners.values()):
            if runner.control_plane.issuer == issuer:
                try:
                    return runner.control_plane.keys()
                except (ApiError, ApiUnavailable) as error:
                    log.info("the keys of %s cannot be had: %s", issuer, error)
        return None

    # --- what EKS decides ---

    def create_cluster(self, cluster: Cluster) -> seams.ControlPlane:
        """Begin to start a control plane."""
        key = self._key(cluster)
        if (earlier := self._runners.get(key)) is not None:
            # Of a deleted cluster of that name, when the endpoint was reset.
            earlier.stop(keep_data=False)
            earlier.join()
        control_plane = self._start(cluster).control_plane
        return seams.ControlPlane(control_plane.url, control_plane.certificate_authority, control_plane.issuer)

    def is_ready(self, cluster: Cluster) -> bool:
        """Tell whether the API server serves.

        Raises:
            NeverReady: it could not be started.
        """
        runner = self._runners[self._key(cluster)]
        if runner.failure is not None and not runner.is_ready:
            raise seams.NeverReady(runner.failure)
        return runner.is_ready

    def delete_cluster(self, cluster: Cluster) -> None:
        """Begin to end a control plane, and to remove its folder."""
        if (runner := self._runners.get(self._key(cluster))) is not None:
            self.on_stopping(cluster)
            runner.stop(keep_data=False)

    def is_gone(self, cluster: Cluster) -> bool:
        """Tell whether nothing runs any more."""
        key = self._key(cluster)
        runner = self._runners.get(key)
        if runner is not None and not runner.has_ended:
            return False
        self._runners.pop(key, None)
        return True

    def nodegroup_changed(self, cluster: Cluster, nodegroup: Description) -> None:
        """Make the nodes what they should be now."""
        if (runner := self._runners.get(self._key(cluster))) is not None:
            runner.want_nodegroup(nodegroup)

    def is_nodegroup_settled(self, cluster: Cluster, nodegroup: Description) -> bool:
        """Tell whether all nodes are there and ready, and no others."""
        runner = self._runners.get(self._key(cluster))
        return runner is None or runner.is_nodegroup_settled(nodegroup["nodegroupName"])

    def addon_changed(self, cluster: Cluster, addon: Description) -> None:
        """Install, change or remove an add-on's objects."""
        if (runner := self._runners.get(self._key(cluster))) is not None:
            runner.want_addon(addon)

    def addon_issues(self, cluster: Cluster, addon: Description) -> list[Description] | None:
        """Judge an add-on by its pods."""
        runner = self._runners.get(self._key(cluster))
        return [] if runner is None else runner.addon_issues(addon["addonName"])

    def associations_changed(self, cluster: Cluster) -> None:
        """Pass it on."""
        self.on_associations_changed(cluster)

    # --- one cluster ---

    @staticmethod
    def _key(cluster: Cluster) -> Key:
        return cluster.arn.split(":")[3], cluster.name

    def _start(self, cluster: Cluster) -> ClusterRunner:
        key = region, name = self._key(cluster)
        arn = cluster.arn.split(":")
        assert self._lock_of is not None
        cloud = Cloud(self._lock_of, arn[4], region, arn[1])
        network = cluster.description["kubernetesNetworkConfig"]
        cidr = network.get("serviceIpv4Cidr") or network["serviceIpv6Cidr"]
        settings = Settings(
            service_cidr=cidr,
            authentication_url=self._webhooks.add(f"/{region}/{name}/authenticate", self._reviewer(cluster)),
            authorization_url=self._webhooks.add(f"/{region}/{name}/authorize", self._authorizer(cluster)),
        )
        runner = ClusterRunner(
            ControlPlane(self._folder / region / name, self._tools),
            settings,
            # The tenth address of the range is where EKS puts the DNS service.
            Surroundings(name, region, str(ipaddress.ip_network(cidr)[10])),
            subnet_of=lambda subnet: _existing(cloud.subnet(subnet), subnet),
            instance_type_of=lambda group: _instance_type(cloud, group),
            on_ready=lambda: self.on_ready(cluster),
        )
        self._runners[key] = runner
        runner.start()
        return runner

    def _restore_one(self, cluster: Cluster) -> None:
        runner = self._start(cluster)
        control_plane = runner.control_plane
        found = {
            "endpoint": control_plane.url,
            "certificateAuthority": {"data": control_plane.certificate_authority},
            "identity": {"oidc": {"issuer": control_plane.issuer}},
        }
        # The same as ever, unless the cluster was created without Kubernetes or its folder was lost.
        cluster.when_active = found
        if cluster.description["status"] != "CREATING":
            cluster.description |= found
        for group in cluster.nodegroups.values():
            runner.want_nodegroup(group)
        for addon in cluster.addons.values():
            runner.want_addon(addon)

    def _reviewer(self, cluster: Cluster) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def review(spec: dict[str, Any]) -> dict[str, Any]:
            try:
                call = read_token(spec["token"], self._endpoint_host, dt.datetime.now(dt.UTC))
                caller = ask_sts(call, cluster.name, self._endpoint_host)
                user = self._user(cluster, caller)
            except Refused as refused:
                log.info("a token for %s is refused: %s", cluster.name, refused)
                return {"authenticated": False, "error": str(refused)}
            return {
                "authenticated": True,
                "user": {"username": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra},
            }

        return review

    def _user(self, cluster: Cluster, caller: Any) -> Any:
        runner = self._runners[self._key(cluster)]
        client = runner.control_plane.client

        def aws_auth() -> dict[str, str]:
            found = client.find("/api/v1/namespaces/kube-system/configmaps/aws-auth")
            return (found or {}).get("data") or {}

        assert self._eks is not None
        try:
            # What needs the API server is asked for before EKS's lock is taken, which nobody may hold for long.
            config = aws_auth() if cluster.description["accessConfig"]["authenticationMode"] != "API" else {}
            node = runner.node_of_instance(caller.session_name) if caller.session_name.startswith("i-") else None
        except (ApiError, ApiUnavailable) as error:
            raise Refused(f"the cluster does not answer: {error}") from error
        with self._eks.lock:
            return user_of(cluster, caller, lambda: config, lambda _: node)

    def _authorizer(self, cluster: Cluster) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def review(spec: dict[str, Any]) -> dict[str, Any]:
            # Only callers that came in by an access entry have it; see the authentication webhook.
            canonical = ((spec.get("extra") or {}).get("canonicalArn") or [""])[0]
            assert self._eks is not None
            with self._eks.lock:
                mode = cluster.description["accessConfig"]["authenticationMode"]
                entry = entry_of(cluster.access_entries, canonical) if canonical and mode != "CONFIG_MAP" else None
                policy = allowing_policy(entry, spec) if entry is not None else None
            if policy is None:
                return {"allowed": False}
            return {"allowed": True, "reason": f"EKS access policy {policy} of {canonical}"}

        return review


def _existing(subnet: Subnet | None, subnet_id: str) -> Subnet:
    if subnet is None:
        raise ApiUnavailable(f"the subnet {subnet_id} does not exist any more")
    return subnet


def _instance_type(cloud: Cloud, group: Description) -> str:
    if types := group.get("instanceTypes"):
        return types[0]
    spec = group.get("launchTemplate", {})
    found = cloud.launch_template(spec.get("id"), None, spec.get("version"))
    return found[3].get("InstanceType", "t3.medium") if found is not None else "t3.medium"


def _temporary_folder() -> tuple[Path, IO[str]]:
    """Make a folder for one run, and clean up after runs that were killed.

    Each run holds a lock in its folder: who can take it knows that the run is over.
    """
    base = Path(tempfile.gettempdir()) / f"eks-pod-identity-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    for folder in base.iterdir():
        with contextlib.suppress(BlockingIOError, FileNotFoundError), open(folder / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftovers.end_all(folder)
            for cluster in folder.glob("*/*/"):
                end_leftovers(cluster)
            shutil.rmtree(folder, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="kubernetes-", dir=base))
    lock = open(folder / "lock", "w")  # noqa: SIM115 - held until the run ends
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock
