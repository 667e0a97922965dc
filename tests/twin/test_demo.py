"""The demo through the real engine on the twin, in the order of a stack's life. Each test builds on the one before."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from local.aws.inventory import inventory
from local.stack import LocalStack
from local.twin import Twin

DEMO = "eks-pod-identity-demo"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("twin") / "state", port=0)
    twin.start()
    yield twin
    twin.remove()


@pytest.fixture(scope="module")
def stack(twin: Twin) -> LocalStack:
    return LocalStack(twin)


def client(twin: Twin, service: str) -> Any:
    return boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=twin.url(),
        aws_access_key_id="AKIATESTTESTTESTTEST",
        aws_secret_access_key="test",
    )


def remaining(twin: Twin) -> dict[str, list[str]]:
    return {kind: names for kind, names in inventory(twin.url()).items() if names}


def changes(stack: LocalStack) -> dict[str, str]:
    """What a preview would do, by resource: `{type::name: operation}`, without what stays the same."""
    preview = stack.pulumi("preview", "--json", "--suppress-progress", capture=True)
    document = json.loads(preview.stdout[preview.stdout.index("{") :])
    return {
        "::".join(step["urn"].split("$")[-1].split("::")[-2:]): step["op"]
        for step in document["steps"]
        if step["op"] != "same"
    }


def unchanged(stack: LocalStack) -> None:
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)


def outputs(stack: LocalStack) -> dict[str, Any]:
    return json.loads(stack.pulumi("stack", "output", "--json", capture=True).stdout)


def the_association(twin: Twin) -> dict[str, Any]:
    eks = client(twin, "eks")
    (found,) = eks.list_pod_identity_associations(clusterName=DEMO)["associations"]
    return eks.describe_pod_identity_association(clusterName=DEMO, associationId=found["associationId"])["association"]


def test_a_preview_makes_nothing(stack: LocalStack, twin: Twin) -> None:
    planned = changes(stack)
    assert set(planned.values()) == {"create"}
    assert f"{ASSOCIATION}::demo-sa-association" in planned
    assert remaining(twin) == {}


@pytest.mark.parametrize(
    "config",
    [
        {
            "eks-pod-identity:clusterNam": "x",
            "eks-pod-identity:vpcCidr": "10.0.0.0/99",
            "eks-pod-identity:privateSubnetCidrs": ["10.0.1.0/24", "10.0.1.0/24", "192.168.0.0/24"],
            "eks-pod-identity:kubernetesVersion": "1.28",
            "eks-pod-identity:rolePath": "demo",
            "eks-pod-identity:serviceAccount": "Demo_SA",
        }
    ],
)
def test_a_bad_configuration_is_refused_whole_before_any_call(twin: Twin, config: dict[str, Any]) -> None:
    stack = LocalStack(twin, config=config)
    for command in (["preview"], ["up", "--yes", "--skip-preview"]):
        refused = stack.pulumi(*command, capture=True, check=False)
        assert refused.returncode != 0
        for key, value in config.items():
            shown = value[1] if isinstance(value, list) else value
            assert key in refused.stdout
            assert json.dumps(shown) in refused.stdout
        assert "Perhaps you mean clusterName" in refused.stdout
        assert "Traceback" not in refused.stdout
    assert remaining(twin) == {}


def test_up_provisions_the_blogs_aws_side(stack: LocalStack, twin: Twin) -> None:
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)

    out = outputs(stack)
    association = the_association(twin)
    assert out["cluster_name"] == DEMO
    assert out["cluster_arn"] == f"arn:aws:eks:eu-west-1:123456789012:cluster/{DEMO}"
    assert out["role_arn"] == association["roleArn"] == "arn:aws:iam::123456789012:role/eks-pod-s3-readonly-access"
    assert out["association_id"] == association["associationId"]
    assert out["association_arn"] == association["associationArn"]
    assert out["kubeconfig"] == "[secret]"
    assert (association["namespace"], association["serviceAccount"]) == ("demo-ns", "demo-sa")

    eks = client(twin, "eks")
    assert eks.describe_cluster(name=DEMO)["cluster"]["status"] == "ACTIVE"
    agent = eks.describe_addon(clusterName=DEMO, addonName="eks-pod-identity-agent")["addon"]
    assert agent["status"] == "ACTIVE"
    nodes = eks.describe_nodegroup(clusterName=DEMO, nodegroupName="dev")["nodegroup"]
    assert nodes["scalingConfig"] == {"minSize": 1, "maxSize": 3, "desiredSize": 3}
    assert nodes["amiType"] == "AL2023_x86_64_STANDARD"
    role = client(twin, "iam").get_role(RoleName="eks-pod-s3-readonly-access")["Role"]
    condition = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    assert condition["ArnEquals"] == {"aws:SourceArn": out["cluster_arn"]}


def test_the_association_is_listed_by_the_command_that_the_stack_prints(stack: LocalStack) -> None:
    command = outputs(stack)["list_associations"].split()
    assert command[0] == "aws"
    listed = json.loads(stack.aws(*command[1:], capture=True).stdout)
    assert [a["serviceAccount"] for a in listed["associations"]] == ["demo-sa"]


def test_a_second_run_changes_nothing(stack: LocalStack) -> None:
    unchanged(stack)


def test_the_kubeconfig_is_encrypted_among_the_stacks_outputs(stack: LocalStack) -> None:
    exported = json.loads(stack.pulumi("stack", "export", capture=True).stdout)
    (root,) = (r for r in exported["deployment"]["resources"] if r["type"] == "pulumi:pulumi:Stack")
    assert set(root["outputs"]["kubeconfig"]) == {"4dabf18193072939515e22adb298388d", "ciphertext"}


def test_updates_in_place(stack: LocalStack, twin: Twin) -> None:
    stack.config = {
        "eks-pod-identity:roleName": "eks-pod-s3-readonly-access",
        "eks-pod-identity:maxSessionDuration": 7200,
        "eks-pod-identity:nodeDesiredSize": 2,
        "eks-pod-identity:logTypes": ["api", "audit"],
        "eks-pod-identity:tags": {"project": DEMO, "team": "platform"},
    }
    planned = changes(stack)
    assert set(planned.values()) == {"update"}
    assert {
        f"{ASSOCIATION}::demo-sa-association",
        "aws:iam/role:Role::eks-pod-s3-readonly-access-role",
        f"aws:eks/nodeGroup:NodeGroup::{DEMO}-dev",
        f"aws:eks/cluster:Cluster::{DEMO}-eksCluster",
    } <= set(planned)
    before = the_association(twin)["associationId"]

    stack.pulumi("up", "--yes", "--skip-preview", capture=True)

    association = the_association(twin)
    assert association["associationId"] == before
    assert association["tags"]["team"] == "platform"
    eks = client(twin, "eks")
    assert (
        eks.describe_nodegroup(clusterName=DEMO, nodegroupName="dev")["nodegroup"]["scalingConfig"]["desiredSize"] == 2
    )
    enabled = next(c for c in eks.describe_cluster(name=DEMO)["cluster"]["logging"]["clusterLogging"] if c["enabled"])
    assert sorted(enabled["types"]) == ["api", "audit"]
    assert client(twin, "iam").get_role(RoleName="eks-pod-s3-readonly-access")["Role"]["MaxSessionDuration"] == 7200
    unchanged(stack)


def test_another_role_is_an_update_of_the_association_in_place(stack: LocalStack, twin: Twin) -> None:
    before = the_association(twin)
    stack.config["eks-pod-identity:roleName"] = "eks-pod-other"
    assert changes(stack)[f"{ASSOCIATION}::demo-sa-association"] == "update"

    stack.pulumi("up", "--yes", "--skip-preview", capture=True)

    after = the_association(twin)
    assert after["associationId"] == before["associationId"]
    assert after["roleArn"].endswith(":role/eks-pod-other")
    unchanged(stack)


def test_another_namespace_replaces_the_association(stack: LocalStack, twin: Twin) -> None:
    before = the_association(twin)
    stack.config["eks-pod-identity:namespace"] = "other-ns"
    assert "replace" in changes(stack)[f"{ASSOCIATION}::demo-sa-association"]

    stack.pulumi("up", "--yes", "--skip-preview", capture=True)

    after = the_association(twin)
    assert after["namespace"] == "other-ns"
    assert after["associationId"] != before["associationId"]
    unchanged(stack)


def test_drift_is_seen_and_repaired(stack: LocalStack, twin: Twin) -> None:
    association = the_association(twin)
    arn = association["associationArn"]
    stack.aws("eks", "tag-resource", "--resource-arn", arn, "--tags", "team=intruder", capture=True)
    stack.aws("eks", "delete-addon", "--cluster-name", DEMO, "--addon-name", "eks-pod-identity-agent", capture=True)
    seen = stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True, check=False)
    assert seen.returncode != 0

    stack.pulumi("up", "--yes", "--skip-preview", "--refresh", capture=True)

    assert the_association(twin)["tags"]["team"] == "platform"
    assert client(twin, "eks").describe_addon(clusterName=DEMO, addonName="eks-pod-identity-agent")
    unchanged(stack)


def test_an_association_that_exists_is_imported(stack: LocalStack, twin: Twin, tmp_path: Path) -> None:
    role = outputs(stack)["role_arn"]
    made = client(twin, "eks").create_pod_identity_association(
        clusterName=DEMO, namespace="imported", serviceAccount="by-hand", roleArn=role, tags={"made": "by-hand"}
    )["association"]
    program = tmp_path / "importer"
    program.mkdir()
    project = {"name": "importer", "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}}}
    (program / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    local = yaml.safe_load((stack.program / "Pulumi.local.yaml").read_text())
    local["config"] = {key: value for key, value in local["config"].items() if key.startswith("aws:")}
    (program / "Pulumi.local.yaml").write_text(yaml.safe_dump(local))
    (program / "__main__.py").write_text(
        "import pulumi_aws as aws\n"
        f"aws.eks.PodIdentityAssociation('by-hand', cluster_name={DEMO!r}, namespace='imported',\n"
        f"    service_account='by-hand', role_arn={role!r}, tags={{'made': 'by-hand'}})\n"
    )
    importer = LocalStack(twin, program)
    importer.pulumi(
        "import", ASSOCIATION, "by-hand", f"{DEMO},{made['associationId']}", "--yes", "--protect=false",
        "--generate-code=false", capture=True,
    )  # fmt: skip
    unchanged(importer)
    importer.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    assert the_association(twin)["namespace"] == "other-ns"


def test_destroy_leaves_nothing(stack: LocalStack, twin: Twin) -> None:
    stack.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    assert remaining(twin) == {}
    assert outputs(stack) == {}
