"""``kubectl exec`` and ``kubectl logs``, to the blog's last command."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import select
import shutil
import ssl
import stat
import struct
import subprocess
import sys
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.kubernetes.kubelet.sandbox import search_path
from tests.twin.aws.support import ACCOUNT, client, unique
from tests.twin.kubernetes.support import runs
from tests.twin.pod_identity.support import TOKEN_FILE, TestCluster, ask, eventually, simple_pod

TOKEN_NAME = "eks-pod-identity-token"

LIST_BUCKETS = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}


def run(cluster: TestCluster, pod: dict[str, Any], *command: str, container: str = "app") -> tuple[int, str, str]:
    """Run a command in a pod once it runs."""
    about = pod["metadata"]
    path = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}"
    eventually(lambda: cluster.api.get(path)["status"]["phase"] == "Running")
    done = cluster.kubectl("-n", about["namespace"], "exec", about["name"], "-c", container, "--", *command)
    return done.returncode, done.stdout, done.stderr


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
    assert code == 1
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
    """The endpoint was started with credentials and much else in its environment; see the twin's fixture."""
    found = variables(cluster, reader)
    home = Path(found["HOME"])
    assert found == {
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(home.parent / "volumes/eks-pod-identity-token" / TOKEN_NAME),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": cluster.full_uri,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": cluster.twin.world.url,
        "AWS_REGION": "eu-west-1",
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "HOME": str(cluster.folder / "pod-identity/pods" / reader["metadata"]["uid"] / "home"),
        "HOSTNAME": reader["metadata"]["name"],
        "PATH": search_path(),
        "TMPDIR": str(home.parent / "tmp"),
    }


def test_home_and_temporary_folder_are_the_pods_own(cluster: TestCluster, reader: dict[str, Any]) -> None:
    code, output, error = run(cluster, reader, "sh", "-c", 'echo a > "$HOME/kept"; dirname "$(mktemp)"; pwd; ls -a')
    assert code == 0, error
    temporary, here, *entries = output.splitlines()
    assert Path(temporary).is_relative_to(cluster.folder)
    assert Path(here).is_relative_to(cluster.folder)
    assert entries == [".", "..", "kept"]
    code, output, _ = run(cluster, reader, "cat", "kept")
    assert (code, output) == (0, "a\n"), "it is the same for the next command"
    run(cluster, reader, "rm", "kept")


def test_programs_are_found_as_the_operator_finds_them() -> None:
    assert search_path({"PATH": "/opt/bin"}) == f"{Path(sys.executable).parent}{os.pathsep}/opt/bin"
    assert shutil.which("aws", path=search_path({})) == str(Path(sys.executable).parent / "aws")


def test_a_path_of_the_pods_own_is_heeded(cluster: TestCluster, configured: str) -> None:
    pod = simple_pod("app", "own-path")
    pod["spec"]["containers"][0]["env"] = [{"name": "PATH", "value": "/usr/bin:/bin"}]
    created = cluster.create_pod(configured, pod)
    assert variables(cluster, created)["PATH"] == "/usr/bin:/bin"
    code, _, error = run(cluster, created, "aws", "--version")
    assert (code, '"aws": executable file not found in $PATH' in error) == (1, True), error


def test_the_token_is_the_pods_and_private(cluster: TestCluster, reader: dict[str, Any]) -> None:
    found = variables(cluster, reader)
    path = Path(found[TOKEN_FILE])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # Nobody else can look into the folders around it.
    sandbox = Path(found["HOME"]).parent
    assert path.is_relative_to(sandbox)
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (sandbox, path.parent)} == {0o700}
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
    code, _, error = run(cluster, created, "env")
    assert (code, "configMap late not found" in error) == (1, True), error
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


def test_a_pod_of_the_same_name_gets_its_own_token(cluster: TestCluster, reader: dict[str, Any]) -> None:
    namespace = reader["metadata"]["namespace"]
    first = cluster.pod(namespace, name="again")
    before = variables(cluster, first)["HOME"]
    cluster.delete_pod(first)
    second = cluster.pod(namespace, name="again")
    eventually(lambda: variables(cluster, second)["HOME"] != before)
    found = variables(cluster, second)
    assert Path(found["HOME"]).parent.name == second["metadata"]["uid"]
    assert ask(cluster.full_uri, Path(found[TOKEN_FILE]).read_text())[0] == 200


# --- how a command ends, and what goes in and out ---


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -TERM $$", 143), ("no-such-program", 127)],
)
def test_the_exit_code_is_the_commands(cluster: TestCluster, reader: dict[str, Any], script: str, code: int) -> None:
    assert run(cluster, reader, "sh", "-c", script)[0] == code


