"""Mends to moto 5.2.1, each with its reason. They are put in where they apply, once, at import of that service.

What is wrong in moto shows up as drift: a client writes something, reads something else back, and plans a
change that never ends.
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
from typing import Any


def mend_core() -> None:
    """Mend what all services share; idempotent."""
    _calls_are_about_the_callers_account()
    _calls_are_of_the_operation_that_was_judged()


def mend_ec2() -> None:
    """Mend EC2; idempotent."""
    _launch_template_tags_stay_outside()
    _launch_template_tags_can_change()
    _nat_gateways_let_go()
    _deletion_waits_for_dependents()
    _rules_that_name_a_group_keep_descriptions()


def mend_logs() -> None:
    """Mend CloudWatch Logs; idempotent."""
    _log_groups_tell_their_class()


def mend_s3() -> None:
    """Mend S3; idempotent."""
    _the_gate_has_judged()
    _objects_have_acls_of_their_own()


def mend_sts() -> None:
    """Mend STS; idempotent."""
    _unknown_keys_are_the_root_user()
    _issued_sessions_are_found()


def _mended(function: Any) -> bool:
    """Tell whether a function is one of ours already."""
    return hasattr(function, "__wrapped__")


def _launch_template_tags_stay_outside() -> None:
    """Keep a launch template's own tags out of its LaunchTemplateData.

    moto appends the tags that the template itself is given to the data's TagSpecifications, which are for the
    instances made from it. Read back, the data differs from what was written.
    """
    from moto.ec2.models.launch_templates import LaunchTemplateBackend

    original = LaunchTemplateBackend.create_launch_template
    if _mended(original):
        return

    @functools.wraps(original)
    def create_launch_template(self: Any, name: str, description: str, template_data: Any, tag_spec: Any) -> Any:
        specifications = [
            specification
            for specification in template_data.get("TagSpecifications") or []
            if specification.get("ResourceType") != "launch-template"
        ]
        template_data = {key: value for key, value in template_data.items() if key != "TagSpecifications"}
        if specifications:
            template_data["TagSpecifications"] = specifications
        return original(self, name, description, template_data, tag_spec)

    LaunchTemplateBackend.create_launch_template = create_launch_template


def _launch_template_tags_can_change() -> None:
    """Answer a launch template's tags as they are now.

    moto copies them when the template is made, so CreateTags and DeleteTags have no visible effect.
    """
    from moto.ec2.models.launch_templates import LaunchTemplate

    if isinstance(vars(LaunchTemplate).get("tags"), property):
        return
    # The constructor assigns the copy; a setter that drops it leaves the constructor as it is.
    LaunchTemplate.tags = property(lambda self: self.get_tags(), lambda self, value: None)  # type: ignore[assignment]


def _rules_that_name_a_group_keep_descriptions() -> None:
    """Treat the description of a security group rule alike, whether its peer is a range or a group.

    moto keeps that of a group with the group, where DescribeSecurityGroupRules does not look for it, where it
    counts as part of the rule's identity (a rule is then neither found to be updated or revoked, nor
    refused as a duplicate), and where ModifySecurityGroupRules does not put it.
    """
    from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule

    if _mended(SecurityGroupRule.__eq__):
        return

    original_eq = SecurityGroupRule.__eq__
    original_modify = SecurityGroupBackend.modify_security_group_rules

    def description(self: Any) -> str | None:
        return (self.source_group or self.ip_range).get("Description")

    @functools.wraps(original_eq)
    def equal(self: Any, other: Any) -> bool:
        if not (self.source_group and other.source_group):
            return original_eq(self, other)
        ours, theirs = dict(self.source_group), dict(other.source_group)
        try:
            self.source_group = {"GroupId": ours.get("GroupId")}
            other.source_group = {"GroupId": theirs.get("GroupId")}
            return original_eq(self, other)
        finally:
            self.source_group, other.source_group = ours, theirs

    @functools.wraps(original_modify)
    def modify(self: Any, group_id: str, rules: dict[str, dict[str, Any]]) -> None:
        for rule in rules.values():
            # moto wants ports even where there are none to have.
            if str(rule.get("IpProtocol")) == "-1":
                rule.setdefault("FromPort", -1)
                rule.setdefault("ToPort", -1)
        original_modify(self, group_id, rules)
        group = self.get_security_group_by_name_or_id(group_id)
        for rule_id, asked in rules.items():
            rule = group.get_rule(rule_id)
            if rule.ip_protocol == "-1":
                rule.from_port = rule.to_port = None
            if peer := asked.get("ReferencedGroupId"):
                rule.source_group = {"GroupId": peer, "UserId": self.account_id, "OwnerId": self.account_id}
                rule.ip_range = {}
                if asked.get("Description"):
                    rule.source_group["Description"] = asked["Description"]
            elif asked.get("CidrIpv6"):
                rule.ip_range["CidrIpv6"] = asked["CidrIpv6"]
            elif asked.get("PrefixListId"):
                rule.prefix_list_id = asked["PrefixListId"]

    SecurityGroupRule.description = property(description)  # type: ignore[assignment]
    SecurityGroupRule.__eq__ = equal  # type: ignore[method-assign, assignment]
    SecurityGroupBackend.modify_security_group_rules = modify


def _nat_gateways_let_go() -> None:
    """Give a NAT gateway an address of its subnet, and free its interface and its elastic IP with it.

    moto leaves the interface in the subnet and the elastic IP associated with it after the gateway is gone.
    """
    from moto.ec2.models.nat_gateways import NatGateway, NatGatewayBackend

    original = NatGatewayBackend.delete_nat_gateway
    if _mended(original):
        return
    original_init = NatGateway.__init__

    @functools.wraps(original_init)
    def init(self: Any, backend: Any, subnet_id: str, *args: Any, **kwargs: Any) -> None:
        original_init(self, backend, subnet_id, *args, **kwargs)
        network = ipaddress.ip_network(backend.get_subnet(subnet_id).cidr_block)
        taken = {
            address["PrivateIpAddress"]
            for eni in backend.enis.values()
            for address in eni.private_ip_addresses
            if address.get("PrivateIpAddress")
        }
        # The first four addresses of a subnet are AWS's own.
        free = next(str(host) for host in itertools.islice(network, 4, None) if str(host) not in taken)
        self.private_ip = free
        for address in self._eni.private_ip_addresses:
            if address.get("Primary"):
                address["PrivateIpAddress"] = free
        self._eni.private_ip_address = free

    @functools.wraps(original)
    def delete(self: Any, nat_gateway_id: str) -> Any:
        if nat_gateway_id not in self.nat_gateways:
            raise NatGatewayNotFoundError(nat_gateway_id)
        gateway = original(self, nat_gateway_id)
        for address in list(self.addresses):
            if address.eni is gateway._eni:
                self.disassociate_address(address=address.public_ip)
        self.enis.pop(gateway._eni.id, None)
        return gateway

    from moto.ec2.exceptions import EC2ClientError

    class NatGatewayNotFoundError(EC2ClientError):
        def __init__(self, nat_gateway_id: str) -> None:
            super().__init__("NatGatewayNotFound", f"The Nat Gateway {nat_gateway_id} was not found")

    NatGateway.__init__ = init  # type: ignore[method-assign]
    NatGatewayBackend.delete_nat_gateway = delete


def _deletion_waits_for_dependents() -> None:
    """Refuse to delete a subnet or a security group that is in use, as EC2 does.

    moto deletes both at once; a program that destroys in the wrong order would pass here and fail on AWS.
    """
    from moto.ec2.exceptions import DependencyViolationError
    from moto.ec2.models.security_groups import SecurityGroupBackend
    from moto.ec2.models.subnets import SubnetBackend

    original_subnet = SubnetBackend.delete_subnet
    if _mended(original_subnet):
        return
    original_group = SecurityGroupBackend.delete_security_group

    @functools.wraps(original_subnet)
    def delete_subnet(self: Any, subnet_id: str) -> Any:
        if any(eni.subnet.id == subnet_id for eni in self.enis.values()):
            raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
        return original_subnet(self, subnet_id)

    @functools.wraps(original_group)
    def delete_security_group(self: Any, name: str | None = None, group_id: str | None = None) -> Any:
        for groups in list(self.groups.values()):
            for group in list(groups.values()):
                rules = [*group.ingress_rules, *group.egress_rules]
                referenced = any(rule.source_group.get("GroupId") == group_id for rule in rules)
                if group_id is not None and group.id != group_id and referenced:
                    raise DependencyViolationError(f"resource {group_id} has a dependent object")
        if group_id is not None and any(group.id == group_id for eni in self.enis.values() for group in eni.group_set):
            raise DependencyViolationError(f"resource {group_id} has a dependent object")
        return original_group(self, name=name, group_id=group_id)

    SubnetBackend.delete_subnet = delete_subnet
    SecurityGroupBackend.delete_security_group = delete_security_group


def _log_groups_tell_their_class() -> None:
    """Answer logGroupClass, which moto accepts and forgets."""
    from moto.logs.models import LogGroup

    original = LogGroup.to_describe_dict
    if _mended(original):
        return
    original_init = LogGroup.__init__

    @functools.wraps(original_init)
    def init(self: Any, account_id: str, region: str, name: str, **kwargs: Any) -> None:
        original_init(self, account_id, region, name, **kwargs)
        self.log_group_class = kwargs.get("logGroupClass") or "STANDARD"

    @functools.wraps(original)
    def to_describe_dict(self: Any) -> dict[str, Any]:
        return {**original(self), "logGroupClass": getattr(self, "log_group_class", "STANDARD")}

    LogGroup.__init__ = init  # type: ignore[method-assign]
    LogGroup.to_describe_dict = to_describe_dict


def _unknown_keys_are_the_root_user() -> None:
    """Answer GetCallerIdentity for a key that IAM does not know with the account's root user.

    moto answers `arn:aws:sts::…:user/moto`, an ARN that no principal can have: clients that read the
    caller's ARN to derive a principal from it stumble, and EKS could not make an access entry of it.
    """
    from moto.sts.models import STSBackend

    original = STSBackend.get_caller_identity
    if _mended(original):
        return

    @functools.wraps(original)
    def get_caller_identity(self: Any, access_key_id: str, region: str) -> tuple[str, str, str]:
        user_id, arn, account = original(self, access_key_id, region)
        if arn.endswith(":user/moto"):
            return account, f"arn:{self.partition}:iam::{account}:root", account
        return user_id, arn, account

    STSBackend.get_caller_identity = get_caller_identity


def _issued_sessions_are_found() -> None:
    """Let moto see the sessions that the gate's STS issues, in place of those that it would issue itself."""
    from moto.sts.models import STSBackend

    original = STSBackend.get_assumed_role_from_access_key
    if _mended(original):
        return

    @functools.wraps(original)
    def get_assumed_role_from_access_key(self: Any, access_key_id: str) -> Any:
        return self.__dict__.get("issued_sessions", {}).get(access_key_id)

    STSBackend.get_assumed_role_from_access_key = get_assumed_role_from_access_key


