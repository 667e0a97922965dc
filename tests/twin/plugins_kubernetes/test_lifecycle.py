"""Objects from their creation to their end, on a real API server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from local.plugins.base.wire import UNKNOWN
from tests.twin.plugins_kubernetes.control_plane import ControlPlane
from tests.twin.plugins_kubernetes.driver import (
    CLUSTER_ROLE,
    CONFIG_MAP,
    NAMESPACE,
    NETWORK_POLICY,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
    Plugin,
    Values,
    merged,
    message,
)

ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}


def named(namespace: str, name: str, **more: Any) -> Values:
    return {"metadata": {"name": name, "namespace": namespace}, **more}


def test_namespace(plugin: Plugin, plane: ControlPlane) -> None:
    made = plugin.create(NAMESPACE, {"metadata": {"labels": {"a": "1"}}}, name="shop")
    assert made.id.startswith("shop-") and len(made.id) == len("shop-") + 8
    assert made.values["status"]["phase"] == "Active"
    assert made.values["metadata"]["annotations"]["pulumi.com/autonamed"] == "true"
    assert made.values["__initialApiVersion"] == "v1" and made.values["__initialKind"] == "Namespace"
    assert made.values["__fieldManager"].startswith("pulumi-kubernetes-")
    assert made.values["__inputs"] == made.given
    live = plane.find(f"/api/v1/namespaces/{made.id}")
    assert live is not None
    assert made.values["__fieldManager"] in {entry["manager"] for entry in live["metadata"]["managedFields"]}

    changed = {"metadata": {"labels": {"b": "2"}}}
    assert plugin.diff(made, changed).kinds == {"metadata.labels.a": "DELETE", "metadata.labels.b": "ADD"}
    made = plugin.update(made, changed)
    live = plane.find(f"/api/v1/namespaces/{made.id}")
    assert live is not None
    assert "a" not in live["metadata"]["labels"] and live["metadata"]["labels"]["b"] == "2"
    assert not plugin.diff(made, changed).changes

    # The namespace controller lets five seconds pass before it begins. The garbage collector's finalizer may be there
    # too, while it has not caught up with a cluster that has just begun.
    with pytest.raises(grpc.RpcError) as failed:
        plugin.delete(made, timeout=1)
    assert re.search(r"its finalizers are not done: (foregroundDeletion, )?kubernetes", message(failed))
    ended = plane.find(f"/api/v1/namespaces/{made.id}")
    assert ended is not None and ended["status"]["phase"] == "Terminating"


CASES: dict[str, tuple[str, Callable[[str], Values], Values, Values]] = {
    "ServiceAccount": (
        SERVICE_ACCOUNT,
        lambda n: named(n, "app", automountServiceAccountToken=False),
        {"metadata": {"labels": {"x": "y"}}},
        {"metadata": {"name": "other"}},
    ),
    "ConfigMap": (
        CONFIG_MAP,
        lambda n: named(n, "settings", data={"a": "1"}),
        {"metadata": {"labels": {"x": "y"}}},
        {"data": {"a": "2"}},
    ),
    "Secret": (
        SECRET,
        lambda n: named(n, "keys", stringData={"a": "one-secret"}),
        {"metadata": {"labels": {"x": "y"}}},
        {"stringData": {"a": "two-secret"}},
    ),
    "RoleBinding": (
        ROLE_BINDING,
        lambda n: named(n, "view", roleRef=ROLE, subjects=[{"kind": "User", "name": "a"}]),
        {"subjects": [{"kind": "User", "name": "b"}]},
        {"roleRef": {**ROLE, "name": "edit"}},
    ),
    "NetworkPolicy": (
        NETWORK_POLICY,
        lambda n: named(n, "none", spec={"podSelector": {}, "policyTypes": ["Ingress"]}),
        {"spec": {"policyTypes": ["Ingress", "Egress"]}},
        {"metadata": {"namespace": "default"}},
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_namespaced(plugin: Plugin, plane: ControlPlane, namespace: str, kind: str) -> None:
    """Created, unchanged, refreshed, changed in place, replaced, deleted."""
    token, build, in_place, replacing = CASES[kind]
    inputs = build(namespace)
    previewed = plugin.preview(token, inputs)
    assert previewed["metadata"]["name"] == inputs["metadata"]["name"]
    assert previewed["metadata"]["uid"] is UNKNOWN
    made = plugin.create(token, inputs)
    assert made.id == f"{namespace}/{inputs['metadata']['name']}"
    assert made.values["metadata"]["uid"]
    assert "managedFields" not in made.values["metadata"]
    assert not plugin.diff(made, inputs).changes

    refreshed = plugin.refresh(made)
    assert refreshed is not None
    assert refreshed.given == made.given
    assert refreshed.values == made.values

    changed = merged(inputs, in_place)
    found = plugin.diff(made, changed)
    assert found.changes and not found.replaces, found
    plugin.update(made, changed, preview=True)
    again = plugin.refresh(made)
    assert again is not None and again.values == made.values, "a preview changes nothing"
    made = plugin.update(made, changed)
    assert not plugin.diff(made, changed).changes
    assert made.given == plugin.refresh(made).given  # type: ignore[union-attr]

    found = plugin.diff(made, merged(changed, replacing))
    assert found.replaces
    assert found.delete_first == ("metadata" not in replacing)

    plugin.delete(made)
    assert plugin.refresh(made) is None


def test_cluster_scoped(plugin: Plugin, plane: ControlPlane) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    made = plugin.create(CLUSTER_ROLE, {"metadata": {"name": "reader"}, "rules": rules})
    assert made.id == "reader"
    assert "namespace" not in made.given["metadata"]
    plugin.delete(made)
    assert plane.find("/apis/rbac.authorization.k8s.io/v1/clusterroles/reader") is None
    plugin.delete(made)


def test_what_exists_is_not_taken(plugin: Plugin, plane: ControlPlane, namespace: str) -> None:
    inputs = named(namespace, "default")
    assert plugin.preview(SERVICE_ACCOUNT, inputs), "it may be about to be deleted"
    with pytest.raises(grpc.RpcError) as refused:
        plugin.create(SERVICE_ACCOUNT, inputs)
    assert "exists already" in message(refused) and "import" in message(refused)


def test_what_exists_is_taken_on_demand(start: Any, plane: ControlPlane, namespace: str) -> None:
    plugin = start({"kubeconfig": plane.kubeconfig(), "upsertExistingObjects": "true"})
    made = plugin.create(SERVICE_ACCOUNT, named(namespace, "default", automountServiceAccountToken=False))
    assert made.values["automountServiceAccountToken"] is False


def test_a_wrong_object_is_refused_at_preview(plugin: Plugin, namespace: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        plugin.preview(CONFIG_MAP, named(namespace, "Not_A_Name"))
    assert "Not_A_Name" in message(refused) and "RFC 1123" in message(refused)


def test_what_others_deleted_is_said(plugin: Plugin, plane: ControlPlane, namespace: str) -> None:
    made = plugin.create(CONFIG_MAP, named(namespace, "gone"))
    plane.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/gone")
    with pytest.raises(grpc.RpcError) as failed:
        plugin.update(made, merged(named(namespace, "gone"), {"metadata": {"labels": {"a": "b"}}}))
    assert "pulumi refresh" in message(failed)


def test_a_namespace_that_is_not_there(plugin: Plugin) -> None:
    inputs = named("nowhere", "settings", data={"a": "1"})
    assert plugin.preview(CONFIG_MAP, inputs)["data"] == {"a": "1"}, "the program may make it"
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(CONFIG_MAP, inputs)
    assert 'namespaces "nowhere" not found' in message(failed)


def test_a_finalizer_that_nobody_does(plugin: Plugin, plane: ControlPlane, namespace: str) -> None:
    inputs = merged(named(namespace, "held"), {"metadata": {"finalizers": ["example.com/hold"]}})
    made = plugin.create(CONFIG_MAP, inputs)
    with pytest.raises(grpc.RpcError) as failed:
        plugin.delete(made, timeout=1)
    assert "still there 1 s after its deletion" in message(failed)
    assert "example.com/hold" in message(failed)
    path = f"/api/v1/namespaces/{namespace}/configmaps/held"
    assert plane.find(path) is not None
    plane.patch(path, {"metadata": {"finalizers": None}})
    plugin.delete(made)
    assert plane.find(path) is None