def test_output_and_errors_stay_apart(cluster: TestCluster, reader: dict[str, Any]) -> None:
    found = run(cluster, reader, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert found == (3, "out\n", "err\ncommand terminated with exit code 3\n")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
        ("./no-such-file", 'exec: "./no-such-file": no such file or directory'),
    ],
)
def test_what_cannot_be_started(cluster: TestCluster, reader: dict[str, Any], command: str, why: str) -> None:
    code, output, error = run(cluster, reader, command)
    assert (code, output, why in error) == (1, "", True), error


def test_files_that_are_no_programs(cluster: TestCluster, reader: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\0")
    file.chmod(0o600)
    code, _, error = run(cluster, reader, str(file))
    assert (code, f'exec: "{file}": permission denied' in error) == (1, True), error
    file.chmod(0o700)
    code, _, error = run(cluster, reader, str(file))
    assert (code, "Exec format error" in error) == (126, True), error


def test_standard_input_goes_in(cluster: TestCluster, reader: dict[str, Any]) -> None:
    """More than any buffer on the way holds, and back again."""
    about = reader["metadata"]
    text = "".join(f"{number}\n" for number in range(200_000))
    arguments = ("-n", about["namespace"], "exec", "-i", about["name"], "--", "sh", "-c", "cat; echo done >&2")
    done = cluster.kubectl(*arguments, stdin=text)
    assert (done.returncode, done.stderr) == (0, "done\n")
    assert done.stdout == text


def test_input_that_nobody_reads(cluster: TestCluster, reader: dict[str, Any]) -> None:
    about = reader["metadata"]
    done = cluster.kubectl("-n", about["namespace"], "exec", "-i", about["name"], "--", "true", stdin="x" * 500_000)
    assert (done.returncode, done.stdout) == (0, "")


def test_without_input_there_is_none(cluster: TestCluster, reader: dict[str, Any]) -> None:
    assert run(cluster, reader, "cat") == (0, "", "")


def test_pipes_and_many_words(cluster: TestCluster, reader: dict[str, Any]) -> None:
    code, output, _ = run(
        cluster, reader, "sh", "-c", "printf '%s\\n' \"$@\" | sort | tr a-z A-Z", "_", "b c", "", "ä", "a'"
    )
    assert (code, output.splitlines()) == (0, ["", "A'", "B C", "ä"])


def test_commands_at_once(cluster: TestCluster) -> None:
    """The first commands of a pod, all at the same time."""
    pod = cluster.associated_pod(cluster.role(LIST_BUCKETS))
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda number: run(cluster, pod, "sh", "-c", f"cat ${TOKEN_FILE}; exit {number}"), range(8))
        )
    assert [code for code, _, _ in found] == list(range(8))
    assert len({token for _, token, _ in found}) == 1


def test_a_terminal(cluster: TestCluster, reader: dict[str, Any]) -> None:
    """As `kubectl exec -it` has it: a terminal at both ends."""
    about = reader["metadata"]
    outer, inner = os.openpty()
    try:
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        process = cluster.begin_kubectl(
            *("-n", about["namespace"], "exec", "-it", about["name"], "--"),
            *("sh", "-c", "test -t 0 && echo terminal; ps -o tty= -p $$; stty size; read line; echo got-$line; exit 5"),
            stdin=inner,
            stdout=inner,
        )
        os.close(inner)
        said = read_until(outer, b"40 100")
        os.write(outer, b"word\n")
        said += read_until(outer, b"got-word")
        assert process.wait(20) == 5
    finally:
        os.close(outer)
    assert b"terminal\r\n" in said
    assert b"pts/" in said


def read_until(file: int, wanted: bytes) -> bytes:
    """Read from a terminal until something was said there."""
    said = b""
    end = time.monotonic() + 20
    while wanted not in said:
        assert time.monotonic() < end, said
        if select.select([file], [], [], 0.1)[0]:
            said += os.read(file, 4096)
    return said


# --- when something else ends ---


def begin(cluster: TestCluster, pod: dict[str, Any], mark: Path) -> subprocess.Popen[str]:
    """Begin a command with a child that both last, and await that they run."""
    script = f"sleep 600 & echo $! > {mark}.child; echo $$ > {mark}; wait"
    about = pod["metadata"]
    process = cluster.begin_kubectl("-n", about["namespace"], "exec", about["name"], "--", "sh", "-c", script)
    eventually(lambda: mark.exists() and mark.read_text().strip())
    return process


def pids(mark: Path) -> list[int]:
    return [int(Path(name).read_text()) for name in (f"{mark}.child", mark)]


