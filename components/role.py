"""`PodIdentityRole`: an IAM role that pods of chosen clusters can have, with its permissions."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import documents, rules
from ._base import after, allowed, refuse, token, validated


class PodIdentityRoleArgs(TypedDict):
    """The arguments of a `PodIdentityRole`."""

    cluster_arns: pulumi.Input[Sequence[pulumi.Input[str]]]
    """The ARNs of the clusters whose pods may have the role, such as `[EksCluster.cluster_arn]`. At least one."""
    statements: NotRequired[pulumi.Input[Sequence[Mapping[str, Any]]]]
    """What pods may do: IAM statements, each a mapping with `Effect`, `Action`, `Resource` and, where needed, `Sid` and
    `Condition`. They become a managed policy of the role's own. Default: none."""
    managed_policy_arns: NotRequired[Mapping[str, pulumi.Input[str]]]
    """ARNs of further policies to attach, by a key of yours, which names the attachment. Default: none."""
    namespaces: NotRequired[Sequence[str]]
    """Kubernetes namespaces whose pods may have the role, by their session tag. Default: all that are associated."""
    service_accounts: NotRequired[Sequence[str]]
    """Names of the ServiceAccounts that may have it, by their session tag. Default: all that are associated."""
    disable_session_tags: NotRequired[bool]
    """Whether the associations with this role disable session tags, which `namespaces` and `service_accounts` cannot do
    without. Default: false."""
    organization_id: NotRequired[pulumi.Input[str]]
    """The AWS organisation, `o-…`, that the clusters must belong to. Default: not asked for."""
    role_name: NotRequired[pulumi.Input[str]]
    """The role's name, to 64 characters. Default: made by Pulumi from the component's name."""
    policy_name: NotRequired[pulumi.Input[str]]
    """The name of the policy made of `statements`, to 128 characters. Default: made by Pulumi."""
    path: NotRequired[pulumi.Input[str]]
    """The IAM path of role and policy, such as `/workloads/`. Default: `/`."""
    description: NotRequired[pulumi.Input[str]]
    """The role's description, to 1,000 characters. Default: that it is for EKS Pod Identity."""
    permissions_boundary: NotRequired[pulumi.Input[str]]
    """The ARN of the policy that bounds whatever the role is ever given. Default: none."""
    max_session_duration: NotRequired[pulumi.Input[int]]
    """The longest session, 3600 to 43200 seconds. Default: 3600, IAM's own. EKS Pod Identity's sessions last 6 hours
    whatever stands here, and one hour through a target role."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for role and policy. Default: none."""
    allow: NotRequired[Mapping[str, str]]
    """What is right here although a rule finds it: the rule's id, as it stands in brackets in the finding, and the
    reason. Default: nothing."""


