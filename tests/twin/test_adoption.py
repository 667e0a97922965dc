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
from .workloads_support import CLUSTER, new_cluster, outputs, program

ARN = f"arn:aws:eks:eu-west-1:123456789012:cluster/{CLUSTER}"
READ_ONLY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
TARGET = "arn:aws:iam::444455556666:role/data"
AGENT = "eks-pod-identity-agent"


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


def adopting(folder: Path, twin: Twin, workloads: Any = None, agent: Any = None) -> LocalStack:
    source = f"""
    import pulumi
    import pulumi_kubernetes as kubernetes

    from components import ExistingCluster, PodIdentities, PodIdentityAgent

    cluster = ExistingCluster("here", {{"cluster_name": {CLUSTER!r}}})
    in_cluster = kubernetes.Provider(
        "in-cluster", kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer
    )
    workloads, agent = {workloads!r}, {agent!r}
    if workloads is not None:
        agent = PodIdentityAgent("agent", {{"cluster_name": cluster.ready, **agent}})
        made = PodIdentities(
            "all",
            {{
                "cluster_names": {{"prod": agent.ready}},
                "cluster_arns": {{"prod": cluster.cluster_arn}},
                "kubeconfigs": {{"prod": cluster.kubeconfig}},
                "workloads": workloads,
            }},
            pulumi.ResourceOptions(providers=[in_cluster]),
        )
        pulumi.export("roles", made.role_arns)
    """
    return program(folder, twin, source)


def written(folder: Path, name: str) -> Any:
    return yaml.safe_load((folder / f"{name}.yaml").read_text())


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
        "roles": [standing(world, role) for role in world.iam.list_roles()["Roles"]],
        "agent": world.eks.describe_addon(clusterName=CLUSTER, addonName=AGENT)["addon"],
    }


