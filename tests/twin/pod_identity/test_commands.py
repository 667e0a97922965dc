"""``kubectl exec`` and ``kubectl logs``, to the blog's last command."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from local.kubernetes.pod_identity.commands import host_environment
from tests.twin.aws.support import ACCOUNT, client, unique
from tests.twin.pod_identity.support import TOKEN_FILE, TestCluster, ask, eventually, simple_pod

LIST_BUCKETS = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}


def run(cluster: TestCluster, pod: dict[str, Any], *command: str, container: str = "app") -> tuple[int, str, str]:
    """Run a command in a pod once it runs."""
    about = pod["metadata"]
    path = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}"
    eventually(lambda: cluster.api.get(path)["status"]["phase"] == "Running")
    eventually(lambda: cluster.api.find(exec_path(pod)) is not None)
    done = cluster.kubectl("-n", about["namespace"], "exec", about["name"], "-c", container, "--", *command)
    return done.returncode, done.stdout, done.stderr


def exec_path(pod: dict[str, Any]) -> str:
    about = pod["metadata"]
    return f"/apis/kwok.x-k8s.io/v1alpha1/namespaces/{about['namespace']}/execs/{about['name']}"


def variables(cluster: TestCluster, pod: dict[str, Any], container: str = "app") -> dict[str, str]:
    """Return the variables of a command."""
    code, output, error = run(cluster, pod, "env", container=container)
    assert code == 0, error
    return dict(line.split("=", 1) for line in output.splitlines())


@pytest.fixture(scope="module")
def reader(cluster: TestCluster) -> dict[str, Any]:
    """A pod that may list buckets."""
    return cluster.associated_pod(cluster.role(LIST_BUCKETS))


def test_who_it_is(cluster: TestCluster, reader: dict[str, Any]) -> None:
    code, output, error = run(cluster, reader, "aws", "sts", "get-caller-identity")
    assert code == 0, error
    identity = json.loads(output)
    assert identity["Account"] == ACCOUNT
    assert ":assumed-role/pod-role-" in identity["Arn"] and "/eks-main-pod-" in identity["Arn"]


def test_what_is_allowed(cluster: TestCluster, reader: dict[str, Any]) -> None:
    bucket = unique("bucket")
    s3 = client(cluster.twin.world.url, "s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    code, output, error = run(cluster, reader, "aws", "s3", "ls")
    assert code == 0, error
    assert bucket in output


def test_what_is_denied(cluster: TestCluster, reader: dict[str, Any]) -> None:
    bucket = unique("denied")
    code, _, error = run(cluster, reader, "aws", "s3", "mb", f"s3://{bucket}")
    assert code != 0
    assert "AccessDenied" in error and "s3:CreateBucket" in error
    names = [found["Name"] for found in client(cluster.twin.world.url, "s3").list_buckets()["Buckets"]]
    assert bucket not in names


def test_a_pod_without_an_association_has_nothing(cluster: TestCluster) -> None:
    namespace = cluster.namespace()
    cluster.service_account(namespace)
    pod = cluster.pod(namespace)
    for command in (("s3", "ls"), ("sts", "get-caller-identity")):
        code, output, error = run(cluster, pod, "aws", "--region", "eu-west-1", *command)
        assert (code != 0, output) == (True, "")
        assert "Unable to locate credentials" in error


def test_nothing_of_the_operator_reaches_a_command(cluster: TestCluster, reader: dict[str, Any]) -> None:
    found = variables(cluster, reader)
    assert {name for name in found if name.startswith("AWS_")} == {
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_STS_REGIONAL_ENDPOINTS",
    }
    assert found["HOSTNAME"] == reader["metadata"]["name"]
    home = Path(found["HOME"])
    assert home.is_relative_to(cluster.folder) and not (home / ".aws").exists()


def test_the_host_environment() -> None:
    given = {
        "PATH": "/opt/bin",
        "LANG": "C",
        "HOME": "/home/me",
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "KUBECONFIG": "mine",
    }
    assert host_environment(given) == {"LANG": "C", "PATH": f"{Path(sys.executable).parent}{os.pathsep}/opt/bin"}
    assert shutil.which("aws", path=host_environment({})["PATH"]) == str(Path(sys.executable).parent / "aws")


def test_the_token_is_the_pods_and_private(cluster: TestCluster, reader: dict[str, Any]) -> None:
    found = variables(cluster, reader)
    path = Path(found[TOKEN_FILE])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # Nobody else can look into the folders around it.
    assert stat.S_IMODE(Path(found["HOME"]).stat().st_mode) == 0o700
    assert path.is_relative_to(found["HOME"])
    # The specification keeps EKS's path.
    env = reader["spec"]["containers"][0]["env"]
    written = next(item["value"] for item in env if item["name"] == TOKEN_FILE)
    assert written == "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"
    status, body, _ = ask(cluster.full_uri, path.read_text())
    assert (status, json.loads(body)["AccountId"]) == (200, ACCOUNT)


def test_a_token_file_of_the_pods_own_is_left_alone(cluster: TestCluster, reader: dict[str, Any]) -> None:
    namespace = reader["metadata"]["namespace"]
    pod = simple_pod("app", unique("own"))
    pod["spec"]["containers"][0]["env"] = [{"name": TOKEN_FILE, "value": "/elsewhere/token"}]
    assert variables(cluster, cluster.create_pod(namespace, pod))[TOKEN_FILE] == "/elsewhere/token"


@pytest.fixture
def configured(cluster: TestCluster) -> str:
    """A namespace with a ConfigMap and a Secret."""
    namespace = cluster.namespace()
    base = f"/api/v1/namespaces/{namespace}"
    cluster.service_account(namespace)
    cluster.api.create(f"{base}/configmaps", {"metadata": {"name": "settings"}, "data": {"mode": "fast", "size": "3"}})
    cluster.api.create(f"{base}/secrets", {"metadata": {"name": "keys"}, "stringData": {"key": "hidden"}})
    return namespace


def test_variables_from_elsewhere(cluster: TestCluster, configured: str) -> None:
    pod = simple_pod("app", "configured")
    pod["metadata"]["labels"] = {"tier": "web"}
    pod["spec"]["containers"][0] |= {
        "envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "S_"}, {"secretRef": {"name": "keys"}}],
        "env": [
            {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "key"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "TIER", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['tier']"}}},
            {"name": "ACCOUNT", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "GREETING", "value": "$(POD) in $(NS), $(NOBODY), $$(POD)"},
        ],
    }
    created = cluster.create_pod(configured, pod)
    node = cluster.api.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    eventually(lambda: variables(cluster, created).get("NODE") == node)
    found = variables(cluster, created)
    expected = {
        "S_mode": "fast",
        "S_size": "3",
        "key": "hidden",
        "MODE": "fast",
        "KEY": "hidden",
        "POD": "configured",
        "NS": configured,
        "TIER": "web",
        "ACCOUNT": "app",
        "GREETING": f"configured in {configured}, $(NOBODY), $(POD)",
    }
    assert {name: found.get(name) for name in expected} == expected


def test_what_a_variable_needs_may_come_later(cluster: TestCluster, configured: str) -> None:
    pod = simple_pod("app", "early")
    late = {"name": "LATE", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "value"}}}
    pod["spec"]["containers"][0]["env"] = [late]
    created = cluster.create_pod(configured, pod)
    body = {"metadata": {"name": "late"}, "data": {"value": "here"}}
    cluster.api.create(f"/api/v1/namespaces/{configured}/configmaps", body)
    assert variables(cluster, created)["LATE"] == "here"


def test_each_container_has_its_own_variables(cluster: TestCluster, configured: str) -> None:
    pod = simple_pod("app", "two")
    pod["spec"]["containers"] = [
        {"name": name, "image": "x", "env": [{"name": "WHO", "value": name}]} for name in ("one", "two")
    ]
    created = cluster.create_pod(configured, pod)
    assert [variables(cluster, created, name)["WHO"] for name in ("one", "two")] == ["one", "two"]


def test_what_was_prepared_goes_with_the_pod(cluster: TestCluster, reader: dict[str, Any]) -> None:
    pod = cluster.pod(reader["metadata"]["namespace"])
    home = Path(variables(cluster, pod)["HOME"])
    assert home.exists()
    cluster.delete_pod(pod)
    eventually(lambda: not home.exists())
    eventually(lambda: cluster.api.find(exec_path(pod)) is None)


def test_a_pod_of_the_same_name_gets_its_own_token(cluster: TestCluster, reader: dict[str, Any]) -> None:
    namespace = reader["metadata"]["namespace"]
    first = cluster.pod(namespace, name="again")
    before = variables(cluster, first)["HOME"]
    cluster.delete_pod(first)
    second = cluster.pod(namespace, name="again")
    eventually(lambda: variables(cluster, second)["HOME"] != before)
    found = variables(cluster, second)
    assert Path(found["HOME"]).name == second["metadata"]["uid"]
    assert ask(cluster.full_uri, Path(found[TOKEN_FILE]).read_text())[0] == 200


def test_standard_input_and_exit(cluster: TestCluster, reader: dict[str, Any]) -> None:
    code, output, _ = run(cluster, reader, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (code != 0, output) == (True, "out\n")


def test_logs(cluster: TestCluster, reader: dict[str, Any]) -> None:
    about = reader["metadata"]
    run(cluster, reader, "true")
    done = cluster.kubectl("-n", about["namespace"], "logs", about["name"])
    assert (done.returncode, "kwok simulates this container" in done.stdout) == (0, True), done.stderr


def test_a_pod_is_ready_for_commands_soon(cluster: TestCluster, reader: dict[str, Any]) -> None:
    """From creation to the end of a first command, without waiting for anything but Ready."""
    namespace = reader["metadata"]["namespace"]
    begun = time.monotonic()
    pod = cluster.pod(namespace)
    name = pod["metadata"]["name"]
    waited = cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=20s")
    assert waited.returncode == 0, waited.stderr
    done = cluster.kubectl("-n", namespace, "exec", name, "--", "true")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 10