class PodIdentityRole(pulumi.ComponentResource):
    """An IAM role for pods: trusted to EKS Pod Identity for the named clusters only, with the permissions given here.

    The trust policy allows `sts:AssumeRole` and `sts:TagSession` to `pods.eks.amazonaws.com`, on the conditions that
    the request comes from the clusters' account (`aws:SourceAccount`) and from one of the clusters (`aws:SourceArn`),
    and, where asked, from the organisation and for the named namespaces and ServiceAccounts.

    Beside the outputs below, which travel between languages, the instance has `role` (the `aws.iam.Role`) and
    `resolved_role` (the same as an Output that comes once every policy is attached).

    Raises `InvalidArgs` on names, paths, ARNs, sizes and statements that IAM would refuse, on a trust that no session
    could meet, and on statements and policies that allow more than is said: see policies/README.md.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html and
    https://www.pulumi.com/registry/packages/aws/api-docs/iam/role/.
    """

    role_arn: pulumi.Output[str]
    """The role's ARN."""
    resolved_role_arn: pulumi.Output[str]
    """The role's ARN, once every policy is attached: give this to the association, or pods may start without rights."""
    role_name: pulumi.Output[str]
    """The role's name."""
    policy_arn: pulumi.Output[str]
    """The ARN of the policy made of `statements`. Empty where there are none."""
    trust_policy: pulumi.Output[str]
    """The trust policy, as JSON."""
    allowed: pulumi.Output[Mapping[str, str]]
    """What `allow` lets pass, with the reasons."""

    def __init__(self, name: str, args: PodIdentityRoleArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(token("PodIdentityRole"), name, {**args}, opts)
        child = pulumi.ResourceOptions(parent=self)
        where = f"PodIdentityRole {name!r}"
        valid = validated(
            where,
            rules.role,
            {
                "cluster_arns": args["cluster_arns"],
                "statements": args.get("statements"),
                "managed_policy_arns": args.get("managed_policy_arns", {}),
                "namespaces": args.get("namespaces", ()),
                "service_accounts": args.get("service_accounts", ()),
                "disable_session_tags": args.get("disable_session_tags", False),
                "organization_id": args.get("organization_id"),
                "role_name": args.get("role_name"),
                "policy_name": args.get("policy_name"),
                "path": args.get("path", "/"),
                "description": args.get("description", "Assumed by pods through EKS Pod Identity"),
                "permissions_boundary": args.get("permissions_boundary"),
                "max_session_duration": args.get("max_session_duration", 3600),
                "tags": args.get("tags", {}),
            },
            args.get("allow"),
            declared=PodIdentityRoleArgs,
            present=("statements",),
        )

        def trust_policy(cluster_arns: Sequence[str], organization_id: str | None) -> str:
            text = documents.to_json(
                documents.trust(
                    cluster_arns,
                    organization_id=organization_id,
                    namespaces=valid["namespaces"],
                    service_accounts=valid["service_accounts"],
                )
            )
            refuse(where, rules.judge_document_size("cluster_arns", text, rules.TRUST_POLICY_SIZE))
            return text

        def permission_policy(statements: Sequence[Mapping[str, Any]]) -> str:
            text = documents.to_json(documents.permissions(statements))
            refuse(where, rules.judge_document_size("statements", text, rules.MANAGED_POLICY_SIZE))
            return text

        self.trust_policy = pulumi.Output.all(valid["cluster_arns"], valid["organization_id"]).apply(
            lambda known: trust_policy(*known)
        )
        self.role: aws.iam.Role = aws.iam.Role(
            f"{name}-role",
            name=valid["role_name"],
            path=valid["path"],
            description=valid["description"],
            assume_role_policy=self.trust_policy,
            permissions_boundary=valid["permissions_boundary"],
            max_session_duration=valid["max_session_duration"],
            tags=valid["tags"],
            opts=child,
        )
        attached: dict[str, pulumi.Input[str]] = dict(valid["managed_policy_arns"])
        self.policy_arn = pulumi.Output.from_input("")
        if valid["statements"] is not None:
            policy = aws.iam.Policy(
                f"{name}-policy",
                name=valid["policy_name"],
                path=valid["path"],
                description="The permissions of pods through EKS Pod Identity",
                policy=pulumi.Output.from_input(valid["statements"]).apply(permission_policy),
                tags=valid["tags"],
                opts=child,
            )
            self.policy_arn = policy.arn
            attached["policy"] = policy.arn
        attachments = [
            aws.iam.RolePolicyAttachment(f"{name}-{key}", role=self.role.name, policy_arn=arn, opts=child)
            for key, arn in sorted(attached.items())
        ]
        self.role_arn = self.role.arn
        self.role_name = self.role.name
        self.resolved_role_arn = after(self.role.arn, *(attachment.id for attachment in attachments))
        self.resolved_role: pulumi.Output[aws.iam.Role] = self.resolved_role_arn.apply(lambda _: self.role)
        self.allowed = allowed(args)
        self.register_outputs(
            {
                "role_arn": self.role_arn,
                "resolved_role_arn": self.resolved_role_arn,
                "role_name": self.role_name,
                "policy_arn": self.policy_arn,
                "trust_policy": self.trust_policy,
                "allowed": self.allowed,
            }
        )
