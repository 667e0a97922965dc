"""`Network`: the VPC that an EKS cluster lives in."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import rules
from ._base import InvalidArgs, after, allowed, token, validated

DEFAULT_CIDR = "10.0.0.0/16"
DEFAULT_PRIVATE_SUBNET_CIDRS = ("10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24")
DEFAULT_PUBLIC_SUBNET_CIDRS = ("10.0.101.0/24", "10.0.102.0/24", "10.0.103.0/24")

ZONES_WITHOUT_EKS = ["use1-az3", "usw1-az2", "cac1-az3"]
"""The ids of the zones in which EKS cannot place a control plane (network-reqs.html)."""


class NatGateways(StrEnum):
    """How many NAT gateways carry the private subnets' traffic to the internet."""

    SINGLE = "single"
    """One for all zones: the cheapest, and gone when its zone is."""
    ONE_PER_ZONE = "one_per_zone"
    """One in each zone: a zone that fails takes only its own subnets with it."""


class NetworkArgs(TypedDict):
    """The arguments of a `Network`. All of them may be left out."""

    cidr: NotRequired[pulumi.Input[str]]
    """The VPC's IPv4 block, /16 to /28. Default: `10.0.0.0/16`."""
    private_subnet_cidrs: NotRequired[Sequence[str]]
    """One block for each zone's private subnet, where nodes run. Default: `10.0.1.0/24` to `10.0.3.0/24`."""
    public_subnet_cidrs: NotRequired[Sequence[str]]
    """One block for each zone's public subnet, where load balancers and NAT gateways stand, as many as there are
    private ones. Default: `10.0.101.0/24` to `10.0.103.0/24`."""
    availability_zones: NotRequired[Sequence[str]]
    """The zones' names, in the order of the subnets. Default: the region's first zones that need no opt-in."""
    nat_gateways: NotRequired[NatGateways]
    """One NAT gateway for all zones, or one in each. Default: `single`."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for every resource, beside the `Name` that each gets. Default: none."""
    allow: NotRequired[Mapping[str, str]]
    """What is right here although a rule finds it: the rule's id, as it stands in brackets in the finding, and the
    reason. Default: nothing."""


