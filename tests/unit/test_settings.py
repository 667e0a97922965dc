"""The stack's configuration and the program, run whole under mocks as the engine would run it."""

import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

import settings
from components import InvalidArgs
from tests.unit.conftest import ACCOUNT, Deploy

ROOT = Path(__file__).parents[2]
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
DECLARED = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]


def configure(values: Mapping[str, Any]) -> None:
    """Set the stack's configuration, as the engine passes it: texts as they are, all else as JSON."""
    pulumi.runtime.set_all_config(
        {
            f"eks-pod-identity:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in values.items()
        }
    )


@pytest.fixture(autouse=True)
def no_configuration() -> None:
    configure({})


def stack_file(name: str) -> dict[str, Any]:
    config = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    return {key.split(":")[1]: value for key, value in config.items() if key.startswith("eks-pod-identity:")}


def test_every_key_is_declared_with_a_description_and_a_default_and_is_used() -> None:
    used = {key for arguments in settings.ARGUMENTS.values() for key in arguments.values()}
    assert set(DECLARED) == used | set(settings.WORKLOADS.values()) | {"readableBuckets"}
    for key, declaration in DECLARED.items():
        assert declaration["description"], key
        assert "default" in declaration, key


def test_the_defaults_are_the_blog() -> None:
    config = settings.load()
    assert config.cluster()["cluster_name"] == "eks-pod-identity-demo"
    association = config.association()
    assert (association["namespace"], association["service_account"]) == ("demo-ns", "demo-sa")
    assert config.demo_app().get("pod_name") == "demo-app"
    assert config.role().get("role_name") == "eks-pod-s3-readonly-access"
    assert config.role().get("policy_name") == "eks-pod-s3-readonly-access-policy"
    assert "permissions_boundary" not in config.role()
    assert "addon_version" not in config.agent()


@pytest.mark.parametrize("stack", ["dev", "local"])
def test_the_stacks_are_valid(stack: str) -> None:
    configure(stack_file(stack))
    settings.load()


def test_the_local_stack_is_the_dev_stack() -> None:
    assert stack_file("local") == stack_file("dev")


def test_everything_wrong_is_said_at_once_by_key_value_and_fix() -> None:
    configure(
        {
            "clusterNam": "x",
            "vpcCidr": "10.0.0.0/99",
            "privateSubnetCidrs": ["10.0.1.0/24", "10.0.1.0/24", "192.168.0.0/24"],
            "kubernetesVersion": "1.28",
            "rolePath": "demo",
            "serviceAccount": "Demo_SA",
            "nodeMaxSize": "many",
            "tags": {"aws:owner": "me"},
        }
    )
    with pytest.raises(InvalidArgs) as refused:
        settings.load()
    message = str(refused.value)
    found = {finding.property.removeprefix("eks-pod-identity:") for finding in refused.value.findings}
    assert found == {
        "clusterNam",
        "vpcCidr",
        "privateSubnetCidrs[1]",
        "kubernetesVersion",
        "rolePath",
        "serviceAccount",
        "nodeMaxSize",
        "tags.aws:owner",
    }
    assert "Perhaps you mean clusterName" in message
    assert len(refused.value.findings) == len(found)  # nothing twice
    assert all(json.dumps(f.value) in message and f.fix in message for f in refused.value.findings)


def test_findings_speak_of_keys_not_of_arguments() -> None:
    configure({"endpointPublicAccess": False, "publicAccessCidrs": ["203.0.113.0/24"]})
    with pytest.raises(InvalidArgs, match="Remove publicAccessCidrs, or set endpointPublicAccess to true"):
        settings.load()


@pytest.mark.parametrize(
    ("key", "value"),
    [("autoMode", "maybe"), ("nodeMinSize", True), ("nodeMinSize", 1.5), ("tags", ["a"]), ("logTypes", "api")],
)
def test_types(key: str, value: Any) -> None:
    configure({key: value})
    with pytest.raises(InvalidArgs, match=f"eks-pod-identity:{key} = .*not of type {DECLARED[key]['type']}"):
        settings.load()


def run_program() -> dict[str, Any]:
    exported: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi, "export", lambda name, value: exported.__setitem__(name, value))
        runpy.run_path(str(ROOT / "__main__.py"))
    return exported


