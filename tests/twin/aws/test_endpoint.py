"""The endpoint as a process: ports, restarts, parallel clients, retries, the aws CLI, and nothing left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.aws.eks.store import Store
from local.aws.inventory import inventory
from local.aws.persistence import Saver, StateError, StateFile, _header
from tests.twin.aws.support import ACCOUNT, REGION, World, client, eventually, refused, trust, unique, wait
from tests.twin.conftest import ROOT, RunningEndpoint, Starter

TRANSITION = ("--transition", "0.05")


def run_endpoint(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an endpoint that is expected not to start."""
    command = [sys.executable, "-m", "local.aws", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


def test_a_busy_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = run_endpoint("--port", port)
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "in use" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly(start_endpoint: Starter, number: int) -> None:
    running = start_endpoint()
    client(running.url, "sts").get_caller_identity()  # leaves a connection open
    running.process.send_signal(number)
    out, error = running.process.communicate(timeout=20)
    assert (running.process.returncode, out, error) == (0, "", "")


def test_state_survives_a_restart(start_endpoint: Starter, tmp_path: Path) -> None:
    arguments = ("--state", str(tmp_path), *TRANSITION)
    running = start_endpoint(*arguments)
    before = World(running.url)
    name = before.cluster(tags={"kept": "yes"})
    group = before.nodegroup(name)
    association = before.eks.create_pod_identity_association(
        clusterName=name, namespace="ns", serviceAccount="sa", roleArn=before.pod_role
    )["association"]
    s3 = client(running.url, "s3")
    s3.create_bucket(Bucket="kept", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="kept", Key="key", Body=b"content")
    client(running.url, "logs").create_log_group(logGroupName="kept")
    key = client(running.url, "kms").create_key()["KeyMetadata"]["KeyId"]
    described = before.eks.describe_cluster(name=name)["cluster"]
    was = inventory(running.url)
    second = run_endpoint(*arguments)
    assert second.returncode == 1
    assert "in use by another running endpoint" in second.stderr
    assert running.stop() == (0, "")

    running = start_endpoint(*arguments)
    after = World(running.url)
    assert inventory(running.url) == was
    assert after.eks.describe_cluster(name=name)["cluster"] == described
    found = after.eks.describe_pod_identity_association(clusterName=name, associationId=association["associationId"])
    assert found["association"] == association
    assert client(running.url, "s3").get_object(Bucket="kept", Key="key")["Body"].read() == b"content"
    kms = client(running.url, "kms")
    assert kms.decrypt(CiphertextBlob=kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"])["Plaintext"] == b"x"
    # And it goes on living.
    after.eks.delete_nodegroup(clusterName=name, nodegroupName=group)
    wait(after.eks, "nodegroup_deleted", clusterName=name, nodegroupName=group)
    after.eks.delete_cluster(name=name)
    wait(after.eks, "cluster_deleted", name=name)


def test_a_killed_endpoint_has_written_what_it_had(start_endpoint: Starter, tmp_path: Path) -> None:
    running = start_endpoint("--state", str(tmp_path), *TRANSITION)
    iam = client(running.url, "iam")
    iam.create_role(RoleName="kept", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    eventually(lambda: (tmp_path / "state.bin").exists(), bool)
    running.process.kill()
    running.process.communicate()
    running = start_endpoint("--state", str(tmp_path), *TRANSITION)
    assert client(running.url, "iam").get_role(RoleName="kept")["Role"]["RoleName"] == "kept"


def test_a_change_is_on_disk_within_a_second(start_endpoint: Starter, tmp_path: Path) -> None:
    """Also right after the start, and in the midst of others; a kill later than that loses nothing."""
    running = start_endpoint("--state", str(tmp_path), *TRANSITION)
    world = World(running.url)
    name = world.cluster()
    roles = []
    begun = time.monotonic()
    while time.monotonic() < begun + 1:
        roles.append(unique("kept"))
        world.iam.create_role(RoleName=roles[-1], AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    time.sleep(1)  # what is promised
    running.process.kill()
    running.process.communicate()
    after = World(start_endpoint("--state", str(tmp_path), *TRANSITION).url)
    assert after.eks.describe_cluster(name=name)["cluster"]["status"] == "ACTIVE"
    assert {role["RoleName"] for role in after.iam.list_roles(MaxItems=1000)["Roles"]} >= set(roles)


def test_to_wait_for_a_lock_is_no_work(tmp_path: Path) -> None:
    """Writing may take a share of the time; waiting for a busy service must not put off the next write."""
    lock, file = threading.RLock(), StateFile(tmp_path, ACCOUNT)
    saver = Saver(file, Store(), lambda: [lock])
    with lock:
        saver.note_change()
        time.sleep(1)
    eventually(file.path.exists, bool)
    file.path.unlink()
    begun = time.monotonic()
    saver.note_change()
    eventually(file.path.exists, bool)
    assert time.monotonic() - begun < 2
    saver.stop()


def _flip_a_byte(content: bytes) -> bytes:
    return content[:-10] + bytes([content[-10] ^ 1]) + content[-9:]


@pytest.fixture(scope="module")
def written_state(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What an endpoint wrote when it was stopped."""
    folder = tmp_path_factory.mktemp("state")
    running = RunningEndpoint("--state", str(folder))
    client(running.url, "logs").create_log_group(logGroupName="kept")
    assert running.stop() == (0, "")
    return (folder / "state.bin").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_flip_a_byte, "damaged"),
        (lambda content: content[:1000], "damaged"),
        (lambda content: b"something else", "not a state file"),
        (lambda content: content.replace(b'"123456789012"', b'"999999999999"', 1), "account 999999999999"),
        (lambda content: content.replace(b'"moto": "', b'"moto": "0.', 1), "version of moto"),
    ],
)
def test_a_bad_state_file_is_an_error(
    written_state: bytes, tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    file = StateFile(tmp_path, ACCOUNT)
    file.path.write_bytes(change(written_state))
    with pytest.raises(StateError, match=message):
        file.load(lambda service: None)


def test_a_bad_state_file_stops_the_start_and_is_kept(written_state: bytes, tmp_path: Path) -> None:
    bad = _flip_a_byte(written_state)
    (tmp_path / "state.bin").write_bytes(bad)
    ended = run_endpoint("--state", str(tmp_path))
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "damaged" in line
    assert (tmp_path / "state.bin").read_bytes() == bad


def test_state_cannot_run_code(tmp_path: Path) -> None:
    import hashlib
    import pickle

    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, ("false",)

    payload = pickle.dumps(Harmful())
    file = StateFile(tmp_path, ACCOUNT)
    file.path.write_bytes(_header(ACCOUNT, hashlib.sha256(payload).hexdigest()) + payload)
    with pytest.raises(StateError, match="system"):
        file.load(lambda service: None)


def test_an_operators_settings_are_for_aws(start_endpoint: Starter, tmp_path: Path) -> None:
    """Each of these alone would break botocore or moto inside the endpoint, or lead it elsewhere."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[profile broken\n")
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:9\n")
    settings = {
        "HOME": str(tmp_path),
        "AWS_PROFILE": "missing",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_CA_BUNDLE": str(tmp_path / "no-such-bundle"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "many",
        "AWS_DEFAULT_REGION": "nowhere",
        "MOTO_ACCOUNT_ID": "999999999999",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    with pytest.MonkeyPatch.context() as patch:  # for the endpoint, and not for the clients here
        for name, value in settings.items():
            patch.setenv(name, value)
        running = start_endpoint(*TRANSITION)
    world = World(running.url)
    assert client(running.url, "sts").get_caller_identity()["Account"] == ACCOUNT
    world.cluster()
    s3 = client(running.url, "s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert [found["Name"] for found in s3.list_buckets()["Buckets"]] == ["mine"]
    code, log = running.stop()
    assert (code, log) == (0, "")


def test_ten_parallel_clients(world: World) -> None:
    name = world.cluster()
    policy = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    )

    def work(worker: int) -> int:
        # Clients retry as they do in earnest; a lost answer would show as EntityAlreadyExists.
        retries = {"max_attempts": 5}
        iam, eks = client(world.url, "iam", retries=retries), client(world.url, "eks", retries=retries)
        for number in range(10):
            role = unique(f"parallel-{worker}-{number}")
            arn = iam.create_role(
                RoleName=role,
                AssumeRolePolicyDocument=trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession"),
            )["Role"]["Arn"]
            iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=policy)
            assert arn in [item["Arn"] for item in iam.list_roles(MaxItems=1000)["Roles"]]
            eks.create_pod_identity_association(
                clusterName=name, namespace=f"ns-{worker}", serviceAccount=f"sa-{number}", roleArn=arn
            )
        return 10

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(work, range(10))) == 100
    pages = world.eks.get_paginator("list_pod_identity_associations").paginate(clusterName=name)
    assert sum(len(page["associations"]) for page in pages) == 100


def test_a_retry_gets_the_first_answer(aws_endpoint: str) -> None:
    """The same invocation id twice, as when an answer was lost on its way."""
    iam = client(aws_endpoint, "iam")
    invocation = unique("invocation")
    iam.meta.events.register(
        "before-send.iam.CreateRole",
        lambda request, **_: request.headers.__setitem__("amz-sdk-invocation-id", invocation),
    )
    role = {"RoleName": unique("retried"), "AssumeRolePolicyDocument": trust("ec2.amazonaws.com")}
    first, again = iam.create_role(**role), iam.create_role(**role)
    assert first["Role"] == again["Role"]
    with refused("EntityAlreadyExists"):
        client(aws_endpoint, "iam").create_role(**role)


def test_a_fault_is_an_answer(start_endpoint: Starter) -> None:
    """A service that moto does not know must not cost the client its connection."""
    running = start_endpoint()
    request = urllib.request.Request(
        running.url, headers={"Authorization": "AWS4-HMAC-SHA256 Credential=a/20261124/eu-west-1/none/aws4_request"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 500
    code, log = running.stop()
    assert code == 0
    assert "Traceback" in log


def test_reset_forgets_everything(start_endpoint: Starter) -> None:
    running = start_endpoint(*TRANSITION)
    world = World(running.url)
    world.cluster()
    assert "eks clusters" in inventory(running.url)
    with urllib.request.urlopen(urllib.request.Request(f"{running.url}/moto-api/reset", method="POST")) as reply:
        assert reply.status == 200
    assert inventory(running.url) == {}


def test_a_whole_life_leaves_nothing(start_endpoint: Starter) -> None:
    running = start_endpoint("--transition", "0")
    world = World(running.url)
    name = world.cluster()
    group = world.nodegroup(name)
    world.eks.create_addon(clusterName=name, addonName="eks-pod-identity-agent")
    world.eks.create_pod_identity_association(
        clusterName=name, namespace="ns", serviceAccount="sa", roleArn=world.pod_role
    )
    assert set(inventory(running.url)) == {
        "eks access entries",
        "eks add-ons",
        "eks clusters",
        "eks node groups",
        "eks pod identity associations",
        "iam roles",
        "security groups",
        "subnets",
        "vpcs",
    }
    world.eks.delete_nodegroup(clusterName=name, nodegroupName=group)
    wait(world.eks, "nodegroup_deleted", clusterName=name, nodegroupName=group)
    world.eks.delete_cluster(name=name)
    # Without asking EKS again: its security group must go by itself.
    eventually(lambda: "security groups" in inventory(running.url), lambda left: not left)
    for subnet in world.subnets:
        world.ec2.delete_subnet(SubnetId=subnet)
    world.ec2.delete_vpc(VpcId=world.vpc)
    for role in world.iam.list_roles()["Roles"]:
        world.iam.delete_role(RoleName=role["RoleName"])
    assert inventory(running.url) == {}


def aws(url: str, *arguments: str) -> Any:
    """Run the aws CLI against the endpoint and return its JSON."""
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "AWS_CONFIG_FILE": os.devnull,
    }
    command = [sys.executable, "-m", "awscli", *arguments, "--output", "json"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout) if ended.stdout else None


def test_the_aws_cli(world: World) -> None:
    name = world.cluster()
    agent = ("--cluster-name", name, "--addon-name", "eks-pod-identity-agent")
    assert aws(world.url, "eks", "create-addon", *agent)["addon"]["status"] == "CREATING"
    aws(world.url, "eks", "wait", "addon-active", *agent)
    made = aws(
        world.url, "eks", "create-pod-identity-association", "--cluster-name", name, "--namespace", "demo-ns",
        "--service-account", "demo-sa", "--role-arn", world.pod_role,
    )["association"]  # fmt: skip
    listed = aws(world.url, "eks", "list-pod-identity-associations", "--cluster-name", name)["associations"]
    assert [item["associationId"] for item in listed] == [made["associationId"]]
    assert aws(world.url, "sts", "get-caller-identity")["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
