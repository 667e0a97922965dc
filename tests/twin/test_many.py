"""Many workloads in a cluster that stands already, through the real engine on the twin, in the order of a life."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components._effective import probe
from local.stack import LocalStack
from local.twin import Twin

from .aws.support import World, client, refused
from .workloads_support import CLUSTER, new_cluster, outputs, program, steps

KINDS = {
    "role": "aws:iam/role:Role",
    "policy": "aws:iam/policy:Policy",
    "attachment": "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "association": "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "service-account": "kubernetes:core/v1:ServiceAccount",
}
EFFECTIVE = "eks-pod-identity:index:EffectiveAssociations::many-prod-effective"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    # Long enough for what is not awaited to be too early, however busy the machine is.
    twin = Twin(tmp_path_factory.mktemp("many") / "state", port=0, propagation=6)
    yield twin
    twin.remove()


@pytest.fixture(scope="module")
def world(twin: Twin) -> World:
    return new_cluster(twin)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


def workloads(number: int) -> dict[str, Any]:
    return {
        f"w{n}": {
            "service_account": f"w{n}",
            "statements": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": f"arn:aws:s3:::w{n}-data/*"}],
        }
        for n in range(number)
    }


def many(folder: Path, twin: Twin, of: dict[str, Any], agent: str = "") -> LocalStack:
    source = f"""
    import pulumi
    import pulumi_kubernetes as kubernetes

    from components import ExistingCluster, PodIdentities, PodIdentityAgent

    cluster = ExistingCluster("here", {{"cluster_name": {CLUSTER!r}}})
    in_cluster = kubernetes.Provider(
        "in-cluster", kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer
    )
    agent = PodIdentityAgent("agent", {{"cluster_name": cluster.ready, {agent}}})
    made = PodIdentities(
        "many",
        {{
            "cluster_names": {{"prod": agent.ready}},
            "cluster_arns": {{"prod": cluster.cluster_arn}},
            "kubeconfigs": {{"prod": cluster.kubeconfig}},
            "defaults": {{"namespace": "apps", "tags": {{"team": "apps"}}}},
            "workloads": {of!r},
        }},
        pulumi.ResourceOptions(providers=[in_cluster]),
    )
    pulumi.export("agent", agent.addon_version)
    pulumi.export("associations", made.association_ids)
    pulumi.export("ready", made.ready)
    """
    return program(folder / "many", twin, source)


def resources(key: str, cluster: str = "prod") -> set[str]:
    names = {
        "role": f"many-{key}-role",
        "policy": f"many-{key}-policy",
        "attachment": f"many-{key}-policy",
        "association": f"many-{key}-{cluster}-association",
        "service-account": f"many-{key}-{cluster}-service-account",
    }
    return {f"{KINDS[kind]}::{name}" for kind, name in names.items()}


def test_an_agent_that_is_missing_is_said_at_preview(world: World, twin: Twin, folder: Path) -> None:
    failed = many(folder, twin, workloads(1), '"install": False').pulumi("preview", capture=True, check=False)
    assert failed.returncode != 0
    assert f"no add-on eks-pod-identity-agent is found in cluster {CLUSTER}, and install is false" in failed.stdout


def test_all_come_up_and_are_effective_together(world: World, twin: Twin, folder: Path) -> None:
    world.eks.create_addon(clusterName=CLUSTER, addonName="eks-pod-identity-agent")
    world.eks.get_waiter("addon_active").wait(clusterName=CLUSTER, addonName="eks-pod-identity-agent")
    stack = many(folder, twin, workloads(5), '"install": False')
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    out = outputs(stack)
    assert out["agent"].startswith("v1.")
    assert out["ready"] == {f"w{n}/prod": f"w{n}" for n in range(5)}
    listed = world.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"]
    assert {one["associationId"] for one in listed} == set(out["associations"].values())
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)


def test_one_more_touches_its_own_resources_only(world: World, twin: Twin, folder: Path) -> None:
    stack = many(folder, twin, workloads(6), '"install": False')
    planned = steps(stack)
    # And the note of which associations were seen to be effective, which is nothing in AWS or in the cluster.
    assert planned.pop(EFFECTIVE) == "update"
    assert planned == dict.fromkeys(resources("w5"), "create")
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    stack.pulumi("preview", "--expect-no-changes", capture=True)


def test_a_workload_is_renamed_by_alias(world: World, twin: Twin, folder: Path) -> None:
    before = world.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"]
    of = workloads(6)
    of["renamed"] = {**of.pop("w0"), "former_name": "w0"}
    stack = many(folder, twin, of, '"install": False')
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    stack.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", capture=True)
    assert outputs(stack)["associations"].keys() == {"renamed/prod", *(f"w{n}/prod" for n in range(1, 6))}
    # Once it has its new name, it needs its old one no more.
    del of["renamed"]["former_name"]
    stack = many(folder, twin, of, '"install": False')
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    assert world.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"] == before


def test_one_that_does_not_become_effective_is_said_and_awaited_again(world: World, twin: Twin, folder: Path) -> None:
    of = workloads(6)
    of["renamed"] = {**of.pop("w0")}
    of["late"] = {**workloads(1)["w0"], "service_account": "late", "ready_timeout": 1}
    failed = many(folder, twin, of, '"install": False').pulumi(
        "up", "--yes", "--skip-preview", capture=True, check=False
    )
    assert failed.returncode != 0
    assert "pods with ServiceAccount late in namespace apps get no credentials 1 s after" in failed.stdout
    assert "ServiceAccount w1" not in failed.stdout
    del of["late"]["ready_timeout"]
    stack = many(folder, twin, of, '"install": False')
    assert steps(stack) == {EFFECTIVE: "update"}
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    stack.pulumi("preview", "--expect-no-changes", capture=True)


def test_one_less_takes_its_own_resources_only(world: World, twin: Twin, folder: Path) -> None:
    of = workloads(6)
    of["renamed"] = {**of.pop("w0")}
    stack = many(folder, twin, of, '"install": False')
    planned = steps(stack)
    assert planned.pop(EFFECTIVE) == "update"
    assert planned == dict.fromkeys(resources("late"), "delete")
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)


def test_destroy_leaves_the_cluster_and_its_agent(world: World, twin: Twin, folder: Path) -> None:
    stack = many(folder, twin, workloads(6), '"install": False')
    stack.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    assert world.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"] == []
    assert not [role for role in world.iam.list_roles()["Roles"] if role["RoleName"].startswith("many-")]
    assert world.eks.describe_addon(clusterName=CLUSTER, addonName="eks-pod-identity-agent")["addon"]["status"]


def test_an_add_on_takes_its_association_itself_and_a_target_role_is_reached(
    world: World, twin: Twin, folder: Path
) -> None:
    target = "arn:aws:iam::444455556666:role/data"
    source = f"""
    import pulumi
    import pulumi_kubernetes as kubernetes

    from components import ExistingCluster, PodIdentities
    from components.addon import EksAddon
    from components.pod_identity import PodIdentity

    cluster = ExistingCluster("here", {{"cluster_name": {CLUSTER!r}}})
    in_cluster = kubernetes.Provider(
        "in-cluster", kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer
    )
    made = PodIdentities(
        "addons",
        {{
            "cluster_names": {{"prod": cluster.ready}},
            "cluster_arns": {{"prod": cluster.cluster_arn}},
            "workloads": {{"ebs": {{"preset": "ebs-csi", "addon": "aws-ebs-csi-driver"}}}},
        }},
    )
    addon = EksAddon(
        "ebs",
        {{
            "cluster_name": cluster.ready,
            "addon_name": "aws-ebs-csi-driver",
            "pod_identity_associations": {{"ebs-csi-controller-sa": made.role_arn("ebs")}},
        }},
    )
    data = PodIdentity(
        "data",
        {{
            "cluster_name": cluster.ready,
            "cluster_arn": cluster.cluster_arn,
            "kubeconfig": cluster.kubeconfig,
            "namespace": "data",
            "service_account": "reader",
            "target_role_arn": {target!r},
        }},
        pulumi.ResourceOptions(providers=[in_cluster]),
    )
    pulumi.export("role", made.role_arn("ebs"))
    pulumi.export("reader", data.role_arn)
    pulumi.export("trust", data.target_trust_policy)
    """
    stack = program(folder / "addon", twin, source)
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    out = outputs(stack)
    listed = {
        one["serviceAccount"]: world.eks.describe_pod_identity_association(
            clusterName=CLUSTER, associationId=one["associationId"]
        )["association"]
        for one in world.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"]
    }
    assert set(listed) == {"ebs-csi-controller-sa", "reader"}
    assert listed["ebs-csi-controller-sa"]["roleArn"] == out["role"]
    assert ":addon/" in listed["ebs-csi-controller-sa"]["ownerArn"]
    assert (listed["reader"]["roleArn"], listed["reader"]["targetRoleArn"]) == (out["reader"], target)
    (trusted,) = json.loads(out["trust"])["Statement"]
    assert trusted["Principal"] == {"AWS": out["reader"]}
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    stack.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    assert world.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"] == []


def test_a_role_is_shared_by_those_who_are_named_and_by_nobody_else(world: World, twin: Twin, folder: Path) -> None:
    of = {
        **workloads(1),
        # In camelCase, as a stack's configuration may have it.
        "w1": {"serviceAccount": "w1", "roleOf": "w0"},
        "other": {"serviceAccount": "w0", "namespace": "other", "roleOf": "w0"},
    }
    stack = many(folder, twin, of, '"install": False')
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)
    (role,) = (role for role in world.iam.list_roles()["Roles"] if role["RoleName"].startswith("many-"))
    assert len(role["AssumeRolePolicyDocument"]["Statement"]) == 2
    # What the cross product would have let in: other/w1, which is given the role by hand.
    stack.aws("eks", "update-kubeconfig", "--name", CLUSTER, capture=True)
    stack.run("kubectl", "create", "serviceaccount", "w1", "-n", "other", capture=True)
    world.eks.create_pod_identity_association(
        clusterName=CLUSTER, namespace="other", serviceAccount="w1", roleArn=role["Arn"]
    )
    for namespace, account in (("apps", "w0"), ("apps", "w1"), ("other", "w0")):
        assert role["RoleName"] in credentials(world, stack, folder, namespace, account)["assumedRoleUser"]["arn"]
    with refused("AccessDeniedException"):
        credentials(world, stack, folder, "other", "w1")
    # Whoever leaves is trusted no more; nothing else changes but the role's trust.
    del of["other"]
    stack = many(folder, twin, of, '"install": False')
    planned = {name: op for name, op in steps(stack).items() if op != "delete"}
    assert planned == {"aws:iam/role:Role::many-w0-role": "update", EFFECTIVE: "update"}
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    stack.pulumi("destroy", "--yes", "--skip-preview", capture=True)


def credentials(world: World, stack: LocalStack, folder: Path, namespace: str, account: str) -> Any:
    """What EKS gives for the token of a pod with a ServiceAccount."""
    pod = probe(account)
    pod["metadata"] = {"name": f"of-{account}", "namespace": namespace}
    file = folder / "pod.json"
    file.write_text(json.dumps(pod))
    stack.run("kubectl", "apply", "-f", str(file), capture=True)
    bound = ("--bound-object-kind", "Pod", "--bound-object-name", pod["metadata"]["name"])
    command = ("create", "token", account, "-n", namespace, "--audience", "pods.eks.amazonaws.com", *bound)
    token = stack.run("kubectl", *command, capture=True).stdout.strip()
    auth = client(world.url, "eks-auth")
    for _ in range(60):
        try:
            return auth.assume_role_for_pod_identity(clusterName=CLUSTER, token=token)
        except auth.exceptions.ResourceNotFoundException:
            # An association is known some seconds after its making.
            time.sleep(0.5)
    raise AssertionError(f"the association of {namespace}/{account} is not known")
