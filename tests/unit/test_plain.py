"""What decides which resources there are is refused as an Output, which is true whatever will be in it."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.provider.experimental.util import camel_case

import components
from components import InvalidArgs, _base
from tests.unit.conftest import ACCOUNT, Deploy

SCHEMA = json.loads(Path(components.__file__).with_name("schema.json").read_text())
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
CLUSTER = {"cluster_name": "demo"}
CLUSTERS = {
    "cluster_names": {"prod": "prod"},
    "cluster_arns": {"prod": f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/prod"},
}
SUBJECT = {"namespace": "shop", "service_account": "cart", "role_arn": ROLE}

NEEDED: Mapping[str, Mapping[str, Any]] = {
    "EksAddon": {**CLUSTER, "addon_name": "aws-ebs-csi-driver"},
    "EksCluster": {**CLUSTER, "vpc_id": "vpc-1", "private_subnet_ids": ["subnet-1", "subnet-2"]},
    "GitHubDelivery": {"repository": "a/b", "cluster_names": ["demo"], "name_prefixes": ["demo-"]},
    "Network": {},
    "PodIdentityAgent": CLUSTER,
    "PodIdentityAssociation": {**CLUSTER, **SUBJECT},
    "PodIdentityRole": {"cluster_arns": [f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/demo"]},
    "PodIdentities": {**CLUSTERS, "workloads": {"cart": SUBJECT}},
}
"""What each component needs, beside the argument that is tried."""


def plain(component: str) -> set[str]:
    """The arguments that the package's schema has as plain, which SDKs take no Output for."""
    properties = SCHEMA["resources"][f"eks-pod-identity:index:{component}"]["inputProperties"]
    return {name for name, declared in properties.items() if declared.get("plain")}


def declared(component: str) -> type:
    return getattr(components, f"{component}Args")


@pytest.mark.parametrize("component", sorted(NEEDED))
def test_what_is_plain_to_the_package_is_plain_here(component: str) -> None:
    assert {camel_case(said) for said in _base._plain_arguments(declared(component))} == plain(component)


def test_every_component_with_a_plain_argument_is_tried() -> None:
    all_of_them = {name.partition(":index:")[2] for name in SCHEMA["resources"]}
    # Of a DemoApp it is `allow` alone, and a PodIdentity judges its arguments as a workload.
    assert {name for name in all_of_them if plain(name)} - set(NEEDED) == {"DemoApp", "PodIdentity"}


@pytest.mark.parametrize(
    ("component", "said"),
    [
        (component, said)
        for component in NEEDED
        for said in sorted(_base._plain_arguments(declared(component)))
        if said != "allow"
    ],
)
def test_an_output_is_refused(deploy: Deploy, preview: bool, component: str, said: str) -> None:
    def run() -> Any:
        args = {**NEEDED[component], said: pulumi.Output.from_input(False)}
        getattr(components, component)("it", args)
        return {}

    with pytest.raises(InvalidArgs) as raised:
        deploy(run, preview=preview)
    assert [(finding.rule, finding.property) for finding in raised.value.findings] == [("plain", said)]


@pytest.mark.parametrize(
    "said",
    [
        "create_namespace",
        "create_service_account",
        "create_target_policy",
        "addon",
        "scope",
        "tags",
        "managed_policy_arns",
        "ready_timeout",
    ],
)
def test_an_output_in_a_workload_is_refused(deploy: Deploy, preview: bool, said: str) -> None:
    def run() -> Any:
        args: Any = {
            **NEEDED["PodIdentities"],
            "workloads": {"cart": {**SUBJECT, said: pulumi.Output.from_input(False)}},
        }
        components.PodIdentities("it", args)
        return {}

    with pytest.raises(InvalidArgs) as raised:
        deploy(run, preview=preview)
    assert ("workload-plain", f"workloads.cart.{said}") in {(f.rule, f.property) for f in raised.value.findings}


@pytest.mark.parametrize("said", ["create_namespace", "preset", "tags", "managed_policy_arns", "inline_policies"])
def test_an_output_in_a_single_workload_is_refused(deploy: Deploy, preview: bool, said: str) -> None:
    def run() -> Any:
        args: Any = {
            "cluster_name": "prod",
            "cluster_arn": CLUSTERS["cluster_arns"]["prod"],
            **SUBJECT,
            said: pulumi.Output.from_input(False),
        }
        components.PodIdentity("it", args)
        return {}

    with pytest.raises(InvalidArgs) as raised:
        deploy(run, preview=preview)
    assert ("workload-plain", said) in {(finding.rule, finding.property) for finding in raised.value.findings}


def test_an_agent_of_a_found_cluster_is_told_how(deploy: Deploy, preview: bool) -> None:
    def run() -> Any:
        cluster = components.ExistingCluster("here", {"cluster_name": "demo"})
        args: Any = {"cluster_name": cluster.ready, "auto_mode": cluster.auto_mode}
        components.PodIdentityAgent("agent", args)
        return {}

    with pytest.raises(InvalidArgs, match="install: False, which looks the agent up and finds Auto Mode out"):
        deploy(run, preview=preview)


@pytest.mark.parametrize(
    ("component", "more"),
    [
        ("PodIdentityRole", {"namespaces": ["a", pulumi.Output]}),
        ("Network", {"availability_zones": [pulumi.Output]}),
        ("EksCluster", {"log_types": ["api", pulumi.Output]}),
    ],
)
def test_no_output_stands_inside_of_what_is_plain_all_through(
    deploy: Deploy, preview: bool, component: str, more: Any
) -> None:
    ((said, items),) = more.items()

    def run() -> Any:
        given = [pulumi.Output.from_input("x") if inspect.isclass(item) else item for item in items]
        getattr(components, component)("it", {**NEEDED[component], said: given})
        return {}

    with pytest.raises(InvalidArgs) as raised:
        deploy(run, preview=preview)
    assert ("plain", said) in {(finding.rule, finding.property) for finding in raised.value.findings}


@pytest.mark.parametrize(
    ("component", "said"),
    [
        ("PodIdentityRole", "statements"),
        ("GitHubDelivery", "oidc_provider_arn"),
        ("GitHubDelivery", "state_bucket"),
    ],
)
def test_what_is_made_for_nothing_is_refused(deploy: Deploy, component: str, said: str) -> None:
    def run() -> Any:
        getattr(components, component)("it", {**NEEDED[component], said: pulumi.Output.from_input(None)})
        return {}

    with pytest.raises(InvalidArgs) as raised:
        deploy(run)
    assert ("plain", said) in {(finding.rule, finding.property) for finding in raised.value.findings}


def test_a_public_endpoint_that_is_an_output_is_not_said_where_it_is_the_default(deploy: Deploy) -> None:
    def run(public: bool) -> Any:
        def inner() -> Any:
            args: Any = {**NEEDED["EksCluster"], "endpoint_public_access": pulumi.Output.from_input(public)}
            components.EksCluster("it", args)
            return {}

        return inner

    assert "endpointPublicAccess" not in deploy(run(True)).only("eks:index:Cluster").inputs
    assert deploy(run(False)).only("eks:index:Cluster").inputs["endpointPublicAccess"] is False
