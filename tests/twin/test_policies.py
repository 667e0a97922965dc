"""The policy pack on the real engine: what violates is stopped before any call, and the demo passes."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.aws.inventory import inventory
from local.plugins.aws.package import AwsPackage
from local.stack import ROOT, LocalStack
from local.twin import Twin
from tests.policies.cases import ACCOUNT, ASSOCIATED, CASES, CLUSTER_ARN, ROLE_ARN, Case, scoped, trust
from tests.policies.conftest import Analyzer
from tests.policies.test_policies import WITHOUT_PROPERTY
from tests.policies.test_stack import ASSOCIATE, PASS, large

from . import any_aws, workloads_support

PACK = str(ROOT / "policies")

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
import re

import pulumi
import pulumi_kubernetes as kubernetes

in_cluster = None
made = {}


class Made(pulumi.CustomResource):
    # The output `arn`, beside what is given.
    def __init__(self, kind, name, props, opts):
        super().__init__(kind, name, {"arn": None, **props}, opts)


def resolved(value):
    if isinstance(value, dict):
        return {key: resolved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item) for item in value]
    reference = re.fullmatch(r"\\$\\{([\\w-]+)\\.(\\w+)\\}", value) if isinstance(value, str) else None
    return getattr(made[reference[1]], reference[2]) if reference else value


for resource in json.loads(open("resources.json").read()):
    kind, name, props = resource["type"], resource["name"], resolved(resource["props"])
    provider = None
    if kind.startswith("kubernetes:"):
        # Its kubeconfig is not known at preview, so that no cluster is asked for anything.
        provider = in_cluster = in_cluster or kubernetes.Provider("in-cluster", kubeconfig=made["stack-cluster"].arn)
        group, _, plain = kind.removeprefix("kubernetes:").rpartition(":")
        props = {"apiVersion": group.removeprefix("core/"), "kind": plain, **props}
    opts = pulumi.ResourceOptions(provider=provider, version=resource.get("version"))
    made[name] = Made(kind, name, props, opts)
"""
CLUSTER, ASSOCIATION = "aws:eks/cluster:Cluster", "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ROLE, FARGATE, KUBERNETES = "aws:iam/role:Role", "aws:eks/fargateProfile:FargateProfile", "kubernetes:core/v1:"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("twin") / "state", port=0)
    twin.start()
    any_aws.install(twin.state / "pulumi-home")
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


def made(kind: str, name: str, /, **props: Any) -> dict[str, Any]:
    """A resource of a program. A text such as `${role.arn}` is the output of a resource before it."""
    resource = {"type": kind, "name": name, "props": props}
    # What the AWS plugin for machines without the official one has no part in.
    return resource if _is_served(kind) else {**resource, "version": any_aws.VERSION}


def _is_served(kind: str) -> bool:
    return not kind.startswith("aws:") or kind in AwsPackage().resources


def association(name: str, account: str, /, **props: Any) -> dict[str, Any]:
    given = {**ASSOCIATED, "clusterName": "stack", "serviceAccount": account, **props}
    return made(ASSOCIATION, name, **given)


def pod(name: str, account: str, **spec: Any) -> dict[str, Any]:
    given = {"serviceAccountName": account, "containers": [{"name": "a", "image": "b:1"}], **spec}
    return made(f"{KUBERNETES}Pod", name, metadata={"name": name, "namespace": "demo-ns"}, spec=given)


def target(condition: Mapping[str, Any]) -> str:
    return trust(Principal={"AWS": ROLE_ARN}, Action="sts:AssumeRole", Condition=condition)


