"""Security groups and their rules: inside of the group, or as resources of two kinds.

See https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from botocore.exceptions import ClientError

from ...base.calls import Call
from ...base.errors import NotYet, ProviderError
from ...base.naming import with_prefix
from ...base.properties import (
    AutoName,
    Bool,
    Int,
    Object,
    ObjectRule,
    Property,
    Set,
    Str,
    computed,
    optional,
    output,
    required,
)
from ...base.resource import Timeouts
from ...base.wire import Values
from ..backend import code_of, is_code
from ..resource import REGION, TAGS, by_token, cidr, pick, tag_list, tag_map
from .ec2 import Ec2Resource, delete, is_missing, look_up

_DIRECTIONS = ("ingress", "egress")
_DESCRIPTION = Str(pattern=r"[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}")

_PROTOCOLS = {"all": "-1", "6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}


def _protocol(value: str) -> str:
    return _PROTOCOLS.get(value.lower(), value.lower())


_PROTOCOL = Str(equal=lambda left, right: _protocol(left) == _protocol(right))

_SOURCES = {
    "cidrBlocks": ("IpRanges", "CidrIp"),
    "ipv6CidrBlocks": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListIds": ("PrefixListIds", "PrefixListId"),
    "securityGroups": ("UserIdGroupPairs", "GroupId"),
}


class Grant(NamedTuple):
    """One thing that one rule lets through."""

    protocol: str
    from_port: int
    to_port: int
    kind: str
    source: str
    description: str

    def permission(self) -> Values:
        """The grant as EC2 takes it."""
        member, key = _SOURCES[self.kind]
        source: Values = {key: self.source}
        if self.description:
            source["Description"] = self.description
        permission: Values = {"IpProtocol": self.protocol, member: [source]}
        if self.protocol != "-1":
            permission |= {"FromPort": self.from_port, "ToPort": self.to_port}
        return permission

    def without_description(self) -> "Grant":
        """The grant by what it lets through only."""
        return self._replace(description="")


_INLINE = Set(
    Object(
        {
            "cidrBlocks": optional(Set(cidr(4))),
            "description": optional(_DESCRIPTION),
            "fromPort": required(Int()),
            "ipv6CidrBlocks": optional(Set(cidr(6))),
            "prefixListIds": optional(Set(Str())),
            "protocol": required(_PROTOCOL),
            "securityGroups": optional(Set(Str())),
            "self": optional(Bool(), False),
            "toPort": required(Int()),
        }
    )
)


def _grants_of(rule: Values, group: str) -> Iterator[Grant]:
    """Take a rule of a program apart."""
    protocol = _protocol(rule["protocol"])
    ports = (0, 0) if protocol == "-1" else (rule["fromPort"], rule["toPort"])
    description = rule.get("description") or ""
    for kind in _SOURCES:
        for source in rule.get(kind) or ():
            yield Grant(protocol, *ports, kind, source, description)
    if rule.get("self"):
        yield Grant(protocol, *ports, "securityGroups", group, description)


def _grants_in(permissions: Iterable[Any]) -> Iterator[Grant]:
    """Take what EC2 describes apart."""
    for permission in permissions:
        protocol = permission["IpProtocol"]
        ports = (0, 0) if protocol == "-1" else (permission.get("FromPort", 0), permission.get("ToPort", 0))
        for kind, (member, key) in _SOURCES.items():
            for source in permission.get(member, []):
                yield Grant(protocol, *ports, kind, source[key], source.get("Description") or "")


def _as_rules(grants: Iterable[Grant], group: str) -> list[Values]:
    """Put grants together that differ in their source only."""
    rules: dict[tuple[Any, ...], Values] = {}
    for grant in grants:
        key = grant.protocol, grant.from_port, grant.to_port, grant.description
        rule = rules.setdefault(
            key,
            {
                "protocol": grant.protocol,
                "fromPort": grant.from_port,
                "toPort": grant.to_port,
                "description": grant.description,
                "self": False,
            },
        )
        if grant.kind == "securityGroups" and grant.source == group:
            rule["self"] = True
        else:
            rule.setdefault(grant.kind, []).append(grant.source)
    return list(rules.values())


def _authorize(api: Any, group: str, direction: str, grants: Iterable[Grant]) -> None:
    # One by one: of several in a request, one that is there already would keep the others out.
    action = getattr(api, f"authorize_security_group_{direction}")
    for grant in grants:
        try:
            action(GroupId=group, IpPermissions=[grant.permission()])
        except ClientError as error:
            if code_of(error) != "InvalidPermission.Duplicate":
                raise


def _revoke(api: Any, group: str, direction: str, grants: Iterable[Grant]) -> None:
    action = getattr(api, f"revoke_security_group_{direction}")
    for grant in grants:
        try:
            action(GroupId=group, IpPermissions=[grant.permission()])
        except ClientError as error:
            if code_of(error) != "InvalidPermission.NotFound" and not is_missing(error):
                raise


def _permissions(group: Any, direction: str) -> list[Any]:
    return group.get("IpPermissions" if direction == "ingress" else "IpPermissionsEgress", [])


class _Group(Ec2Resource):
    """What a security group and a VPC's default one have in common."""

    def find(self, call: Call, identifier: str, state: Values) -> Any:
        """EC2's description of the group."""
        api = self.api(call, state)
        return look_up(lambda: api.describe_security_groups(GroupIds=[identifier])["SecurityGroups"])

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        group = self.find(call, identifier, state)
        if group is None:
            return None
        owner = group.get("OwnerId", "")
        found: Values = {
            "arn": self.arn(call, "security-group", identifier, owner, state),
            "description": group.get("Description", ""),
            "name": group["GroupName"],
            "ownerId": owner,
            "tags": tag_map(group.get("Tags")),
            "vpcId": group.get("VpcId", ""),
        }
        for direction in _DIRECTIONS:
            actual = sorted(_grants_in(_permissions(group, direction)))
            given = state.get(direction)
            # The same grants can be written as rules in many ways: the program's own is kept as long as they are.
            same = given is not None and actual == sorted({g for rule in given for g in _grants_of(rule, identifier)})
            found[direction] = given if same else _as_rules(actual, identifier)
        return found

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        directions = changed.intersection(_DIRECTIONS)
        group = self.find(call, identifier, new) or {} if directions else {}
        for direction in sorted(directions):
            actual = set(_grants_in(_permissions(group, direction)))
            wanted = {grant for rule in new.get(direction) or () for grant in _grants_of(rule, identifier)}
            # What only gets another description is revoked first: EC2 takes it for the same rule.
            _revoke(api, identifier, direction, sorted(actual - wanted))
            _authorize(api, identifier, direction, sorted(wanted - actual))


