"""VPCs, subnets, gateways and addresses.

See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/operation-list-vpc.html.
"""

from collections.abc import Iterator
from collections.abc import Set as Set_
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from ...base.calls import Call
from ...base.errors import NotYet, ProviderError
from ...base.properties import Bool, Change, Set, Str, computed, optional, output, required
from ...base.resource import Timeouts
from ...base.wire import Values
from ..backend import Aws, code_of
from ..resource import REGION, TAGS, by_token, cidr, pick, tag_map
from .ec2 import Ec2Resource, await_gone, delete, look_up

_VPC_ATTRIBUTES = ("enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics")


def _upper(name: str) -> str:
    return name[0].upper() + name[1:]


class Vpc(Ec2Resource):
    """``aws.ec2.Vpc``."""

    token = "aws:ec2/vpc:Vpc"
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "assignGeneratedIpv6CidrBlock": optional(Bool()),
        "cidrBlock": computed(cidr(4), replace=True),
        "enableDnsHostnames": computed(Bool()),
        "enableDnsSupport": optional(Bool(), True),
        "enableNetworkAddressUsageMetrics": computed(Bool()),
        "instanceTenancy": optional(Str(choices=("default", "dedicated")), "default"),
        "arn": output(Str()),
        "defaultNetworkAclId": output(Str()),
        "defaultRouteTableId": output(Str()),
        "defaultSecurityGroupId": output(Str()),
        "dhcpOptionsId": output(Str()),
        "ipv6AssociationId": output(Str(), "assignGeneratedIpv6CidrBlock"),
        "ipv6CidrBlock": output(Str(), "assignGeneratedIpv6CidrBlock"),
        "mainRouteTableId": output(Str()),
        "ownerId": output(Str()),
    }
    not_served = frozenset(
        {
            "ipv4IpamPoolId",
            "ipv4NetmaskLength",
            "ipv6CidrBlock",
            "ipv6CidrBlockNetworkBorderGroup",
            "ipv6IpamPoolId",
            "ipv6NetmaskLength",
        }
    )

    @staticmethod
    def _needs_a_block(new: Values) -> Iterator[tuple[str, str]]:
        if new.get("cidrBlock") is None:
            yield "cidrBlock", "missing required property"

    rules = (_needs_a_block,)

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        identifier = api.create_vpc(
            CidrBlock=new["cidrBlock"],
            InstanceTenancy=new["instanceTenancy"],
            AmazonProvidedIpv6CidrBlock=new.get("assignGeneratedIpv6CidrBlock", False),
            TagSpecifications=self.tag_specifications(call, "vpc", new),
        )["Vpc"]["VpcId"]
        call.exists(identifier)

        def available() -> None:
            vpc = self._find(call, identifier, new)
            if vpc is None or vpc["State"] != "available":
                raise NotYet("it is pending")

        call.poll(f"creating VPC {identifier}", available)
        # DNS support is on in a new VPC, the others are off.
        for name, default in zip(_VPC_ATTRIBUTES, (False, True, False), strict=True):
            if new.get(name, default) != default:
                self._set(call, identifier, new, name)
        return identifier

    def _set(self, call: Call, identifier: str, new: Values, name: str) -> None:
        self.api(call, new).modify_vpc_attribute(VpcId=identifier, **{_upper(name): {"Value": new[name]}})

    def _find(self, call: Call, identifier: str, state: Values) -> Any:
        return look_up(lambda: self.api(call, state).describe_vpcs(VpcIds=[identifier])["Vpcs"])

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        vpc = self._find(call, identifier, state)
        if vpc is None:
            return None
        api = self.api(call, state)
        in_vpc = [{"Name": "vpc-id", "Values": [identifier]}]
        groups = api.describe_security_groups(Filters=[*in_vpc, {"Name": "group-name", "Values": ["default"]}])
        acls = api.describe_network_acls(Filters=[*in_vpc, {"Name": "default", "Values": ["true"]}])
        tables = api.describe_route_tables(Filters=[*in_vpc, {"Name": "association.main", "Values": ["true"]}])
        main = next((table["RouteTableId"] for table in tables["RouteTables"]), None)
        found: Values = {
            "arn": self.arn(call, "vpc", identifier, vpc["OwnerId"], state),
            "cidrBlock": vpc["CidrBlock"],
            "instanceTenancy": vpc["InstanceTenancy"],
            "dhcpOptionsId": vpc.get("DhcpOptionsId"),
            "ownerId": vpc["OwnerId"],
            "defaultNetworkAclId": next((acl["NetworkAclId"] for acl in acls["NetworkAcls"]), None),
            "defaultSecurityGroupId": next((group["GroupId"] for group in groups["SecurityGroups"]), None),
            # The table that was the main one when the VPC was made is its default one for ever.
            "defaultRouteTableId": state.get("defaultRouteTableId") or main,
            "mainRouteTableId": main,
            "tags": tag_map(vpc.get("Tags")),
            "assignGeneratedIpv6CidrBlock": False,
            "ipv6AssociationId": "",
            "ipv6CidrBlock": "",
        }
        for block in vpc.get("Ipv6CidrBlockAssociationSet", []):
            if block["Ipv6CidrBlockState"]["State"] == "associated":
                found["assignGeneratedIpv6CidrBlock"] = True
                found["ipv6AssociationId"] = block["AssociationId"]
                found["ipv6CidrBlock"] = block["Ipv6CidrBlock"]
        for name in _VPC_ATTRIBUTES:
            answer = api.describe_vpc_attribute(VpcId=identifier, Attribute=name)
            found[name] = answer.get(_upper(name), {}).get("Value", False)
        return found

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        for name in changed.intersection(_VPC_ATTRIBUTES):
            self._set(call, identifier, new, name)
        if "instanceTenancy" in changed:
            api.modify_vpc_tenancy(VpcId=identifier, InstanceTenancy=new["instanceTenancy"])
        if "assignGeneratedIpv6CidrBlock" in changed:
            if new.get("assignGeneratedIpv6CidrBlock"):
                api.associate_vpc_cidr_block(VpcId=identifier, AmazonProvidedIpv6CidrBlock=True)
            elif old.get("ipv6AssociationId"):
                api.disassociate_vpc_cidr_block(AssociationId=old["ipv6AssociationId"])

    def diff(self, backend: Aws, old: Values, new: Values) -> list[Change]:
        changes = super().diff(backend, old, new)
        # EC2 lets a VPC's tenancy go from dedicated to default and not back.
        to_dedicated = new.get("instanceTenancy") == "dedicated"
        return [
            Change(change.path, change.kind, True) if change.path == ("instanceTenancy",) and to_dedicated else change
            for change in changes
        ]

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        delete(call, lambda: self.api(call, state).delete_vpc(VpcId=identifier), within=300)


