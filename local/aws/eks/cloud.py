"""What EKS sees of the other services: EC2, IAM and KMS as moto holds them.

Each call takes the lock of the service it looks into, because moto's models are not safe for threads. EKS's
own lock is always taken first and no other service ever calls EKS, so the order cannot deadlock.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subnet:
    """A subnet as far as EKS cares."""

    id: str
    vpc_id: str
    zone: str
    zone_id: str
    cidr: str


@dataclass(frozen=True)
class Role:
    """An IAM role as far as EKS cares."""

    arn: str
    name: str
    trust: dict[str, Any]


class Cloud:
    """One account's view of the neighbouring services in one region.

    Args:
        lock_of: returns the lock that serialises a service.
    """

    def __init__(
        self, lock_of: Callable[[str], AbstractContextManager[Any]], account: str, region: str, partition: str
    ) -> None:
        self._lock_of = lock_of
        self._account = account
        self._region = region
        self._partition = partition

    # --- IAM ---

    def role(self, arn: str) -> Role | None:
        """Return the role with this ARN, or None."""
        from moto.iam.models import iam_backends

        with self._lock_of("iam"):
            for role in iam_backends[self._account][self._partition].roles.values():
                if role.arn == arn:
                    return Role(role.arn, role.name, json.loads(role.assume_role_policy_document or "{}"))
        return None

    def caller(self, access_key: str) -> str:
        """Return the ARN of the IAM principal behind an access key; of a role session, the role's.

        A key that IAM does not know counts as the account's root user, as in STS here.
        """
        from moto.iam.models import iam_backends
        from moto.sts.models import sts_backends

        with self._lock_of("sts"):
            session = sts_backends[self._account][self._partition].get_assumed_role_from_access_key(access_key)
            if session is not None:
                return session.role_arn
        with self._lock_of("iam"):
            user = iam_backends[self._account][self._partition].get_user_from_access_key_id(access_key)
            if user is not None:
                return user.arn
        return f"arn:{self._partition}:iam::{self._account}:root"

    # --- EC2 ---

    def subnet(self, subnet_id: str) -> Subnet | None:
        """Return a subnet, or None."""
        with self._lock_of("ec2"):
            for subnets in self._ec2.subnets.values():
                if subnet_id in subnets:
                    found = subnets[subnet_id]
                    return Subnet(
                        found.id,
                        found.vpc_id,
                        found.availability_zone,
                        found.availability_zone_id,
                        found.cidr_block,
                    )
        return None

    def vpc_cidrs(self, vpc_id: str) -> list[str]:
        """Return the IPv4 address ranges of a VPC."""
        with self._lock_of("ec2"):
            vpc = self._ec2.vpcs[vpc_id]
            return [block["cidr_block"] for block in vpc.get_cidr_block_association_set()]

    def has_security_group(self, group_id: str) -> bool:
        """Tell whether a security group exists."""
        with self._lock_of("ec2"):
            return self._ec2.get_security_group_from_id(group_id) is not None

    def create_security_group(self, vpc_id: str, name: str, description: str, tags: dict[str, str]) -> str:
        """Create a security group that lets its members talk to each other; return its id."""
        with self._lock_of("ec2"):
            group = self._ec2.create_security_group(name, description, vpc_id=vpc_id, tags=tags)
            self._ec2.authorize_security_group_ingress(
                group_name_or_id=group.id,
                ip_protocol="-1",
                from_port="",
                to_port="",
                ip_ranges=[],
                source_groups=[{"GroupId": group.id}],
                vpc_id=vpc_id,
            )
            return group.id

    def delete_security_group(self, group_id: str) -> None:
        """Delete a security group; one that others still refer to is left to its users, as EKS leaves it."""
        from moto.ec2.exceptions import EC2ClientError

        with self._lock_of("ec2"):
            try:
                self._ec2.delete_security_group(group_id=group_id)
            except EC2ClientError as error:
                log.warning("security group %s stays: %s", group_id, error)

    def launch_template(self, template_id: str | None, name: str | None, version: str | None) -> Any:
        """Return (id, name, version number, data) of a launch template version, or None.

        Args:
            version: a number, ``$Default`` or ``$Latest``; the default version when None.
        """
        from moto.ec2.exceptions import EC2ClientError

        with self._lock_of("ec2"):
            if template_id is None and name is not None:
                template_id = self._ec2.launch_template_name_to_ids.get(name)
            template = self._ec2.launch_templates.get(template_id or "")
            if template is None:
                return None
            try:
                found = template.get_version(version or "$Default")
            except (EC2ClientError, ValueError):
                return None
            return template.id, template.name, str(found.number), found.data

    # --- KMS ---

    def has_key(self, arn: str) -> bool:
        """Tell whether a KMS key exists and is enabled."""
        from moto.kms.models import kms_backends

        with self._lock_of("kms"):
            key = kms_backends[self._account][self._region].keys.get(arn.rpartition("/")[2])
            return key is not None and key.key_state == "Enabled"

    @property
    def _ec2(self) -> Any:
        from moto.ec2.models import ec2_backends

        return ec2_backends[self._account][self._region]
