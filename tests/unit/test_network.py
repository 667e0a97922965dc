from typing import Any

import pulumi
import pytest

from components import InvalidArgs, NatGateways, Network
from tests.unit.conftest import Deploy


def outputs(network: Network) -> dict[str, pulumi.Output]:
    return {"vpc": network.vpc_id, "private": network.private_subnet_ids, "public": network.public_subnet_ids}


def test_defaults_are_the_network_of_the_blog(deploy: Deploy, preview: bool) -> None:
    made = deploy(lambda: outputs(Network("net", {})), preview=preview)

    vpc = made.only("aws:ec2/vpc:Vpc").inputs
    assert vpc["cidrBlock"] == "10.0.0.0/16"
    assert vpc["enableDnsHostnames"] and vpc["enableDnsSupport"]
    subnets = {r.name: r.inputs for r in made.of_type("aws:ec2/subnet:Subnet")}
    assert {name: (s["cidrBlock"], s["availabilityZone"]) for name, s in subnets.items()} == {
        "net-private-eu-west-1a": ("10.0.1.0/24", "eu-west-1a"),
        "net-private-eu-west-1b": ("10.0.2.0/24", "eu-west-1b"),
        "net-private-eu-west-1c": ("10.0.3.0/24", "eu-west-1c"),
        "net-public-eu-west-1a": ("10.0.101.0/24", "eu-west-1a"),
        "net-public-eu-west-1b": ("10.0.102.0/24", "eu-west-1b"),
        "net-public-eu-west-1c": ("10.0.103.0/24", "eu-west-1c"),
    }
    assert subnets["net-private-eu-west-1a"]["tags"]["kubernetes.io/role/internal-elb"] == "1"
    assert subnets["net-public-eu-west-1a"]["tags"]["kubernetes.io/role/elb"] == "1"
    assert len(made.of_type("aws:ec2/natGateway:NatGateway")) == 1
    assert len(made.of_type("aws:ec2/routeTable:RouteTable")) == 2
    assert len(made.of_type("aws:ec2/routeTableAssociation:RouteTableAssociation")) == 6
    if not preview:
        assert made.outputs["private"] == [f"net-private-eu-west-1{z}-id" for z in "abc"]
        assert made.outputs["public"] == [f"net-public-eu-west-1{z}-id" for z in "abc"]


def test_one_nat_gateway_per_zone(deploy: Deploy) -> None:
    made = deploy(lambda: outputs(Network("net", {"nat_gateways": NatGateways.ONE_PER_ZONE})))

    gateways = {r.name: r.inputs["subnetId"] for r in made.of_type("aws:ec2/natGateway:NatGateway")}
    assert gateways == {f"net-nat-eu-west-1{z}": f"net-public-eu-west-1{z}-id" for z in "abc"}
    routes = {
        r.inputs["subnetId"]: r.inputs["routeTableId"]
        for r in made.of_type("aws:ec2/routeTableAssociation:RouteTableAssociation")
    }
    assert routes["net-private-eu-west-1b-id"] == "net-private-eu-west-1b-id"  # its zone's own route table


def test_private_subnets_come_after_their_way_out(deploy: Deploy) -> None:
    def program() -> dict[str, pulumi.Output]:
        network = Network("net", {})
        last = pulumi.ComponentResource("test:index:Consumer", "consumer", {"subnets": network.private_subnet_ids})
        return {"urn": last.urn}

    made = deploy(program)
    nat, gateway = made.only("aws:ec2/natGateway:NatGateway"), made.only("aws:ec2/internetGateway:InternetGateway")
    private = made.resources[("aws:ec2/routeTableAssociation:RouteTableAssociation", "net-private-eu-west-1c")]
    assert made.waits_for(private, nat)
    assert made.waits_for(nat, gateway)


def test_everything_is_a_child_with_the_tags(deploy: Deploy) -> None:
    made = deploy(lambda: outputs(Network("net", {"tags": {"team": "a"}})))
    for resource in made.resources.values():
        if resource.type.startswith("aws:"):
            assert resource.parent.endswith("eks-pod-identity:index:Network::net")
            if "tags" in resource.inputs:
                assert resource.inputs["tags"]["team"] == "a"


def test_a_bad_network_is_refused_whole_and_nothing_is_made(deploy: Deploy, preview: bool) -> None:
    def program() -> dict[str, pulumi.Output]:
        return outputs(
            Network(
                "net",
                {
                    "cidr": "10.0.0.0/33",
                    "private_subnet_cidrs": ["10.0.1.0/24", "10.0.1.128/25"],
                    "public_subnet_cidrs": ["10.0.2.0/24"],
                },
            )
        )

    with pytest.raises(InvalidArgs) as refused:
        deploy(program, preview=preview)
    assert {f.property for f in refused.value.findings} == {
        "cidr",
        "private_subnet_cidrs[1]",
        "public_subnet_cidrs",
    }


def test_a_bad_block_that_comes_as_an_output_is_refused(deploy: Deploy, preview: bool) -> None:
    with pytest.raises(InvalidArgs, match=r"cidr = \"10\.0\.0\.1/16\".*host bits"):
        deploy(lambda: outputs(Network("net", {"cidr": pulumi.Output.from_input("10.0.0.1/16")})), preview=preview)


def test_more_zones_than_the_region_has(deploy: Deploy) -> None:
    four: Any = {
        "private_subnet_cidrs": [f"10.0.{i}.0/24" for i in range(4)],
        "public_subnet_cidrs": [f"10.0.10{i}.0/24" for i in range(4)],
    }
    with pytest.raises(InvalidArgs, match="has 3 zones"):
        deploy(lambda: outputs(Network("net", four)))
