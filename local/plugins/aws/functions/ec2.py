"""Functions that look up VPCs, subnets and security groups."""

from typing import Any, ClassVar

from ...base.calls import Call
from ...base.errors import ProviderError
from ...base.properties import Bool, Int, List, Map, Object, Property, Str, computed, output
from ...base.wire import Values
from ..resource import tag_map
from .function import REGION, AwsFunction, by_token, results
from .meta import FILTERS, ec2_filters


def _only(found: list[Any], what: str) -> Any:
    if len(found) != 1:
        raise ProviderError(
            f"{len(found)} {what}s match, and the function returns one: "
            + ("narrow the search" if found else f"is there such a {what} in this region and account?")
        )
    return found[0]


_COMMON: dict[str, Property] = {**REGION, "filters": FILTERS, "id": computed(Str()), "tags": computed(Map(Str()))}


def _criteria(arguments: Values, names: dict[str, str]) -> list[Any]:
    """The filters of the arguments that have one of their own."""
    own = [
        {"Name": filter_name, "Values": [str(value).lower() if isinstance(value, bool) else value]}
        for name, filter_name in names.items()
        if (value := arguments.get(name)) is not None
    ]
    return own + ec2_filters(arguments)


class GetVpc(AwsFunction):
    """``aws.ec2.get_vpc``."""

    token = "aws:ec2/getVpc:getVpc"
    service = "ec2"
    arguments: ClassVar = {
        **_COMMON,
        "cidrBlock": computed(Str()),
        "default": computed(Bool()),
        "dhcpOptionsId": computed(Str()),
        "state": computed(Str()),
    }
    results: ClassVar = {
        **arguments,
        **results(
            arn=Str(),
            cidrBlockAssociations=List(
                Object({name: output(Str()) for name in ("associationId", "cidrBlock", "state")})
            ),
            enableDnsHostnames=Bool(),
            enableDnsSupport=Bool(),
            enableNetworkAddressUsageMetrics=Bool(),
            instanceTenancy=Str(),
            ipv6AssociationId=Str(),
            ipv6CidrBlock=Str(),
            mainRouteTableId=Str(),
            ownerId=Str(),
        ),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        api = self.api(call, arguments)
        names = {
            "cidrBlock": "cidr",
            "default": "is-default",
            "dhcpOptionsId": "dhcp-options-id",
            "state": "state",
            "id": "vpc-id",
        }
        # EC2 matches is-default=false with nothing where it is simply not asked for.
        asked = {key: value for key, value in arguments.items() if not (key == "default" and value is False)}
        vpc = _only(api.describe_vpcs(Filters=_criteria(asked, names))["Vpcs"], "VPC")
        identifier = vpc["VpcId"]
        attributes = {
            name: api.describe_vpc_attribute(VpcId=identifier, Attribute=name)
            .get(name[0].upper() + name[1:], {})
            .get("Value", False)
            for name in ("enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics")
        }
        main = api.describe_route_tables(
            Filters=[
                {"Name": "vpc-id", "Values": [identifier]},
                {"Name": "association.main", "Values": ["true"]},
            ]
        )["RouteTables"]
        ipv6: dict[str, Any] = next(iter(vpc.get("Ipv6CidrBlockAssociationSet", [])), {})
        region, owner = self.region(call, arguments), vpc["OwnerId"]
        return {
            **arguments,
            **attributes,
            "arn": f"arn:{self.aws(call).partition}:ec2:{region}:{owner}:vpc/{identifier}",
            "cidrBlock": vpc["CidrBlock"],
            "cidrBlockAssociations": [
                {
                    "associationId": block["AssociationId"],
                    "cidrBlock": block["CidrBlock"],
                    "state": block["CidrBlockState"]["State"],
                }
                for block in vpc.get("CidrBlockAssociationSet", [])
            ],
            "default": vpc["IsDefault"],
            "dhcpOptionsId": vpc.get("DhcpOptionsId", ""),
            "id": identifier,
            "instanceTenancy": vpc["InstanceTenancy"],
            "ipv6AssociationId": ipv6.get("AssociationId", ""),
            "ipv6CidrBlock": ipv6.get("Ipv6CidrBlock", ""),
            "mainRouteTableId": next((table["RouteTableId"] for table in main), ""),
            "ownerId": owner,
            "region": region,
            "state": vpc["State"],
            "tags": tag_map(vpc.get("Tags")),
        }


_SUBNET_MEMBERS = {
    "assignIpv6AddressOnCreation": ("AssignIpv6AddressOnCreation", False),
    "availabilityZone": ("AvailabilityZone", ""),
    "availabilityZoneId": ("AvailabilityZoneId", ""),
    "availableIpAddressCount": ("AvailableIpAddressCount", 0),
    "cidrBlock": ("CidrBlock", ""),
    "defaultForAz": ("DefaultForAz", False),
    "enableDns64": ("EnableDns64", False),
    "ipv6Native": ("Ipv6Native", False),
    "mapPublicIpOnLaunch": ("MapPublicIpOnLaunch", False),
    "ownerId": ("OwnerId", ""),
    "state": ("State", ""),
    "vpcId": ("VpcId", ""),
}


class GetSubnet(AwsFunction):
    """``aws.ec2.get_subnet``."""

    token = "aws:ec2/getSubnet:getSubnet"
    service = "ec2"
    arguments: ClassVar = {
        **_COMMON,
        "availabilityZone": computed(Str()),
        "availabilityZoneId": computed(Str()),
        "cidrBlock": computed(Str()),
        "defaultForAz": computed(Bool()),
        "ipv6CidrBlock": computed(Str()),
        "state": computed(Str()),
        "vpcId": computed(Str()),
    }
    results: ClassVar = {
        **arguments,
        **results(
            arn=Str(),
            assignIpv6AddressOnCreation=Bool(),
            availableIpAddressCount=Int(),
            enableDns64=Bool(),
            ipv6CidrBlockAssociationId=Str(),
            ipv6Native=Bool(),
            mapPublicIpOnLaunch=Bool(),
            ownerId=Str(),
        ),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        names = {
            "availabilityZone": "availability-zone",
            "availabilityZoneId": "availability-zone-id",
            "cidrBlock": "cidr-block",
            "defaultForAz": "default-for-az",
            "id": "subnet-id",
            "ipv6CidrBlock": "ipv6-cidr-block-association.ipv6-cidr-block",
            "state": "state",
            "vpcId": "vpc-id",
        }
        answer = self.api(call, arguments).describe_subnets(Filters=_criteria(arguments, names))
        subnet = _only(answer["Subnets"], "subnet")
        ipv6: dict[str, Any] = next(iter(subnet.get("Ipv6CidrBlockAssociationSet", [])), {})
        return {
            **arguments,
            **{name: subnet.get(member, default) for name, (member, default) in _SUBNET_MEMBERS.items()},
            "arn": subnet.get("SubnetArn", ""),
            "id": subnet["SubnetId"],
            "ipv6CidrBlock": ipv6.get("Ipv6CidrBlock", ""),
            "ipv6CidrBlockAssociationId": ipv6.get("AssociationId", ""),
            "region": self.region(call, arguments),
            "tags": tag_map(subnet.get("Tags")),
        }


class GetSubnets(AwsFunction):
    """``aws.ec2.get_subnets``."""

    token = "aws:ec2/getSubnets:getSubnets"
    service = "ec2"
    arguments: ClassVar = {**REGION, "filters": FILTERS, "tags": computed(Map(Str()))}
    results: ClassVar = {**arguments, **results(id=Str(), ids=List(Str()))}

    def invoke(self, call: Call, arguments: Values) -> Values:
        pages = self.api(call, arguments).get_paginator("describe_subnets").paginate(Filters=ec2_filters(arguments))
        region = self.region(call, arguments)
        ids = [subnet["SubnetId"] for page in pages for subnet in page["Subnets"]]
        return {"tags": {}, **arguments, "id": region, "ids": ids, "region": region}


class GetSecurityGroup(AwsFunction):
    """``aws.ec2.get_security_group``."""

    token = "aws:ec2/getSecurityGroup:getSecurityGroup"
    service = "ec2"
    arguments: ClassVar = {**_COMMON, "name": computed(Str()), "vpcId": computed(Str())}
    results: ClassVar = {**arguments, **results(arn=Str(), description=Str())}

    def invoke(self, call: Call, arguments: Values) -> Values:
        names = {"id": "group-id", "name": "group-name", "vpcId": "vpc-id"}
        answer = self.api(call, arguments).describe_security_groups(Filters=_criteria(arguments, names))
        group = _only(answer["SecurityGroups"], "security group")
        region = self.region(call, arguments)
        return {
            **arguments,
            "arn": f"arn:{self.aws(call).partition}:ec2:{region}:{group['OwnerId']}:security-group/{group['GroupId']}",
            "description": group["Description"],
            "id": group["GroupId"],
            "name": group["GroupName"],
            "region": region,
            "tags": tag_map(group.get("Tags")),
            "vpcId": group.get("VpcId", ""),
        }


FUNCTIONS = by_token(GetVpc, GetSubnet, GetSubnets, GetSecurityGroup)
