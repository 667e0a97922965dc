"""How control planes begin and end: side by side, killed, restarted."""

from __future__ import annotations

import json
import shutil
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.kubernetes.control_plane import free_ports
from local.kubernetes.processes import ProcessGroup, end_leftovers
from tests.twin.aws.support import World, wait
from tests.twin.kubernetes.support import Kubernetes, KubernetesEndpoint, children, eventually, runs

Starter = Callable[..., KubernetesEndpoint]

# etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok
PARTS = 5


def test_clusters_live_side_by_side_and_leave_nothing(start_kubernetes: Starter, tmp_path: Path) -> None:
    state = tmp_path / "state"
    running = start_kubernetes("--state", str(state))
    world = World(running.url)
    assert children(running.process.pid) == [], "nothing runs without a cluster"
    assert world.subnets and world.cluster_role, "made once, before two threads need them"
    with ThreadPoolExecutor() as pool:
        names = list(pool.map(lambda _: world.cluster(), range(2)))
    first, second = (Kubernetes(world, name, tmp_path) for name in names)
    assert len(children(running.process.pid)) == 2 * PARTS
    assert first.endpoint != second.endpoint
    assert first.ca.read_bytes() != second.ca.read_bytes()
    namespaces = "/api/v1/namespaces"
    first.client().create(namespaces, {"metadata": {"name": "only-here"}})
    assert second.client().find(f"{namespaces}/only-here") is None

    # Add-ons on a cluster without nodes: a DaemonSet has all it wants, a Deployment has not.
    world.eks.create_addon(clusterName=second.name, addonName="eks-pod-identity-agent")
    world.eks.create_addon(clusterName=second.name, addonName="coredns")
    wait(world.eks, "addon_active", clusterName=second.name, addonName="eks-pod-identity-agent")
    degraded = eventually(
        lambda: world.eks.describe_addon(clusterName=second.name, addonName="coredns")["addon"],
        lambda addon: addon["status"] != "CREATING",
    )
    assert degraded["status"] == "DEGRADED"
    assert [issue["code"] for issue in degraded["health"]["issues"]] == ["InsufficientNumberOfReplicas"]
    group = world.nodegroup(second.name)
    healthy = eventually(
        lambda: world.eks.describe_addon(clusterName=second.name, addonName="coredns")["addon"],
        lambda addon: addon["status"] == "ACTIVE",
    )
    assert healthy["health"]["issues"] == []

    parts = children(running.process.pid)
    world.eks.delete_cluster(name=first.name)
    wait(world.eks, "cluster_deleted", name=first.name)
    left = children(running.process.pid)
    assert len(left) == PARTS
    assert not any(runs(pid) for pid in set(parts) - set(left))
    assert [folder.name for folder in (state / "kubernetes").glob("*/*")] == [second.name]
    second.client().create(namespaces, {"metadata": {"name": "survivor"}})

    # A clean stop ends the rest and keeps its data.
    code, log = running.stop()
    assert code == 0, log
    assert not any(runs(pid) for pid in left)
    again = start_kubernetes("--state", str(state))
    world = World(again.url)
    assert world.eks.describe_cluster(name=second.name)["cluster"]["endpoint"] == second.endpoint
    assert Kubernetes(world, second.name, tmp_path).ca.read_bytes() == second.ca.read_bytes()
    second.world = world
    assert second.client().find(f"{namespaces}/survivor") is not None
    assert len(second.nodes()) == 2
    world.eks.delete_nodegroup(clusterName=second.name, nodegroupName=group)
    wait(world.eks, "nodegroup_deleted", clusterName=second.name, nodegroupName=group)
    world.eks.delete_cluster(name=second.name)
    wait(world.eks, "cluster_deleted", name=second.name)
    assert children(again.process.pid) == []
    assert list((state / "kubernetes").iterdir()) == []


