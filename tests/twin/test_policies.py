"""The policy pack on the real engine: what violates is stopped before any call, and the demo passes."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.aws.inventory import inventory
from local.stack import ROOT, LocalStack
from local.twin import Twin
from tests.policies.cases import ACCOUNT, ASSOCIATED, CASES, ROLE_ARN, Case, scoped, trust

from . import workloads_support

PACK = str(ROOT / "policies")

# What the AWS plugin for machines without the official one has no part in; tests/policies judges these as the engine
# would send them.
NOT_HERE = {
    "aws:ebs/volume:Volume",
    "aws:ec2/instance:Instance",
    "aws:iam/groupPolicy:GroupPolicy",
}
# The provider itself refuses these, before any policy.
REFUSED = {
    ("names-and-sizes", "aws:eks/podIdentityAssociation:PodIdentityAssociation"),
    ("names-and-sizes", "aws:iam/policy:Policy"),
}
# What the providers ask for beside the property that is judged.
REQUIRED: dict[str, dict[str, Any]] = {
    "aws:eks/cluster:Cluster": {"name": "demo", "roleArn": ROLE_ARN, "vpcConfig": {"subnetIds": ["subnet-1"]}},
    "aws:eks/nodeGroup:NodeGroup": {
        "clusterName": "demo",
        "nodeRoleArn": ROLE_ARN,
        "subnetIds": ["subnet-1"],
        "scalingConfig": {"minSize": 1, "maxSize": 1, "desiredSize": 1},
    },
    "aws:eks/addon:Addon": {"clusterName": "demo"},
    "aws:eks/accessEntry:AccessEntry": {"clusterName": "demo", "principalArn": ROLE_ARN},
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": {"clusterName": "demo", "principalArn": ROLE_ARN},
    "aws:iam/rolePolicy:RolePolicy": {"role": "demo"},
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {"role": "demo"},
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {"securityGroupId": "sg-1"},
}
GENERIC = """
import json
import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

# Not known at preview, so that no cluster is asked for anything.
topic = aws.s3.Bucket("unknown")
cluster = kubernetes.Provider("cluster", kubeconfig=topic.arn)


class Made(pulumi.CustomResource):
    pass


for resource in json.loads(open("resources.json").read()):
    kind, name, props = resource["type"], resource["name"], resource["props"]
    in_cluster = kind.startswith("kubernetes:")
    if in_cluster:
        group, _, plain = kind.removeprefix("kubernetes:").rpartition(":")
        props = {"apiVersion": group.removeprefix("core/"), "kind": plain, **props}
    Made(kind, name, props, pulumi.ResourceOptions(provider=cluster if in_cluster else None))