_SUBNET_ATTRIBUTES = {
    "assignIpv6AddressOnCreation": "AssignIpv6AddressOnCreation",
    "enableDns64": "EnableDns64",
    "enableResourceNameDnsARecordOnLaunch": "EnableResourceNameDnsARecordOnLaunch",
    "enableResourceNameDnsAaaaRecordOnLaunch": "EnableResourceNameDnsAAAARecordOnLaunch",
    "mapPublicIpOnLaunch": "MapPublicIpOnLaunch",
}


class Subnet(Ec2Resource):
    """``aws.ec2.Subnet``."""

    token = "aws:ec2/subnet:Subnet"
    timeouts = Timeouts(create=600, delete=1200)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "vpcId": required(Str(), replace=True),
        "assignIpv6AddressOnCreation": optional(Bool(), False),
        "availabilityZone": computed(Str(), replace=True, conflicts=("availabilityZoneId",)),
        "availabilityZoneId": computed(Str(), replace=True, imported=False),
        "cidrBlock": optional(cidr(4), replace=True),
        "enableDns64": optional(Bool(), False),
        "enableResourceNameDnsARecordOnLaunch": optional(Bool(), False),
        "enableResourceNameDnsAaaaRecordOnLaunch": optional(Bool(), False),
        "ipv6CidrBlock": optional(cidr(6)),
        "ipv6Native": optional(Bool(), False, replace=True),
        "mapPublicIpOnLaunch": optional(Bool(), False),
        "privateDnsHostnameTypeOnLaunch": computed(Str(choices=("ip-name", "resource-name"))),
        "arn": output(Str()),
        "ipv6CidrBlockAssociationId": output(Str(), "ipv6CidrBlock"),
        "ownerId": output(Str()),
    }
    not_served = frozenset(
        {
            "customerOwnedIpv4Pool",
            "enableLniAtDeviceIndex",
            "ipv4IpamPoolId",
            "ipv4NetmaskLength",
            "ipv6IpamPoolId",
            "ipv6NetmaskLength",
            "mapCustomerOwnedIpOnLaunch",
            "outpostArn",
        }
    )

    def create(self, call: Call, new: Values) -> str:
        members = {
            "vpcId": "VpcId",
            "cidrBlock": "CidrBlock",
            "ipv6CidrBlock": "Ipv6CidrBlock",
            "availabilityZone": "AvailabilityZone",
            "availabilityZoneId": "AvailabilityZoneId",
        }
        native = {"Ipv6Native": True} if new["ipv6Native"] else {}
        identifier = self.api(call, new).create_subnet(
            **pick(new, members), **native, TagSpecifications=self.tag_specifications(call, "subnet", new)
        )["Subnet"]["SubnetId"]
        call.exists(identifier)

        def available() -> None:
            subnet = self._find(call, identifier, new)
            if subnet is None or subnet["State"] != "available":
                raise NotYet("it is pending")

        call.poll(f"creating subnet {identifier}", available)
        wanted = {name for name in _SUBNET_ATTRIBUTES if new.get(name)}
        if "privateDnsHostnameTypeOnLaunch" in new:
            wanted.add("privateDnsHostnameTypeOnLaunch")
        self._set(call, identifier, new, wanted)
        return identifier

    def _set(self, call: Call, identifier: str, new: Values, names: Set_[str]) -> None:
        # One attribute a request is all that the API takes.
        api = self.api(call, new)
        for name in sorted(names):
            if name == "privateDnsHostnameTypeOnLaunch":
                api.modify_subnet_attribute(SubnetId=identifier, PrivateDnsHostnameTypeOnLaunch=new[name])
            else:
                api.modify_subnet_attribute(
                    SubnetId=identifier, **{_SUBNET_ATTRIBUTES[name]: {"Value": bool(new.get(name))}}
                )

    def _find(self, call: Call, identifier: str, state: Values) -> Any:
        return look_up(lambda: self.api(call, state).describe_subnets(SubnetIds=[identifier])["Subnets"])

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        subnet = self._find(call, identifier, state)
        return None if subnet is None else subnet_properties(self, call, subnet, state)

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        if "ipv6CidrBlock" in changed:
            if old.get("ipv6CidrBlockAssociationId"):
                api.disassociate_subnet_cidr_block(AssociationId=old["ipv6CidrBlockAssociationId"])
            if new.get("ipv6CidrBlock"):
                api.associate_subnet_cidr_block(SubnetId=identifier, Ipv6CidrBlock=new["ipv6CidrBlock"])
        self._set(call, identifier, new, changed & {*_SUBNET_ATTRIBUTES, "privateDnsHostnameTypeOnLaunch"})

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        delete(call, lambda: self.api(call, state).delete_subnet(SubnetId=identifier), within=call.timeout)