WINDOWS = {"nodeSelector": {"kubernetes.io/os": "windows"}}
# What can be seen in several resources only: the program, and whom which policy names, with which fix.
STACK_PROGRAM = [
    made(CLUSTER, "stack-cluster", **{**REQUIRED[CLUSTER], "name": "stack"}),
    association("one", "demo-sa"),
    association("two", "demo-sa", targetRoleArn=ROLE_ARN),
    made(
        f"{KUBERNETES}ServiceAccount",
        "account",
        metadata={"name": "demo-sa", "namespace": "demo-ns", "annotations": {"eks.amazonaws.com/role-arn": ROLE_ARN}},
    ),
    pod("windows", "demo-sa", **WINDOWS),
    # In a cluster that cannot be told at preview.
    made("aws:s3/bucket:Bucket", "unknown"),
    association("elsewhere", "elsewhere-sa", clusterName="${unknown.arn}"),
    pod("perhaps-windows", "elsewhere-sa", **WINDOWS),
    made(ROLE, "closed", assumeRolePolicy=trust(Principal={"Service": "ec2.amazonaws.com"})),
    association("of-closed", "closed-sa", roleArn="${closed.arn}"),
    made(ROLE, "tagged", assumeRolePolicy=scoped("StringEquals", "aws:RequestTag/kubernetes-namespace", "demo-ns")),
    association("of-tagged", "tagged-sa", roleArn="${tagged.arn}", disableSessionTags=True),
    made(ROLE, "distrusting", assumeRolePolicy=trust(Principal={"Service": "ec2.amazonaws.com"})),
    association("to-distrusting", "distrusting-sa", targetRoleArn="${distrusting.arn}"),
    made(ROLE, "asking", assumeRolePolicy=target({"StringEquals": {"sts:ExternalId": "demo"}})),
    association("to-asking", "asking-sa", targetRoleArn="${asking.arn}", disableSessionTags=False),
    made(ROLE, "open", assumeRolePolicy=target({})),
    association("to-open", "open-sa", targetRoleArn="${open.arn}", disableSessionTags=True),
    # As one that is there already, whose ARN is known.
    {**made(CLUSTER, "there", name="there", arn=CLUSTER_ARN, region="eu-west-1"), "version": any_aws.VERSION},
    association("of-another-account", "foreign-sa", clusterName="there", roleArn="arn:aws:iam::210987654321:role/demo"),
    made(FARGATE, "fargate", clusterName="stack", region="eu-west-1", selectors=[{"namespace": "demo-*"}]),
    made(
        FARGATE,
        "partly-fargate",
        clusterName="stack",
        region="eu-west-1",
        selectors=[{"namespace": "demo-ns", "labels": {"on": "fargate"}}],
    ),
    made("aws:ec2/subnet:Subnet", "public", vpcId="vpc-1", cidrBlock="10.0.0.0/24", mapPublicIpOnLaunch=True),
    made(
        "aws:eks/nodeGroup:NodeGroup",
        "in-public",
        **{**REQUIRED["aws:eks/nodeGroup:NodeGroup"], "subnetIds": ["${public.id}"]},
    ),
    made(ROLE, "large", assumeRolePolicy=trust()),
    *(
        made("aws:iam/rolePolicy:RolePolicy", f"large-{i}", role="${large.id}", policy=large(characters))
        for i, characters in enumerate((5120, 5121))
    ),
    made(ROLE, "giving", assumeRolePolicy=trust()),
    made("aws:iam/rolePolicy:RolePolicy", "passing", role="${giving.id}", policy=PASS),
    made("aws:iam/policy:Policy", "associating", policy=ASSOCIATE),
    made(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "giving-associating",
        role="${giving.id}",
        policyArn="${associating.arn}",
    ),
]
STACK_CASES = {
    "agent-missing": ("stack-cluster", "Make the add-on eks-pod-identity-agent"),
    "association-duplicate": ("two", "Give each workload its own ServiceAccount"),
    "association-trust": ("closed", "Build the document with documents.trust([...])"),
    "chaining-external-id": ("asking", "Set disableSessionTags to true, or scope by the session tags"),
    "chaining-self": ("two", "Remove targetRoleArn, or name another role"),
    "chaining-trust": ("distrusting", f"Name {ROLE_ARN} as its principal"),
    "chaining-unscoped": ("open", "Ask for sts:ExternalId = "),
    "iam-inline-size": ("large", "make managed policies of some"),
    "iam-role-escalation": ("giving", "Name the roles that may be passed"),
    "irsa-left-over": ("account", "Remove it, and restart the pods"),
    "node-public-subnet": ("in-public", "Name private subnets"),
    "pod-identity-fargate": ("fargate", "Run them on nodes"),
    "pod-identity-fargate-labels": ("partly-fargate", "Run them on nodes"),
    "pod-identity-windows": ("windows", "Run it on Linux"),
    "role-account": ("of-another-account", "Give it as targetRoleArn, and as roleArn a role of the cluster's account"),
    "trust-needs-session-tags": ("tagged", "Remove the condition, or leave disableSessionTags out"),
    "workload-elsewhere": ("perhaps-windows", "make its provider of the kubeconfig that the cluster itself gives"),
}


def test_every_policy_of_the_pack_names_resource_rule_and_fix(twin: Twin, tmp_path: Path) -> None:
    resources = STACK_PROGRAM.copy()
    # Policy, resource, and what is said of it.
    expected = [(policy, name, fix) for policy, (name, fix) in STACK_CASES.items()]
    analyzer = Analyzer()
    cases = [(case.policy, case.type, violating(case)) for case in CASES if (case.policy, case.type) not in REFUSED]
    cases += [(policy, kind, {"user": "somebody"}) for policy, kind in WITHOUT_PROPERTY.items()]
    for i, (policy, kind, props) in enumerate(cases):
        name = f"{policy}-{i}"
        resources.append(made(kind, name, **props))
        found = [violation.finding for violation in analyzer.resource(kind, props) if violation.policy == policy]
        assert found, name
        expected += [(policy, name, finding) for finding in found]
    # A policy that comes new to the pack needs a case here.
    assert {policy for policy, _, _ in expected} == {policy.name for policy in analyzer.policies} - {"summary"}

    stack = program(tmp_path / "violations", twin, GENERIC, resources)
    result = judged(stack)
    assert result.returncode, result.stdout
    said = violations(result.stdout)
    for policy, name, finding in expected:
        level = "mandatory" if is_mandatory(analyzer, policy) else "advisory"
        blocks = [text for text in said.get((level, policy, name), ()) if finding in text]
        assert blocks, (policy, name, finding, said.get((level, policy, name)))
        assert f"[{policy}]" in blocks[0] or policy == "names-and-sizes"
    assert "could not decide" in str(said["advisory", "summary", "violations-local"])