"""


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("twin") / "state", port=0)
    twin.start()
    yield twin
    twin.remove()


def program(folder: Path, twin: Twin, source: str, resources: Any = None) -> LocalStack:
    """A program of its own, beside the resources that it may make."""
    stack = workloads_support.program(folder, twin, source)
    (folder / "resources.json").write_text(json.dumps(resources))
    return stack


def judged(stack: LocalStack, command: str = "preview", *more: str) -> subprocess.CompletedProcess[str]:
    return stack.pulumi(command, "--policy-pack", PACK, *more, capture=True, check=False)


def remaining(twin: Twin) -> dict[str, list[str]]:
    return {kind: names for kind, names in inventory(twin.url()).items() if names}


def merged(one: Any, other: Any) -> Any:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return {**one, **{key: merged(one.get(key), value) for key, value in other.items()}}


def without_nulls(value: Any) -> Any:
    """Without what is left out, and what is left of it."""
    if isinstance(value, dict):
        kept = {key: without_nulls(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, {})}
    return value


def violating(case: Case) -> dict[str, Any]:
    return without_nulls(merged(REQUIRED.get(case.type, {}), case.with_value(case.bad)))


STACK_RESOURCES = [
    # Two associations of one ServiceAccount, in a cluster that has no agent, and what IRSA left on it.
    {"type": "aws:eks/cluster:Cluster", "name": "stack-cluster", "props": REQUIRED["aws:eks/cluster:Cluster"]},
    *(
        {
            "type": "aws:eks/podIdentityAssociation:PodIdentityAssociation",
            "name": name,
            "props": {**ASSOCIATED, "targetRoleArn": ROLE_ARN},
        }
        for name in ("stack-one", "stack-two")
    ),
    {
        "type": "kubernetes:core/v1:ServiceAccount",
        "name": "stack-account",
        "props": {
            "metadata": {
                "name": "demo-sa",
                "namespace": "demo-ns",
                "annotations": {"eks.amazonaws.com/role-arn": ROLE_ARN},
            }
        },
    },
    {
        "type": "kubernetes:core/v1:Pod",
        "name": "stack-pod",
        "props": {
            "metadata": {"name": "p", "namespace": "demo-ns"},
            "spec": {
                "serviceAccountName": "demo-sa",
                "nodeSelector": {"kubernetes.io/os": "windows"},
                "containers": [{"name": "a", "image": "b:1"}],
            },
        },
    },
]


def test_every_policy_stops_a_preview_and_names_resource_rule_and_fix(twin: Twin, tmp_path: Path) -> None:
    cases = [case for case in CASES if case.type not in NOT_HERE and (case.policy, case.type) not in REFUSED]
    resources = [
        {"type": case.type, "name": f"{case.policy}-{i}", "props": violating(case)} for i, case in enumerate(cases)
    ]
    stack = program(tmp_path / "violations", twin, GENERIC, [*resources, *STACK_RESOURCES])
    result = judged(stack)
    assert result.returncode, result.stdout
    for i, case in enumerate(cases):
        name = f"{case.policy}-{i}"
        (line,) = [
            line for line in result.stdout.splitlines() if f"  {case.policy}  (" in line and f": {name})" in line
        ] or [result.stdout]
        assert line.lstrip().startswith("- ["), f"{name}:\n{line}"
    for name in ("agent-missing", "association-duplicate", "chaining-self", "irsa-left-over", "pod-identity-windows"):
        assert f"  {name}  (" in result.stdout, name
    assert "Perhaps you mean s3:GetObject" in result.stdout
    assert remaining(twin) == {}


def test_an_update_is_stopped_before_any_call(twin: Twin, tmp_path: Path) -> None:
    role = {"type": "aws:iam/role:Role", "name": "open", "props": {"assumeRolePolicy": trust(Condition={})}}
    stack = program(tmp_path / "update", twin, GENERIC.replace('topic = aws.s3.Bucket("unknown")', ""), [role])
    source = stack.program / "__main__.py"
    source.write_text(
        source.read_text().replace('cluster = kubernetes.Provider("cluster", kubeconfig=topic.arn)', "cluster = None")
    )
    result = judged(stack, "up", "--yes", "--skip-preview")
    assert result.returncode
    assert "trust-unscoped  (aws:iam:Role: open)" in result.stdout
    assert "documents.trust" in result.stdout
    assert remaining(twin) == {}
    # Its twin, scoped, is made.
    role["props"]["assumeRolePolicy"] = scoped("StringEquals", "aws:SourceOrgID", "o-a1b2c3d4e5")  # type: ignore[index]
    (stack.program / "resources.json").write_text(json.dumps([role]))
    assert judged(stack, "up", "--yes", "--skip-preview").returncode == 0
    assert remaining(twin) != {}
    stack.pulumi("destroy", "--yes", "--skip-preview", capture=True)


def test_levels_and_exemptions_are_configuration(twin: Twin, tmp_path: Path) -> None:
    role = {"type": "aws:iam/role:Role", "name": "open", "props": {"assumeRolePolicy": trust(Condition={})}}
    stack = program(tmp_path / "configured", twin, GENERIC, [role])
    config = tmp_path / "pack.json"

    def preview(**policies: Any) -> subprocess.CompletedProcess[str]:
        config.write_text(json.dumps(policies))
        return judged(stack, "preview", "--policy-pack-config", str(config))

    advised = preview(**{"trust-unscoped": {"enforcementLevel": "advisory"}})
    assert advised.returncode == 0, advised.stdout
    assert "[advisory] [severity: high]  trust-unscoped" in advised.stdout
    off = preview(**{"trust-unscoped": {"enforcementLevel": "disabled"}})
    assert off.returncode == 0
    assert "trust-unscoped" not in off.stdout
    exempted = preview(**{"trust-unscoped": {"exemptions": [{"urn": "*::open", "reason": "ticket 7"}]}})
    assert exempted.returncode == 0, exempted.stdout
    assert "trust-unscoped passes urn:pulumi:local::configured::aws:iam/role:Role::open: ticket 7" in exempted.stdout
    expired = preview(
        **{"trust-unscoped": {"exemptions": [{"urn": "*", "reason": "ticket 7", "expires": "2020-01-01"}]}}
    )
    assert expired.returncode
    assert "expired on 2020-01-01" in expired.stdout
    refused = preview(**{"trust-unscoped": {"exemptions": [{"urn": "*"}]}})
    assert refused.returncode
    assert "reason" in refused.stdout


def test_a_component_stops_its_preview(twin: Twin, tmp_path: Path) -> None:
    source = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})
import pulumi_aws as aws

from components import PodIdentityRole

aws.s3.Bucket("never")
PodIdentityRole(
    "reader",
    {{
        "cluster_arns": ["arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/demo"],
        "statements": [{{"Effect": "Allow", "Action": "s3:GetObjct", "Resource": "*"}}],
    }},
)
"""
    stack = program(tmp_path / "component", twin, source)
    result = stack.pulumi("up", "--yes", capture=True, check=False)
    assert result.returncode
    assert "PodIdentityRole 'reader': 1 problem" in result.stdout
    assert "Perhaps you mean s3:GetObject. [iam-action]" in result.stdout
    assert "Traceback" not in result.stdout
    assert remaining(twin) == {}


@pytest.mark.parametrize("name", ["local", "dev"])
def test_the_demo_passes_without_an_exemption(twin: Twin, name: str) -> None:
    given = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    config = {key: value for key, value in given.items() if key.startswith("eks-pod-identity:")}
    stack = LocalStack(twin, config=config)
    result = judged(stack)
    assert result.returncode == 0, result.stdout
    assert "[mandatory]" not in result.stdout
    assert "could not decide" in result.stdout
    assert remaining(twin) == {}
