"""Who manages which field: conflicts, drift, imports, patches, and definitions of kinds."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from local.plugins.base.wire import decode
from local.plugins.kubernetes import ownership
from tests.twin.plugins_kubernetes.conftest import Start
from tests.twin.plugins_kubernetes.control_plane import ControlPlane
from tests.twin.plugins_kubernetes.driver import (
    CONFIG_MAP,
    CRD,
    DEPLOYMENT,
    NAMESPACE_PATCH,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE_ACCOUNT_PATCH,
    Plugin,
    Values,
    merged,
    message,
)


def account(namespace: str, **more: Any) -> Values:
    return merged({"metadata": {"name": "app", "namespace": namespace, "labels": {"team": "a"}}}, more)


def test_a_conflict_names_the_other_manager(plugin: Plugin, plane: ControlPlane, namespace: str) -> None:
    made = plugin.create(SERVICE_ACCOUNT, account(namespace))
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/app"
    plane.patch(path, {"metadata": {"labels": {"team": "b"}}})
    changed = account(namespace, metadata={"labels": {"team": "c"}})
    for preview in (True, False):
        with pytest.raises(grpc.RpcError) as failed:
            plugin.update(made, changed, preview=preview)
        assert 'conflict with "kubectl-edit"' in message(failed)
        assert ".metadata.labels.team" in message(failed)
        assert "pulumi.com/patchForce" in message(failed)
    forced = merged(changed, {"metadata": {"annotations": {"pulumi.com/patchForce": "true"}}})
    plugin.update(made, forced)
    live = plane.find(path)
    assert live is not None and live["metadata"]["labels"] == {"team": "c"}


def test_conflicts_are_won_on_demand(start: Start, plane: ControlPlane, namespace: str) -> None:
    plugin = start({"kubeconfig": plane.kubeconfig(), "enablePatchForce": "true"})
    made = plugin.create(SERVICE_ACCOUNT, account(namespace))
    plane.patch(f"/api/v1/namespaces/{namespace}/serviceaccounts/app", {"metadata": {"labels": {"team": "b"}}})
    changed = plugin.update(made, account(namespace, metadata={"labels": {"team": "c"}}))
    assert changed.values["metadata"]["labels"] == {"team": "c"}


def test_drift_of_our_fields_only(plugin: Plugin, plane: ControlPlane, namespace: str) -> None:
    inputs = merged(account(namespace), {"automountServiceAccountToken": False, "secrets": [{"name": "one"}]})
    made = plugin.create(SERVICE_ACCOUNT, inputs)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/app"
    plane.patch(path, {"metadata": {"labels": {"theirs": "x"}, "annotations": {"theirs": "x"}}})
    refreshed = plugin.refresh(made)
    assert refreshed is not None and refreshed.given == made.given
    assert refreshed.values["metadata"]["labels"] == {"team": "a", "theirs": "x"}
    assert not plugin.diff(refreshed, inputs).changes

    plane.patch(path, {"automountServiceAccountToken": True, "metadata": {"labels": {"team": None}}})
    refreshed = plugin.refresh(made)
    assert refreshed is not None
    assert refreshed.given["automountServiceAccountToken"] is True
    assert refreshed.given["metadata"]["labels"] == {}
    assert plugin.diff(refreshed, inputs).kinds == {
        "automountServiceAccountToken": "UPDATE",
        "metadata.labels.team": "ADD",
    }


def test_drift_of_a_secret(plugin: Plugin, plane: ControlPlane, namespace: str) -> None:
    inputs = {"metadata": {"name": "keys", "namespace": namespace}, "stringData": {"a": "first-value", "b": "same"}}
    made = plugin.create(SECRET, inputs)
    assert plugin.refresh(made).given == made.given  # type: ignore[union-attr]
    less = {**inputs, "stringData": {"a": "first-value"}}
    assert plugin.diff(made, less).replaces == {"stringData.b"}, "as long as enableSecretMutable is not set"
    plane.patch(f"/api/v1/namespaces/{namespace}/secrets/keys", {"stringData": {"a": "other-value"}})
    refreshed = plugin.refresh(made)
    assert refreshed is not None
    assert refreshed.given["stringData"] == {"a": "other-value", "b": "same"}
    # In the state, both spellings are secret.
    assert {("data",), ("stringData",)} <= decode(refreshed.state).secrets | decode(refreshed.inputs).secrets
    assert ("__inputs", "stringData") in decode(refreshed.state).secrets


def test_keys_left_out_of_a_secret_go(start: Start, plane: ControlPlane, namespace: str) -> None:
    plugin = start({"kubeconfig": plane.kubeconfig(), "enableSecretMutable": "true"})
    inputs = {"metadata": {"name": "keys", "namespace": namespace}, "stringData": {"a": "1", "b": "2"}}
    made = plugin.create(SECRET, inputs)
    less = {**inputs, "stringData": {"a": "1"}}
    assert not plugin.diff(made, less).replaces
    assert plugin.update(made, less).values["data"] == {"a": "MQ=="}


def test_other_spellings_are_no_drift(plugin: Plugin, namespace: str) -> None:
    inputs = {
        "metadata": {"name": "app", "namespace": namespace, "annotations": {"pulumi.com/skipAwait": "true"}},
        "spec": {
            "hostNetwork": False,
            "containers": [
                {
                    "name": "app",
                    "image": "nginx:1.29",
                    "ports": [{"containerPort": 80}],
                    "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
                    "env": [{"name": "EMPTY", "value": ""}],
                }
            ],
        },
    }
    made = plugin.create(POD, inputs)
    refreshed = plugin.refresh(made)
    assert refreshed is not None and refreshed.given == made.given


def _post(plane: ControlPlane, path: str, body: Values, manager: str) -> None:
    plane.request("POST", f"{path}?fieldManager={manager}", body)


def test_import(plugin: Plugin, plane: ControlPlane, namespace: str) -> None:
    """What somebody made with kubectl is taken over, and then it is ours: also to take away from."""
    body = {"metadata": {"name": "settings", "labels": {"l": "1"}}, "data": {"a": "1", "b": "2"}}
    _post(plane, f"/api/v1/namespaces/{namespace}/configmaps", body, "kubectl-create")
    found = plugin.read(CONFIG_MAP, f"{namespace}/settings")
    assert found is not None and found.id == f"{namespace}/settings"
    inputs = merged(body, {"metadata": {"namespace": namespace}})
    assert found.given == {"apiVersion": "v1", "kind": "ConfigMap", **inputs}
    assert not plugin.diff(found, inputs).changes

    without = merged(inputs, {"metadata": {"labels": {}}})
    without["metadata"]["labels"] = {}
    assert plugin.diff(found, without).kinds == {"metadata.labels.l": "DELETE"}
    plugin.update(found, without, preview=True)
    taken = plugin.update(found, without)
    live = plane.find(f"/api/v1/namespaces/{namespace}/configmaps/settings")
    assert live is not None and "labels" not in live["metadata"]
    assert {entry["manager"] for entry in live["metadata"]["managedFields"]} == {taken.values["__fieldManager"]}
    assert plugin.read(CONFIG_MAP, f"{namespace}/nothing") is None


def test_import_leaves_defaults_out(plugin: Plugin, plane: ControlPlane, namespace: str) -> None:
    labels = {"app": "web"}
    containers = [{"name": "app", "image": "nginx:1.29", "ports": [{"containerPort": 80}]}]
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    _post(
        plane,
        f"/apis/apps/v1/namespaces/{namespace}/deployments",
        {"metadata": {"name": "web"}, "spec": spec},
        "kubectl-create",
    )
    found = plugin.read(DEPLOYMENT, f"{namespace}/web")
    assert found is not None
    assert found.given["spec"] == spec
    pod = {"metadata": {"name": "app"}, "spec": {"containers": containers}}
    _post(plane, f"/api/v1/namespaces/{namespace}/pods", pod, "kubectl-run")
    found = plugin.read(POD, f"{namespace}/app")
    assert found is not None
    assert found.given["spec"] == pod["spec"]
    assert not plugin.diff(found, merged(pod, {"metadata": {"namespace": namespace}})).changes


def test_patch(plugin: Plugin, plane: ControlPlane, namespace: str) -> None:
    """Fields of an object that exists, given back in the end."""
    inputs = {
        "metadata": {"name": "default", "namespace": namespace, "annotations": {"x": "1"}},
        "automountServiceAccountToken": False,
    }
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    made = plugin.create(SERVICE_ACCOUNT_PATCH, inputs)
    assert made.id == f"{namespace}/default"
    live = plane.find(path)
    assert live is not None and live["automountServiceAccountToken"] is False
    assert plugin.refresh(made).given == made.given  # type: ignore[union-attr]
    changed = plugin.update(made, {**inputs, "automountServiceAccountToken": True})
    plugin.delete(changed)
    live = plane.find(path)
    assert live is not None
    assert "automountServiceAccountToken" not in live and "annotations" not in live["metadata"]


def test_patch_of_a_namespace(plugin: Plugin, plane: ControlPlane, namespace: str) -> None:
    inputs = {"metadata": {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    made = plugin.create(NAMESPACE_PATCH, inputs)
    assert made.id == namespace
    plugin.delete(made)
    live = plane.find(f"/api/v1/namespaces/{namespace}")
    assert live is not None and live["metadata"]["labels"] == {"kubernetes.io/metadata.name": namespace}


def test_patch_needs_an_object(plugin: Plugin, namespace: str) -> None:
    inputs = {"metadata": {"name": "nothing", "namespace": namespace, "labels": {"a": "b"}}}
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(SERVICE_ACCOUNT_PATCH, inputs)
    assert f"no ServiceAccount {namespace}/nothing to patch" in message(failed)
    assert plugin.failures(SERVICE_ACCOUNT_PATCH, {"metadata": {"labels": {"a": "b"}}}).keys() == {"metadata.name"}


def test_what_the_server_says_is_immutable(plugin: Plugin, plane: ControlPlane) -> None:
    """What no list has, the API server is asked."""
    token = "kubernetes:storage.k8s.io/v1:StorageClass"
    inputs = {"metadata": {"name": "fast"}, "provisioner": "example.com/disk", "reclaimPolicy": "Delete"}
    made = plugin.create(token, inputs)
    found = plugin.diff(made, {**inputs, "reclaimPolicy": "Retain"})
    assert found.replaces == {"reclaimPolicy"} and found.delete_first
    assert not plugin.diff(made, {**inputs, "allowVolumeExpansion": True}).replaces
    plugin.delete(made)


def test_custom_resources(plugin: Plugin, namespace: str) -> None:
    """A definition, and then an object of the kind that it brings."""
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x_kubernetes_preserve_unknown_fields": True}},
    }
    definition = {
        "metadata": {"name": "crontabs.stable.example.com"},
        "spec": {
            "group": "stable.example.com",
            "scope": "Namespaced",
            "names": {"plural": "crontabs", "singular": "crontab", "kind": "CronTab"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    token = "kubernetes:stable.example.com/v1:CronTab"
    # The garbage collector, which a deletion in the foreground waits for, takes its time to learn of new kinds.
    annotations = {"pulumi.com/deletionPropagationPolicy": "background"}
    metadata = {"name": "nightly", "namespace": namespace, "annotations": annotations}
    inputs = {"metadata": metadata, "spec": {"cron": "0 0 * * *"}}
    assert plugin.preview(token, inputs)["spec"] == inputs["spec"], "the definition may come with the same program"
    with pytest.raises(grpc.RpcError) as failed:
        plugin.create(token, inputs)
    assert "has no stable.example.com/v1 CronTab" in message(failed)
    defined = plugin.create(CRD, definition)
    assert not plugin.diff(defined, definition).changes
    assert plugin.refresh(defined).given == defined.given  # type: ignore[union-attr]
    made = plugin.create(token, inputs)
    assert made.values["spec"] == inputs["spec"]
    assert plugin.refresh(made).given == made.given  # type: ignore[union-attr]
    plugin.delete(made)
    plugin.delete(defined)
    assert plugin.refresh(made) is None


def test_without_server_side_apply(start: Start, plane: ControlPlane, namespace: str) -> None:
    plugin = start({"kubeconfig": plane.kubeconfig(), "enableServerSideApply": "false"})
    inputs = {
        "metadata": {"name": "settings", "namespace": namespace, "labels": {"a": "1", "b": "2"}},
        "data": {"a": "1"},
    }
    made = plugin.create(CONFIG_MAP, inputs)
    assert made.values["metadata"]["labels"] == {"a": "1", "b": "2", "app.kubernetes.io/managed-by": "pulumi"}
    assert made.values["__fieldManager"] == "pulumi-resource-kubernetes"
    changed = merged(inputs, {"metadata": {"labels": {"a": "3"}}})
    del changed["metadata"]["labels"]["b"]
    made = plugin.update(made, changed)
    assert made.values["metadata"]["labels"] == {"a": "3", "app.kubernetes.io/managed-by": "pulumi"}
    assert not plugin.diff(made, changed).changes
    assert plugin.failures(SERVICE_ACCOUNT_PATCH, {"metadata": {"name": "default"}}).keys() == {""}

    generated = {"metadata": {"generateName": "made-", "namespace": namespace}}
    assert plugin.create(CONFIG_MAP, generated).id.startswith(f"{namespace}/made-")

    # From here on with server-side apply: our own fields are taken over.
    modern = start({"kubeconfig": plane.kubeconfig()})
    del changed["metadata"]["labels"]["a"]
    made = modern.update(made, changed)
    assert made.values["__fieldManager"].startswith("pulumi-kubernetes-")
    assert made.values["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "pulumi"}


LIVE = {
    "list": [{"name": "a", "x": 1, "y": 2}, {"name": "b", "x": 3}],
    "set": ["one", "two"],
    "map": {"a": "1", "b": "2"},
    "atomic": [1, 2],
}
FIELDS = {
    "f:list": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:x": {}}},
    "f:set": {'v:"two"': {}},
    "f:map": {".": {}, "f:b": {}},
    "f:atomic": {},
}


def test_projection() -> None:
    assert ownership.project(LIVE, FIELDS) == {
        "list": [{"name": "a", "x": 1}],
        "set": ["two"],
        "map": {"b": "2"},
        "atomic": [1, 2],
    }


@pytest.mark.parametrize(
    ("given", "live", "fields", "found"),
    [
        ({"cpu": "1000m"}, {"cpu": "1"}, {"f:cpu": {}}, {"cpu": "1000m"}),
        ({"cpu": "1000m"}, {"cpu": "2"}, {}, {"cpu": "1000m"}),
        ({"cpu": "1000m"}, {"cpu": "2"}, {"f:other": {}}, {"cpu": "2"}),
        ({"cpu": "1000m"}, {"cpu": "2"}, None, {"cpu": "2"}),
        ({"off": False, "none": {}, "x": "y"}, {}, None, {"off": False, "none": {}}),
        (
            [{"name": "a", "v": "1"}],
            [{"name": "z"}, {"name": "a", "v": "2"}],
            {'k:{"name":"a"}': {"f:name": {}}},
            [{"name": "a", "v": "2"}],
        ),
        ([{"name": "a"}], [{"name": "z"}], {'k:{"name":"a"}': {"f:name": {}}}, []),
        ([1, 2], [1, 2, 3], None, [1, 2, 3]),
    ],
)
def test_reconciliation(given: Any, live: Any, fields: Any, found: Any) -> None:
    assert ownership.reconcile(given, live, fields) == found


def test_a_marked_value_stays_secret(plugin: Plugin, namespace: str) -> None:
    inputs = {"metadata": {"name": "settings", "namespace": namespace}, "data": {"a": "hidden-value", "b": "2"}}
    made = plugin.create(CONFIG_MAP, inputs, secrets=[("data", "a")])
    secrets = decode(made.state).secrets
    assert {("data", "a"), ("__inputs", "data", "a")} <= secrets
    assert ("data", "b") not in secrets
    refreshed = plugin.refresh(made)
    assert refreshed is not None
    assert ("data", "a") in decode(refreshed.inputs).secrets
    assert decode(refreshed.state).secrets == secrets


def test_errors_do_not_tell_secrets(plugin: Plugin, namespace: str) -> None:
    inputs = {"metadata": {"name": "app", "namespace": namespace, "labels": {"l": "not a label!"}}}
    for call in (plugin.preview, plugin.create):
        with pytest.raises(grpc.RpcError) as failed:
            call(SERVICE_ACCOUNT, inputs, secrets=[("metadata", "labels", "l")])
        assert "not a label!" not in message(failed)
        assert "[secret]" in message(failed)