def subnet_properties(resource: Ec2Resource, call: Call, subnet: Any, state: Values) -> Values:
    """Read a subnet's properties out of EC2's description of it."""
    naming = subnet.get("PrivateDnsNameOptionsOnLaunch", {})
    block = next(
        (
            block
            for block in subnet.get("Ipv6CidrBlockAssociationSet", [])
            if block["Ipv6CidrBlockState"]["State"] == "associated"
        ),
        {},
    )
    owner = subnet.get("OwnerId", "")
    return {
        "arn": subnet.get("SubnetArn") or resource.arn(call, "subnet", subnet["SubnetId"], owner, state),
        "vpcId": subnet["VpcId"],
        "ownerId": owner,
        "availabilityZone": subnet["AvailabilityZone"],
        "availabilityZoneId": subnet.get("AvailabilityZoneId"),
        "cidrBlock": subnet.get("CidrBlock"),
        "assignIpv6AddressOnCreation": subnet.get("AssignIpv6AddressOnCreation", False),
        "enableDns64": subnet.get("EnableDns64", False),
        "enableResourceNameDnsARecordOnLaunch": naming.get("EnableResourceNameDnsARecord", False),
        "enableResourceNameDnsAaaaRecordOnLaunch": naming.get("EnableResourceNameDnsAAAARecord", False),
        "privateDnsHostnameTypeOnLaunch": naming.get("HostnameType"),
        "ipv6CidrBlock": block.get("Ipv6CidrBlock", ""),
        "ipv6CidrBlockAssociationId": block.get("AssociationId", ""),
        "ipv6Native": subnet.get("Ipv6Native", False),
        "mapPublicIpOnLaunch": subnet.get("MapPublicIpOnLaunch", False),
        "tags": tag_map(subnet.get("Tags")),
    }


