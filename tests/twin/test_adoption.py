"""What somebody made with the aws command and kubectl is brought under `PodIdentities`, through the real engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import documents
from local.stack import ROOT, LocalStack
from local.twin import Twin

from .aws.support import World, trust
from .workloads_support import CLUSTER, new_cluster, program

ARN = f"arn:aws:eks:eu-west-1:123456789012:cluster/{CLUSTER}"
READ_ONLY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("adoption") / "state", port=0, propagation=0)
    yield twin
    twin.remove()


@pytest.fixture(scope="module")
def world(twin: Twin) -> World:
    return new_cluster(twin)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs") / "adopting"


def adopting(folder: Path, twin: Twin, workloads: Any = None) -> LocalStack:
    source = f"""
    import pulumi
    import pulumi_kubernetes as kubernetes

    from components import ExistingCluster, PodIdentities

    cluster = ExistingCluster("here", {{"cluster_name": {CLUSTER!r}}})
    in_cluster = kubernetes.Provider(
        "in-cluster", kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer
    )
    workloads = {workloads!r}
    if workloads is not None:
        PodIdentities(
            "all",
            {{
                "cluster_names": {{"prod": cluster.ready}},
                "cluster_arns": {{"prod": cluster.cluster_arn}},
                "kubeconfigs": {{"prod": cluster.kubeconfig}},
                "workloads": workloads,
            }},
            pulumi.ResourceOptions(providers=[in_cluster]),
        )
    """
    return program(folder, twin, source)


def exported(stack: LocalStack) -> list[dict[str, Any]]:
    return json.loads(stack.pulumi("stack", "export", capture=True).stdout)["deployment"]["resources"]


def what_stands(world: World, stack: LocalStack) -> dict[str, Any]:
    listed = world.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"]
    return {
        "associations": [
            world.eks.describe_pod_identity_association(clusterName=CLUSTER, associationId=one["associationId"])[
                "association"
            ]
            for one in listed
        ],
        "accounts": json.loads(stack.run("kubectl", "get", "sa", "-n", "shop", "-o", "json", capture=True).stdout),
        "roles": world.iam.list_roles()["Roles"],
    }


@pytest.fixture(scope="module")
def made(world: World, twin: Twin, folder: Path) -> LocalStack:
    """Associations of all kinds, by hand."""
    stack = adopting(folder, twin)
    stack.aws("eks", "update-kubeconfig", "--name", CLUSTER, capture=True)
    for arguments in (
        ("create", "namespace", "shop"),
        ("create", "serviceaccount", "cart", "-n", "shop"),
        ("create", "serviceaccount", "pay", "-n", "shop"),
        ("create", "serviceaccount", "own", "-n", "shop"),
        ("label", "serviceaccount", "pay", "-n", "shop", "app.kubernetes.io/managed-by=Helm"),
    ):
        stack.run("kubectl", *arguments, capture=True)
    wide = world.iam.create_role(
        RoleName="wide", AssumeRolePolicyDocument=trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
    )["Role"]["Arn"]
    scoped = documents.trust([ARN], namespaces=["shop"], service_accounts=["own"])
    own = world.iam.create_role(
        RoleName="own", Path="/shop/", AssumeRolePolicyDocument=json.dumps(scoped), MaxSessionDuration=7200
    )["Role"]["Arn"]
    world.iam.attach_role_policy(RoleName="own", PolicyArn=READ_ONLY)
    associate = ("eks", "create-pod-identity-association", "--cluster-name", CLUSTER, "--namespace", "shop")
    limited = json.dumps(documents.permissions([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]))
    for account, role, *more in (
        ("cart", wide, "--tags", "team=shop"),
        ("pay", wide, "--disable-session-tags", "--policy", limited),
        ("own", own),
    ):
        stack.aws(*associate, "--service-account", account, "--role-arn", role, *more, capture=True)
    world.eks.create_addon(
        clusterName=CLUSTER,
        addonName="aws-ebs-csi-driver",
        podIdentityAssociations=[{"serviceAccount": "ebs-csi-controller-sa", "roleArn": wide}],
    )
    world.eks.get_waiter("addon_active").wait(clusterName=CLUSTER, addonName="aws-ebs-csi-driver")
    return stack


def test_the_program_comes_first_without_workloads(made: LocalStack) -> None:
    made.pulumi("up", "--yes", "--skip-preview", capture=True)


def test_both_files_are_written(made: LocalStack, folder: Path) -> None:
    (provider,) = (r["urn"] for r in exported(made) if r["urn"].endswith("::in-cluster"))
    said = subprocess.run(
        [
            *(sys.executable, "-m", "components.adopt", CLUSTER, "--region", "eu-west-1", "--name", "all"),
            *("--cluster-key", "prod", "--roles", "--awaited", "--kubernetes-provider", provider, "--to", str(folder)),
        ],
        env=made.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "left to the add-on" in said
    assert "shop/pay: the ServiceAccount is left alone, because it has labels" in said
    assert "2 associations have it" in said
    workloads = yaml.safe_load((folder / "workloads.yaml").read_text())
    assert set(workloads) == {"cart", "own", "pay"}
    assert workloads["cart"]["tags"] == {"team": "shop"}
    assert workloads["pay"]["disable_session_tags"] is True
    assert workloads["pay"]["create_service_account"] is False
    assert workloads["own"]["managed_policy_arns"] == {"AmazonS3ReadOnlyAccess": READ_ONLY}
    assert (workloads["own"]["path"], workloads["own"]["max_session_duration"]) == ("/shop/", 7200)
    assert "role_arn" not in workloads["own"]


def test_the_preview_is_empty_after_the_import(made: LocalStack, world: World, twin: Twin, folder: Path) -> None:
    before = what_stands(world, made)
    made.pulumi(
        *("import", "--file", str(folder / "import.json"), "--yes", "--protect=false", "--generate-code=false"),
        capture=True,
    )
    stack = adopting(folder, twin, yaml.safe_load((folder / "workloads.yaml").read_text()))
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    stack.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", capture=True)
    stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)
    assert what_stands(world, stack) == before


def test_a_change_goes_to_what_was_adopted(made: LocalStack, world: World, twin: Twin, folder: Path) -> None:
    workloads = yaml.safe_load((folder / "workloads.yaml").read_text())
    before = {a["associationId"] for a in what_stands(world, made)["associations"]}
    workloads["cart"]["tags"]["team"] = "web"
    stack = adopting(folder, twin, workloads)
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    after = what_stands(world, stack)["associations"]
    assert {a["associationId"] for a in after} == before
    assert [a["tags"] for a in after if a["serviceAccount"] == "cart"] == [{"team": "web"}]


def test_destroy_takes_what_was_adopted_and_leaves_the_rest(made: LocalStack, world: World, twin: Twin) -> None:
    made.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    left = what_stands(world, made)
    assert [a["serviceAccount"] for a in left["associations"]] == ["ebs-csi-controller-sa"]
    accounts = {account["metadata"]["name"] for account in left["accounts"]["items"]}
    assert "pay" in accounts and not {"cart", "own"} & accounts
    roles = {role["RoleName"] for role in left["roles"]}
    assert "wide" in roles and "own" not in roles