class Network(pulumi.ComponentResource):
    """A VPC with a private and a public subnet in each zone, ready for EKS.

    DNS hostnames are on, which the cluster's private endpoint needs. Subnets carry the tags `kubernetes.io/role/elb`
    and `kubernetes.io/role/internal-elb`, by which load balancer controllers find them. The VPC's default security
    group is left without rules, so that nothing can work by having been put there by accident.

    Raises `InvalidArgs` when a block is malformed, lies outside the VPC or overlaps another, when there are fewer
    than two zones, or when the lists do not fit each other.

    See https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html and
    https://www.pulumi.com/registry/packages/aws/api-docs/ec2/vpc/.
    """

    vpc_id: pulumi.Output[str]
    """The id of the VPC."""
    private_subnet_ids: pulumi.Output[Sequence[str]]
    """The ids of the private subnets, in the order of the zones. They come once their way to the internet stands, so
    that nodes made in them can pull images and join."""
    public_subnet_ids: pulumi.Output[Sequence[str]]
    """The ids of the public subnets, in the order of the zones. They come once their way to the internet stands."""
    allowed: pulumi.Output[Mapping[str, str]]
    """What `allow` lets pass, with the reasons."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(token("Network"), name, {**args}, opts)
        child = pulumi.ResourceOptions(parent=self)
        valid = validated(
            f"Network {name!r}",
            rules.network,
            {
                "cidr": args.get("cidr", DEFAULT_CIDR),
                "private_subnet_cidrs": args.get("private_subnet_cidrs", DEFAULT_PRIVATE_SUBNET_CIDRS),
                "public_subnet_cidrs": args.get("public_subnet_cidrs", DEFAULT_PUBLIC_SUBNET_CIDRS),
                "availability_zones": args.get("availability_zones"),
                "nat_gateways": args.get("nat_gateways", NatGateways.SINGLE),
                "tags": args.get("tags", {}),
            },
            args.get("allow"),
            declared=NetworkArgs,
        )
        private_cidrs, public_cidrs = valid["private_subnet_cidrs"], valid["public_subnet_cidrs"]
        zones = (valid["availability_zones"] or self._first_zones(len(private_cidrs)))[: len(private_cidrs)]

        def tags(suffix: str, **more: str) -> dict[str, pulumi.Input[str]]:
            return {**valid["tags"], "Name": f"{name}-{suffix}" if suffix else name, **more}

        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=valid["cidr"],
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=tags(""),
            opts=child,
        )
        aws.ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=vpc.id, tags=tags("default-unused"), opts=child)

        gateway = aws.ec2.InternetGateway(f"{name}-internet", vpc_id=vpc.id, tags=tags("internet"), opts=child)
        public_routes = aws.ec2.RouteTable(f"{name}-public", vpc_id=vpc.id, tags=tags("public"), opts=child)
        to_internet = aws.ec2.Route(
            f"{name}-public-internet",
            route_table_id=public_routes.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=child,
        )

        public_ids: dict[str, pulumi.Output[str]] = {}
        for zone, block in zip(zones, public_cidrs, strict=True):
            subnet = aws.ec2.Subnet(
                f"{name}-public-{zone}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=block,
                tags=tags(f"public-{zone}", **{"kubernetes.io/role/elb": "1"}),
                opts=child,
            )
            association = aws.ec2.RouteTableAssociation(
                f"{name}-public-{zone}", subnet_id=subnet.id, route_table_id=public_routes.id, opts=child
            )
            public_ids[zone] = after(subnet.id, to_internet.id, association.id)

        # Keyed by what each is for: "" where one serves all zones, so that the order of the zones is not part of its
        # name.
        one_per_zone = valid["nat_gateways"] == NatGateways.ONE_PER_ZONE
        private_routes: dict[str, pulumi.Output[str]] = {}
        for key, zone in {zone: zone for zone in zones}.items() if one_per_zone else [("", zones[0])]:
            suffix = f"-{key}" if key else ""
            address = aws.ec2.Eip(f"{name}-nat{suffix}", domain="vpc", tags=tags(f"nat{suffix}"), opts=child)
            nat = aws.ec2.NatGateway(
                f"{name}-nat{suffix}",
                allocation_id=address.allocation_id,
                subnet_id=public_ids[zone],
                tags=tags(f"nat{suffix}"),
                opts=child,
            )
            routes = aws.ec2.RouteTable(
                f"{name}-private{suffix}", vpc_id=vpc.id, tags=tags(f"private{suffix}"), opts=child
            )
            to_nat = aws.ec2.Route(
                f"{name}-private{suffix}-internet",
                route_table_id=routes.id,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=nat.id,
                opts=child,
            )
            private_routes[key] = after(routes.id, to_nat.id)

        private_ids: dict[str, pulumi.Output[str]] = {}
        for zone, block in zip(zones, private_cidrs, strict=True):
            subnet = aws.ec2.Subnet(
                f"{name}-private-{zone}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=block,
                tags=tags(f"private-{zone}", **{"kubernetes.io/role/internal-elb": "1"}),
                opts=child,
            )
            association = aws.ec2.RouteTableAssociation(
                f"{name}-private-{zone}",
                subnet_id=subnet.id,
                route_table_id=private_routes[zone if one_per_zone else ""],
                opts=child,
            )
            private_ids[zone] = after(subnet.id, association.id)

        self.vpc_id = vpc.id
        self.public_subnet_ids = pulumi.Output.all(*public_ids.values())
        self.private_subnet_ids = pulumi.Output.all(*private_ids.values())
        self.allowed = allowed(args)
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
                "allowed": self.allowed,
            }
        )

    def _first_zones(self, count: int) -> list[str]:
        available = aws.get_availability_zones(
            state="available",
            # Local and wavelength zones need an opt-in, and cannot hold a control plane's subnets.
            filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
            exclude_zone_ids=ZONES_WITHOUT_EKS,
            opts=pulumi.InvokeOptions(parent=self),
        ).names
        if len(available) < count:
            finding = rules.Finding(
                "network-zones",
                "private_subnet_cidrs",
                count,
                f"the region has {len(available)} zones that can hold an EKS cluster ({', '.join(available)})",
                f"Give {len(available)} private and as many public subnets",
            )
            raise InvalidArgs(f"{self.__class__.__name__} {self._name!r}", [finding])
        return sorted(available)[:count]
