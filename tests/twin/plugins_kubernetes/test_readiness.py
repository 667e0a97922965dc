"""What is waited for, and what is said when it does not come. The tests play the kubelet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2

from local.plugins.base.errors import ProviderError
from local.plugins.base.wire import decode
from local.plugins.kubernetes import conditions
from tests.twin.plugins_kubernetes.control_plane import ControlPlane
from tests.twin.plugins_kubernetes.driver import (
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    SERVICE,
    Plugin,
    Resource,
    Values,
    half_made,
    merged,
    message,
)

CONTAINERS = [{"name": "app", "image": "nginx:1.29"}]
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
PULLING = {
    "phase": "Pending",
    "containerStatuses": [
        {
            "name": "app",
            "image": "nginx:1.29",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}},
        }
    ],
}
UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
    ],
}
FAILED = {
    "phase": "Failed",
    "containerStatuses": [
        {
            "name": "app",
            "image": "nginx:1.29",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": {"exitCode": 3, "reason": "Error", "message": "no configuration"}},
        }
    ],
}


def pod(namespace: str, **more: Any) -> Values:
    metadata = {"name": "app", "namespace": namespace}
    spec = {"containers": CONTAINERS, "terminationGracePeriodSeconds": 0}
    return merged({"metadata": metadata, "spec": spec}, more)


def workload(namespace: str, **spec: Any) -> Values:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS, "terminationGracePeriodSeconds": 0}}
    return {
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


class Kubelet:
    """Sets the status of objects as they appear, as others do in a cluster."""

    def __init__(self, plane: ControlPlane, namespace: str, threads: ThreadPoolExecutor) -> None:
        self._plane, self._namespace, self._threads = plane, namespace, threads
        self._over = threading.Event()

    def status(self, kind: str, name: str, status: Values) -> None:
        """Set the status of an object in the background, once it exists."""
        self._threads.submit(self._set, kind, name, status)

    def _set(self, kind: str, name: str, status: Values) -> None:
        group = {"pods": "/api/v1", "daemonsets": "/apis/apps/v1", "jobs": "/apis/batch/v1"}[kind]
        path = f"{group}/namespaces/{self._namespace}/{kind}/{name}"
        self._plane.await_path(path)
        self._plane.patch(f"{path}/status", {"status": status}, "fieldManager=kubelet")

    def every_pod(self, status: Values, selector: str = "") -> None:
        """Set the status of every Pod that is without one, until the test ends."""
        self._threads.submit(self._set_all, status, selector)

    def _set_all(self, status: Values, selector: str) -> None:
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        while not self._over.wait(0.05):
            for item in self._plane.request("GET", f"{path}{selector}")["items"]:
                if item["status"].get("phase") != status["phase"] and "deletionTimestamp" not in item["metadata"]:
                    self._set("pods", item["metadata"]["name"], status)

    def stop(self) -> None:
        self._over.set()


@pytest.fixture
def kubelet(plane: ControlPlane, namespace: str) -> Iterator[Kubelet]:
    with ThreadPoolExecutor(4) as threads:
        started = Kubelet(plane, namespace, threads)
        yield started
        started.stop()


@pytest.mark.parametrize("status", [READY, {"phase": "Succeeded"}], ids=["ready", "succeeded"])
def test_pod(plugin: Plugin, namespace: str, kubelet: Kubelet, status: Values) -> None:
    kubelet.status("pods", "app", status)
    made = plugin.create(POD, pod(namespace))
    assert made.values["status"]["phase"] == status["phase"]
    assert not plugin.diff(made, pod(namespace)).changes
    assert plugin.refresh(made).given == made.given  # type: ignore[union-attr]
    plugin.delete(made)
    assert plugin.refresh(made) is None


@pytest.mark.parametrize(
    ("status", "timeout", "said"),
    [
        (PULLING, 1, "container app is waiting (ImagePullBackOff: Back-off pulling image)"),
        (UNSCHEDULABLE, 1, "Unschedulable: 0/3 nodes are available"),
        (FAILED, 60, "it failed: container app ended with exit code 3 (Error: no configuration)"),
    ],
    ids=["image", "node", "exit"],
)
def test_pod_that_does_not_start(
    plugin: Plugin, plane: ControlPlane, namespace: str, kubelet: Kubelet, status: Values, timeout: float, said: str
) -> None:
    kubelet.status("pods", "app", status)
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(POD, pod(namespace), timeout=timeout)
    assert said in message(failed)
    # It is in the stack's state, so that it can be mended or destroyed.
    left = half_made(failed)
    assert left.id == f"{namespace}/app"
    values = decode(left.properties).values
    assert values["status"]["phase"] == status["phase"]
    assert values["__fieldManager"].startswith("pulumi-kubernetes-")
    if status["phase"] != "Failed":
        resource = Resource(POD, "r", left.inputs, left.id, left.properties)
        kubelet.status("pods", "app", {**READY, "containerStatuses": []})
        assert plugin.update(resource, pod(namespace)).values["status"]["phase"] == "Running"


def test_events_are_shown(plugin: Plugin, plane: ControlPlane, namespace: str, kubelet: Kubelet) -> None:
    def warn() -> None:
        live = plane.await_path(f"/api/v1/namespaces/{namespace}/pods/app")
        event = {
            "metadata": {"name": "app.1", "namespace": namespace},
            "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "app", "uid": live["metadata"]["uid"]},
            "type": "Warning",
            "reason": "FailedMount",
            "message": "no such volume",
        }
        plane.request("POST", f"/api/v1/namespaces/{namespace}/events", event)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(warn)
        with pytest.raises(grpc.RpcError) as failed:
            plugin.create(POD, pod(namespace), timeout=1)
    assert "was not ready after 1 s" in message(failed)
    assert "FailedMount: no such volume" in message(failed)


@pytest.mark.parametrize(
    "annotations",
    [
        {"pulumi.com/skipAwait": "true"},
        {"pulumi.com/waitFor": "jsonpath={.status.phase}=Pending"},
        {"pulumi.com/waitFor": '["jsonpath={.spec.containers[0].name}=app", "jsonpath={.status.phase}"]'},
    ],
)
def test_annotations_say_what_is_waited_for(plugin: Plugin, namespace: str, annotations: Values) -> None:
    made = plugin.create(POD, pod(namespace, metadata={"annotations": annotations}))
    assert made.values["status"]["phase"] == "Pending"


def test_an_annotation_sets_the_timeout(plugin: Plugin, namespace: str) -> None:
    begin = time.monotonic()
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(POD, pod(namespace, metadata={"annotations": {"pulumi.com/timeoutSeconds": "1"}}), timeout=0)
    assert "after 1 s" in message(failed)
    assert time.monotonic() - begin < 5


def test_a_cancelled_wait_keeps_what_there_is(plugin: Plugin, namespace: str, plane: ControlPlane) -> None:
    def cancel() -> None:
        plane.await_path(f"/api/v1/namespaces/{namespace}/pods/app")
        plugin.stub.Cancel(empty_pb2.Empty())

    with ThreadPoolExecutor(1) as threads:
        threads.submit(cancel)
        with pytest.raises(grpc.RpcError) as failed:
            plugin.create(POD, pod(namespace), timeout=60)
    assert "cancelled" in message(failed)
    assert half_made(failed).id == f"{namespace}/app"


def test_deployment(plugin: Plugin, plane: ControlPlane, namespace: str, kubelet: Kubelet) -> None:
    kubelet.every_pod(READY)
    made = plugin.create(DEPLOYMENT, workload(namespace, replicas=2))
    assert made.values["status"]["availableReplicas"] == 2
    refreshed = plugin.refresh(made)
    assert refreshed is not None and refreshed.given == made.given
    scaled = plugin.update(made, workload(namespace, replicas=1))
    assert scaled.values["status"]["replicas"] == 1
    assert not plugin.diff(scaled, workload(namespace)).changes, "one replica is the default"
    other = workload(namespace, selector={"matchLabels": {"app": "other"}})
    other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    assert "spec.selector.matchLabels.app" in plugin.diff(scaled, other).replaces
    plugin.delete(scaled)
    # Deleted in the foreground: with it, everything that was its own.
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"] == []


def test_deployment_that_does_not_come_up(plugin: Plugin, namespace: str, kubelet: Kubelet) -> None:
    kubelet.every_pod(PULLING, "?fieldSelector=status.phase!=Running")
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(DEPLOYMENT, workload(namespace, replicas=1), timeout=2)
    assert "1 of 1 replicas updated, 0 available" in message(failed)


def test_daemon_set(plugin: Plugin, namespace: str, kubelet: Kubelet) -> None:
    status = {
        "observedGeneration": 1,
        "desiredNumberScheduled": 2,
        "currentNumberScheduled": 2,
        "numberMisscheduled": 0,
        "updatedNumberScheduled": 2,
        "numberReady": 2,
    }
    kubelet.status("daemonsets", "web", {**status, "numberAvailable": 1})
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(DAEMON_SET, workload(namespace), timeout=1)
    assert "2 of 2 Pods updated, 1 available" in message(failed)
    left = half_made(failed)
    kubelet.status("daemonsets", "web", {**status, "numberAvailable": 2})
    made = plugin.update(Resource(DAEMON_SET, "r", left.inputs, left.id, left.properties), workload(namespace))
    assert made.values["status"]["numberAvailable"] == 2


def test_job(plugin: Plugin, namespace: str, kubelet: Kubelet) -> None:
    kubelet.every_pod({"phase": "Succeeded", "containerStatuses": []})
    template = {"spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}
    inputs = {"metadata": {"name": "once", "namespace": namespace}, "spec": {"template": template, "backoffLimit": 0}}
    made = plugin.create(JOB, inputs)
    assert made.values["status"]["succeeded"] == 1
    other = merged(inputs, {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "other"}]}}}})
    found = plugin.diff(made, other)
    assert found.replaces == {"spec.template.spec.containers[0].image"} and found.delete_first
    plugin.delete(made)


def test_job_that_fails(plugin: Plugin, namespace: str, kubelet: Kubelet) -> None:
    kubelet.every_pod(FAILED)
    template = {"spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}
    annotations = {"pulumi.com/replaceUnready": "true"}
    inputs = {
        "metadata": {"name": "once", "namespace": namespace, "annotations": annotations},
        "spec": {"template": template, "backoffLimit": 0},
    }
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(JOB, inputs, timeout=60)
    assert "BackoffLimitExceeded" in message(failed)
    left = half_made(failed)
    resource = Resource(JOB, "r", left.inputs, left.id, left.properties)
    assert plugin.diff(resource, inputs).replaces == {'metadata.annotations["pulumi.com/replaceUnready"]'}


def test_what_is_unready_is_replaced_where_that_is_asked_of_a_job(plugin: Plugin, namespace: str) -> None:
    """As by the official provider, which does not wait for a Job that still works, either."""
    annotations = {"pulumi.com/replaceUnready": "true", "pulumi.com/skipAwait": "true"}
    spec = {"template": {"spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}}
    inputs = {"metadata": {"name": "slow", "namespace": namespace, "annotations": annotations}, "spec": spec}
    made = plugin.create(JOB, inputs)
    assert plugin.diff(made, inputs).replaces == {'metadata.annotations["pulumi.com/replaceUnready"]'}
    unasked = merged(inputs, {"metadata": {"annotations": {"pulumi.com/replaceUnready": "false"}}})
    assert plugin.diff(made, unasked).replaces == set()
    asked = pod(namespace, metadata={"annotations": annotations})
    assert plugin.diff(plugin.create(POD, asked), asked).replaces == set()


def test_service(plugin: Plugin, namespace: str, kubelet: Kubelet) -> None:
    inputs = {
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(SERVICE, inputs, timeout=1)
    assert "none of the 0 Pods that it selects is ready" in message(failed)
    left = half_made(failed)
    kubelet.status("pods", "app", READY)
    plugin.create(POD, pod(namespace, metadata={"labels": {"app": "web"}}))
    made = plugin.update(Resource(SERVICE, "r", left.inputs, left.id, left.properties), inputs)
    assert made.values["spec"]["clusterIP"]
    refreshed = plugin.refresh(made)
    assert refreshed is not None and refreshed.given == made.given
    assert plugin.diff(made, merged(inputs, {"spec": {"clusterIP": "None"}})).replaces == {"spec.clusterIP"}
    headless = merged(inputs, {"metadata": {"name": "none"}, "spec": {"clusterIP": "None", "selector": {"a": "b"}}})
    plugin.create(SERVICE, headless, timeout=1)


Judge = Callable[[Values], str | None]


@pytest.mark.parametrize(
    ("expression", "live", "said"),
    [
        ("condition=Ready", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, None),
        ("condition=Ready", {"status": {}}, "its condition Ready is not True"),
        ("condition=Bad=False", {"status": {"conditions": [{"type": "Bad", "status": "False"}]}}, None),
        ("jsonpath={.status.phase}=Running", {"status": {"phase": "Running"}}, None),
        (
            "jsonpath={.status.phase}=Running",
            {"status": {"phase": "Pending"}},
            "its .status.phase is Pending and not Running",
        ),
        ("jsonpath={.status.phase}", {"status": {}}, "it has no .status.phase"),
        ("jsonpath='{.spec.list[1].name}'=b", {"spec": {"list": [{"name": "a"}, {"name": "b"}]}}, None),
        ("jsonpath={.metadata.labels['a.b/c']}=d", {"metadata": {"labels": {"a.b/c": "d"}}}, None),
        (r"jsonpath={.metadata.labels.a\.b}=d", {"metadata": {"labels": {"a.b": "d"}}}, None),
        ("jsonpath={.status.ready}=true", {"status": {"ready": True}}, None),
    ],
)
def test_expressions(expression: str, live: Values, said: str | None) -> None:
    assert conditions.parse(expression)(live) == said


@pytest.mark.parametrize("expression", ["Ready", "jsonpath={.items[*].name}=a", "condition=", "jsonpath={..name}=a"])
def test_malformed_expressions(expression: str) -> None:
    with pytest.raises(ProviderError):
        conditions.parse(expression)
