"""Containers whose image is the AWS CLI's: their commands run, and what becomes of them is what Kubernetes says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws.support import unique
from tests.twin.kubernetes.support import runs
from tests.twin.pod_identity.support import TestCluster, eventually

IMAGE = "public.ecr.aws/aws-cli/aws-cli:2.31.13"
LIST_BUCKETS = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}


@pytest.fixture(scope="module")
def namespace(cluster: TestCluster) -> str:
    """A namespace whose ServiceAccount may list buckets."""
    name = cluster.namespace()
    cluster.service_account(name)
    cluster.associate(name, role=cluster.role(LIST_BUCKETS))
    return name


def shell(script: str, **more: Any) -> dict[str, Any]:
    """Return a container that runs a script."""
    return {"name": "app", "image": IMAGE, "command": ["sh", "-c", script], **more}


class Pod:
    """A pod of a test's, and what becomes of it."""

    def __init__(self, cluster: TestCluster, namespace: str, *containers: dict[str, Any], **spec: Any) -> None:
        self.cluster, self.namespace, self.name = cluster, namespace, unique("pod")
        self.path = f"/api/v1/namespaces/{namespace}/pods/{self.name}"
        body = {
            "metadata": {"name": self.name, "labels": {"tier": "web"}},
            "spec": {
                "serviceAccountName": "app",
                "automountServiceAccountToken": False,
                "restartPolicy": "Never",
                "containers": list(containers),
                **spec,
            },
        }
        self.uid = cluster.create_pod(namespace, body)["metadata"]["uid"]

    @property
    def phase(self) -> str:
        return self.status["phase"]

    @property
    def status(self) -> dict[str, Any]:
        return self.cluster.api.get(self.path)["status"]

    def container(self, name: str = "app") -> dict[str, Any]:
        """Return the status of a container, once it has one."""
        kinds = ("initContainerStatuses", "containerStatuses")
        found = [item for kind in kinds for item in self.status.get(kind, []) if item["name"] == name]
        return found[0] if found else {"state": {}, "restartCount": 0}

    def ended(self) -> str:
        """Await the pod's end; return its phase."""
        eventually(lambda: self.phase in ("Succeeded", "Failed"))
        return self.phase

    def logs(self, *options: str) -> str:
        done = self.cluster.kubectl("-n", self.namespace, "logs", self.name, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_a_pods_own_command_runs_as_its_role(cluster: TestCluster, namespace: str) -> None:
    args = ["sts", "get-caller-identity", "--query", "Arn", "--output", "text"]
    pod = Pod(cluster, namespace, {"name": "app", "image": "amazon/aws-cli", "args": args})
    assert pod.ended() == "Succeeded"
    assert f"/eks-main-{pod.name}-" in pod.logs()
    terminated = pod.container()["state"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (0, "Completed")
    conditions = {item["type"]: (item["status"], item.get("reason", "")) for item in pod.status["conditions"]}
    assert conditions["PodScheduled"] == conditions["Initialized"] == ("True", "")
    assert conditions["Ready"] == conditions["ContainersReady"] == ("False", "PodCompleted")


@pytest.mark.parametrize(
    ("command", "end"),
    [("aws s3 ls", "Complete"), ("aws s3 mb s3://intruder", "Failed")],
)
def test_a_job_ends_as_its_command_does(cluster: TestCluster, namespace: str, command: str, end: str) -> None:
    jobs, name = f"/apis/batch/v1/namespaces/{namespace}/jobs", unique("job")
    template = {"serviceAccountName": "app", "restartPolicy": "Never", "containers": [shell(command)]}
    cluster.api.create(jobs, {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": template}}})

    def conditions() -> list[str]:
        found = cluster.api.get(f"{jobs}/{name}")["status"].get("conditions", [])
        return [item["type"] for item in found if item["status"] == "True"]

    eventually(lambda: {"Complete", "Failed"} & set(conditions()))
    assert end in conditions()
    said = cluster.kubectl("-n", namespace, "logs", f"job/{name}").stdout
    assert ("AccessDenied" in said) == (end == "Failed"), said


def test_a_simulated_job_is_done_at_once(cluster: TestCluster, namespace: str) -> None:
    jobs, name = f"/apis/batch/v1/namespaces/{namespace}/jobs", unique("job")
    template = {"restartPolicy": "Never", "containers": [{"name": "app", "image": "perl", "command": ["false"]}]}
    cluster.api.create(jobs, {"metadata": {"name": name}, "spec": {"template": {"spec": template}}})
    eventually(lambda: cluster.api.get(f"{jobs}/{name}")["status"].get("succeeded") == 1)


def test_logs(cluster: TestCluster, namespace: str, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    script = f"echo one; echo two >&2; echo three; until test -e {go_on}; do sleep 0.05; done; printf four"
    pod = Pod(cluster, namespace, shell(script))
    eventually(lambda: pod.phase == "Running")
    whole = "one\ntwo\nthree\n"
    eventually(lambda: pod.logs() == whole)
    assert pod.logs("--tail=1") == "three\n"
    assert pod.logs("--tail=9") == pod.logs("--since=1h") == whole
    assert pod.logs("--since-time=2100-01-01T00:00:00Z") == ""
    assert pod.logs("--limit-bytes=5") == "one\nt"
    stamped = [line.split(" ", 1) for line in pod.logs("--timestamps").splitlines()[:2]]
    assert [line for _, line in stamped] == ["one", "two"] and stamped[0][0] <= stamped[1][0]
    following = cluster.begin_kubectl("-n", namespace, "logs", "-f", "--tail=1", pod.name)
    assert following.stdout is not None
    assert following.stdout.readline() == "three\n"
    go_on.touch()
    assert following.stdout.read() == "four"
    assert following.wait(10) == 0
    assert pod.ended() == "Succeeded"
    assert pod.logs() == whole + "four"


def test_a_container_is_started_again(cluster: TestCluster, namespace: str) -> None:
    """At once the first time, and then ever more slowly."""
    script = 'echo "run $(ls | wc -l)"; touch "$(ls | wc -l)"; exit 3'
    pod = Pod(cluster, namespace, shell(script), restartPolicy="Always")
    eventually(lambda: pod.container()["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    found = pod.container()
    assert (found["restartCount"], found["lastState"]["terminated"]["exitCode"], pod.phase) == (1, 3, "Running")
    assert (pod.logs("--previous"), pod.logs()) == ("run 0\n", "run 1\n")
    cluster.api.delete(pod.path)
    eventually(lambda: cluster.api.find(pod.path) is None, 3)


def test_on_failure_a_container_is_started_until_it_succeeds(cluster: TestCluster, namespace: str) -> None:
    pod = Pod(cluster, namespace, shell("test -e again || { touch again; exit 1; }"), restartPolicy="OnFailure")
    assert pod.ended() == "Succeeded"
    assert pod.container()["restartCount"] == 1


def test_a_pod_ends_within_its_grace_period_and_leaves_nothing(
    cluster: TestCluster, namespace: str, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    script = (
        f"trap 'echo asked >> {mark}.asked' TERM; setsid sleep 600 & echo $! > {mark}.1; sleep 600 & echo $! > {mark}.2; "
        f"echo $$$$ > {mark}; while true; do sleep 0.1; done"  # of $$ Kubernetes makes one
    )
    pod = Pod(cluster, namespace, shell(script))
    eventually(lambda: mark.exists() and mark.read_text())
    pids = [int(Path(name).read_text()) for name in (mark, f"{mark}.1", f"{mark}.2")]
    assert all(map(runs, pids))
    begun = time.monotonic()
    cluster.api.delete(pod.path, gracePeriodSeconds="2")
    eventually(lambda: cluster.api.find(pod.path) is None, 10)
    assert 2 <= time.monotonic() - begun < 6
    assert Path(f"{mark}.asked").exists()
    eventually(lambda: not any(map(runs, pids)), 5)


def test_a_pod_that_is_removed_by_force_is_killed(cluster: TestCluster, namespace: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    pod = Pod(cluster, namespace, shell(f"trap '' TERM; echo $$$$ > {mark}; while true; do sleep 0.1; done"))
    eventually(lambda: mark.exists() and mark.read_text())
    cluster.api.delete(pod.path, gracePeriodSeconds="0")
    eventually(lambda: not runs(int(mark.read_text())), 5)


def test_what_its_specification_says_it_finds(cluster: TestCluster, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    cluster.api.create(
        f"{base}/configmaps",
        {"metadata": {"name": "settings"}, "data": {"mode": "fast", "hello.sh": "#!/bin/sh\necho hello $1\n"}},
    )
    cluster.api.create(f"{base}/secrets", {"metadata": {"name": "keys"}, "stringData": {"key": "hidden"}})
    volumes = [
        {"name": "settings", "configMap": {"name": "settings", "defaultMode": 0o755}},
        {
            "name": "all",
            "projected": {
                "sources": [
                    {"secret": {"name": "keys", "items": [{"key": "key", "path": "deep/key"}]}},
                    {"serviceAccountToken": {"audience": "vault", "expirationSeconds": 600, "path": "token"}},
                    {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                ]
            },
        },
    ]
    script = (
        'pwd; echo $MODE $CPU $MEMORY; cat $FILES/deep/key; echo; grep -c . $FILES/token; grep tier $FILES/labels; "$@"'
    )
    container = {
        "name": "app",
        "image": IMAGE,
        "workingDir": "/srv/app",
        "command": ["sh", "-c", script, "_"],
        "args": ["/settings/hello.sh", "$(MODE)"],
        "env": [
            {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
            {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory"}}},
            {"name": "FILES", "value": "/all"},
        ],
        "resources": {"limits": {"cpu": "250m"}, "requests": {"memory": "64Mi"}},
        "volumeMounts": [
            {"name": "settings", "mountPath": "/settings"},
            {"name": "all", "mountPath": "/all", "readOnly": True},
        ],
    }
    pod = Pod(cluster, namespace, container, volumes=volumes)
    assert pod.ended() == "Succeeded", pod.logs()
    folder, *lines = pod.logs().splitlines()
    assert folder == str(cluster.folder / "pod-identity/pods" / pod.uid / "root/srv/app")
    assert lines == ["fast 250 67108864", "hidden", "1", 'tier="web"', "hello fast"]


def test_init_containers_come_first_and_share_volumes(cluster: TestCluster, namespace: str) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    init = [
        {"name": "first", "image": "busybox"},
        {**shell("echo $1 made > $1", volumeMounts=mounts), "name": "second"},
    ]
    init[1]["command"] += ["_", "/data/file"]
    pod = Pod(
        cluster,
        namespace,
        {"name": "app", "image": IMAGE, "command": ["cat", "/data/file"], "volumeMounts": mounts},
        initContainers=init,
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    assert pod.ended() == "Succeeded"
    assert pod.logs("-c", "app").endswith("/volumes/data/file made\n")
    assert [item["state"]["terminated"]["exitCode"] for item in pod.status["initContainerStatuses"]] == [0, 0]
    assert pod.logs("-c", "first").startswith("The container first is simulated")


def test_an_init_container_that_fails_fails_the_pod(cluster: TestCluster, namespace: str) -> None:
    pod = Pod(cluster, namespace, shell("true"), initContainers=[{**shell("exit 4"), "name": "init"}])
    assert pod.ended() == "Failed"
    assert pod.container("init")["state"]["terminated"]["exitCode"] == 4
    assert "waiting" in pod.container()["state"]
    refused = cluster.kubectl("-n", namespace, "logs", pod.name, "-c", "app")
    assert (refused.returncode, "waiting to start" in refused.stderr) == (1, True), refused.stderr


def test_a_sidecar_ends_with_the_others(cluster: TestCluster, namespace: str) -> None:
    sidecar = {**shell("echo here; sleep 600"), "name": "sidecar", "restartPolicy": "Always"}
    pod = Pod(cluster, namespace, shell("sleep 0.5"), initContainers=[sidecar])
    assert pod.ended() == "Succeeded"
    assert pod.logs("-c", "sidecar") == "here\n"
    assert "terminated" in pod.container("sidecar")["state"]


def test_beside_a_simulated_container(cluster: TestCluster, namespace: str) -> None:
    """The simulated one runs until the pod is deleted, so the pod does."""
    pod = Pod(cluster, namespace, shell("echo done"), {"name": "web", "image": "nginx"})
    eventually(lambda: "terminated" in pod.container()["state"])
    assert "running" in pod.container("web")["state"]
    assert pod.phase == "Running"
    refused = cluster.kubectl("-n", namespace, "exec", pod.name, "-c", "app", "--", "true")
    assert (refused.returncode, 'container not found ("app")' in refused.stderr) == (1, True), refused.stderr
    assert cluster.kubectl("-n", namespace, "exec", pod.name, "-c", "web", "--", "true").returncode == 0
    cluster.api.delete(pod.path)
    eventually(lambda: cluster.api.find(pod.path) is None, 3)


def test_what_cannot_be_started(cluster: TestCluster, namespace: str) -> None:
    pod = Pod(cluster, namespace, {"name": "app", "image": IMAGE, "command": ["no-such-program"]})
    assert pod.ended() == "Failed"
    terminated = pod.container()["state"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (128, "StartError")
    assert "executable file not found in $PATH" in terminated["message"]


def test_what_a_container_needs_may_come_later(cluster: TestCluster, namespace: str) -> None:
    source = [{"configMapRef": {"name": "late"}}]
    pod = Pod(cluster, namespace, shell("echo $VALUE", envFrom=source))
    eventually(lambda: pod.container()["state"].get("waiting", {}).get("reason") == "CreateContainerConfigError")
    assert pod.phase == "Pending"
    body = {"metadata": {"name": "late"}, "data": {"VALUE": "here"}}
    cluster.api.create(f"/api/v1/namespaces/{namespace}/configmaps", body)
    assert pod.ended() == "Succeeded"
    assert pod.logs() == "here\n"


def test_a_running_one_is_ready_and_open_to_commands(cluster: TestCluster, namespace: str) -> None:
    pod = Pod(cluster, namespace, shell("touch file; exec sleep infinity"))
    waited = cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", f"pod/{pod.name}", "--timeout=20s")
    assert waited.returncode == 0, waited.stderr
    assert pod.status["podIP"] and pod.status["hostIP"] and pod.status["startTime"]
    eventually(lambda: cluster.kubectl("-n", namespace, "exec", pod.name, "--", "ls").stdout == "file\n")
    cluster.api.delete(pod.path)
    eventually(lambda: cluster.api.find(pod.path) is None, 3)
