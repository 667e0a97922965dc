"""Runs one cluster: its control plane, and the nodes and add-ons in it as EKS wants them.

One thread for each cluster does everything, in passes like a Kubernetes controller's: compare what should be with what
is, do the next step, look again. What should be is set from other threads at any time.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from local.aws.eks.cloud import Subnet
from local.aws.eks.store import Description

from . import addons, nodes
from .control_plane import ControlPlane, ControlPlaneFailed, Settings
from .pod_identity.api_server import ApiError, ApiUnavailable

log = logging.getLogger(__name__)

_NODES = "/api/v1/nodes"
# While something is under way; with nothing to do, drift is looked for now and then.
_STEP_SECONDS = 0.1
_IDLE_SECONDS = 2.0
# How long an add-on may take before it counts as unhealthy.
_PATIENCE_SECONDS = 5.0
# How long pods may resist their eviction; then the node goes all the same.
_DRAIN_SECONDS = 900.0


@dataclass
class _Wanted:
    """A node group or an add-on as it should be."""

    description: Description
    since: float
    settled: bool = False
    issues: list[Description] | None = None


class ClusterRunner:
    """Runs one cluster until it is told to stop.

    Args:
        control_plane: not yet started.
        settings: for its start.
        around: for add-ons.
        subnet_of: returns a subnet.
        instance_type_of: returns the instance type of a node group's next node.
        on_ready: called once when the control plane serves, from the cluster's own thread; the cluster is ready when
            it has returned.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        settings: Settings,
        around: addons.Surroundings,
        subnet_of: Callable[[str], Subnet],
        instance_type_of: Callable[[Description], str],
        on_ready: Callable[[], None],
    ) -> None:
        self.control_plane = control_plane
        self.failure: str | None = None
        self._settings = settings
        self._around = around
        self._subnet_of = subnet_of
        self._instance_type_of = instance_type_of
        self._on_ready = on_ready
        self._groups: dict[str, _Wanted] = {}
        self._addons: dict[str, _Wanted] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._ready = threading.Event()
        self._started = threading.Event()
        self._stopping = threading.Event()
        self._keep_data = True
        # What was last applied, so that a pass without a change costs reads only.
        self._applied: dict[str, str] = {}
        self._draining: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name=f"cluster-{around.cluster}", daemon=True)

    def start(self) -> None:
        """Begin to start the control plane."""
        self._thread.start()

    def stop(self, keep_data: bool) -> None:
        """Begin to end it; without its data, its folder goes too."""
        self._keep_data = keep_data
        self._stopping.set()
        self._changed.set()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    @property
    def is_ready(self) -> bool:
        """Whether the control plane serves."""
        return self._ready.is_set()

    def await_start(self, seconds: float) -> bool:
        """Wait until the control plane serves or cannot be started; return whether either has come."""
        return self._started.wait(seconds)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return not self._thread.is_alive()

    def want_nodegroup(self, group: Description) -> None:
        """Say how a node group should be now."""
        self._want(self._groups, group["nodegroupName"], group)

    def want_addon(self, addon: Description) -> None:
        """Say how an add-on should be now."""
        self._want(self._addons, addon["addonName"], addon)

    def is_nodegroup_settled(self, name: str) -> bool:
        """Tell whether a node group is as it should be."""
        with self._lock:
            wanted = self._groups.get(name)
            return wanted is None or wanted.settled

    def addon_issues(self, name: str) -> list[Description] | None:
        """Return what is wrong with an add-on, None when it is too early to tell."""
        with self._lock:
            wanted = self._addons.get(name)
            return [] if wanted is None else wanted.issues

    def node_of_instance(self, instance: str) -> str | None:
        """Return the name of the node that an EC2 instance is."""
        for node in self.control_plane.client.get(_NODES)["items"]:
            if instance and nodes.instance_id(node) == instance:
                return node["metadata"]["name"]
        return None

    def _want(self, wanted: dict[str, _Wanted], name: str, description: Description) -> None:
        with self._lock:
            # A copy, because descriptions are live and change under a lock that this thread must not take.
            wanted[name] = _Wanted(copy.deepcopy(description), time.monotonic())
        self._changed.set()

    # --- the cluster's thread ---

    def _run(self) -> None:
        try:
            self.control_plane.start(self._settings, self._stopping)
            if not self._stopping.is_set():
                self._on_ready()
                self._ready.set()
                self._started.set()
            self._pass_until_stopped()
        except (ControlPlaneFailed, OSError) as error:  # a port or a disk that cannot be had
            self._fail(str(error))
        except Exception as error:  # a fault of ours ends this cluster and no other
            log.exception("the cluster %s has failed", self._around.cluster)
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            self.control_plane.stop(self._keep_data)
            if self._stopping.is_set() and not self._keep_data:
                shutil.rmtree(self.control_plane.folder)
                with contextlib.suppress(OSError):  # another cluster of the region is in there
                    self.control_plane.folder.parent.rmdir()

    def _fail(self, message: str) -> None:
        log.error("the control plane of %s has failed: %s", self._around.cluster, message)
        # The folder holds the logs, and the cluster is there until somebody deletes it.
        self.control_plane.stop(self._keep_data)
        self.failure = message
        self._started.set()
        self._stopping.wait()

    def _pass_until_stopped(self) -> None:
        while not self._stopping.is_set():
            self._changed.clear()
            try:
                done = self._pass()
            except (ApiError, ApiUnavailable) as error:
                # A conflict with somebody else's change, or a server that is busy: the next pass sees what is.
                log.debug("%s: %s", self._around.cluster, error)
                done = False
            self.control_plane.check()
            self._changed.wait(_IDLE_SECONDS if done else _STEP_SECONDS)

    def _pass(self) -> bool:
        """Take the next steps; return whether there are none left."""
        with self._lock:
            groups, add_ons = dict(self._groups), dict(self._addons)
        everything = self.control_plane.client.get(_NODES)["items"] if groups else []
        done = True
        for name, wanted in groups.items():
            settled = self._step_nodegroup(wanted.description, everything)
            wanted.settled = settled
            if settled and wanted.description["status"] == "DELETING":
                self._forget(self._groups, name, wanted)
            done = done and settled
        for name, wanted in add_ons.items():
            if wanted.description["status"] == "DELETING":
                gone = self._remove_addon(wanted.description)
                if gone:
                    self._forget(self._addons, name, wanted)
                done = done and gone
            else:
                wanted.issues = self._step_addon(name, wanted)
                done = done and wanted.issues == []
        return done

    def _forget(self, kept: dict[str, _Wanted], name: str, wanted: _Wanted) -> None:
        with self._lock:
            if kept.get(name) is wanted:  # and not already another of that name
                del kept[name]

    # --- nodes ---

    def _step_nodegroup(self, group: Description, everything: list[Description]) -> bool:
        image, count = nodes.image_of(group), nodes.desired_count(group)
        own = [
            node for node in everything if node["metadata"]["labels"].get(nodes.GROUP_LABEL) == group["nodegroupName"]
        ]
        current = [node for node in own if node["metadata"]["labels"].get(nodes.IMAGE_LABEL) == image]
        outdated = [node for node in own if node not in current]
        leaving = self._surplus(current, count)
        staying = [node for node in current if node not in leaving]
        for node in staying:
            self._apply_node(node, group, cordoned=False)
        for _ in range(count - len(staying)):
            made = self._make_node(group, everything)
            everything.append(made)
            staying.append(made)
        ready = all(nodes.is_ready(node) for node in staying)
        if ready and outdated:
            # One after the other, as in EKS's default of one unavailable node.
            leaving = [*leaving, outdated[0]]
        for node in leaving:
            self._retire(node, group)
        return ready and not leaving and not outdated

    def _surplus(self, current: list[Description], count: int) -> list[Description]:
        """Return the nodes to give up: those already leaving first, then the newest of the fullest zone."""
        leaving: list[Description] = []
        left = list(current)
        while len(left) > count:
            zones = [self._zone(node) for node in left]

            def rank(node: Description, zones: list[str] = zones) -> tuple[bool, int, str]:
                cordoned = bool(node["spec"].get("unschedulable"))
                return cordoned, zones.count(self._zone(node)), node["metadata"].get("creationTimestamp", "")

            chosen = max(left, key=rank)
            left.remove(chosen)
            leaving.append(chosen)
        return leaving

    @staticmethod
    def _zone(node: Description) -> str:
        return node["metadata"]["labels"].get("topology.kubernetes.io/zone", "")

    def _make_node(self, group: Description, everything: list[Description]) -> Description:
        subnets = [self._subnet_of(subnet) for subnet in group["subnets"]]
        name = group["nodegroupName"]
        zones = [self._zone(node) for node in everything if node["metadata"]["labels"].get(nodes.GROUP_LABEL) == name]
        subnet = min(subnets, key=lambda item: zones.count(item.zone))
        machine = nodes.Machine.of_type(self._instance_type_of(group))
        taken = {nodes.address_of(node) for node in everything}
        node = nodes.new_node(group, self._around.region, subnet, machine, self.control_plane.kubelet.port, taken)
        # Made like this and not just posted, so that labels and taints are EKS's to change and take away later.
        body = nodes.configured(node, group) | {"status": node["status"]}
        made = self.control_plane.client.apply(f"{_NODES}/{node['metadata']['name']}", body)
        self._applied[made["metadata"]["name"]] = _digest(nodes.configured(node, group))
        return made

    def _apply_node(self, node: Description, group: Description, cordoned: bool) -> None:
        name = node["metadata"]["name"]
        body = nodes.configured(node, group, cordoned)
        digest = _digest(body)
        if self._applied.get(name) != digest:
            self.control_plane.client.apply(f"{_NODES}/{name}", body)
            self._applied[name] = digest

    def _retire(self, node: Description, group: Description) -> None:
        """Cordon and drain a node, and delete it once it is empty."""
        name = node["metadata"]["name"]
        client = self.control_plane.client
        self._apply_node(node, group, cordoned=True)
        since = self._draining.setdefault(name, time.monotonic())
        pods = client.get("/api/v1/pods", fieldSelector=f"spec.nodeName={name}")["items"]
        # A DaemonSet's pods belong to the node and go with it.
        movable = [pod for pod in pods if not _belongs_to_node(pod)]
        if movable and time.monotonic() < since + _DRAIN_SECONDS:
            for pod in movable:
                self._evict(pod)
            return
        client.delete(f"{_NODES}/{name}")
        for pod in pods:
            client.delete(f"{_path_of(pod)}", gracePeriodSeconds="0")
        self._applied.pop(name, None)
        self._draining.pop(name, None)

    def _evict(self, pod: Description) -> None:
        metadata = pod["metadata"]
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        }
        try:
            self.control_plane.client.create(f"{_path_of(pod)}/eviction", eviction)
        except ApiError as error:
            # 429: a disruption budget does not allow it yet. 404: it is gone.
            if error.status not in (404, 429):
                raise

    # --- add-ons ---

    def _step_addon(self, name: str, wanted: _Wanted) -> list[Description] | None:
        client = self.control_plane.client
        installed = addons.objects_of(wanted.description, self._around)
        digest = _digest([item.body for item in installed])
        if self._applied.get(f"addon {name}") != digest:
            for item in installed:
                client.apply(item.path, item.body)
            self._applied[f"addon {name}"] = digest
        found = [client.find(item.path) for item in installed]
        if any(item is None for item in found):  # somebody deleted it; EKS puts it back
            del self._applied[f"addon {name}"]
        return addons.health_issues(found, time.monotonic() > wanted.since + _PATIENCE_SECONDS)

    def _remove_addon(self, addon: Description) -> bool:
        """Delete an add-on's objects; return whether all are gone."""
        client = self.control_plane.client
        self._applied.pop(f"addon {addon['addonName']}", None)
        left = [item for item in addons.objects_of(addon, self._around) if client.find(item.path) is not None]
        for item in left:
            client.delete(item.path, propagationPolicy="Foreground")
        return not left


def _belongs_to_node(pod: Description) -> bool:
    owners = pod["metadata"].get("ownerReferences", [])
    finished = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return finished or any(owner["kind"] in ("DaemonSet", "Node") for owner in owners)


def _path_of(pod: Description) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _digest(value: object) -> str:
    return json.dumps(value, sort_keys=True)
