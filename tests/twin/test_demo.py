"""The demo through the real engine on the twin, in the order of a stack's life. Each test builds on the one before."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from rich.console import Console

from local import demo
from local.aws.inventory import inventory
from local.stack import ROOT, LocalStack
from local.twin import Twin

from .workloads_support import program, steps

DEMO = "eks-pod-identity-demo"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
POD = "kubernetes:core/v1:Pod::demo-app-pod"

PROPAGATION = 8
"""Longer than a pod takes to start, in seconds: what does not wait for its association is caught."""


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("twin") / "state", port=0, propagation=PROPAGATION)
    twin.start()
    yield twin
    twin.remove()


@pytest.fixture(scope="module")
def stack(twin: Twin) -> LocalStack:
    return LocalStack(twin)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operator")


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


def unchanged(stack: LocalStack) -> None:
    stack.pulumi("preview", "--expect-no-changes", capture=True)
    stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)


def make(what: str, twin: Twin, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what `make demo` and `make destroy` run, with a home and a folder for temporary files of its own."""
    environment = {
        **os.environ,
        # The tools are the same for all; they are the one thing that stays.
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "COLUMNS": "120",
    }
    for name in ("HOME", "TMPDIR"):
        Path(environment[name]).mkdir(exist_ok=True)
    command = [sys.executable, "-m", "local", "--state", str(twin.state), "--port", "0", what]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def in_pod(stack: LocalStack, *command: str, namespace: str = "demo-ns", pod: str = "demo-app") -> tuple[int, str]:
    """Run a command in a pod, and return its exit code and what it said."""
    result = stack.run("kubectl", "-n", namespace, "exec", pod, "--", *command, capture=True, check=False)
    return result.returncode, result.stdout


def the_association(twin: Twin) -> dict[str, Any]:
    eks = client(twin, "eks")
    listed = eks.list_pod_identity_associations(clusterName=DEMO)["associations"]
    (found,) = (one for one in listed if one["serviceAccount"] == "demo-sa")
    return eks.describe_pod_identity_association(clusterName=DEMO, associationId=found["associationId"])["association"]


def test_a_preview_makes_nothing(stack: LocalStack, twin: Twin) -> None:
    planned = steps(stack)
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


def test_make_demo_runs_to_the_table(stack: LocalStack, twin: Twin, folder: Path) -> None:
    made = make("demo", twin, folder)
    assert made.returncode == 0, made.stdout + made.stderr
    shown = made.stdout[made.stdout.index("The pod's credentials") :]
    for expected in (
        "allowed: 2 buckets",
        "denied: AccessDenied",
        "eks-pod-s3-readonly-access",
        f"eks-cluster-name = {DEMO}",
        "kubernetes-namespace = demo-ns",
        "kubernetes-service-account = demo-sa",
        "kubernetes-pod-name = demo-app",
        stack.outputs()["association_id"],
    ):
        assert expected in shown


def test_it_provisions_the_blogs_aws_side(stack: LocalStack, twin: Twin) -> None:
    out = stack.outputs()
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


def test_the_commands_that_the_stack_prints(stack: LocalStack) -> None:
    commands = stack.outputs()["commands"]
    assert commands["buckets"] == "kubectl -n demo-ns exec demo-app -- aws s3 ls"
    said = {
        key: stack.run(*commands[key].split(), capture=True).stdout for key in ("kubeconfig", "associations", "buckets")
    }
    assert [a["serviceAccount"] for a in json.loads(said["associations"])["associations"]] == ["demo-sa"]
    assert {line.split()[-1] for line in said["buckets"].splitlines()} == set(demo.BUCKETS)


def test_the_pod_is_denied_everything_else(stack: LocalStack) -> None:
    code, said = in_pod(stack, "aws", "s3", "mb", "s3://eks-pod-identity-demo-intruder")
    assert code != 0
    assert "AccessDenied" in said
    code, said = in_pod(stack, "aws", "iam", "list-roles")
    assert code != 0
    assert "AccessDenied" in said