class InternetGateway(Ec2Resource):
    """``aws.ec2.InternetGateway``."""

    token = "aws:ec2/internetGateway:InternetGateway"
    timeouts = Timeouts(create=1200, update=1200, delete=1200)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "vpcId": computed(Str()),
        "arn": output(Str()),
        "ownerId": output(Str()),
    }

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        identifier = api.create_internet_gateway(
            TagSpecifications=self.tag_specifications(call, "internet-gateway", new)
        )["InternetGateway"]["InternetGatewayId"]
        call.exists(identifier)
        if "vpcId" in new:
            self._attach(call, identifier, new)
        return identifier

    def _attach(self, call: Call, identifier: str, new: Values) -> None:
        api = self.api(call, new)
        call.retry(
            lambda: api.attach_internet_gateway(InternetGatewayId=identifier, VpcId=new["vpcId"]),
            lambda error: "InvalidInternetGatewayID.NotFound" in str(error),
        )

    def _find(self, call: Call, identifier: str, state: Values) -> Any:
        api = self.api(call, state)
        return look_up(lambda: api.describe_internet_gateways(InternetGatewayIds=[identifier])["InternetGateways"])

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        gateway = self._find(call, identifier, state)
        if gateway is None:
            return None
        owner = gateway.get("OwnerId") or self.aws(call).account_id
        return {
            "arn": self.arn(call, "internet-gateway", identifier, owner, state),
            "ownerId": owner,
            "vpcId": next((attached["VpcId"] for attached in gateway.get("Attachments", [])), ""),
            "tags": tag_map(gateway.get("Tags")),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        if "vpcId" in changed:
            self._detach(call, identifier, old)
            if new.get("vpcId"):
                self._attach(call, identifier, new)

    def _detach(self, call: Call, identifier: str, state: Values) -> None:
        vpc = state.get("vpcId")
        if vpc:
            api = self.api(call, state)
            delete(
                call,
                # What is not attached needs no detaching.
                lambda: _unless_detached(lambda: api.detach_internet_gateway(InternetGatewayId=identifier, VpcId=vpc)),
                within=call.timeout,
            )

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        self._detach(call, identifier, state)
        api = self.api(call, state)
        delete(call, lambda: api.delete_internet_gateway(InternetGatewayId=identifier), within=call.timeout)


def _unless_detached(action: Any) -> None:
    try:
        action()
    except ClientError as error:
        if code_of(error) != "Gateway.NotAttached":
            raise


class Eip(Ec2Resource):
    """``aws.ec2.Eip``: an address that is not bound to an instance."""

    token = "aws:ec2/eip:Eip"
    timeouts = Timeouts(create=900, update=300, delete=180)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "domain": computed(Str(choices=("vpc", "standard")), replace=True),
        "networkBorderGroup": computed(Str(), replace=True),
        "publicIpv4Pool": computed(Str(), replace=True),
        "allocationId": output(Str()),
        "arn": output(Str()),
        "associationId": output(Str()),
        "privateDns": output(Str()),
        "privateIp": output(Str()),
        "publicDns": output(Str()),
        "publicIp": output(Str()),
    }
    not_served = frozenset(
        {
            "address",
            "associateWithPrivateIp",
            "carrierIp",
            "customerOwnedIp",
            "customerOwnedIpv4Pool",
            "instance",
            "ipamPoolId",
            "networkInterface",
            "ptrRecord",
        }
    )

    def create(self, call: Call, new: Values) -> str:
        members = {"networkBorderGroup": "NetworkBorderGroup", "publicIpv4Pool": "PublicIpv4Pool"}
        identifier = self.api(call, new).allocate_address(
            Domain=new.get("domain", "vpc"),
            **pick(new, members),
            TagSpecifications=self.tag_specifications(call, "elastic-ip", new),
        )["AllocationId"]
        call.exists(identifier)
        return identifier

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        address = look_up(lambda: api.describe_addresses(AllocationIds=[identifier])["Addresses"])
        if address is None:
            return None
        region = state.get("region") or self.aws(call).region
        suffix = "compute-1" if region == "us-east-1" else f"{region}.compute"
        dashed = address["PublicIp"].replace(".", "-")
        return {
            "allocationId": identifier,
            "arn": self.arn(call, "elastic-ip", identifier, self.aws(call).account_id, state),
            "associationId": address.get("AssociationId", ""),
            "domain": address.get("Domain"),
            "networkBorderGroup": address.get("NetworkBorderGroup"),
            "publicIpv4Pool": address.get("PublicIpv4Pool"),
            "privateDns": "",
            "privateIp": address.get("PrivateIpAddress", ""),
            "publicDns": f"ec2-{dashed}.{suffix}.{self.aws(call).dns_suffix}",
            "publicIp": address["PublicIp"],
            "tags": tag_map(address.get("Tags")),
        }

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        delete(call, lambda: api.release_address(AllocationId=identifier), within=call.timeout)


