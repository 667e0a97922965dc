"""What is made in another region than the provider's: what belongs to a cluster is in the cluster's."""

from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from components import EksAddon, PodIdentityAgent, PodIdentityAssociation
from tests.unit.conftest import ACCOUNT, Deploy
from tests.unit.test_pod_identities import ASSOCIATION, program, unknown
from tests.unit.test_pod_identities import single as single_program

ADDON = "aws:eks/addon:Addon"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
WORKLOADS = {f"w{n}": {"namespace": "apps", "service_account": f"w{n}", "role_arn": ROLE} for n in range(2)}
ARNS = {
    "prod": f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/prod-cluster",
    "test": f"arn:aws:eks:us-east-2:{ACCOUNT}:cluster/test-cluster",
}


@pytest.mark.parametrize("later", [False, True])
def test_associations_are_in_their_clusters_regions(deploy: Deploy, preview: bool, later: bool) -> None:
    def arns() -> Any:
        return {key: pulumi.Output.from_input(arn) for key, arn in ARNS.items()} if later else ARNS

    made = deploy(program(WORKLOADS, ("prod", "test"), cluster_arns=arns), preview=preview)
    assert {association.name: association.inputs["region"] for association in made.of_type(ASSOCIATION)} == {
        "many-w0-prod-association": "eu-west-1",
        "many-w1-prod-association": "eu-west-1",
        "many-w0-test-association": "us-east-2",
        "many-w1-test-association": "us-east-2",
    }


def test_a_cluster_that_is_yet_to_come_leaves_the_others_known(deploy: Deploy) -> None:
    run = program(WORKLOADS, ("prod", "test"), cluster_arns=lambda: {**ARNS, "test": unknown()})
    regions = {one.name: one.inputs["region"] for one in deploy(run, preview=True).of_type(ASSOCIATION)}
    assert regions["many-w0-prod-association"] == "eu-west-1"
    assert isinstance(regions["many-w0-test-association"], Unknown)


def test_a_single_one_is_in_its_clusters_region(deploy: Deploy, preview: bool) -> None:
    arn = f"arn:aws:eks:us-east-2:{ACCOUNT}:cluster/prod"
    made = deploy(single_program(cluster_arn=arn, role_arn=ROLE), preview=preview)
    assert made.only(ASSOCIATION).inputs["region"] == "us-east-2"


@pytest.mark.parametrize("region", [None, "us-east-2"])
def test_the_others_are_told_the_region(deploy: Deploy, preview: bool, region: str | None) -> None:
    def run() -> Any:
        cluster = {"cluster_name": "prod", **({"region": region} if region else {})}
        workload = {"namespace": "apps", "service_account": "a", "role_arn": ROLE}
        kubernetes = {"create_namespace": False, "create_service_account": False}
        each: Any = {
            PodIdentityAgent: [{"addon_version": "latest"}, {"install": False}],
            EksAddon: [{"addon_name": "aws-ebs-csi-driver"}],
            PodIdentityAssociation: [{**workload, **kubernetes}],
        }
        for component, several in each.items():
            for number, args in enumerate(several):
                component(f"{component.__name__}-{number}", {**cluster, **args})
        return {}

    made = deploy(run, preview=preview)
    assert {one.inputs.get("region") for kind in (ADDON, ASSOCIATION) for one in made.of_type(kind)} == {region}
    asked = {token.rpartition(":")[2]: args.get("region") for token, args in made.calls}
    expected = {name: region for name in ("getCluster", "getAddon", "getAddonVersion")}
    assert expected.items() <= asked.items()