def test_the_program_makes_the_demo(deploy: Deploy, preview: bool) -> None:
    configure(stack_file("dev"))
    made = deploy(run_program, preview=preview)

    components = {r.type.split(":")[2] for r in made.resources.values() if r.type.startswith("eks-pod-identity:")}
    assert components == {
        "Network",
        "EksCluster",
        "PodIdentityAgent",
        "PodIdentityRole",
        "PodIdentityAssociation",
        "EffectiveAssociation",
        "DemoApp",
        "PodIdentities",
    }
    association = made.only(ASSOCIATION)
    agent = next(r for r in made.of_type("aws:eks/addon:Addon") if r.name == "eks-pod-identity-agent-addon")
    assert made.waits_for(association, agent)
    assert made.waits_for(
        association,
        made.resources["aws:iam/rolePolicyAttachment:RolePolicyAttachment", "eks-pod-s3-readonly-access-policy"],
    )
    assert made.waits_for(agent, made.only("aws:eks/nodeGroup:NodeGroup"))
    assert made.waits_for(made.only("kubernetes:core/v1:Pod"), association)
    trust = json.loads(
        made.resources["aws:iam/role:Role", "eks-pod-s3-readonly-access-role"].inputs["assumeRolePolicy"]
    )
    assert trust["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"] == (
        f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/eks-pod-identity-demo"
    )
    assert made.secrets == {"kubeconfig"}
    if not preview:
        assert made.outputs["commands"] == {
            "kubeconfig": "aws eks update-kubeconfig --name eks-pod-identity-demo --region eu-west-1",
            "associations": "aws eks list-pod-identity-associations --cluster-name eks-pod-identity-demo --region eu-west-1",
            "buckets": "kubectl -n demo-ns exec demo-app -- aws s3 ls",
        }


def test_workloads_of_the_configuration(deploy: Deploy, preview: bool) -> None:
    zone = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
    configure(
        {
            **stack_file("dev"),
            "workloadDefaults": {"tags": {"team": "platform"}},
            "workloads": {"dns": {"preset": "external-dns", "scope": {"hosted_zone_arns": [zone]}}},
        }
    )
    made = deploy(run_program, preview=preview)

    association = made.resources[ASSOCIATION, "workloads-dns-demo-association"]
    assert association.inputs["serviceAccount"] == "external-dns"
    # The stack's tags, and its own.
    assert association.inputs["tags"] == {"project": "eks-pod-identity-demo", "team": "platform"}
    agent = made.resources["aws:eks/addon:Addon", "eks-pod-identity-agent-addon"]
    assert made.waits_for(association, agent)
    if not preview:
        assert made.outputs["workload_role_arns"].keys() == {"dns"}


def test_what_is_wrong_with_workloads_is_said_with_all_else_by_key() -> None:
    dns = {"preset": "external-dns", "scope": {"hosted_zone_arns": []}}
    configure(
        {
            "rolePath": "demo",
            "namespace": "demo-ns",
            "workloadDefaults": {"tag": {}},
            "workloads": {"dns": dns, "other": {"namespace": "demo-ns", "service_account": "other"}},
        }
    )
    with pytest.raises(InvalidArgs) as refused:
        settings.load()
    assert {finding.property.removeprefix("eks-pod-identity:") for finding in refused.value.findings} == {
        "rolePath",
        "workloadDefaults.tag",
        "workloads.other.namespace",
    }
    configure({"workloads": {"dns": dns, "other": {"namespace": "apps", "service_account": "other"}}})
    with pytest.raises(InvalidArgs) as refused:
        settings.load()
    assert {finding.property.removeprefix("eks-pod-identity:") for finding in refused.value.findings} == {
        "workloads.dns.scope.hosted_zone_arns",
        "workloads.other.preset",
    }
    configure({"workloads": "dns"})
    with pytest.raises(InvalidArgs, match=r"workloads = .*not of type object"):
        settings.load()


def test_a_bad_configuration_makes_nothing(deploy: Deploy, preview: bool) -> None:
    configure({"namespace": "Demo"})
    with pytest.raises(InvalidArgs):
        deploy(run_program, preview=preview)


def test_the_program_is_short() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 80
