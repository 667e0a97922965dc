"""The security group that every VPC comes with.

See https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html.
"""

from typing import Any, ClassVar

from ...base.calls import Call
from ...base.errors import ProviderError
from ...base.properties import Bool, Int, List, Object, Set, Str, computed, optional, output, required
from ...base.wire import Values
from ..resource import REGION, TAGS, by_token, cidr, tag_map
from .ec2 import Ec2Resource, look_up

_RULE = {
    "cidrBlocks": optional(List(cidr(4))),
    "ipv6CidrBlocks": optional(List(cidr(6))),
    "prefixListIds": optional(List(Str())),
    "securityGroups": optional(Set(Str())),
    "self": optional(Bool(), False),
    "description": optional(Str(longest=255)),
    "fromPort": required(Int(least=-1, most=65535)),
    "toPort": required(Int(least=-1, most=65535)),
    "protocol": required(Str()),
}


def _permission(rule: Values, group: str) -> dict[str, Any]:
    note = {"Description": rule["description"]} if rule.get("description") else {}
    groups = [*(rule.get("securityGroups") or ()), *([group] if rule.get("self") else ())]
    permission: dict[str, Any] = {
        "IpProtocol": rule["protocol"],
        "IpRanges": [{"CidrIp": block, **note} for block in rule.get("cidrBlocks") or ()],
        "Ipv6Ranges": [{"CidrIpv6": block, **note} for block in rule.get("ipv6CidrBlocks") or ()],
        "PrefixListIds": [{"PrefixListId": identifier, **note} for identifier in rule.get("prefixListIds") or ()],
        "UserIdGroupPairs": [{"GroupId": identifier, **note} for identifier in groups],
    }
    if rule["protocol"] != "-1":
        permission |= {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
    return {name: value for name, value in permission.items() if value not in ([], None)}


def _rules(permissions: Any, group: str) -> list[Values]:
    """The rules of a group, each with all sources that share its ports and its description."""
    rules: list[Values] = []
    for permission in permissions:
        head = {
            "protocol": permission["IpProtocol"],
            "fromPort": permission.get("FromPort", 0),
            "toPort": permission.get("ToPort", 0),
        }
        by_note: dict[str, Values] = {}

        def under(source: Any, head: Values = head, by_note: dict[str, Values] = by_note) -> Values:
            note = source.get("Description", "")
            return by_note.setdefault(note, {**head, "self": False, **({"description": note} if note else {})})

        for name, members, member in (
            ("cidrBlocks", "IpRanges", "CidrIp"),
            ("ipv6CidrBlocks", "Ipv6Ranges", "CidrIpv6"),
            ("prefixListIds", "PrefixListIds", "PrefixListId"),
        ):
            for source in permission.get(members, []):
                under(source).setdefault(name, []).append(source[member])
        for source in permission.get("UserIdGroupPairs", []):
            if source["GroupId"] == group:
                under(source)["self"] = True
            else:
                under(source).setdefault("securityGroups", []).append(source["GroupId"])
        rules += by_note.values()
    return rules


class DefaultSecurityGroup(Ec2Resource):
    """``aws.ec2.DefaultSecurityGroup``: takes over the group that exists, and has just the rules that are given."""

    token = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "vpcId": computed(Str(), replace=True),
        "ingress": optional(Set(Object(_RULE))),
        "egress": optional(Set(Object(_RULE))),
        "revokeRulesOnDelete": optional(Bool(), False),
        "arn": output(Str()),
        "description": output(Str()),
        "name": output(Str()),
        "namePrefix": output(Str()),
        "ownerId": output(Str()),
    }

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        vpc = new.get("vpcId") or look_up(
            lambda: [
                vpc["VpcId"] for vpc in api.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
            ]
        )
        group = vpc and look_up(
            lambda: api.describe_security_groups(
                Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
            )["SecurityGroups"]
        )
        if group is None:
            raise ProviderError(f"the default security group of {vpc or 'the default VPC'} was not found")
        identifier = group["GroupId"]
        call.exists(identifier)
        if tags := self.tags_of(call, new):
            self.tag(call, identifier, new, tags, [])
        self._converge(call, identifier, new)
        return identifier

    def _find(self, call: Call, identifier: str, state: Values) -> Any:
        api = self.api(call, state)
        return look_up(lambda: api.describe_security_groups(GroupIds=[identifier])["SecurityGroups"])

    def _converge(self, call: Call, identifier: str, new: Values) -> None:
        api = self.api(call, new)
        group = self._find(call, identifier, new)
        for name, key, revoke, authorize in (
            (
                "ingress",
                "IpPermissions",
                api.revoke_security_group_ingress,
                api.authorize_security_group_ingress,
            ),
            (
                "egress",
                "IpPermissionsEgress",
                api.revoke_security_group_egress,
                api.authorize_security_group_egress,
            ),
        ):
            if group[key]:
                revoke(GroupId=identifier, IpPermissions=group[key])
            if wanted := [_permission(rule, identifier) for rule in new.get(name) or ()]:
                authorize(GroupId=identifier, IpPermissions=wanted)

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        group = self._find(call, identifier, state)
        if group is None:
            return None
        return {
            "arn": self.arn(call, "security-group", identifier, group["OwnerId"], state),
            "description": group["Description"],
            "egress": _rules(group["IpPermissionsEgress"], identifier),
            "ingress": _rules(group["IpPermissions"], identifier),
            "name": group["GroupName"],
            "namePrefix": "",
            "ownerId": group["OwnerId"],
            "revokeRulesOnDelete": state.get("revokeRulesOnDelete", False),
            "tags": tag_map(group.get("Tags")),
            "vpcId": group.get("VpcId"),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        if changed & {"ingress", "egress"} or not changed:
            self._converge(call, identifier, new)

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        call.info("the default security group goes with its VPC; it is only no longer managed")


RESOURCES = by_token(DefaultSecurityGroup)
