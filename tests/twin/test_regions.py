"""Clusters in two regions, one of which is not the provider's, through the real engine on the twin."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.stack import ROOT, LocalStack
from local.twin import Twin

from .aws.support import ACCOUNT, World
from .workloads_support import CLUSTER, new_cluster, outputs, program

ELSEWHERE = "us-east-2"
# Both have the same name, as clusters in two regions may.
ARNS = {region: f"arn:aws:eks:{region}:{ACCOUNT}:cluster/{CLUSTER}" for region in ("eu-west-1", ELSEWHERE)}
AGENT = "eks-pod-identity-agent"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("regions") / "state", port=0, propagation=1)
    yield twin
    twin.remove()


@pytest.fixture(scope="module")
def worlds(twin: Twin) -> dict[str, World]:
    here = new_cluster(twin)
    there = World(here.url, ELSEWHERE)
    there.cluster(name=CLUSTER)
    there.nodegroup(CLUSTER)
    return {"eu-west-1": here, ELSEWHERE: there}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


def both(folder: Path, twin: Twin) -> LocalStack:
    source = f"""
    import pulumi
    import pulumi_kubernetes as kubernetes

    from components import ExistingCluster, PodIdentities, PodIdentityAgent

    clusters = {{
        key: ExistingCluster(key, {{"cluster_name": {CLUSTER!r}, "region": region}})
        for key, region in {{"here": "eu-west-1", "there": {ELSEWHERE!r}}}.items()
    }}
    providers = {{
        key: kubernetes.Provider(key, kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer)
        for key, cluster in clusters.items()
    }}
    agents = {{
        key: PodIdentityAgent(f"{{key}}-agent", {{"cluster_name": cluster.ready, "region": cluster.region}})
        for key, cluster in clusters.items()
    }}
    found = PodIdentityAgent(
        "found", {{"cluster_name": agents["there"].ready, "region": {ELSEWHERE!r}, "install": False}}
    )
    made = PodIdentities(
        "both",
        {{
            "cluster_names": {{key: agent.ready for key, agent in agents.items()}},
            "cluster_arns": {{key: cluster.cluster_arn for key, cluster in clusters.items()}},
            "kubeconfigs": {{key: cluster.kubeconfig for key, cluster in clusters.items()}},
            "kubernetes_providers": providers,
            "workloads": {{
                "cart": {{
                    "namespace": "shop",
                    "serviceAccount": "cart",
                    "statements": [
                        {{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::carts/*"}}
                    ],
                }}
            }},
        }},
    )
    pulumi.export("agent", found.addon_arn)
    pulumi.export("ready", made.ready)
    pulumi.export("role", made.role_arn("cart"))
    """
    return program(folder / "both", twin, source)


def associations(world: World) -> list[Any]:
    listed = world.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"]
    described = world.eks.describe_pod_identity_association
    return [described(clusterName=CLUSTER, associationId=one["associationId"])["association"] for one in listed]


def test_one_workload_in_both(worlds: dict[str, World], twin: Twin, folder: Path) -> None:
    stack = both(folder, twin)
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    out = outputs(stack)
    assert out["ready"] == {"cart/here": "cart", "cart/there": "cart"}
    assert out["agent"].startswith(f"arn:aws:eks:{ELSEWHERE}:")
    for region, world in worlds.items():
        (association,) = associations(world)
        assert association["associationArn"].split(":")[3] == region
        assert association["roleArn"] == out["role"]
    (role,) = (role for role in worlds["eu-west-1"].iam.list_roles()["Roles"] if role["Arn"] == out["role"])
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"] == sorted(ARNS.values())


def test_nothing_is_left_to_change(worlds: dict[str, World], twin: Twin, folder: Path) -> None:
    stack = both(folder, twin)
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)


def test_destroy_reaches_both(worlds: dict[str, World], twin: Twin, folder: Path) -> None:
    both(folder, twin).pulumi("destroy", "--yes", "--skip-preview", capture=True)
    for world in worlds.values():
        assert associations(world) == []
        assert AGENT not in world.eks.list_addons(clusterName=CLUSTER)["addons"]


def test_what_stands_elsewhere_is_adopted(worlds: dict[str, World], twin: Twin, folder: Path) -> None:
    world = worlds[ELSEWHERE]
    role = world.pod_role
    world.eks.create_pod_identity_association(
        clusterName=CLUSTER, namespace="shop", serviceAccount="pay", roleArn=role, tags={"team": "shop"}
    )
    world.eks.create_addon(clusterName=CLUSTER, addonName=AGENT)
    world.eks.get_waiter("addon_active").wait(clusterName=CLUSTER, addonName=AGENT)

    def adopting(workloads: Any = None, agent: Any = None) -> LocalStack:
        source = f"""
        from components import ExistingCluster, PodIdentities, PodIdentityAgent

        cluster = ExistingCluster("there", {{"cluster_name": {CLUSTER!r}, "region": {ELSEWHERE!r}}})
        workloads, agent = {workloads!r}, {agent!r}
        if workloads is not None:
            agent = PodIdentityAgent("agent", {{"cluster_name": cluster.ready, **agent}})
            PodIdentities(
                "all",
                {{
                    "cluster_names": {{"there": agent.ready}},
                    "cluster_arns": {{"there": cluster.cluster_arn}},
                    "workloads": workloads,
                }},
            )
        """
        return program(folder / "adopting", twin, source)

    stack = adopting()
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "components.adopt", CLUSTER, "--region", ELSEWHERE, "--name", "all"),
            *("--cluster-key", "there", "--agent", "--to", str(folder)),
        ],
        env=stack.environment(),
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    imported = json.loads((folder / "import.json").read_text())["resources"]
    assert {one["id"].rpartition("@")[2] for one in imported if "id" in one} == {ELSEWHERE}
    stack.pulumi(
        *("import", "--file", str(folder / "import.json"), "--yes", "--protect=false", "--generate-code=false"),
        capture=True,
    )
    written = [yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("workloads", "agent")]
    stack = adopting(*written)
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)
    stack.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    assert associations(world) == []