def test_a_killed_endpoint_takes_its_processes_along(start_kubernetes: Starter, tmp_path: Path) -> None:
    state = tmp_path / "state"
    running = start_kubernetes("--state", str(state))
    world = World(running.url)
    kubernetes = Kubernetes(world, world.cluster(), tmp_path)
    parts = children(running.process.pid)
    assert len(parts) == PARTS
    world.nodegroup(kubernetes.name, scalingConfig={"minSize": 1, "maxSize": 1, "desiredSize": 1})
    kubernetes.run("aws", "eks", "update-kubeconfig", "--name", kubernetes.name)
    kubernetes.run("kubectl", "run", "one", "--image=app")
    # A container's own command, and one of a client's; what they start is nobody's child once they are killed.
    script = f"setsid sleep 600 & echo $! >> {tmp_path}/pids; sleep 600 & echo $! >> {tmp_path}/pids; wait"
    kubernetes.run("kubectl", "run", "two", "--image=amazon/aws-cli", "--command", "--", "sh", "-c", script)
    kubernetes.run("kubectl", "wait", "--for=condition=Ready", "pod/one", "pod/two")
    command = kubernetes.begin("kubectl", "exec", "one", "--", "sh", "-c", script)
    started = eventually(lambda: (tmp_path / "pids").read_text().split(), lambda pids: len(pids) == 4)
    everything = [*children(running.process.pid), *map(int, started)]
    assert set(parts) < set(everything) and all(map(runs, everything))
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()
    eventually(lambda: [pid for pid in everything if runs(pid)], lambda left: left == [], seconds=5)
    assert command.wait(10) != 0
    again = start_kubernetes("--state", str(state))
    # Whether the cluster had been written to the state by then or not, state and processes agree.
    known = World(again.url).eks.list_clusters()["clusters"]
    assert [folder.name for folder in (state / "kubernetes").glob("*/*")] == known
    assert len(children(again.process.pid)) >= len(known) * PARTS
    if known:  # what its pods do begins anew
        eventually(lambda: (tmp_path / "pids").read_text().split(), lambda pids: len(pids) == 6)


def test_what_a_killed_parent_left_is_ended_and_nothing_else(tmp_path: Path) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    group = ProcessGroup(tmp_path)
    group.start("first", [sleep, "600"])
    group.start("second", [sleep, "600"])
    note = tmp_path / "processes.json"
    first, second = json.loads(note.read_text())
    # A process id that belongs to somebody else by now: it did not start when the note says.
    note.write_text(json.dumps([first, {**second, "started": "1"}]))
    assert end_leftovers(tmp_path) == 1
    assert (runs(first["pid"]), runs(second["pid"])) == (False, True)
    assert end_leftovers(tmp_path) == 0
    group.stop()
    assert not runs(second["pid"])


def test_a_part_that_does_not_start_fails_the_cluster(start_kubernetes: Starter, tmp_path: Path) -> None:
    state = tmp_path / "state"
    running = start_kubernetes("--state", str(state))
    world = World(running.url)
    # etcd refuses a data folder that is a file.
    folder = state / "kubernetes" / "eu-west-1" / "broken"
    folder.mkdir(parents=True)
    (folder / "etcd").write_text("")
    world.eks.create_cluster(name="broken", roleArn=world.cluster_role, resourcesVpcConfig={"subnetIds": world.subnets})
    cluster = eventually(
        lambda: world.eks.describe_cluster(name="broken")["cluster"], lambda found: found["status"] != "CREATING"
    )
    assert cluster["status"] == "FAILED"
    assert "etcd has ended" in cluster["health"]["issues"][0]["message"]
    assert children(running.process.pid) == []
    world.eks.delete_cluster(name="broken")
    wait(world.eks, "cluster_deleted", name="broken")
    assert not folder.exists()


def test_a_busy_port_fails_the_cluster(start_kubernetes: Starter, tmp_path: Path) -> None:
    """Somebody else has taken the kubelet's port since the cluster got it: nobody may take the cluster for ready."""
    state = tmp_path / "state"
    running = start_kubernetes("--state", str(state))
    world = World(running.url)
    folder = state / "kubernetes" / "eu-west-1" / "busy"
    folder.mkdir(parents=True)
    names = ("api_server", "etcd", "etcd_peer", "controller_manager", "scheduler", "kubelet")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    (folder / "ports.json").write_text(json.dumps(ports))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports["kubelet"]))
        taken.listen()
        world.eks.create_cluster(
            name="busy", roleArn=world.cluster_role, resourcesVpcConfig={"subnetIds": world.subnets}
        )
        cluster = eventually(
            lambda: world.eks.describe_cluster(name="busy")["cluster"],
            lambda found: found["status"] != "CREATING",
            seconds=60,
        )
    assert cluster["status"] == "FAILED"
    message = cluster["health"]["issues"][0]["message"]
    assert str(ports["kubelet"]) in message and "in use" in message
    assert children(running.process.pid) == []
    world.eks.delete_cluster(name="busy")
    wait(world.eks, "cluster_deleted", name="busy")
    code, log = running.stop()
    assert (code, "Traceback" in log) == (0, False), log
