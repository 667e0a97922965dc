"""A program on the real engine."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.twin.plugins_kubernetes.control_plane import ADMIN, ControlPlane
from tests.twin.toolchain.conftest import Project, empty_stack, project, pulumi_environment

Make = Callable[..., Project]

__all__ = ["empty_stack", "project", "pulumi_environment"]

PROGRAM = """\
    import pulumi
    import pulumi_kubernetes as k8s

    config = pulumi.Config()
    provider = k8s.Provider("cluster", kubeconfig=config.require("kubeconfig"), cluster_identifier="one")
    options = pulumi.ResourceOptions(provider=provider, custom_timeouts={"create": "30s", "delete": "30s"})
    namespace = k8s.core.v1.Namespace("app", opts=options)
    account = k8s.core.v1.ServiceAccount(
        "app",
        metadata={"namespace": namespace.metadata["name"], "labels": {"version": config.require("version")}},
        automount_service_account_token=False,
        opts=options,
    )
    pod = k8s.core.v1.Pod(
        "app",
        metadata={
            "name": "app",
            "namespace": namespace.metadata["name"],
            "labels": {"version": config.require("version")},
            # There is no node: the cluster is a control plane only.
            "annotations": {"pulumi.com/waitFor": "jsonpath={.status.phase}=Pending"},
        },
        spec={
            "service_account_name": account.metadata["name"],
            "termination_grace_period_seconds": 0,
            "containers": [{"name": "app", "image": config.require("image"), "resources": {"limits": {"cpu": "1000m"}}}],
        },
        opts=options,
    )
    key = k8s.core.v1.Secret(
        "key",
        metadata={"namespace": namespace.metadata["name"]},
        string_data={"password": config.require_secret("password")},
        opts=options,
    )
    pulumi.export("namespace", namespace.metadata["name"])
    pulumi.export("address", pulumi.Output.concat("pod ", pod.metadata.name, " ", pod.metadata.uid))
"""


def test_life_of_a_stack(project: Make, plane: ControlPlane) -> None:
    stack = project(PROGRAM)
    configure(stack, kubeconfig=plane.kubeconfig(), version="1", image="nginx:1.29")
    stack.run("config", "set", "--secret", "password", "a-very-secret-password")

    said = stack.run("preview")
    assert "6 to create" in said
    # What makes a name known makes it known at preview; what only the API server can say stays unknown.
    assert re.search(r'namespace: "app-[0-9a-f]{8}"', said)
    assert re.search(r"address *: \[unknown\]", said)

    stack.run("up", "--yes", "--skip-preview")
    name = stack.outputs()["namespace"]
    pod = plane.find(f"/api/v1/namespaces/{name}/pods/app")
    assert pod is not None
    assert stack.outputs()["address"] == f"pod app {pod['metadata']['uid']}"
    stack.run("preview", "--expect-no-changes")
    stack.run("refresh", "--yes", "--expect-no-changes")
    state = stack.run("stack", "export")
    assert "a-very-secret-password" not in state
    assert ADMIN not in state
    assert "managedFields" not in state

    configure(stack, version="2")
    assert "2 updated" in _squeeze(stack.run("up", "--yes", "--skip-preview"))
    changed = plane.find(f"/api/v1/namespaces/{name}/pods/app")
    assert changed is not None
    assert (changed["metadata"]["labels"], changed["metadata"]["uid"]) == ({"version": "2"}, pod["metadata"]["uid"])

    configure(stack, image="nginx:1.30")
    assert "1 replaced" in _squeeze(stack.run("up", "--yes", "--skip-preview"))
    replaced = plane.find(f"/api/v1/namespaces/{name}/pods/app")
    assert replaced is not None and replaced["metadata"]["uid"] != pod["metadata"]["uid"]

    # The same cluster in another kubeconfig: nothing but the provider changes, and in place.
    configure(stack, kubeconfig=plane.kubeconfig(token=ADMIN, username="ignored"))
    said = _squeeze(stack.run("preview", "--diff"))
    assert "1 to update" in said and "replace" not in said
    assert ADMIN not in said

    stack.run("destroy", "--yes", "--skip-preview")
    assert plane.find(f"/api/v1/namespaces/{name}") is None


SECOND = """\
    import pulumi
    import pulumi_kubernetes as k8s

    namespace = pulumi.Config().require("namespace")
    # By the default provider: a resource that exists, one that is only looked at, and one of the stack's own.
    settings = k8s.core.v1.ConfigMap(
        "settings",
        metadata={"name": "settings", "namespace": namespace},
        data={"a": "1"},
        opts=pulumi.ResourceOptions(import_=f"{namespace}/settings"),
    )
    default = k8s.core.v1.ServiceAccount.get("default", f"{namespace}/default")
    cluster = k8s.core.v1.ConfigMap("cluster", metadata={"namespace": namespace})
    # Stands for the kubeconfig of a cluster that the program makes: known only once something has been created.
    kubeconfig = cluster.metadata.uid.apply(lambda _: pulumi.Config().require("kubeconfig"))
    options = pulumi.ResourceOptions(provider=k8s.Provider("made", kubeconfig=kubeconfig, namespace=namespace))
    account = k8s.core.v1.ServiceAccount("app", opts=options)
    k8s.core.v1.ServiceAccountPatch(
        "labels", metadata={"name": account.metadata["name"], "labels": {"patched": "true"}}, opts=options
    )
    pulumi.export("account", account.metadata["name"])
    pulumi.export("default", default.metadata.uid)
"""


def test_what_exists_and_what_is_still_to_come(
    project: Make, plane: ControlPlane, namespace: str, kubeconfig_file: Path
) -> None:
    """An import, a look at what is not ours, and a cluster that is not known at the first preview."""
    path = f"/api/v1/namespaces/{namespace}"
    body = {"metadata": {"name": "settings"}, "data": {"a": "1"}}
    plane.request("POST", f"{path}/configmaps?fieldManager=kubectl-create", body)
    stack = project(SECOND)
    settings = {"kubernetes:kubeconfig": str(kubeconfig_file), "namespace": namespace}
    configure(stack, kubeconfig=plane.kubeconfig(), **settings)
    said = _squeeze(stack.run("preview"))
    assert "5 to create" in said and "1 to import" in said
    said = _squeeze(stack.run("up", "--yes", "--skip-preview"))
    assert "5 created" in said and "1 imported" in said
    outputs = stack.outputs()
    live = plane.find(f"{path}/serviceaccounts/{outputs['account']}")
    assert live is not None and live["metadata"]["labels"] == {"patched": "true"}
    default = plane.find(f"{path}/serviceaccounts/default")
    assert default is not None and outputs["default"] == default["metadata"]["uid"]
    stack.run("preview", "--refresh", "--expect-no-changes")


def configure(stack: Project, **values: str) -> None:
    settings = [part for name, value in values.items() for part in ("--plaintext", f"{name}={value}")]
    stack.run("config", "set-all", *settings)


def _squeeze(text: str) -> str:
    return re.sub(r"[ \t]+", " ", text)