def standing(world: World, role: dict[str, Any]) -> dict[str, Any]:
    name = role["RoleName"]
    inline = world.iam.list_role_policies(RoleName=name)["PolicyNames"]
    return {
        **role,
        "attached": world.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
        "inline": {one: world.iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"] for one in inline},
    }


def has_role(world: World, name: str) -> bool:
    return name in {role["RoleName"] for role in world.iam.list_roles()["Roles"]}


@pytest.fixture(scope="module")
def made(world: World, twin: Twin, folder: Path) -> LocalStack:
    """Associations of all kinds, by hand."""
    stack = adopting(folder, twin)
    stack.aws("eks", "update-kubeconfig", "--name", CLUSTER, capture=True)
    stack.run("kubectl", "create", "namespace", "shop", capture=True)
    for account in ("cart", "pay", "own", "chain", "stock", "send", "odd"):
        stack.run("kubectl", "create", "serviceaccount", account, "-n", "shop", capture=True)
    labelled = ("label", "serviceaccount", "pay", "-n", "shop", "app.kubernetes.io/managed-by=Helm")
    stack.run("kubectl", *labelled, capture=True)

    def role(name: str, document: Any, **more: Any) -> str:
        text = document if isinstance(document, str) else json.dumps(document)
        return world.iam.create_role(RoleName=name, AssumeRolePolicyDocument=text, **more)["Role"]["Arn"]

    def inline(name: str, policy: str, *statements: documents.Statement) -> None:
        # Not as the components would write it.
        text = json.dumps(documents.permissions(statements), indent=4)
        world.iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=text)

    # As AWS's documentation has it, for several associations with session tags and without.
    wide = role("wide", trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession"))
    inline("wide", "everything-in-s3", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    inline("wide", "queues", {"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": "arn:aws:sqs:*:*:orders"})
    # As PodIdentities would write it, for one and for two.
    scoped = documents.trust([ARN], namespaces=["shop"], service_accounts=["own"])
    own = role("own", scoped, Path="/shop/", MaxSessionDuration=7200)
    both = role("both", documents.shared_trust(documents.Subject(ARN, "shop", one) for one in ("send", "stock")))
    for name in ("own", "both"):
        world.iam.attach_role_policy(RoleName=name, PolicyArn=READ_ONLY)
    chained = role("chained", documents.trust([ARN]))
    inline("chained", "assume", *documents.chaining([TARGET]))
    # What EKS Pod Identity has no use for, which no reason lets pass.
    odd = role("odd", trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"))

    associate = ("eks", "create-pod-identity-association", "--cluster-name", CLUSTER, "--namespace", "shop")
    limited = json.dumps(
        documents.permissions([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::orders/*"}])
    )
    for account, arn, *more in (
        ("cart", wide, "--tags", "team=shop"),
        ("pay", wide, "--disable-session-tags", "--policy", limited),
        ("own", own),
        ("send", both),
        ("stock", both, "--tags", "team=shop"),
        ("chain", chained, "--target-role-arn", TARGET),
        ("odd", odd),
    ):
        stack.aws(*associate, "--service-account", account, "--role-arn", arn, *more, capture=True)
    addon = {"serviceAccount": "ebs-csi-controller-sa", "roleArn": role("addon", documents.trust([ARN]))}
    world.eks.create_addon(clusterName=CLUSTER, addonName="aws-ebs-csi-driver", podIdentityAssociations=[addon])
    configuration = {"agent": {"additionalArgs": {"-b": "169.254.170.23"}}}
    world.eks.create_addon(
        clusterName=CLUSTER, addonName=AGENT, configurationValues=json.dumps(configuration), tags={"team": "platform"}
    )
    for name in (AGENT, "aws-ebs-csi-driver"):
        world.eks.get_waiter("addon_active").wait(clusterName=CLUSTER, addonName=name)
    return stack


def test_the_program_comes_first_without_workloads(made: LocalStack) -> None:
    made.pulumi("up", "--yes", "--skip-preview", capture=True)


def test_the_files_are_written(made: LocalStack, folder: Path) -> None:
    (provider,) = (r["urn"] for r in exported(made) if r["urn"].endswith("::in-cluster"))
    said = subprocess.run(
        [
            *(sys.executable, "-m", "components.adopt", CLUSTER, "--region", "eu-west-1", "--name", "all"),
            *("--cluster-key", "prod", "--roles", "--agent", "--awaited", "--kubernetes-provider", provider),
            *("--to", str(folder)),
        ],
        env=made.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "left to the add-on" in said
    assert "shop/pay: the ServiceAccount is left alone, because it has labels" in said
    assert "shop/odd: the role arn:aws:iam::123456789012:role/odd is named and not adopted" in said
    workloads = written(folder, "workloads")
    assert {key: workload.get("role_of", workload.get("role_name")) for key, workload in workloads.items()} == {
        "cart": "pay",
        "pay": "wide",
        "own": "own",
        "send": "both",
        "stock": "send",
        "chain": "chained",
        "odd": None,
    }
    assert workloads["cart"]["tags"] == {"team": "shop"}
    assert workloads["pay"]["disable_session_tags"] is True
    assert workloads["pay"]["create_service_account"] is False
    assert set(workloads["pay"]["inline_policies"]) == {"everything-in-s3", "queues"}
    assert {"trust-unscoped", "iam-service-wildcard"} <= set(workloads["pay"]["allow"])
    assert workloads["own"]["managed_policy_arns"] == {"AmazonS3ReadOnlyAccess": READ_ONLY}
    assert (workloads["own"]["path"], workloads["own"]["max_session_duration"]) == ("/shop/", 7200)
    # What PodIdentities writes itself need not be said.
    assert {key for key, workload in workloads.items() if "trust_policy" in workload} == {"pay", "chain"}
    assert workloads["chain"]["create_target_policy"] is False
    assert workloads["odd"]["role_arn"] == "arn:aws:iam::123456789012:role/odd"
    agent = written(folder, "agent")
    assert agent["configuration"] == {"agent": {"additionalArgs": {"-b": "169.254.170.23"}}}
    assert (agent["region"], agent["tags"]) == ("eu-west-1", {"team": "platform"})


def test_the_preview_is_empty_after_the_import(made: LocalStack, world: World, twin: Twin, folder: Path) -> None:
    before = what_stands(world, made)
    made.pulumi(
        *("import", "--file", str(folder / "import.json"), "--yes", "--protect=false", "--generate-code=false"),
        capture=True,
    )
    stack = adopting(folder, twin, written(folder, "workloads"), written(folder, "agent"))
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    stack.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", capture=True)
    stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)
    assert what_stands(world, stack) == before
    roles = outputs(stack)["roles"]
    assert roles["cart"] == roles["pay"] == "arn:aws:iam::123456789012:role/wide"


def test_a_change_goes_to_what_was_adopted(made: LocalStack, world: World, twin: Twin, folder: Path) -> None:
    workloads, agent = written(folder, "workloads"), written(folder, "agent")
    before = {a["associationId"] for a in what_stands(world, made)["associations"]}
    workloads["cart"]["tags"]["team"] = "web"
    # From a trust as it stood to the one that is built.
    del workloads["chain"]["trust_policy"]
    agent["tags"]["team"] = "web"
    stack = adopting(folder, twin, workloads, agent)
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    after = what_stands(world, stack)
    assert {a["associationId"] for a in after["associations"]} == before
    assert [a["tags"] for a in after["associations"] if a["serviceAccount"] == "cart"] == [{"team": "web"}]
    assert after["agent"]["tags"] == {"team": "web"}
    (trusted,) = (role["AssumeRolePolicyDocument"] for role in after["roles"] if role["RoleName"] == "chained")
    assert trusted == documents.trust([ARN], namespaces=["shop"], service_accounts=["chain"])
    stack.pulumi("preview", "--expect-no-changes", capture=True)


def test_destroy_takes_what_was_adopted_and_leaves_the_rest(made: LocalStack, world: World) -> None:
    made.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    listed = world.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"]
    assert [one["serviceAccount"] for one in listed] == ["ebs-csi-controller-sa"]
    accounts = json.loads(made.run("kubectl", "get", "sa", "-n", "shop", "-o", "json", capture=True).stdout)["items"]
    names = {account["metadata"]["name"] for account in accounts}
    assert "pay" in names and not {"cart", "own"} & names
    assert has_role(world, "addon") and has_role(world, "odd")
    assert not any(has_role(world, name) for name in ("wide", "own", "both", "chained"))
    assert AGENT not in world.eks.list_addons(clusterName=CLUSTER)["addons"]