class SecurityGroup(_Group):
    """``aws.ec2.SecurityGroup``."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    identity = ("name", "vpcId")
    timeouts = Timeouts(create=600, delete=900)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        # EC2 wants a description and cannot change it; this is the official provider's.
        "description": optional(_DESCRIPTION, "Managed by Pulumi", replace=True),
        "egress": computed(_INLINE, imported=False),
        "ingress": computed(_INLINE, imported=False),
        "name": computed(Str(longest=255), replace=True, autoname=AutoName(255), conflicts=("namePrefix",)),
        "namePrefix": optional(Str(longest=229), replace=True, imported=False),
        "revokeRulesOnDelete": optional(Bool(), False),
        "vpcId": computed(Str(), replace=True),
        "arn": output(Str()),
        "ownerId": output(Str()),
    }

    @staticmethod
    def _name_is_free(new: Values) -> Iterator[tuple[str, str]]:
        name = new.get("name")
        if isinstance(name, str) and name.startswith("sg-"):
            yield "name", "names cannot begin with sg-"

    rules = (_name_is_free,)

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        identifier = api.create_security_group(
            GroupName=new["name"] if "name" in new else with_prefix(new["namePrefix"]),
            Description=new["description"],
            **pick(new, {"vpcId": "VpcId"}),
            TagSpecifications=self.tag_specifications(call, "security-group", new),
        )["GroupId"]
        call.exists(identifier)

        def visible() -> Any:
            group = self.find(call, identifier, new)
            if group is None:
                raise NotYet("it cannot be found")
            return group

        group = call.poll(f"creating security group {identifier}", visible)
        # A new group lets everything out; one of the official provider's lets out what the program says.
        _revoke(api, identifier, "egress", _grants_in(_permissions(group, "egress")))
        self.modify(call, identifier, {}, new, frozenset(new))
        return identifier

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        if state.get("revokeRulesOnDelete"):
            self._revoke_all(call, identifier, state)
        delete(call, lambda: api.delete_security_group(GroupId=identifier), within=call.timeout)

    def _revoke_all(self, call: Call, identifier: str, state: Values) -> None:
        """Revoke the group's rules, and those of other groups that name it and would keep it from being deleted."""
        api = self.api(call, state)
        group = self.find(call, identifier, state)
        if group is None:
            return
        for direction, prefix in (("ingress", ""), ("egress", "egress.")):
            _revoke(api, identifier, direction, _grants_in(_permissions(group, direction)))
            naming = api.describe_security_groups(
                Filters=[{"Name": f"{prefix}ip-permission.group-id", "Values": [identifier]}]
            )["SecurityGroups"]
            for other in naming:
                grants = [g for g in _grants_in(_permissions(other, direction)) if g.source == identifier]
                _revoke(api, other["GroupId"], direction, grants)