def is_mandatory(analyzer: Analyzer, name: str) -> bool:
    (policy,) = [policy for policy in analyzer.policies if policy.name == name]
    return policy.enforcement_level is not None and policy.enforcement_level.value == "mandatory"


def violations(output: str) -> dict[tuple[str, str, str], list[str]]:
    """What the engine says was violated: the texts, by level, policy and resource."""
    found: dict[tuple[str, str, str], list[str]] = {}
    header = re.compile(r" +- \[(\w+)\](?: +\[severity: \w+\])? +([\w-]+) +\([\w:/.-]+: ([\w.-]+)\)")
    lines: list[str] = []
    for line in output.partition("\nPolicies:\n")[2].partition("\nDiagnostics:\n")[0].splitlines():
        match = header.fullmatch(line)
        if match:
            lines = found.setdefault((match[1], match[2], match[3]), [])
            lines.append("")
        elif lines:
            lines[-1] += f"{line.strip()}\n"
    return found


# Who passes every role, by a policy beside the one that says to whom. Each alone is right.
BY_SEVERAL = [
    made(ROLE, "giving", assumeRolePolicy=trust()),
    made("aws:iam/rolePolicy:RolePolicy", "passing", role="${giving.id}", policy=PASS),
    made("aws:iam/rolePolicy:RolePolicy", "associating", role="${giving.id}", policy=ASSOCIATE),
]


def test_an_update_is_stopped_by_a_rule_of_stacks_in_its_preview(twin: Twin, tmp_path: Path) -> None:
    stack = program(tmp_path / "stack", twin, GENERIC, BY_SEVERAL)
    result = judged(stack, "up", "--yes")
    assert result.returncode
    assert "iam-role-escalation  (aws:iam:Role: giving)" in result.stdout
    assert remaining(twin) == {}
    # Without the preview it comes too late, as the pack's README says.
    result = judged(stack, "up", "--yes", "--skip-preview")
    assert result.returncode
    assert "iam-role-escalation  (aws:iam:Role: giving)" in result.stdout
    assert remaining(twin) != {}
    stack.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    assert remaining(twin) == {}


def test_an_update_is_stopped_by_a_rule_of_resources(twin: Twin, tmp_path: Path) -> None:
    beside = made("aws:s3/bucket:Bucket", "beside", bucket="beside")
    # After the bucket, whose ARN it has.
    role = made(ROLE, "open", description="${beside.arn}", assumeRolePolicy=trust(Condition={}))
    stack = program(tmp_path / "update", twin, GENERIC, [beside, role])
    result = judged(stack, "up", "--yes")
    assert result.returncode
    assert "trust-unscoped  (aws:iam:Role: open)" in result.stdout
    assert "documents.trust" in result.stdout
    assert remaining(twin) == {}
    # Without the preview what is before it is made, and it is not.
    result = judged(stack, "up", "--yes", "--skip-preview")
    assert result.returncode
    assert "trust-unscoped  (aws:iam:Role: open)" in result.stdout
    assert list(remaining(twin).values()) == [["beside"]]
    stack.pulumi("destroy", "--yes", "--skip-preview", capture=True)


def test_levels_and_exemptions_are_configuration(twin: Twin, tmp_path: Path) -> None:
    # Each breaks one mandatory policy.
    resources = [
        made(ROLE, "advised", assumeRolePolicy=trust(Condition={})),
        made(ROLE, "off", assumeRolePolicy=trust(Principal={"AWS": "*"}, Condition={})),
        made(ROLE, "exempted", assumeRolePolicy=scoped("StringEquals", "aws:SourceOrgID", "r-1")),
    ]
    stack = program(tmp_path / "configured", twin, GENERIC, resources)
    config = tmp_path / "pack.json"

    def preview(*exemptions: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        policies = {
            "trust-unscoped": {"enforcementLevel": "advisory"},
            "trust-anyone": {"enforcementLevel": "disabled"},
            "trust-organization": {"exemptions": exemptions},
        }
        config.write_text(json.dumps(policies))
        return judged(stack, "preview", "--policy-pack-config", str(config))

    passed = preview({"urn": "*::exempted", "reason": "ticket 7"})
    assert passed.returncode == 0, passed.stdout
    assert "[advisory] [severity: high]  trust-unscoped  (aws:iam:Role: advised)" in passed.stdout
    assert "trust-anyone" not in passed.stdout
    urn = "urn:pulumi:local::configured::aws:iam/role:Role::exempted"
    assert f"trust-organization passes {urn}: ticket 7" in passed.stdout
    expired = preview({"urn": "*", "reason": "ticket 7", "expires": "2020-01-01"})
    assert expired.returncode
    assert "expired on 2020-01-01" in expired.stdout
    refused = preview({"urn": "*"})
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
