"""`PodIdentityAssociation`: an IAM role for the pods of one ServiceAccount."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import rules
from ._base import token, validated


class PodIdentityAssociationArgs(TypedDict):
    """The arguments of a `PodIdentityAssociation`."""

    cluster_name: pulumi.Input[str]
    """The cluster's name. Give `PodIdentityAgent.ready`, so that no association is there before the agent that serves
    it."""
    namespace: pulumi.Input[str]
    """The ServiceAccount's namespace: an RFC 1123 label, to 63 characters."""
    service_account: pulumi.Input[str]
    """The ServiceAccount's name: an RFC 1123 subdomain, to 253 characters. It need not exist yet."""
    role_arn: pulumi.Input[str]
    """The ARN of the role, in the cluster's account. Give `PodIdentityRole.resolved_role_arn`, so that a pod that has
    the role has its permissions too."""
    target_role_arn: NotRequired[pulumi.Input[str]]
    """The ARN of a role, often in another account, that EKS assumes through `role_arn` for the pods. Default: none."""
    disable_session_tags: NotRequired[pulumi.Input[bool]]
    """Whether sessions come without the six `kubernetes-*` and `eks-*` tags. Default: false."""
    session_policy: NotRequired[pulumi.Input[str]]
    """A policy document, JSON, to 2,048 characters, that limits the sessions further. It needs `disable_session_tags`.
    Default: none."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for the association. Default: none."""


class PodIdentityAssociation(pulumi.ComponentResource):
    """The association of an IAM role with a ServiceAccount in a cluster.

    There is one for each ServiceAccount. Cluster, namespace and ServiceAccount are fixed: changing one makes another
    association. All else changes in place, and reaches running pods when their credentials are renewed.

    Raises `InvalidArgs` on names that Kubernetes would refuse, on ARNs that are not a role's, and on a session policy
    together with session tags.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html and
    https://www.pulumi.com/registry/packages/aws/api-docs/eks/podidentityassociation/.
    """

    association_id: pulumi.Output[str]
    """The association's id, `a-…`."""
    association_arn: pulumi.Output[str]
    """The association's ARN."""
    external_id: pulumi.Output[str]
    """The `sts:ExternalId` with which the target role is assumed, to ask for in its trust policy. Empty without one."""

    def __init__(self, name: str, args: PodIdentityAssociationArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(token("PodIdentityAssociation"), name, {**args}, opts)
        valid = validated(
            f"PodIdentityAssociation {name!r}",
            rules.association,
            {
                "cluster_name": args["cluster_name"],
                "namespace": args["namespace"],
                "service_account": args["service_account"],
                "role_arn": args["role_arn"],
                "target_role_arn": args.get("target_role_arn"),
                "disable_session_tags": args.get("disable_session_tags", False),
                "session_policy": args.get("session_policy"),
                "tags": args.get("tags", {}),
            },
        )
        association = aws.eks.PodIdentityAssociation(
            f"{name}-association",
            cluster_name=valid["cluster_name"],
            namespace=valid["namespace"],
            service_account=valid["service_account"],
            role_arn=valid["role_arn"],
            target_role_arn=valid["target_role_arn"],
            disable_session_tags=valid["disable_session_tags"],
            policy=valid["session_policy"],
            tags=valid["tags"],
            # (cluster, namespace, ServiceAccount) is unique: a replacement can only follow the deletion.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.association_id = association.association_id
        self.association_arn = association.association_arn
        self.external_id = association.external_id.apply(lambda external_id: external_id or "")
        self.register_outputs(
            {
                "association_id": self.association_id,
                "association_arn": self.association_arn,
                "external_id": self.external_id,
            }
        )