class DefaultSecurityGroup(_Group):
    """``aws.ec2.DefaultSecurityGroup``: takes over the group that every VPC has, and empties it."""

    token = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "egress": optional(_INLINE),
        "ingress": optional(_INLINE),
        "revokeRulesOnDelete": optional(Bool(), False),
        "vpcId": computed(Str(), replace=True),
        "arn": output(Str()),
        "description": output(Str()),
        "name": output(Str()),
        "namePrefix": output(Str()),
        "ownerId": output(Str()),
    }

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        vpc = new.get("vpcId")
        if not vpc:
            vpcs = api.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
            if not vpcs:
                raise ProviderError("the region has no default VPC: give a vpcId")
            vpc = vpcs[0]["VpcId"]
        groups = api.describe_security_groups(
            Filters=[{"Name": "group-name", "Values": ["default"]}, {"Name": "vpc-id", "Values": [vpc]}]
        )["SecurityGroups"]
        if not groups:
            raise ProviderError(f"there is no default security group in {vpc}")
        identifier = groups[0]["GroupId"]
        call.exists(identifier)
        self.modify(call, identifier, {}, new, frozenset(_DIRECTIONS))
        tags = self.tags_of(call, new)
        if tags:
            api.create_tags(Resources=[identifier], Tags=tag_list(tags))
        return identifier

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        found = super().describe(call, identifier, state)
        return found and {**found, "namePrefix": ""}

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        # It goes with its VPC; nothing else can delete it. What was made of it stays, as with the official provider.
        return