def test_a_command_ends_with_its_client(cluster: TestCluster, reader: dict[str, Any], tmp_path: Path) -> None:
    client_process = begin(cluster, reader, tmp_path / "mark")
    assert all(runs(pid) for pid in pids(tmp_path / "mark"))
    client_process.kill()
    client_process.wait()
    eventually(lambda: not any(runs(pid) for pid in pids(tmp_path / "mark")), 5)


def test_a_command_ends_with_its_pod(cluster: TestCluster, reader: dict[str, Any], tmp_path: Path) -> None:
    pod = cluster.pod(reader["metadata"]["namespace"])
    variables(cluster, pod)  # once it runs
    process = begin(cluster, pod, tmp_path / "mark")
    cluster.delete_pod(pod)
    assert process.wait(10) == 137
    eventually(lambda: not any(runs(pid) for pid in pids(tmp_path / "mark")), 5)


def test_what_a_command_leaves_running_ends_with_it(
    cluster: TestCluster, reader: dict[str, Any], tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    code, _, _ = run(cluster, reader, "sh", "-c", f"sleep 600 & echo $! > {mark}; exit 7")
    assert code == 7
    eventually(lambda: not runs(int(mark.read_text())), 5)


# --- logs ---


def test_logs_say_what_is_true(cluster: TestCluster, reader: dict[str, Any]) -> None:
    about = reader["metadata"]
    run(cluster, reader, "true")

    def logs(*options: str) -> tuple[int, str, str]:
        done = cluster.kubectl("-n", about["namespace"], "logs", about["name"], *options)
        return done.returncode, done.stdout, done.stderr

    code, text, error = logs()
    assert (code, error) == (0, "")
    assert text.startswith("The container app is simulated")
    assert logs("--tail=0") == (0, "", "")
    assert logs("--limit-bytes=3") == (0, "The", "")
    assert logs("--since=1h") == (0, text, "")
    started = cluster.api.get(f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}")["status"]["startTime"]
    assert logs("--timestamps") == (0, f"{started[:-1]}.000000Z {text}", "")
    code, output, error = logs("--previous")
    assert (code, output, "previous terminated container" in error) == (1, "", True)


def test_logs_are_followed_until_the_pod_goes(cluster: TestCluster, reader: dict[str, Any]) -> None:
    pod = cluster.pod(reader["metadata"]["namespace"])
    about = pod["metadata"]
    variables(cluster, pod)  # once it runs
    process = cluster.begin_kubectl("-n", about["namespace"], "logs", "-f", about["name"])
    assert process.stdout is not None
    assert "simulated" in process.stdout.readline()
    assert process.poll() is None
    cluster.delete_pod(pod)
    assert process.wait(10) == 0


# --- who may ask the kubelet ---


def test_only_the_api_server_may_ask_the_kubelet(cluster: TestCluster, reader: dict[str, Any]) -> None:
    about, pki = reader["metadata"], cluster.folder / "pki"
    node = cluster.api.get("/api/v1/nodes")["items"][0]
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    path = f"/containerLogs/{about['namespace']}/{about['name']}/app"

    def ask_kubelet(name: str | None) -> int:
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        if name is not None:
            context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
        connection.request("GET", path)
        return connection.getresponse().status

    assert ask_kubelet("apiserver-kubelet-client") == 200
    # Any other certificate of the cluster, even the administrator's.
    assert ask_kubelet("admin") == 403
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask_kubelet(None)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask_kubelet("etcd")  # of another authority
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    plain.request("GET", path)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        plain.getresponse()


def test_an_old_client_is_told_what_to_do(cluster: TestCluster, reader: dict[str, Any]) -> None:
    about = reader["metadata"]
    arguments = ("-n", about["namespace"], "exec", about["name"], "--", "true")
    done = cluster.kubectl(*arguments, KUBECTL_REMOTE_COMMAND_WEBSOCKETS="false")
    assert (done.returncode, "use kubectl 1.31 or newer" in done.stderr) == (1, True), done.stderr


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


def test_a_command_is_never_too_early(cluster: TestCluster, reader: dict[str, Any]) -> None:
    """Forty pods at once, and a command in the last as soon as it runs: it has the pod's variables and token."""
    namespace = reader["metadata"]["namespace"]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: cluster.pod(namespace), range(40)))
    last = made[-1]
    found = variables(cluster, last)
    assert ask(cluster.full_uri, Path(found[TOKEN_FILE]).read_text())[0] == 200
    for pod in made:
        about = pod["metadata"]
        cluster.api.delete(f"/api/v1/namespaces/{namespace}/pods/{about['name']}", gracePeriodSeconds="0")
