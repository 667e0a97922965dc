"""Every example through the real engine on the twin: up, a preview without a change, destroy. The programs run in an
environment in which the wheel is installed, and cannot see the checkout.

The demo's cluster serves most of them. Another one, which has nodes and no agent, is the one that "somebody else made".
"""

import contextlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from local import toolchain
from local.aws.inventory import inventory
from local.stack import ROOT, LocalStack
from local.twin import Twin
from tests.twin.aws.support import World, client
from tests.twin.wheel import build, install

EXAMPLES = sorted(file.parent.name for file in (ROOT / "examples").glob("*/Pulumi.yaml"))
DEMO, OTHER = "eks-pod-identity-demo", "somebody-elses"
OTHER_ACCOUNT = "444455556666"
ZONE = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"

CONFIG: dict[str, dict[str, Any]] = {
    "wheel-consumer": {"clusterStack": "organization/eks-pod-identity/local"},
    "existing-cluster": {"clusterName": OTHER},
    "several-clusters": {"clusterNames": [DEMO, OTHER], "hostedZoneArn": ZONE},
}
"""What the examples have no default for."""


class Place:
    """The twin with two clusters, and a checkout of which the examples are copies and the environment has the wheel.

    Args:
        twin: The twin, which runs.
        folder: The folder for it.
    """

    def __init__(self, twin: Twin, folder: Path):
        self.twin = twin
        self.demo = LocalStack(twin)
        self._folder = folder
        for name in ("components", "requirements.txt", "constraints.txt"):
            (folder / name).symlink_to(ROOT / name)
        self._environment = install(build(folder), folder / ".venv").parents[1]
        self._destroyer = ThreadPoolExecutor(1)
        self._destroyed: list[Future[Any]] = []

    def example(self, name: str, copy: str = "") -> LocalStack:
        """The stack of a copy of an example, with the provider's configuration of the demo."""
        program = self._folder / "examples" / (copy or name)
        shutil.copytree(ROOT / "examples" / name, program)
        (program / ".venv").symlink_to(self._environment)
        local = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())
        local["config"] = {key: value for key, value in local["config"].items() if key.startswith("aws:")}
        (program / "Pulumi.local.yaml").write_text(yaml.safe_dump(local))
        stack = LocalStack(self.twin, program)
        stack.config = {f"{stack.project}:{key}": value for key, value in CONFIG.get(name, {}).items()}
        return stack

    @contextlib.contextmanager
    def deployed(self, name: str, **config: str) -> Iterator[dict[str, Any]]:
        """An example that is up, and changes nothing when it is run again. Yields its outputs; afterwards it is destroyed
        while the next test runs, because that is mostly waiting until namespaces are gone."""
        stack = self.example(name)
        stack.config |= {f"{stack.project}:{key}": value for key, value in config.items()}
        stack.pulumi("up", "--yes", "--skip-preview", capture=True)
        try:
            stack.pulumi("preview", "--expect-no-changes", capture=True)
            yield json.loads(stack.pulumi("stack", "output", "--json", capture=True).stdout)
        finally:
            destroy = ("destroy", "--yes", "--skip-preview")
            self._destroyed.append(self._destroyer.submit(stack.pulumi, *destroy, capture=True))

    def wait_until_destroyed(self) -> None:
        """Wait for what is being destroyed. Raises where that fails."""
        self._destroyer.shutdown()
        for one in self._destroyed:
            one.result()

    @contextlib.contextmanager
    def pod(self, namespace: str, service_account: str) -> Iterator["Pod"]:
        """A pod in the demo's cluster, as of a Deployment of the team's own."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "example", "namespace": namespace},
            "spec": {
                "serviceAccountName": service_account,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 1000,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "example",
                        "image": "amazon/aws-cli:2.31.13",
                        "command": ["sleep", "infinity"],
                        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    }
                ],
            },
        }
        file = self._folder / "pod.json"
        file.write_text(json.dumps(manifest))
        self.demo.run("kubectl", "apply", "-f", str(file), capture=True)
        self.demo.run("kubectl", "-n", namespace, "wait", "--for=condition=Ready", "pod/example", capture=True)
        yield Pod(self.demo, namespace, "example")
        self.demo.run("kubectl", "delete", "-f", str(file), "--now", "--wait=false", capture=True)


class Pod:
    """A running pod with the `aws` CLI."""

    def __init__(self, stack: LocalStack, namespace: str, name: str):
        self._stack, self._command = stack, ("kubectl", "-n", namespace, "exec", name, "--", "aws")

    def aws(self, *arguments: str) -> tuple[bool, str]:
        """Whether a call of the CLI succeeds, and what it says."""
        result = self._stack.run(*self._command, *arguments, capture=True, check=False)
        return result.returncode == 0, result.stdout

    def caller(self) -> str:
        """The ARN that the pod has."""
        succeeds, said = self.aws("sts", "get-caller-identity", "--query", "Arn", "--output", "text")
        assert succeeds, said
        return said.strip()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    twin = Twin(folder / "state", port=0, propagation=0.5)
    twin.start()
    try:
        place = Place(twin, folder)
        place.demo.pulumi("up", "--yes", "--skip-preview", capture=True)
        place.demo.aws("eks", "update-kubeconfig", "--name", DEMO, capture=True)
        world = World(twin.url())
        world.nodegroup(world.cluster(name=OTHER))
        before = inventory(twin.url())
        yield place
        place.wait_until_destroyed()
        assert inventory(twin.url()) == before
    finally:
        twin.remove()


def test_every_example_is_tested_and_documented() -> None:
    tested = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    listed = (ROOT / "examples" / "README.md").read_text()
    for name in EXAMPLES:
        assert name in tested
        assert f"[`{name}`]({name})" in listed
        assert (ROOT / "examples" / name / "README.md").is_file()
        assert yaml.safe_load((ROOT / "examples" / name / "Pulumi.yaml").read_text())["name"] == (
            f"eks-pod-identity-{name}"
        )


def test_wheel_consumer(place: Place) -> None:
    with place.deployed("wheel-consumer") as outputs:
        name = outputs["role_arn"].rpartition("/")[2]
        assert f":assumed-role/{name}/" in Pod(place.demo, "invoices", "reader").caller()


def test_plugin_consumer(place: Place) -> None:
    with place.deployed("plugin-consumer") as outputs:
        iam = client(place.twin.url(), "iam")
        role = iam.get_role(RoleName=outputs["role_arn"].rpartition("/")[2])["Role"]
        assert role["MaxSessionDuration"] == 7200
        with place.pod("inventory", outputs["service_account"]) as pod:
            assert f":assumed-role/{role['RoleName']}/" in pod.caller()


def test_plugin_consumer_says_what_is_wrong(place: Place) -> None:
    stack = place.example("plugin-consumer", copy="plugin-consumer-wrong")
    program = stack.program / "__main__.py"
    program.write_text(program.read_text().replace("max_session_duration=7200", "max_session_duration=60"))
    refused = stack.pulumi("preview", capture=True, check=False)
    assert refused.returncode != 0
    assert "PodIdentityRole 'inventory': 1 problem" in refused.stdout
    assert "property maxSessionDuration with value '{60}' has a problem: max_session_duration = 60" in refused.stdout
    assert "Traceback" not in refused.stdout


def test_plugin_consumer_yaml(place: Place) -> None:
    home = Path(place.demo.environment()["PULUMI_HOME"])
    beside = toolchain.ensure(("pulumi",)).path("pulumi").with_name("pulumi-language-yaml")
    if not beside.exists() and not list(home.glob("plugins/language-yaml-*")):
        pytest.skip("programs in YAML need the official Pulumi")
    with place.deployed("plugin-consumer-yaml") as outputs, place.pod("inventory", outputs["serviceAccount"]) as pod:
        assert f":assumed-role/{outputs['roleArn'].rpartition('/')[2]}/" in pod.caller()


def test_a_package_for_another_language_is_made_of_the_schema(place: Place, tmp_path: Path) -> None:
    beside = toolchain.ensure(("pulumi",)).path("pulumi").with_name("pulumi-language-nodejs")
    if not beside.exists():
        pytest.skip("pulumi package gen-sdk needs the official Pulumi")
    made = ("pulumi", "package", "gen-sdk", str(ROOT / "components"), "--language", "nodejs", "--out", str(tmp_path))
    place.demo.run(*made, capture=True)
    assert "class PodIdentityAssociation" in (tmp_path / "nodejs" / "podIdentityAssociation.ts").read_text()


def test_the_program_in_yaml_is_as_the_schema_has_it() -> None:
    schema = json.loads((ROOT / "components" / "schema.json").read_text())
    program = yaml.safe_load((ROOT / "examples" / "plugin-consumer-yaml" / "Pulumi.yaml").read_text())
    components = {name: one for name, one in program["resources"].items() if one["type"].startswith("eks-pod-identity")}
    assert len(components) == 3
    for name, one in components.items():
        resource = schema["resources"][one["type"].replace(":", ":index:")]
        assert set(resource["requiredInputs"]) <= set(one["properties"]) <= set(resource["inputProperties"]), name


def test_existing_cluster(place: Place) -> None:
    eks = client(place.twin.url(), "eks")
    with place.deployed("existing-cluster") as outputs:
        assert outputs["service_account"] == "orders"
        assert eks.list_addons(clusterName=OTHER)["addons"] == ["eks-pod-identity-agent"]


def test_several_clusters(place: Place) -> None:
    eks, iam = client(place.twin.url(), "eks"), client(place.twin.url(), "iam")
    with place.deployed("several-clusters") as outputs:
        assert set(outputs["association_ids"]) == {f"dns/{DEMO}", f"dns/{OTHER}", f"orders/{DEMO}"}
        for cluster, expected in ((DEMO, {"external-dns", "orders"}), (OTHER, {"external-dns"})):
            found = eks.list_pod_identity_associations(clusterName=cluster)["associations"]
            ours = {
                one["serviceAccount"] for one in found if one["associationId"] in outputs["association_ids"].values()
            }
            assert ours == expected
        for workload, clusters in (("dns", {DEMO, OTHER}), ("orders", {DEMO})):
            role = iam.get_role(RoleName=outputs["role_arns"][workload].rpartition("/")[2])["Role"]
            trusted = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]
            trusted = [trusted] if isinstance(trusted, str) else trusted
            assert {arn.rpartition("/")[2] for arn in trusted} == clusters


def test_session_tags(place: Place) -> None:
    s3 = client(place.twin.url(), "s3")
    s3.create_bucket(Bucket="example-teams", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    put = ("s3api", "put-object", "--bucket", "example-teams", "--key")
    with place.deployed("session-tags"):
        for team, other in (("blue", "green"), ("green", "blue")):
            with place.pod(team, "files") as pod:
                assert pod.aws(*put, f"{team}/report")[0]
                succeeds, said = pod.aws(*put, f"{other}/report")
                assert not succeeds
                assert "AccessDenied" in said
        stored = [one["Key"] for one in s3.list_objects_v2(Bucket="example-teams")["Contents"]]
        assert stored == ["blue/report", "green/report"]
    for key in stored:
        s3.delete_object(Bucket="example-teams", Key=key)
    s3.delete_bucket(Bucket="example-teams")


def test_cross_account(place: Place) -> None:
    # An access key of twelve digits is the root user of that account.
    there = boto3.client(
        "iam",
        region_name="eu-west-1",
        endpoint_url=place.twin.url(),
        aws_access_key_id=OTHER_ACCOUNT,
        aws_secret_access_key="test",
    )
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "123456789012"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    deployer = there.create_role(RoleName="deployer", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    there.attach_role_policy(RoleName="deployer", PolicyArn=administrator)
    with (
        place.deployed("cross-account", targetDeployerRoleArn=deployer) as outputs,
        place.pod("reports", outputs["service_account"]) as pod,
    ):
        assert outputs["target_role_arn"].split(":")[4] == OTHER_ACCOUNT
        role = outputs["target_role_arn"].rpartition("/")[2]
        assert f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/{role}/" in pod.caller()


def test_addon_associations(place: Place) -> None:
    eks = client(place.twin.url(), "eks")
    with place.deployed("addon-associations") as outputs:
        (arn,) = eks.describe_addon(clusterName=DEMO, addonName="aws-ebs-csi-driver")["addon"][
            "podIdentityAssociations"
        ]
        association = eks.describe_pod_identity_association(clusterName=DEMO, associationId=arn.rpartition("/")[2])
        assert association["association"]["roleArn"] == outputs["role_arn"]
        assert association["association"]["serviceAccount"] == "ebs-csi-controller-sa"


def test_the_engine_gets_the_schema_of_the_plugin(place: Place) -> None:
    said = place.demo.run("pulumi", "package", "get-schema", str(ROOT / "components"), capture=True).stdout
    schema = json.loads(said[said.index("{\n") :])
    # What the engine adds of its own.
    assert schema.pop("config") == {}
    assert schema == json.loads((ROOT / "components" / "schema.json").read_text())