class NatGateway(Ec2Resource):
    """``aws.ec2.NatGateway``: a zonal one."""

    token = "aws:ec2/natGateway:NatGateway"
    timeouts = Timeouts(create=600, update=600, delete=1800)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "allocationId": computed(Str(), replace=True),
        "connectivityType": optional(Str(choices=("private", "public")), "public", replace=True),
        "privateIp": computed(Str(), replace=True, imported=False),
        "secondaryAllocationIds": computed(Set(Str())),
        "subnetId": required(Str(), replace=True),
        "associationId": output(Str()),
        "networkInterfaceId": output(Str()),
        "publicIp": output(Str()),
    }
    not_served = frozenset(
        {
            "autoProvisionZones",
            "autoScalingIps",
            "availabilityMode",
            "availabilityZoneAddresses",
            "regionalNatGatewayAddresses",
            "regionalNatGatewayAutoMode",
            "routeTableId",
            "secondaryPrivateIpAddressCount",
            "secondaryPrivateIpAddresses",
            "vpcId",
        }
    )

    @staticmethod
    def _needs_an_address(new: Values) -> Iterator[tuple[str, str]]:
        if new.get("connectivityType") == "public" and new.get("allocationId") is None:
            yield "allocationId", "a public NAT gateway needs an address: give the allocationId of an aws.ec2.Eip"
        if new.get("connectivityType") == "private" and new.get("allocationId") is not None:
            yield "allocationId", "a private NAT gateway has no public address"

    rules = (_needs_an_address,)

    def create(self, call: Call, new: Values) -> str:
        members = {
            "allocationId": "AllocationId",
            "connectivityType": "ConnectivityType",
            "privateIp": "PrivateIpAddress",
            "secondaryAllocationIds": "SecondaryAllocationIds",
            "subnetId": "SubnetId",
        }
        api = self.api(call, new)
        identifier = api.create_nat_gateway(
            **pick(new, members), TagSpecifications=self.tag_specifications(call, "natgateway", new)
        )["NatGateway"]["NatGatewayId"]
        call.exists(identifier)

        def available() -> None:
            gateway = self._find(call, identifier, new)
            if gateway is None or gateway["State"] == "pending":
                raise NotYet("it is pending")
            if gateway["State"] != "available":
                raise ProviderError(
                    f"NAT gateway {identifier} is {gateway['State']}: "
                    f"{gateway.get('FailureCode', '')} {gateway.get('FailureMessage', '')}"
                )

        call.poll(f"creating NAT gateway {identifier}", available)
        return identifier

    def _find(self, call: Call, identifier: str, state: Values) -> Any:
        api = self.api(call, state)
        gateway = look_up(lambda: api.describe_nat_gateways(NatGatewayIds=[identifier])["NatGateways"])
        # EC2 shows a deleted gateway for another hour.
        return None if gateway is None or gateway["State"] == "deleted" else gateway

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        gateway = self._find(call, identifier, state)
        if gateway is None or gateway["State"] == "deleting":
            return None
        addresses = gateway.get("NatGatewayAddresses", [])
        # Without a mark on any, the first is the primary one.
        primary = next(
            (address for address in addresses if address.get("IsPrimary")), addresses[0] if addresses else {}
        )
        return {
            "allocationId": primary.get("AllocationId"),
            "associationId": primary.get("AssociationId", ""),
            "connectivityType": gateway.get("ConnectivityType", "public"),
            "networkInterfaceId": primary.get("NetworkInterfaceId"),
            "privateIp": primary.get("PrivateIp"),
            "publicIp": primary.get("PublicIp"),
            "secondaryAllocationIds": [
                address["AllocationId"]
                for address in addresses
                if address is not primary and address.get("AllocationId")
            ],
            "subnetId": gateway["SubnetId"],
            "tags": tag_map(gateway.get("Tags")),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        if "secondaryAllocationIds" not in changed:
            return
        api = self.api(call, new)
        before, after = set(old.get("secondaryAllocationIds") or ()), set(new.get("secondaryAllocationIds") or ())
        if before - after:
            gateway = self._find(call, identifier, old) or {}
            api.disassociate_nat_gateway_address(
                NatGatewayId=identifier,
                AssociationIds=[
                    address["AssociationId"]
                    for address in gateway.get("NatGatewayAddresses", [])
                    if address.get("AllocationId") in before - after
                ],
            )
        if after - before:
            api.associate_nat_gateway_address(NatGatewayId=identifier, AllocationIds=sorted(after - before))

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        delete(call, lambda: self.api(call, state).delete_nat_gateway(NatGatewayId=identifier), within=60)
        await_gone(call, f"NAT gateway {identifier}", lambda: self._find(call, identifier, state))


RESOURCES = by_token(Vpc, Subnet, InternetGateway, Eip, NatGateway)