def test_a_pod_that_may_do_too_much_fails_the_verification(stack: LocalStack, twin: Twin) -> None:
    iam = client(twin, "iam")
    statement = {"Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="eks-pod-s3-readonly-access", PolicyName="more", PolicyDocument=document)
    with pytest.raises(demo.VerificationFailed, match="the pod is not denied to make a bucket"):
        demo.verify(stack, Console(file=io.StringIO()))
    iam.delete_role_policy(RoleName="eks-pod-s3-readonly-access", PolicyName="more")
    client(twin, "s3").delete_bucket(Bucket="eks-pod-identity-demo-intruder")


def test_kubectl_and_the_aws_cli_see_a_cluster(stack: LocalStack) -> None:
    nodes = json.loads(stack.run("kubectl", "get", "nodes", "-o", "json", capture=True).stdout)["items"]
    assert len(nodes) == 3
    assert {node["metadata"]["labels"]["node.kubernetes.io/instance-type"] for node in nodes} == {"t2.small"}
    agent = ("kubectl", "-n", "kube-system", "get", "daemonset", "eks-pod-identity-agent", "-o", "json")
    assert json.loads(stack.run(*agent, capture=True).stdout)["status"]["numberReady"] == 3
    addon = ("eks", "describe-addon", "--cluster-name", DEMO, "--addon-name", "eks-pod-identity-agent")
    assert json.loads(stack.aws(*addon, capture=True).stdout)["addon"]["status"] == "ACTIVE"


def test_a_naive_program_makes_a_pod_without_credentials(
    stack: LocalStack, twin: Twin, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = f"""
import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

cluster = kubernetes.Provider("cluster", kubeconfig={str(twin.state / "kubeconfig")!r})
opts = pulumi.ResourceOptions(provider=cluster)
namespace = kubernetes.core.v1.Namespace("n", metadata={{"name": "naive"}}, opts=opts)
account = kubernetes.core.v1.ServiceAccount("s", metadata={{"name": "naive", "namespace": "naive"}},
    opts=pulumi.ResourceOptions(provider=cluster, depends_on=[namespace]))
association = aws.eks.PodIdentityAssociation("a", cluster_name={DEMO!r}, namespace="naive", service_account="naive",
    role_arn={stack.outputs()["role_arn"]!r})
kubernetes.core.v1.Pod("p", metadata={{"name": "naive", "namespace": "naive"}},
    spec={{"service_account_name": "naive", "containers": [
        {{"name": "naive", "image": "amazon/aws-cli:2.31.13", "command": ["sleep", "infinity"]}}]}},
    opts=pulumi.ResourceOptions(provider=cluster, depends_on=[account, association]))
"""
    naive = program(tmp_path_factory.mktemp("programs") / "naive", twin, source)
    naive.pulumi("up", "--yes", "--skip-preview", capture=True)
    code, said = in_pod(stack, "aws", "s3", "ls", namespace="naive", pod="naive")
    naive.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    assert code != 0
    assert "Unable to locate credentials" in said


def test_a_second_run_changes_nothing(stack: LocalStack) -> None:
    unchanged(stack)


def test_the_kubeconfig_is_encrypted_among_the_stacks_outputs(stack: LocalStack) -> None:
    exported = json.loads(stack.pulumi("stack", "export", capture=True).stdout)
    (root,) = (r for r in exported["deployment"]["resources"] if r["type"] == "pulumi:pulumi:Stack")
    assert set(root["outputs"]["kubeconfig"]) == {"4dabf18193072939515e22adb298388d", "ciphertext"}


DNS = {"preset": "external-dns", "scope": {"hosted_zone_arns": ["arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"]}}


def test_updates_in_place_and_a_workload_of_the_configuration(stack: LocalStack, twin: Twin) -> None:
    stack.config = {
        "eks-pod-identity:roleName": "eks-pod-s3-readonly-access",
        "eks-pod-identity:maxSessionDuration": 7200,
        # More, not fewer: a node that goes may be the pod's, which nothing in the cluster would make again.
        "eks-pod-identity:nodeMaxSize": 4,
        "eks-pod-identity:nodeDesiredSize": 4,
        "eks-pod-identity:logTypes": ["api", "audit"],
        "eks-pod-identity:tags": {"project": DEMO, "team": "platform"},
        "eks-pod-identity:workloads": {"dns": DNS},
    }
    planned = steps(stack)
    assert set(planned.values()) == {"update", "create"}
    created = {name for name, step in planned.items() if step == "create"}
    assert f"{ASSOCIATION}::workloads-dns-demo-association" in created
    assert all("::workloads-" in name for name in created)
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
    nodes = eks.describe_nodegroup(clusterName=DEMO, nodegroupName="dev")["nodegroup"]
    assert nodes["scalingConfig"] == {"minSize": 1, "maxSize": 4, "desiredSize": 4}
    enabled = next(c for c in eks.describe_cluster(name=DEMO)["cluster"]["logging"]["clusterLogging"] if c["enabled"])
    assert sorted(enabled["types"]) == ["api", "audit"]
    assert client(twin, "iam").get_role(RoleName="eks-pod-s3-readonly-access")["Role"]["MaxSessionDuration"] == 7200
    associated = eks.list_pod_identity_associations(clusterName=DEMO)["associations"]
    assert {one["serviceAccount"] for one in associated} == {"demo-sa", "external-dns"}
    assert stack.outputs()["workload_role_arns"].keys() == {"dns"}
    unchanged(stack)


def test_another_role_is_an_update_of_the_association_in_place_and_another_pod(stack: LocalStack, twin: Twin) -> None:
    before = the_association(twin)
    stack.config["eks-pod-identity:roleName"] = "eks-pod-other"
    del stack.config["eks-pod-identity:workloads"]
    planned = steps(stack)
    assert planned[f"{ASSOCIATION}::workloads-dns-demo-association"] == "delete"
    assert planned[f"{ASSOCIATION}::demo-sa-association"] == "update"
    assert "replace" in planned[POD]

    stack.pulumi("up", "--yes", "--skip-preview", capture=True)

    after = the_association(twin)
    assert after["associationId"] == before["associationId"]
    assert after["roleArn"].endswith(":role/eks-pod-other")
    # That EKS has the new role everywhere cannot be seen from outside, so nothing waits for it.
    deadline = time.monotonic() + 2 * PROPAGATION
    while ":assumed-role/eks-pod-other/" not in (said := in_pod(stack, "aws", "sts", "get-caller-identity")[1]):
        assert time.monotonic() < deadline, said
    unchanged(stack)


def test_an_association_that_does_not_become_effective_is_an_error_and_no_pod(stack: LocalStack, twin: Twin) -> None:
    before = the_association(twin)
    stack.config["eks-pod-identity:namespace"] = "other-ns"
    stack.config["eks-pod-identity:readyTimeout"] = 1
    refused = stack.pulumi("up", "--yes", "--skip-preview", capture=True, check=False)
    assert refused.returncode != 0
    assert "pods with ServiceAccount demo-sa in namespace other-ns get no credentials 1 s after" in refused.stdout
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert the_association(twin)["associationId"] != before["associationId"]
    assert in_pod(stack, "true", namespace="other-ns")[0] != 0
    del stack.config["eks-pod-identity:readyTimeout"]


def test_the_next_run_waits_again_and_brings_the_pod(stack: LocalStack, twin: Twin) -> None:
    assert "replace" in steps(stack)[POD]

    stack.pulumi("up", "--yes", "--skip-preview", capture=True)

    assert the_association(twin)["namespace"] == "other-ns"
    code, said = in_pod(stack, "aws", "s3", "ls", namespace="other-ns")
    assert code == 0, said
    namespaces = stack.run("kubectl", "get", "namespaces", "-o", "name", capture=True).stdout.split()
    assert "namespace/other-ns" in namespaces
    assert "namespace/demo-ns" not in namespaces
    unchanged(stack)


def test_drift_is_seen_and_repaired(stack: LocalStack, twin: Twin) -> None:
    association = the_association(twin)
    arn = association["associationArn"]
    stack.aws("eks", "tag-resource", "--resource-arn", arn, "--tags", "team=intruder", capture=True)
    stack.aws("eks", "delete-addon", "--cluster-name", DEMO, "--addon-name", "eks-pod-identity-agent", capture=True)
    stack.run("kubectl", "-n", "other-ns", "delete", "pod", "demo-app", capture=True)
    seen = stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True, check=False)
    assert seen.returncode != 0

    stack.pulumi("up", "--yes", "--skip-preview", "--refresh", capture=True)
    assert in_pod(stack, "aws", "s3", "ls", namespace="other-ns")[0] == 0

    assert the_association(twin)["tags"]["team"] == "platform"
    assert client(twin, "eks").describe_addon(clusterName=DEMO, addonName="eks-pod-identity-agent")
    unchanged(stack)


def test_an_association_that_exists_is_imported(stack: LocalStack, twin: Twin, tmp_path: Path) -> None:
    role = stack.outputs()["role_arn"]
    made = client(twin, "eks").create_pod_identity_association(
        clusterName=DEMO, namespace="imported", serviceAccount="by-hand", roleArn=role, tags={"made": "by-hand"}
    )["association"]
    importer = program(
        tmp_path / "importer",
        twin,
        "import pulumi_aws as aws\n"
        f"aws.eks.PodIdentityAssociation('by-hand', cluster_name={DEMO!r}, namespace='imported',\n"
        f"    service_account='by-hand', role_arn={role!r}, tags={{'made': 'by-hand'}})\n",
    )
    importer.pulumi(
        "import", ASSOCIATION, "by-hand", f"{DEMO},{made['associationId']}", "--yes", "--protect=false",
        "--generate-code=false", capture=True,
    )  # fmt: skip
    unchanged(importer)
    importer.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    assert the_association(twin)["namespace"] == "other-ns"


def test_make_destroy_leaves_nothing(twin: Twin, folder: Path) -> None:
    destroyed = make("destroy", twin, folder)
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert destroyed.stdout.endswith("Nothing is left: no resource, no process, no state.\n")
    assert not twin.state.exists()
    processes = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(twin.state) not in processes
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == [Path("home"), Path("tmp")]
