import json
from typing import Any

import pulumi
import pytest
import yaml

from components import ExistingCluster, InvalidArgs
from components.existing_cluster import kubeconfig
from tests.unit.conftest import ACCOUNT, Deploy

OUTPUTS = (
    "cluster_name",
    "cluster_arn",
    "endpoint",
    "certificate_authority",
    "oidc_issuer",
    "kubernetes_version",
    "kubeconfig",
    "node_role_arn",
    "ready",
    "account_id",
    "region",
    "auto_mode",
    "ip_family",
)


def program(**args: Any) -> Any:
    def run() -> dict[str, pulumi.Output[Any]]:
        merged: Any = {"cluster_name": "demo", **args}
        cluster = ExistingCluster("here", merged)
        return {name: getattr(cluster, name) for name in OUTPUTS}

    return run


def test_all_is_found_out_by_the_name_at_preview_already(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(), preview=preview)
    config = made.outputs.pop("kubeconfig")
    assert made.outputs == {
        "cluster_name": "demo",
        "cluster_arn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/demo",
        "endpoint": "https://example.eks.amazonaws.com",
        "certificate_authority": "Q0E=",
        "oidc_issuer": "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC",
        "kubernetes_version": "1.36",
        "node_role_arn": "",
        "ready": "demo",
        "account_id": ACCOUNT,
        "region": "eu-west-1",
        "auto_mode": False,
        "ip_family": "ipv4",
    }
    assert "kubeconfig" in made.secrets
    assert json.loads(config)["clusters"][0]["cluster"]["server"] == "https://example.eks.amazonaws.com"


def test_nothing_is_made(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(), preview=preview)
    assert {of for of, _ in made.resources} == {"eks-pod-identity:index:ExistingCluster"}


def test_auto_mode_is_found_out(deploy: Deploy, preview: bool) -> None:
    outputs = deploy(program(cluster_name="auto"), preview=preview).outputs
    assert (outputs["auto_mode"], outputs["node_role_arn"]) == (True, f"arn:aws:iam::{ACCOUNT}:role/nodes")


@pytest.mark.parametrize("name", ["", "-demo", "my cluster", "x" * 101, pulumi.Output])
def test_names_that_no_cluster_can_have(deploy: Deploy, preview: bool, name: Any) -> None:
    def run() -> Any:
        return program(cluster_name=pulumi.Output.from_input("-demo") if name is pulumi.Output else name)()

    with pytest.raises(InvalidArgs) as refused:
        deploy(run, preview=preview)
    assert {finding.property for finding in refused.value.findings} == {"cluster_name"}


def test_the_kubeconfig_names_a_command_and_holds_no_key() -> None:
    config = yaml.safe_load(kubeconfig("demo", "https://x", "Q0E=", "eu-west-1"))
    (user,) = config["users"]
    assert list(user["user"]) == ["exec"]
    assert user["user"]["exec"]["command"] == "aws"
    assert user["user"]["exec"]["args"][4:6] == ["--cluster-name", "demo"]
    (context,) = config["contexts"]
    assert config["current-context"] == context["name"] == "demo"
    assert context["context"] == {"cluster": config["clusters"][0]["name"], "user": user["name"]}
