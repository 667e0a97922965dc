"""What a program may say of an object, and what becomes of it before the API server sees it."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from local.plugins.base.paths import render
from local.plugins.base.wire import UNKNOWN, decode, encode
from local.plugins.kubernetes import changes, defaults, secrecy
from local.plugins.kubernetes.kinds import Kind, parse_token
from local.plugins.kubernetes.replacement import replacing
from tests.twin.plugins_kubernetes.conftest import Start
from tests.twin.plugins_kubernetes.driver import (
    CLUSTER_ROLE,
    CONFIG_MAP,
    NAMESPACE,
    NAMESPACE_PATCH,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    Plugin,
    Resource,
    Values,
    message,
    urn,
)

AUTONAMED = {"pulumi.com/autonamed": "true"}


@pytest.mark.parametrize(
    ("token", "kind", "patch"),
    [
        ("kubernetes:core/v1:Namespace", Kind("", "v1", "Namespace"), False),
        ("kubernetes:core/v1:NamespacePatch", Kind("", "v1", "Namespace"), True),
        ("kubernetes:rbac.authorization.k8s.io/v1:Role", Kind("rbac.authorization.k8s.io", "v1", "Role"), False),
        ("kubernetes:stable.example.com/v1beta1:CronTab", Kind("stable.example.com", "v1beta1", "CronTab"), False),
    ],
)
def test_tokens(token: str, kind: Kind, patch: bool) -> None:
    assert parse_token(token) == (kind, patch)


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:helm.sh/v4:Chart",
        "kubernetes:yaml:ConfigFile",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:kustomize/v2:Directory",
        "aws:s3/bucket:Bucket",
    ],
)
def test_what_only_the_official_plugin_serves(offline: Plugin, token: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        offline.check(token, {})
    assert token in message(refused)
    assert "pulumi plugin install resource kubernetes" in message(refused)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Invoke", provider_pb2.InvokeRequest(tok="kubernetes:yaml:decode")),
        ("Construct", provider_pb2.ConstructRequest(type="kubernetes:yaml/v2:ConfigGroup")),
        ("Call", provider_pb2.CallRequest(tok="kubernetes:index:thing")),
    ],
)
def test_functions_and_components_are_refused(offline: Plugin, method: str, request_: Any) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        getattr(offline.stub, method)(request_)
    assert "pulumi plugin install resource kubernetes" in message(refused)


@pytest.mark.parametrize(
    ("token", "inputs", "checked"),
    [
        (NAMESPACE, {}, {"name": "r-19b25856", "annotations": AUTONAMED}),
        (CONFIG_MAP, {}, {"name": "r-19b25856", "namespace": "default", "annotations": AUTONAMED}),
        (CLUSTER_ROLE, {"metadata": {"name": "a"}}, {"name": "a"}),
        (CONFIG_MAP, {"metadata": {"name": "a", "namespace": ""}}, {"name": "a", "namespace": "default"}),
        (CONFIG_MAP, {"metadata": {"name": UNKNOWN}}, {"name": UNKNOWN, "namespace": "default"}),
        (CONFIG_MAP, {"metadata": {"name": "a", "namespace": UNKNOWN}}, {"name": "a", "namespace": UNKNOWN}),
        (CONFIG_MAP, {"metadata": UNKNOWN}, UNKNOWN),
        (
            CONFIG_MAP,
            {"metadata": {"annotations": UNKNOWN}},
            {"name": "r-19b25856", "namespace": "default", "annotations": UNKNOWN},
        ),
        # Which scope a custom resource has, only the cluster can say; it is put right when it is created.
        ("kubernetes:example.com/v1:Thing", {"metadata": {"name": "a"}}, {"name": "a", "namespace": "default"}),
    ],
)
def test_metadata(offline: Plugin, token: str, inputs: Values, checked: Any) -> None:
    found = offline.checked(token, inputs).values
    assert found["metadata"] == checked
    assert found["apiVersion"] and found["kind"]


def test_a_made_name_is_kept(offline: Plugin) -> None:
    first = offline.check(CONFIG_MAP, {})
    name = decode(first).values["metadata"]["name"]
    again = offline.checked(CONFIG_MAP, {"data": {"a": "b"}}, old=first, seed=b"another seed")
    assert again.values["metadata"]["name"] == name
    assert again.values["metadata"]["annotations"] == AUTONAMED
    given = offline.checked(CONFIG_MAP, {"metadata": {"name": "given"}}, old=first)
    assert given.values["metadata"] == {"name": "given", "namespace": "default"}
    fresh = offline.checked(CONFIG_MAP, {}, old=offline.check(CONFIG_MAP, {"metadata": {"name": "given"}}))
    assert fresh.values["metadata"]["name"] == name


def test_the_providers_namespace(start: Start) -> None:
    plugin = start({"kubeconfig": UNKNOWN, "namespace": "mine"})
    assert plugin.checked(CONFIG_MAP, {}).values["metadata"]["namespace"] == "mine"
    assert "namespace" not in plugin.checked(NAMESPACE, {}).values["metadata"]


@pytest.mark.parametrize(
    ("token", "inputs", "property_"),
    [
        (CONFIG_MAP, {"kind": "Secret"}, "kind"),
        (CONFIG_MAP, {"apiVersion": "v2"}, "apiVersion"),
        (CONFIG_MAP, {"metadata": "settings"}, "metadata"),
        (CONFIG_MAP, {"metadata": {"generateName": "a-"}}, "metadata.generateName"),
        (NAMESPACE_PATCH, {}, "metadata.name"),
        (
            POD,
            {"metadata": {"annotations": {"pulumi.com/timeoutSeconds": "soon"}}},
            'metadata.annotations["pulumi.com/timeoutSeconds"]',
        ),
        (
            POD,
            {"metadata": {"annotations": {"pulumi.com/waitFor": "good luck"}}},
            'metadata.annotations["pulumi.com/waitFor"]',
        ),
        (
            POD,
            {"metadata": {"annotations": {"pulumi.com/waitFor": "[1]"}}},
            'metadata.annotations["pulumi.com/waitFor"]',
        ),
        (
            POD,
            {"metadata": {"annotations": {"pulumi.com/deletionPropagationPolicy": "never"}}},
            'metadata.annotations["pulumi.com/deletionPropagationPolicy"]',
        ),
    ],
)
def test_what_is_wrong(offline: Plugin, token: str, inputs: Values, property_: str) -> None:
    assert offline.failures(token, inputs).keys() == {property_}


def test_secrets(offline: Plugin) -> None:
    inputs = {"data": {"a": "Yg=="}, "stringData": {"c": "d"}, "metadata": {"labels": {"x": "y"}}}
    assert offline.checked(SECRET, inputs).secrets == {("data",), ("stringData",)}
    assert offline.checked(SECRET, inputs, secrets=[("stringData", "c")]).secrets == {("data",), ("stringData",)}
    assert offline.checked(CONFIG_MAP, inputs, secrets=[("data", "a")]).secrets == {("data", "a")}


def test_secret_paths_of_a_state() -> None:
    found = secrecy.of_state(Kind("", "v1", "Pod"), [("spec", "containers", 0, "env", 1, "value")])
    # Which element of the list it will be in the live object, nobody knows.
    assert found == {
        ("__inputs", "spec", "containers", 0, "env", 1, "value"),
        ("spec", "containers"),
        ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"),
    }


def test_preview_without_a_cluster(offline: Plugin) -> None:
    previewed = offline.preview(CONFIG_MAP, {"data": {"a": UNKNOWN, "b": "2"}})
    assert previewed["data"] == {"a": UNKNOWN, "b": "2"}
    assert previewed["metadata"]["name"] == "r-19b25856"
    assert previewed["metadata"]["uid"] is UNKNOWN
    assert previewed["__inputs"]["data"] == {"a": UNKNOWN, "b": "2"}


CONTAINER = {"name": "app", "image": "nginx:1.29"}


@pytest.mark.parametrize(
    ("token", "old", "new", "changed", "replaces", "first"),
    [
        (
            CONFIG_MAP,
            {"metadata": {"labels": {"a": "1"}}},
            {"metadata": {"labels": {"a": UNKNOWN}}},
            {"metadata.labels.a"},
            set(),
            False,
        ),
        (CONFIG_MAP, {"data": {"a": "1"}}, {"data": {"a": "2"}}, {"data.a"}, {"data.a"}, False),
        (CONFIG_MAP, {"data": {"a": "1"}}, {"data": UNKNOWN}, {"data"}, {"data"}, False),
        (
            CONFIG_MAP,
            {"metadata": {"name": "x"}, "data": {"a": "1"}},
            {"metadata": {"name": "x"}, "data": {"a": "2"}},
            {"data.a"},
            {"data.a"},
            True,
        ),
        (
            CONFIG_MAP,
            {"metadata": {"name": "x"}},
            {"metadata": {"name": "y"}},
            {"metadata.name"},
            {"metadata.name"},
            False,
        ),
        (
            CONFIG_MAP,
            {"metadata": {"name": "x"}},
            {"metadata": {"name": UNKNOWN}},
            {"metadata.name"},
            {"metadata.name"},
            False,
        ),
        (
            POD,
            {"spec": {"containers": [CONTAINER]}},
            {"spec": {"containers": [{**CONTAINER, "image": "nginx:1.30"}]}},
            {"spec.containers[0].image"},
            {"spec.containers[0].image"},
            False,
        ),
        (
            POD,
            {"spec": {"containers": [CONTAINER]}},
            {"spec": {"containers": [CONTAINER], "tolerations": [{"key": "a", "operator": "Exists"}]}},
            {"spec.tolerations"},
            set(),
            False,
        ),
        (
            POD,
            {"spec": {"containers": [CONTAINER]}},
            {"spec": {"containers": [{**CONTAINER, "imagePullPolicy": "IfNotPresent"}], "restartPolicy": "Always"}},
            set(),
            set(),
            False,
        ),
        (
            POD,
            {"spec": {"containers": [CONTAINER]}},
            {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}},
            {"spec.restartPolicy"},
            {"spec.restartPolicy"},
            False,
        ),
        (SERVICE_ACCOUNT, {"automountServiceAccountToken": True}, {}, {"automountServiceAccountToken"}, set(), False),
    ],
)
def test_changes(
    offline: Plugin, token: str, old: Values, new: Values, changed: set[str], replaces: set[str], first: bool
) -> None:
    inputs = offline.check(token, old)
    state = {**decode(inputs).values, "__inputs": decode(inputs).values}
    found = offline.diff(Resource(token, "r", inputs, "default/r", encode(state)), new)
    assert set(found.kinds) == changed
    assert found.changes == bool(changed)
    assert found.replaces == replaces
    assert found.delete_first == first


def test_what_is_ignored(offline: Plugin) -> None:
    inputs = offline.check(CONFIG_MAP, {"data": {"a": "1"}})
    old = Resource(CONFIG_MAP, "r", inputs, "default/r", inputs)
    assert not offline.diff(old, {"data": {"a": "2"}}, ignore=["data"]).changes
    assert offline.diff(old, {"data": {"a": "2", "b": "3"}}, ignore=["data.a"]).kinds == {"data.b": "ADD_REPLACE"}


@pytest.mark.parametrize(
    ("kind", "mutable", "old", "replaced"),
    [
        ("ConfigMap", (), {}, True),
        ("ConfigMap", ("ConfigMap",), {}, False),
        ("ConfigMap", ("ConfigMap",), {"immutable": True}, True),
        ("Secret", ("ConfigMap",), {}, True),
        ("Secret", ("Secret",), {}, False),
    ],
)
def test_data_is_replaced_unless_it_may_change(kind: str, mutable: Any, old: Values, replaced: bool) -> None:
    patterns, _ = replacing(Kind("", "v1", kind), old, mutable)
    assert (("data",) in patterns) == replaced


def test_comparison() -> None:
    old = {"a": [1, {"x": 1}], "b": {"c": "d"}, "gone": 1, "kind": "1"}
    new = {"a": [1, {"x": 2}, 3], "b": {"c": "d"}, "new": UNKNOWN, "kind": 1}
    found = {render(path): kind.value for path, kind in changes.compare(old, new)}
    assert found == {"a[1].x": "update", "a[2]": "add", "gone": "delete", "new": "add", "kind": "update"}
    assert changes.merge_patch({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 2}, "e": 3}) == {
        "a": {"b": 2, "c": None},
        "d": None,
        "e": 3,
    }


@pytest.mark.parametrize(
    ("image", "policy", "kept"),
    [
        ("nginx", "Always", False),
        ("nginx:latest", "Always", False),
        ("nginx:1", "IfNotPresent", False),
        ("host:5000/nginx", "Always", False),
        ("nginx@sha256:00", "IfNotPresent", False),
        ("nginx:1", "Always", True),
        (UNKNOWN, "Always", True),
    ],
)
def test_the_default_pull_policy(image: Any, policy: str, kept: bool) -> None:
    container = {"name": "app", "image": image, "imagePullPolicy": policy}
    values = defaults.without_defaults(Kind("", "v1", "Pod"), {"spec": {"containers": [container]}})
    assert ("imagePullPolicy" in values["spec"]["containers"][0]) == kept


def test_the_urn_decides_and_not_its_parents(offline: Plugin) -> None:
    nested = urn(f"project:index:App${SERVICE_ACCOUNT}", "r")
    request = provider_pb2.CheckRequest(urn=nested, news=encode({}), name="r", randomSeed=b"seed")
    assert decode(offline.stub.Check(request).inputs).values["kind"] == "ServiceAccount"
