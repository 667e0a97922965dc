"""Route tables, their routes, and what they are associated with.

See https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html.
"""

import zlib
from collections.abc import Iterator
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from ...base.calls import Call
from ...base.errors import NotYet, ProviderError
from ...base.properties import Object, Set, Str, computed, optional, output, required
from ...base.resource import Timeouts
from ...base.wire import Values
from ..backend import code_of, is_code
from ..resource import REGION, TAGS, by_token, cidr, pick, tag_map
from .ec2 import Ec2Resource, delete, is_missing, look_up

_DESTINATIONS = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
_TARGETS = {
    "carrierGatewayId": "CarrierGatewayId",
    "coreNetworkArn": "CoreNetworkArn",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "gatewayId": "GatewayId",
    "localGatewayId": "LocalGatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "odbNetworkArn": "OdbNetworkArn",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}
# What a route table's own `routes` call a destination.
_INLINE = {"cidrBlock": "destinationCidrBlock", "ipv6CidrBlock": "destinationIpv6CidrBlock"}


def _given(values: Values, names: Any) -> list[str]:
    return [name for name in names if values.get(name) is not None]


def _one_destination_and_target(new: Values) -> Iterator[tuple[str, str]]:
    for what, names in (("destination", _DESTINATIONS), ("target", _TARGETS)):
        given = _given(new, names)
        if len(given) != 1:
            has = f"{', '.join(given)} are given" if given else "none is given"
            yield given[0] if given else "", f"a route has one {what} of {', '.join(names)}: {has}"


def _target_of(route: Any) -> Values:
    found = {here: route[there] for here, there in _TARGETS.items() if route.get(there)}
    # A gateway VPC endpoint is reported as a gateway.
    if found.get("gatewayId", "").startswith("vpce-"):
        found["vpcEndpointId"] = found.pop("gatewayId")
    # Beside the instance that an interface belongs to, EC2 reports the interface.
    return found


def _destination_of(route: Any) -> Values:
    return {here: route[there] for here, there in _DESTINATIONS.items() if route.get(there)}


def _table(resource: Ec2Resource, call: Call, identifier: str, state: Values) -> Any:
    api = resource.api(call, state)
    return look_up(lambda: api.describe_route_tables(RouteTableIds=[identifier])["RouteTables"])


class RouteTable(Ec2Resource):
    """``aws.ec2.RouteTable``."""

    token = "aws:ec2/routeTable:RouteTable"
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "vpcId": required(Str(), replace=True),
        "propagatingVgws": computed(Set(Str())),
        "routes": computed(
            Set(
                Object(
                    {
                        "cidrBlock": optional(cidr(4)),
                        "ipv6CidrBlock": optional(cidr(6)),
                        "destinationPrefixListId": optional(Str()),
                        **{name: optional(Str()) for name in _TARGETS},
                    }
                )
            ),
            imported=False,
        ),
        "arn": output(Str()),
        "ownerId": output(Str()),
    }

    def create(self, call: Call, new: Values) -> str:
        identifier = self.api(call, new).create_route_table(
            VpcId=new["vpcId"], TagSpecifications=self.tag_specifications(call, "route-table", new)
        )["RouteTable"]["RouteTableId"]
        call.exists(identifier)
        self.modify(call, identifier, {}, new, frozenset(new))
        return identifier

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        table = _table(self, call, identifier, state)
        if table is None:
            return None
        owner = table.get("OwnerId") or self.aws(call).account_id
        routes = []
        for route in table.get("Routes", []):
            if route.get("GatewayId") == "local" or route.get("Origin") == "EnableVgwRoutePropagation":
                continue
            renamed = {there: here for here, there in _INLINE.items()}
            destination = {renamed.get(name, name): value for name, value in _destination_of(route).items()}
            routes.append({**destination, **_target_of(route)})
        return {
            "arn": self.arn(call, "route-table", identifier, owner, state),
            "ownerId": owner,
            "vpcId": table["VpcId"],
            "propagatingVgws": [gateway["GatewayId"] for gateway in table.get("PropagatingVgws", [])],
            "routes": routes,
            "tags": tag_map(table.get("Tags")),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        if "propagatingVgws" in changed:
            before, after = set(old.get("propagatingVgws") or ()), set(new.get("propagatingVgws") or ())
            for gateway in before - after:
                api.disable_vgw_route_propagation(RouteTableId=identifier, GatewayId=gateway)
            for gateway in after - before:
                api.enable_vgw_route_propagation(RouteTableId=identifier, GatewayId=gateway)
        if "routes" in changed:

            def by_destination(routes: Any) -> dict[tuple[tuple[str, str], ...], dict[str, str]]:
                split = {}
                for route in routes or ():
                    spelled: Values = {_INLINE.get(name) or name: value for name, value in route.items()}
                    split[tuple(pick(spelled, _DESTINATIONS).items())] = pick(spelled, _TARGETS)
                return split

            before, after = by_destination(old.get("routes")), by_destination(new.get("routes"))
            for destination in before.keys() - after.keys():
                delete(call, lambda d=destination: api.delete_route(RouteTableId=identifier, **dict(d)), within=60)
            for destination, target in after.items():
                if destination not in before:
                    api.create_route(RouteTableId=identifier, **dict(destination), **target)
                elif before[destination] != target:
                    api.replace_route(RouteTableId=identifier, **dict(destination), **target)

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        table = _table(self, call, identifier, state)
        if table is None:
            return
        api = self.api(call, state)
        for association in table.get("Associations", []):
            if not association.get("Main"):
                delete(
                    call,
                    lambda a=association: api.disassociate_route_table(AssociationId=a["RouteTableAssociationId"]),
                    within=60,
                )
        delete(call, lambda: api.delete_route_table(RouteTableId=identifier), within=call.timeout)


class Route(Ec2Resource):
    """``aws.ec2.Route``."""

    token = "aws:ec2/route:Route"
    identity = ("routeTableId", *_DESTINATIONS)
    properties: ClassVar = {
        **REGION,
        "routeTableId": required(Str(), replace=True),
        "destinationCidrBlock": optional(cidr(4), replace=True),
        "destinationIpv6CidrBlock": optional(cidr(6), replace=True),
        "destinationPrefixListId": optional(Str(), replace=True),
        **{name: optional(Str()) for name in _TARGETS},
        # EC2 fills the interface in for an instance's route.
        "networkInterfaceId": computed(Str(), removable=True),
        "instanceId": output(Str(), *_TARGETS),
        "instanceOwnerId": output(Str(), *_TARGETS),
        "origin": output(Str()),
        "state": output(Str()),
    }
    rules = (_one_destination_and_target,)

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        call.retry(
            lambda: api.create_route(
                RouteTableId=new["routeTableId"], **pick(new, _DESTINATIONS), **pick(new, _TARGETS)
            ),
            # A gateway that was just attached, or a NAT gateway that was just made, may not be known here yet.
            lambda error: code_of(error).endswith(".NotFound") or code_of(error) == "InvalidParameterException",
            within=60,
        )
        identifier = _route_id(new)
        call.exists(identifier)

        def active() -> None:
            route = self._find(call, new)
            if route is None:
                raise NotYet("it cannot be found")

        call.poll(f"creating route {identifier}", active)
        return identifier

    def parse(self, call: Call, identifier: str, seed: Values) -> tuple[str, Values]:
        table, _, destination = identifier.partition("_")
        if not destination:
            raise ProviderError(f"{identifier!r} is no route: write it as rtb-0123_10.0.0.0/16")
        if destination.startswith("pl-"):
            known = {"destinationPrefixListId": destination}
        elif ":" in destination:
            known = {"destinationIpv6CidrBlock": destination}
        else:
            known = {"destinationCidrBlock": destination}
        known["routeTableId"] = table
        return _route_id(known), known

    def _find(self, call: Call, state: Values) -> Any:
        table = _table(self, call, state["routeTableId"], state)
        wanted = {name: state[name] for name in _DESTINATIONS if state.get(name)}
        routes = table.get("Routes", []) if table else []
        return next((route for route in routes if _destination_of(route) == wanted), None)

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        route = self._find(call, state)
        if route is None:
            return None
        targets = _target_of(route)
        return {
            "routeTableId": state["routeTableId"],
            **{name: targets.get(name, "") for name in _TARGETS},
            **_destination_of(route),
            "instanceId": route.get("InstanceId", ""),
            "instanceOwnerId": route.get("InstanceOwnerId", ""),
            "origin": route.get("Origin", "CreateRoute"),
            "state": route.get("State", "active"),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        if changed:
            api = self.api(call, new)
            api.replace_route(RouteTableId=new["routeTableId"], **pick(new, _DESTINATIONS), **pick(new, _TARGETS))

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        destination = {there: state[here] for here, there in _DESTINATIONS.items() if state.get(here)}
        delete(call, lambda: api.delete_route(RouteTableId=state["routeTableId"], **destination), within=60)


def _route_id(values: Values) -> str:
    destination = next(values[name] for name in _DESTINATIONS if values.get(name))
    return f"r-{values['routeTableId']}{zlib.crc32(destination.encode())}"


class RouteTableAssociation(Ec2Resource):
    """``aws.ec2.RouteTableAssociation``."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    timeouts = Timeouts(create=300, update=120, delete=300)
    properties: ClassVar = {
        **REGION,
        "routeTableId": required(Str()),
        "subnetId": optional(Str(), replace=True, conflicts=("gatewayId",)),
        "gatewayId": optional(Str(), replace=True),
    }
    identity = ("subnetId", "gatewayId")

    @staticmethod
    def _one_side(new: Values) -> Iterator[tuple[str, str]]:
        if not _given(new, ("subnetId", "gatewayId")):
            yield "subnetId", "give a subnetId or a gatewayId"

    rules = (_one_side,)

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        identifier = call.retry(
            lambda: api.associate_route_table(
                RouteTableId=new["routeTableId"], **pick(new, {"subnetId": "SubnetId", "gatewayId": "GatewayId"})
            ),
            is_code("InvalidRouteTableID.NotFound"),
            within=60,
        )["AssociationId"]
        call.exists(identifier)
        return identifier

    def parse(self, call: Call, identifier: str, seed: Values) -> tuple[str, Values]:
        side, _, table = identifier.partition("/")
        if not table:
            raise ProviderError(f"{identifier!r} is no association: write it as subnet-0123/rtb-0123")
        known = {"routeTableId": table, "subnetId" if side.startswith("subnet-") else "gatewayId": side}
        association = self._find(call, {**seed, **known})
        if association is None or association["RouteTableId"] != table:
            raise ProviderError(f"{side} is not associated with {table}")
        return association["RouteTableAssociationId"], known

    def _find(self, call: Call, state: Values) -> Any:
        """The explicit association of the subnet or gateway; replacing the table gave it another id."""
        side = ("subnetId", "SubnetId") if state.get("subnetId") else ("gatewayId", "GatewayId")
        name = "association.subnet-id" if side[0] == "subnetId" else "association.gateway-id"
        filters = [{"Name": name, "Values": [state[side[0]]]}]
        for table in self.api(call, state).describe_route_tables(Filters=filters)["RouteTables"]:
            for association in table.get("Associations", []):
                gone = association.get("AssociationState", {}).get("State") in ("disassociated", "disassociating")
                if association.get(side[1]) == state[side[0]] and not gone:
                    return {**association, "RouteTableId": table["RouteTableId"]}
        return None

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        association = self._find(call, state)
        if association is None:
            return None
        return {
            "routeTableId": association["RouteTableId"],
            "subnetId": association.get("SubnetId", ""),
            "gatewayId": association.get("GatewayId", ""),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        if "routeTableId" not in changed:
            return
        association = self._find(call, old)
        if association is None:
            raise ProviderError(f"the association {identifier} is gone: refresh")
        self.api(call, new).replace_route_table_association(
            AssociationId=association["RouteTableAssociationId"], RouteTableId=new["routeTableId"]
        )

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        association = self._find(call, state)
        if association is None:
            return
        try:
            self.api(call, state).disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
        except ClientError as error:
            if not is_missing(error):
                raise


RESOURCES = by_token(RouteTable, Route, RouteTableAssociation)
