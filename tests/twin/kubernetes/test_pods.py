"""The life of a pod as the demo makes it: soon ready, soon gone, and its namespace with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from local.kubernetes.pod_identity.api_server import ApiError, ApiServer
from tests.twin.aws.support import unique
from tests.twin.kubernetes.support import Kubernetes, eventually

# What the promises are worth on a machine that does much else at the same time.
PROMPT = 2.0
NAMESPACES = "/api/v1/namespaces"


def demo_pod(name: str = "demo-app") -> dict[str, Any]:
    """Return the blog's pod, as the restricted Pod Security Standard demands it."""
    return {
        "metadata": {"name": name},
        "spec": {
            "serviceAccountName": "demo-sa",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "demo-app",
                    "image": "public.ecr.aws/aws-cli/aws-cli:latest",
                    "command": ["sleep", "36000"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "resources": {
                        "requests": {"cpu": "50m", "memory": "64Mi"},
                        "limits": {"cpu": "250m", "memory": "256Mi"},
                    },
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }


@pytest.fixture
def api(kubernetes: Kubernetes) -> ApiServer:
    """The cluster, for its administrator."""
    return kubernetes.client()


@pytest.fixture
def namespace(api: ApiServer) -> Iterator[str]:
    """A namespace that enforces the restricted standard, with the demo's ServiceAccount."""
    name = unique("demo-ns")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.create(NAMESPACES, {"metadata": {"name": name, "labels": labels}})
    api.create(f"{NAMESPACES}/{name}/serviceaccounts", {"metadata": {"name": "demo-sa"}})
    yield f"{NAMESPACES}/{name}"
    api.delete(f"{NAMESPACES}/{name}")


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def ready_pod(api: ApiServer, namespace: str, pod: dict[str, Any]) -> dict[str, Any]:
    """Create a pod and await it."""
    api.create(f"{namespace}/pods", pod)
    return eventually(lambda: api.get(f"{namespace}/pods/{pod['metadata']['name']}"), is_ready)


def seconds_until_gone(api: ApiServer, path: str) -> float:
    """Delete something with the grace that it asks for; return how long it took to be gone."""
    begun = time.monotonic()
    api.delete(path)
    eventually(lambda: api.find(path), lambda found: found is None, seconds=30)
    return time.monotonic() - begun


def test_the_demos_pod_is_soon_ready(api: ApiServer, namespace: str) -> None:
    begun = time.monotonic()
    pod = ready_pod(api, namespace, demo_pod())
    assert time.monotonic() - begun < PROMPT
    (status,) = pod["status"]["containerStatuses"]
    assert (status["name"], status["ready"], status["restartCount"]) == ("demo-app", True, 0)
    assert "running" in status["state"]
    assert pod["spec"]["nodeName"] and pod["status"]["podIP"] and pod["status"]["qosClass"] == "Burstable"
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30


def test_a_pod_that_is_not_restricted_is_refused(api: ApiServer, namespace: str) -> None:
    """The admission is Kubernetes' own."""
    pod = demo_pod()
    del pod["spec"]["containers"][0]["securityContext"]["capabilities"]
    with pytest.raises(ApiError, match="unrestricted capabilities"):
        api.create(f"{namespace}/pods", pod)


def test_a_pod_and_its_service_account_are_soon_gone(api: ApiServer, namespace: str) -> None:
    ready_pod(api, namespace, demo_pod())
    assert seconds_until_gone(api, f"{namespace}/pods/demo-app") < PROMPT
    assert seconds_until_gone(api, f"{namespace}/serviceaccounts/demo-sa") < PROMPT
    # And the same again: names are free at once.
    api.create(f"{namespace}/serviceaccounts", {"metadata": {"name": "demo-sa"}})
    ready_pod(api, namespace, demo_pod())


def test_a_namespace_goes_with_all_that_is_in_it(api: ApiServer, namespace: str) -> None:
    ready_pod(api, namespace, demo_pod())
    api.create(f"{namespace}/configmaps", {"metadata": {"name": "settings"}})
    api.create(f"{namespace}/secrets", {"metadata": {"name": "keys"}})
    labels = {"app": "web"}
    pod = demo_pod()["spec"]
    deployment = {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    base = f"/apis/apps/v1/namespaces/{namespace.rpartition('/')[2]}/deployments"
    api.create(base, deployment)
    eventually(lambda: api.get(f"{base}/web"), lambda found: found["status"].get("readyReplicas") == 3)
    # Kubernetes' own controller waits five seconds before it looks at a namespace, and as long again when it found pods
    # that were still running.
    assert seconds_until_gone(api, namespace) < 14


def test_a_finalizer_holds_a_pod_back(api: ApiServer, namespace: str) -> None:
    pod = demo_pod()
    pod["metadata"]["finalizers"] = ["example.com/hold"]
    ready_pod(api, namespace, pod)
    path = f"{namespace}/pods/demo-app"
    api.delete(path)
    time.sleep(0.5)  # nothing to wait for: that nothing happens is what is looked for
    held = api.get(path)
    assert "deletionTimestamp" in held["metadata"]
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "demo-app", "finalizers": []}}
    api._call("PATCH", path, {}, body, "application/merge-patch+json")
    eventually(lambda: api.find(path), lambda found: found is None, seconds=PROMPT)


def test_a_quota_counts_and_holds(api: ApiServer, namespace: str) -> None:
    quota = f"{namespace}/resourcequotas"
    api.create(quota, {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}})
    eventually(lambda: api.get(f"{quota}/few").get("status", {}).get("used"), lambda used: used == {"pods": "0"})
    ready_pod(api, namespace, demo_pod())
    with pytest.raises(ApiError, match="exceeded quota: few"):
        api.create(f"{namespace}/pods", demo_pod("second"))
    # What has gone is not counted any more: the controller's work, not the admission's.
    api.delete(f"{namespace}/pods/demo-app")
    eventually(lambda: api.get(f"{quota}/few")["status"]["used"], lambda used: used == {"pods": "0"})


def test_a_pod_that_no_node_takes_waits_and_goes(api: ApiServer, namespace: str) -> None:
    pod = demo_pod()
    pod["spec"]["containers"][0]["resources"]["requests"] = {"memory": "900Gi"}
    del pod["spec"]["containers"][0]["resources"]["limits"]
    api.create(f"{namespace}/pods", pod)
    path = f"{namespace}/pods/demo-app"

    def reasons() -> list[str]:
        return [item.get("reason", "") for item in api.get(path)["status"].get("conditions", [])]

    eventually(reasons, lambda found: "Unschedulable" in found)
    assert seconds_until_gone(api, path) < PROMPT
