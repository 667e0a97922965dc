"""The life of a twin with one cluster: changes that take effect late, a restart, and the end of the cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.twin.pod_identity.support import TestCluster, Twin, ask, eventually, seconds_until

DELAY = 2.0
# How much later than the delay a busy machine may be.
SLACK = 4.0


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Twin]]:
    """A twin where changes take two seconds; tests that start it anew add to the list."""
    started = [Twin(tmp_path_factory.mktemp("life"), DELAY)]
    yield started
    for twin in started:
        assert "Traceback" not in twin.stop()


@pytest.fixture(scope="module")
def late(twins: list[Twin]) -> TestCluster:
    """Its cluster."""
    twins[0].begin_cluster("late")
    cluster = twins[0].cluster("late", nodes=1)
    cluster.run_agent()
    return cluster


def get_identity(cluster: TestCluster, namespace: str, pod: str) -> str:
    """Return who a command in a pod is, empty while it is nobody."""
    done = cluster.kubectl("-n", namespace, "exec", pod, "--", "aws", "sts", "get-caller-identity")
    return json.loads(done.stdout)["Arn"] if done.returncode == 0 else ""


def test_from_creation_to_deletion(late: TestCluster) -> None:
    namespace = late.namespace()
    late.service_account(namespace)
    first, second = late.role(), late.role()

    def role_of(pod: dict[str, Any]) -> str:
        answer = late.eks_auth().assume_role_for_pod_identity(clusterName=late.name, token=late.token(pod))
        return answer["assumedRoleUser"]["arn"].split("/")[1]

    # What the agent's first request makes it load must not take up the two seconds.
    assert ask(late.full_uri, late.token(late.pod(namespace)))[0] == 404
    begun = time.monotonic()
    identifier = late.eks.create_pod_identity_association(
        clusterName=late.name, namespace=namespace, serviceAccount="app", roleArn=first
    )["association"]["associationId"]
    # The API shows it at once; a pod that comes now is not changed, and never will be.
    assert late.eks.list_pod_identity_associations(clusterName=late.name, namespace=namespace)["associations"]
    early = late.pod(namespace)
    assert "env" not in early["spec"]["containers"][0]
    assert ask(late.full_uri, late.token(early))[0] == 404
    eventually(lambda: late.injects(namespace))
    assert DELAY <= time.monotonic() - begun < DELAY + SLACK

    pod = late.pod(namespace)
    late.eks.update_pod_identity_association(clusterName=late.name, associationId=identifier, roleArn=second)
    assert role_of(pod) == first.rpartition("/")[2]
    took = seconds_until(lambda: role_of(pod) == second.rpartition("/")[2], DELAY + SLACK)
    assert took > DELAY / 2

    late.eks.delete_pod_identity_association(clusterName=late.name, associationId=identifier)
    assert late.injects(namespace)
    assert role_of(pod) == second.rpartition("/")[2]
    took = seconds_until(lambda: not late.injects(namespace), DELAY + SLACK)
    assert took > DELAY / 2
    assert ask(late.full_uri, late.token(pod))[0] == 404


def test_a_restart_and_an_end(twins: list[Twin], late: TestCluster) -> None:
    pod = late.associated_pod()
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    eventually(lambda: get_identity(late, namespace, name))
    uri = late.full_uri
    late.twin.stop()
    assert not (late.folder / "pod-identity" / "pods").exists()
    assert not late.agent_answers()

    # Such a delay would be noticed: what was effective before is so at once afterwards.
    twins.append(Twin(late.twin.folder, propagation=60))
    cluster = TestCluster("late", twins[-1])
    # The pod was given the agent's URL when it was made, so the agent must be there again.
    assert cluster.full_uri == uri
    eventually(cluster.agent_answers, 30)
    assert cluster.injects(namespace)
    eventually(lambda: get_identity(cluster, namespace, name), 30)

    cluster.eks.delete_addon(clusterName="late", addonName="eks-pod-identity-agent")
    cluster.eks.delete_nodegroup(clusterName="late", nodegroupName="nodes")
    eventually(lambda: not cluster.eks.list_nodegroups(clusterName="late")["nodegroups"], 30)
    cluster.eks.delete_cluster(name="late")
    eventually(lambda: not cluster.eks.list_clusters()["clusters"], 30)
    assert not cluster.agent_answers()
    eventually(lambda: not cluster.folder.exists())
