"""The VPC."""

import ipaddress
from itertools import combinations
from typing import Any

from ._findings import USER_GUIDE, Finding, duplicates, is_list, known, known_items, matches, one_of
from ._names import judge_tags

NAT_GATEWAYS = ("single", "one_per_zone")
_SUBNETS_PAGE = "https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html"
_EKS_SUBNETS_PAGE = USER_GUIDE + "network-reqs.html"


def _cidr(rule: str, prop: str, value: Any) -> tuple[ipaddress.IPv4Network | None, list[Finding]]:
    if not known(value):
        return None, []
    try:
        # Python would make an address of a number too.
        block = ipaddress.IPv4Network(value if isinstance(value, str) else "")
    except ValueError as error:
        fix = "Write an IPv4 block such as 10.0.0.0/16, with no host bits set"
        return None, [Finding(rule, prop, value, f"this is not an IPv4 CIDR block ({error})", fix, _SUBNETS_PAGE)]
    if not 16 <= block.prefixlen <= 28:
        fix = "Use a prefix from /16 to /28"
        return None, [Finding(rule, prop, value, "a VPC and its subnets are /16 to /28", fix, _SUBNETS_PAGE)]
    return block, []


def network(
    *,
    cidr: Any = None,
    private_subnet_cidrs: Any = None,
    public_subnet_cidrs: Any = None,
    availability_zones: Any = None,
    nat_gateways: Any = None,
    tags: Any = None,
) -> list[Finding]:
    """A VPC for EKS: sound CIDR blocks, subnets inside it that do not overlap, as many public as private, two zones."""
    vpc, findings = _cidr("network-cidr", "cidr", cidr)
    blocks: dict[str, ipaddress.IPv4Network] = {}
    for prop, cidrs in (
        ("private_subnet_cidrs", private_subnet_cidrs),
        ("public_subnet_cidrs", public_subnet_cidrs),
    ):
        findings += is_list("network-subnets", prop, cidrs, at_least=2)
        for where, value in known_items(prop, cidrs):
            block, wrong = _cidr("network-cidr", where, value)
            findings += wrong
            if block is not None:
                blocks[where] = block
    for where, block in blocks.items():
        if vpc is not None and not block.subnet_of(vpc):
            fix = f"Choose a block within {vpc}"
            reason = f"the subnet does not lie in the VPC's {vpc}"
            findings.append(Finding("network-subnet-outside", where, str(block), reason, fix, _SUBNETS_PAGE))
    for (first, a), (second, b) in combinations(blocks.items(), 2):
        if a.overlaps(b):
            fix = "Give each subnet a block of its own"
            reason = f"the subnet overlaps {first} ({a})"
            findings.append(Finding("network-subnets-overlap", second, str(b), reason, fix, _SUBNETS_PAGE))
    privates, publics = known_items("", private_subnet_cidrs), known_items("", public_subnet_cidrs)
    if privates and publics and len(privates) != len(publics):
        reason = f"there are {len(privates)} private subnets, and each zone has one of either kind"
        fix = f"Give {len(privates)} public subnets"
        findings.append(Finding("network-subnets", "public_subnet_cidrs", public_subnet_cidrs, reason, fix))
    findings += is_list("network-zones", "availability_zones", availability_zones, at_least=2)
    for where, zone in known_items("availability_zones", availability_zones):
        findings += matches(
            "network-zones",
            where,
            zone,
            r"[a-z]{2}(-[a-z]+)+-\d+[a-z]",
            "this is not the name of an Availability Zone",
            "Write it as eu-west-1a; local and wavelength zones cannot hold an EKS control plane's subnets",
            _EKS_SUBNETS_PAGE,
        )
    findings += duplicates("network-zones", "availability_zones", availability_zones)
    zones = known_items("", availability_zones)
    if zones and privates and len(zones) < len(privates):
        reason = f"{len(privates)} subnets of either kind need as many zones"
        fix = "Name more zones, or leave the argument out to take the region's first"
        findings.append(Finding("network-zones", "availability_zones", availability_zones, reason, fix))
    findings += one_of(
        "network-nat",
        "nat_gateways",
        nat_gateways,
        NAT_GATEWAYS,
        "NAT gateways are one for all zones, or one in each",
        "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html",
    )
    return findings + judge_tags(tags)