class SecurityGroupRule(Ec2Resource):
    """``aws.ec2.SecurityGroupRule``: grants of a group that differ in their source only."""

    token = "aws:ec2/securityGroupRule:SecurityGroupRule"
    properties: ClassVar = {
        **REGION,
        "cidrBlocks": optional(Set(cidr(4), least=1), replace=True),
        "description": optional(_DESCRIPTION),
        "fromPort": required(Int(), replace=True),
        "ipv6CidrBlocks": optional(Set(cidr(6), least=1), replace=True),
        "prefixListIds": optional(Set(Str()), replace=True),
        "protocol": required(_PROTOCOL, replace=True),
        "securityGroupId": required(Str(), replace=True),
        "self": optional(Bool(), False, replace=True),
        "sourceSecurityGroupId": optional(Str(), replace=True),
        "toPort": required(Int(), replace=True),
        "type": required(Str(choices=_DIRECTIONS), replace=True),
        "securityGroupRuleId": output(Str()),
    }

    @staticmethod
    def _one_source(new: Values) -> Iterator[tuple[str, str]]:
        blocks = [name for name in ("cidrBlocks", "ipv6CidrBlocks", "prefixListIds") if new.get(name) is not None]
        groups = [name for name in ("self", "sourceSecurityGroupId") if new.get(name) not in (None, False)]
        if not blocks and not groups:
            yield "cidrBlocks", "give cidrBlocks, ipv6CidrBlocks, prefixListIds, sourceSecurityGroupId or self"
        elif "sourceSecurityGroupId" in groups and (blocks or len(groups) > 1):
            others = ", ".join([*blocks, *(name for name in groups if name == "self")])
            yield "sourceSecurityGroupId", f"conflicts with {others}"
        elif "self" in groups and "cidrBlocks" in blocks:
            yield "self", "conflicts with cidrBlocks"

    rules = (_one_source,)

    def _grants(self, new: Values) -> list[Grant]:
        source = new.get("sourceSecurityGroupId")
        rule = {**new, "securityGroups": [source]} if source else new
        return sorted(_grants_of(rule, new["securityGroupId"]))

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        group, direction = new["securityGroupId"], new["type"]
        grants = self._grants(new)
        call.retry(
            lambda: _authorize(api, group, direction, grants),
            # A group that was just made, as one of the sources or as the group itself.
            is_code("InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound"),
            within=60,
        )
        identifier = self._id(new)
        call.exists(identifier)
        return identifier

    def _id(self, new: Values) -> str:
        """An id of our own: to EC2 these may be several rules, or part of one."""
        grants = [grant.without_description() for grant in self._grants(new)]
        return f"sgrule-{zlib.crc32(repr([new['securityGroupId'], new['type'], grants]).encode())}"

    def parse(self, call: Call, identifier: str, seed: Values) -> tuple[str, Values]:
        group, *rest = identifier.split("_")
        if len(rest) < 5 or rest[0] not in _DIRECTIONS:
            raise ProviderError(
                f"{identifier!r} is no rule: write it as sg-0123_ingress_tcp_443_443_10.0.0.0/16, "
                "with self or the id of a group in the block's place"
            )
        direction, protocol, first, last, *sources = rest
        known: Values = {
            "securityGroupId": group,
            "type": direction,
            "protocol": protocol,
            "fromPort": 0 if first == "all" else int(first),
            "toPort": 0 if last == "all" else int(last),
            "self": "self" in sources,
        }
        for source in sources:
            if source.startswith("sg-"):
                known["sourceSecurityGroupId"] = source
            elif source.startswith("pl-"):
                known.setdefault("prefixListIds", []).append(source)
            elif source != "self":
                known.setdefault("ipv6CidrBlocks" if ":" in source else "cidrBlocks", []).append(source)
        return self._id(known), known

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        groups = {"GroupIds": [state["securityGroupId"]]}
        group = look_up(lambda: api.describe_security_groups(**groups)["SecurityGroups"])
        if group is None:
            return None
        actual = {
            grant.without_description(): grant.description for grant in _grants_in(_permissions(group, state["type"]))
        }
        wanted = [grant.without_description() for grant in self._grants(state)]
        if not wanted or not all(grant in actual for grant in wanted):
            return None
        return {
            "description": actual[wanted[0]],
            "securityGroupRuleId": self._rule_id(api, state, wanted),
        }

    def _rule_id(self, api: Any, state: Values, wanted: list[Grant]) -> str:
        """The id that EC2 has for the rule, if it is one to EC2 as well."""
        if len(wanted) != 1:
            return ""
        in_group = [{"Name": "group-id", "Values": [state["securityGroupId"]]}]
        pages = api.get_paginator("describe_security_group_rules").paginate(Filters=in_group)
        return next(
            (
                rule["SecurityGroupRuleId"]
                for page in pages
                for rule in page["SecurityGroupRules"]
                if rule["IsEgress"] is (state["type"] == "egress") and _rule_grant(rule) == wanted[0]
            ),
            "",
        )

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        if "description" in changed:
            action = getattr(self.api(call, new), f"update_security_group_rule_descriptions_{new['type']}")
            permissions = [grant.permission() for grant in self._grants(new)]
            action(GroupId=new["securityGroupId"], IpPermissions=permissions)

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        grants = [grant.without_description() for grant in self._grants(state)]
        _revoke(self.api(call, state), state["securityGroupId"], state["type"], grants)


def _rule_grant(rule: Any) -> Grant | None:
    protocol = rule["IpProtocol"]
    ports = (0, 0) if protocol == "-1" else (rule.get("FromPort", 0), rule.get("ToPort", 0))
    for kind, source in (
        ("cidrBlocks", rule.get("CidrIpv4")),
        ("ipv6CidrBlocks", rule.get("CidrIpv6")),
        ("prefixListIds", rule.get("PrefixListId")),
        ("securityGroups", rule.get("ReferencedGroupInfo", {}).get("GroupId")),
    ):
        if source:
            return Grant(protocol, *ports, kind, source, "")
    return None


_RULE_SOURCES = {
    "cidrIpv4": "CidrIpv4",
    "cidrIpv6": "CidrIpv6",
    "prefixListId": "PrefixListId",
    "referencedSecurityGroupId": "ReferencedGroupId",
}
_RULE_PROPERTIES: dict[str, Property] = {
    **REGION,
    **TAGS,
    "cidrIpv4": optional(cidr(4)),
    "cidrIpv6": optional(cidr(6)),
    "description": optional(_DESCRIPTION),
    "fromPort": optional(Int(least=-1, most=65535)),
    "ipProtocol": required(_PROTOCOL),
    "prefixListId": optional(Str()),
    "referencedSecurityGroupId": optional(Str()),
    "securityGroupId": required(Str(), replace=True),
    "toPort": optional(Int(least=-1, most=65535)),
    "arn": output(Str()),
    "securityGroupRuleId": output(Str()),
}


