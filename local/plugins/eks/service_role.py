"""An IAM role that one AWS service may assume, with AWS managed policies attached."""

import hashlib
from collections.abc import Sequence

import pulumi

from .resources import Role, RolePolicyAttachment
from .wire import Inputs, to_json


class ServiceRole(pulumi.ComponentResource):
    """A role for an AWS service.

    Attributes:
        role: The role itself, usable as soon as it exists.
        attachments: Its policy attachments; what needs the role's permissions depends on them.
        resolved_role: The role, once every policy is attached.
    """

    def __init__(
        self,
        name: str,
        *,
        service: str,
        managed_policies: Sequence[str],
        partition: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
        description: str | None = None,
        actions: Sequence[str] = ("sts:AssumeRole",),
        tags: pulumi.Input[Inputs] | None = None,
    ) -> None:
        """Create the role.

        Args:
            name: The component's name; the role is called `<name>-role`.
            service: The service that may assume the role.
            managed_policies: Names of AWS managed policies.
            partition: The AWS partition, for the policies' ARNs.
            opts: The component's options.
            description: The role's description.
            actions: What the service may do with the role.
            tags: The role's tags.
        """
        super().__init__("eks:index:ServiceRole", name, None, opts)
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Action": [*actions], "Effect": "Allow", "Principal": {"Service": [service]}}],
        }
        child = pulumi.ResourceOptions(parent=self)
        self.role = Role(
            f"{name}-role",
            {"description": description, "assumeRolePolicy": to_json(trust), "tags": tags},
            child,
        )
        self.attachments = [
            RolePolicyAttachment(
                f"{name}-{_digest(policy)}",
                {
                    "policyArn": pulumi.Output.concat("arn:", partition, ":iam::aws:policy/", policy),
                    "role": self.role.id,
                },
                child,
            )
            for policy in managed_policies
        ]
        self.resolved_role = pulumi.Output.all(self.role.arn, *(made.id for made in self.attachments)).apply(
            lambda _: self.role
        )
        self.register_outputs({"resolvedRole": self.resolved_role, "directRole": self.role})


def _digest(policy: str) -> str:
    """The part of an attachment's name that tells it apart.

    It digests the policy's ARN in the commercial partition, whatever the partition is, so that names are the same
    in all of them.
    """
    return hashlib.sha1(f"arn:aws:iam::aws:policy/{policy}".encode(), usedforsecurity=False).hexdigest()[:8]