def _the_gate_has_judged() -> None:
    """Let a bucket's policy be.

    moto applies every statement to every request, whatever its Principal and Condition say: a Deny for those
    who come without TLS would shut out all. The gate has judged each request already.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(self: Any, action: str, resource: str) -> Any:
        return PermissionResult.PERMITTED

    FakeBucket.get_permission = get_permission


def _objects_have_acls_of_their_own() -> None:
    """Make an object private that is stored without an ACL.

    moto gives it its bucket's, by which everybody could read what is in a bucket that everybody may list.
    """
    from moto.s3.models import FakeKey, get_canned_acl, s3_backends

    original = FakeKey.set_acl
    if _mended(original):
        return

    @functools.wraps(original)
    def set_acl(self: Any, acl: Any) -> None:
        backends = [backend for regional in list(s3_backends.values()) for backend in list(regional.values())]
        buckets = [backend.buckets[self.bucket_name] for backend in backends if self.bucket_name in backend.buckets]
        original(self, get_canned_acl("private") if any(acl is bucket.acl for bucket in buckets) else acl)

    FakeKey.set_acl = set_acl


def _calls_are_about_the_callers_account() -> None:
    """Let a call be about the account of who makes it, which the gate has put into a header.

    moto takes one account for all calls when it is configured.
    """
    from moto.core.responses import BaseResponse

    original = BaseResponse.get_current_account
    if _mended(original):
        return

    @functools.wraps(original)
    def get_current_account(self: Any) -> str:
        return self.headers.get("x-moto-account-id") or original(self)

    BaseResponse.get_current_account = get_current_account


def _calls_are_of_the_operation_that_was_judged() -> None:
    """Let a call be of the operation that the gate has put into a header.

    moto looks for its name in more places than the protocol has, so that a request could name two operations.
    """
    from moto.core.responses import BaseResponse

    original = BaseResponse._get_action
    if _mended(original):
        return

    @functools.wraps(original)
    def get_action(self: Any) -> str:
        judged = self.headers.get("x-twin-operation")
        if not judged:
            return original(self)
        # For what it does beside: it takes the parameters out of the path.
        self._get_action_from_method_and_request_uri(self.method, self.raw_path)
        return judged

    BaseResponse._get_action = get_action