def _one_rule_source(new: Values) -> Iterator[tuple[str, str]]:
    given = [name for name in _RULE_SOURCES if new.get(name) is not None]
    if len(given) != 1:
        has = f"{', '.join(given)} are given" if given else "none is given"
        yield given[0] if given else "cidrIpv4", f"a rule has one of {', '.join(_RULE_SOURCES)}: {has}"


class _VpcRule(Ec2Resource):
    """One rule, by the id that EC2 has for it."""

    direction: ClassVar[str]
    properties: ClassVar = _RULE_PROPERTIES
    rules: ClassVar[tuple[ObjectRule, ...]] = (_one_rule_source,)

    def create(self, call: Call, new: Values) -> str:
        kinds = dict(zip(_RULE_SOURCES, _SOURCES, strict=True))
        name = next(name for name in _RULE_SOURCES if new.get(name))
        grant = Grant(
            _protocol(new["ipProtocol"]),
            new.get("fromPort", -1),
            new.get("toPort", -1),
            kinds[name],
            new[name],
            new.get("description", ""),
        )
        action = getattr(self.api(call, new), f"authorize_security_group_{self.direction}")
        rule = call.retry(
            lambda: action(
                GroupId=new["securityGroupId"],
                IpPermissions=[grant.permission()],
                TagSpecifications=self.tag_specifications(call, "security-group-rule", new),
            ),
            is_code("InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound"),
            within=60,
        )["SecurityGroupRules"][0]
        identifier = rule["SecurityGroupRuleId"]
        call.exists(identifier)
        return identifier

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        rule = look_up(
            lambda: api.describe_security_group_rules(SecurityGroupRuleIds=[identifier])["SecurityGroupRules"]
        )
        # An id says nothing of its direction: a rule of the other one is not the one that is looked for.
        if rule is None or rule["IsEgress"] is not (self.direction == "egress"):
            return None
        every = rule["IpProtocol"] == "-1"
        owner = rule.get("GroupOwnerId") or self.aws(call).account_id
        return {
            "arn": self.arn(call, "security-group-rule", identifier, owner, state),
            "cidrIpv4": rule.get("CidrIpv4", ""),
            "cidrIpv6": rule.get("CidrIpv6", ""),
            "description": rule.get("Description", ""),
            "fromPort": state.get("fromPort") if every else rule.get("FromPort"),
            "ipProtocol": rule["IpProtocol"],
            "prefixListId": rule.get("PrefixListId", ""),
            "referencedSecurityGroupId": rule.get("ReferencedGroupInfo", {}).get("GroupId", ""),
            "securityGroupId": rule["GroupId"],
            "securityGroupRuleId": identifier,
            "toPort": state.get("toPort") if every else rule.get("ToPort"),
            "tags": tag_map(rule.get("Tags")),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        if not changed - {"tags", "tagsAll"}:
            return
        request = {
            "IpProtocol": _protocol(new["ipProtocol"]),
            "Description": new.get("description", ""),
            **pick(new, {"fromPort": "FromPort", "toPort": "ToPort", **_RULE_SOURCES}),
        }
        self.api(call, new).modify_security_group_rules(
            GroupId=new["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": identifier, "SecurityGroupRule": request}],
        )

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        action = getattr(self.api(call, state), f"revoke_security_group_{self.direction}")
        try:
            action(GroupId=state["securityGroupId"], SecurityGroupRuleIds=[identifier])
        except ClientError as error:
            if not code_of(error).startswith("InvalidPermission") and not is_missing(error):
                raise


class SecurityGroupIngressRule(_VpcRule):
    """``aws.vpc.SecurityGroupIngressRule``."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    direction = "ingress"


class SecurityGroupEgressRule(_VpcRule):
    """``aws.vpc.SecurityGroupEgressRule``."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    direction = "egress"


RESOURCES = by_token(
    SecurityGroup, DefaultSecurityGroup, SecurityGroupRule, SecurityGroupIngressRule, SecurityGroupEgressRule
)
