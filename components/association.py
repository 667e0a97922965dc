"""`PodIdentityAssociation`: an IAM role for the pods of one ServiceAccount."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from . import rules
from ._base import after, allowed, refuse, token, validated
from ._effective import EffectiveAssociation


class PodIdentityAssociationArgs(TypedDict):
    """The arguments of a `PodIdentityAssociation`."""

    cluster_name: pulumi.Input[str]
    """The cluster's name. Give `PodIdentityAgent.ready`, so that no association is there before the agent that serves
    it."""
    namespace: pulumi.Input[str]
    """The ServiceAccount's namespace: an RFC 1123 label, to 63 characters."""
    service_account: pulumi.Input[str]
    """The ServiceAccount's name: an RFC 1123 subdomain, to 253 characters."""
    role_arn: pulumi.Input[str]
    """The ARN of the role, in the cluster's account. Give `PodIdentityRole.resolved_role_arn`, so that a pod that has
    the role has its permissions too."""
    region: NotRequired[pulumi.Input[str]]
    """The cluster's region. Default: the provider's."""
    target_role_arn: NotRequired[pulumi.Input[str]]
    """The ARN of a role, often in another account, that EKS assumes through `role_arn` for the pods. Default: none."""
    disable_session_tags: NotRequired[pulumi.Input[bool]]
    """Whether sessions come without the six `kubernetes-*` and `eks-*` tags. Default: false."""
    session_policy: NotRequired[pulumi.Input[str]]
    """A policy document, JSON, to 2,048 characters, that limits the sessions further. It needs `disable_session_tags`.
    Default: none."""
    create_namespace: NotRequired[bool]
    """Whether the namespace is made here. Say false where it exists, or is made for another association. Default:
    true."""
    create_service_account: NotRequired[bool]
    """Whether the ServiceAccount is made here. Say false where it exists, as that of a Helm chart does. Default:
    true."""
    pod_security_standard: NotRequired[pulumi.Input[str]]
    """The Pod Security Standard that a namespace made here enforces: `privileged`, `baseline` or `restricted`. Default:
    `restricted`."""
    automount_service_account_token: NotRequired[pulumi.Input[bool]]
    """Whether pods get a token for the Kubernetes API too, which Pod Identity does not need. For a ServiceAccount that
    is made here. Default: false."""
    kubeconfig: NotRequired[pulumi.Input[str]]
    """A kubeconfig of the cluster, JSON or YAML, such as `EksCluster.kubeconfig`. With it `ready` waits until the
    association is effective. Default: none, and `ready` comes as soon as EKS has the association."""
    ready_timeout: NotRequired[int]
    """For how long to wait until it is effective, in seconds, 1 to 3600. Default: 120."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for the association. Default: none."""
    allow: NotRequired[Mapping[str, str]]
    """What is right here although a rule finds it: the rule's id, as it stands in brackets in the finding, and the
    reason. Default: nothing."""


class PodIdentityAssociation(pulumi.ComponentResource):
    """The association of an IAM role with a ServiceAccount in a cluster, and that ServiceAccount.

    There is one for each ServiceAccount. Cluster, namespace and ServiceAccount are fixed: changing one makes another
    association. All else changes in place, and reaches running pods when their credentials are renewed.

    EKS knows an association several seconds before pods get credentials by it, and a pod that starts in between stays
    without them. `ready` is the ServiceAccount's name once a pod with it would get them, which the cluster itself is
    asked: make what runs with the ServiceAccount of that Output. `kubeconfig` says how the cluster is reached. That a
    changed role has come everywhere cannot be seen: a pod that starts within several seconds of the change may get
    credentials of the old one, and keeps them for hours. Once those seconds are over, start anew what runs with the
    ServiceAccount, as by `kubectl rollout restart`.

    The namespace and the ServiceAccount are made by the Kubernetes provider among the component's options, which has
    to be one of the cluster's own: `opts=pulumi.ResourceOptions(providers=[...])`. The ServiceAccount never gets the
    annotation of IAM roles for service accounts (IRSA).

    Raises `InvalidArgs` on names that Kubernetes would refuse, on ARNs that are not a role's, on a role of another
    account, on a session policy together with session tags, and where objects are to be made and no Kubernetes provider
    is given. The deployment
    fails when the association is not effective within `ready_timeout`; the next one waits again.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html and
    https://www.pulumi.com/registry/packages/aws/api-docs/eks/podidentityassociation/.
    """

    association_id: pulumi.Output[str]
    """The association's id, `a-…`."""
    association_arn: pulumi.Output[str]
    """The association's ARN."""
    external_id: pulumi.Output[str]
    """The `sts:ExternalId` with which the target role is assumed, to ask for in its trust policy. Empty without one."""
    namespace: pulumi.Output[str]
    """The namespace's name, once it exists."""
    ready: pulumi.Output[str]
    """The ServiceAccount's name, once a pod with it gets credentials: give this to whatever runs with it."""
    allowed: pulumi.Output[Mapping[str, str]]
    """What `allow` lets pass, with the reasons."""

    def __init__(self, name: str, args: PodIdentityAssociationArgs, opts: pulumi.ResourceOptions | None = None):
        # Only the wait at the end needs the kubeconfig: what is made before does not wait for it.
        inputs = {key: value for key, value in args.items() if key != "kubeconfig"}
        super().__init__(token("PodIdentityAssociation"), name, inputs, opts)
        child = pulumi.ResourceOptions(parent=self)
        where = f"PodIdentityAssociation {name!r}"
        valid = validated(
            where,
            rules.association,
            {
                "cluster_name": args["cluster_name"],
                "namespace": args["namespace"],
                "service_account": args["service_account"],
                "role_arn": args["role_arn"],
                "target_role_arn": args.get("target_role_arn"),
                "disable_session_tags": args.get("disable_session_tags", False),
                "session_policy": args.get("session_policy"),
                "create_namespace": args.get("create_namespace", True),
                "create_service_account": args.get("create_service_account", True),
                "pod_security_standard": args.get("pod_security_standard", "restricted"),
                "automount_service_account_token": args.get("automount_service_account_token", False),
                "ready_timeout": args.get("ready_timeout", 120),
                "tags": args.get("tags", {}),
            },
            args.get("allow"),
            declared=PodIdentityAssociationArgs,
        )
        if valid["create_namespace"] or valid["create_service_account"]:
            self._need_kubernetes(where)

        association = aws.eks.PodIdentityAssociation(
            f"{name}-association",
            cluster_name=valid["cluster_name"],
            namespace=valid["namespace"],
            service_account=valid["service_account"],
            role_arn=self._of_this_account(where, valid["role_arn"], valid["target_role_arn"], args.get("allow")),
            target_role_arn=valid["target_role_arn"],
            disable_session_tags=valid["disable_session_tags"],
            policy=valid["session_policy"],
            region=args.get("region"),
            tags=valid["tags"],
            # (cluster, namespace, ServiceAccount) is unique: a replacement can only follow the deletion.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.namespace = pulumi.Output.from_input(valid["namespace"])
        if valid["create_namespace"]:
            made = kubernetes.core.v1.Namespace(
                f"{name}-namespace",
                metadata={
                    "name": valid["namespace"],
                    "labels": {"pod-security.kubernetes.io/enforce": valid["pod_security_standard"]},
                },
                opts=child,
            )
            self.namespace = made.metadata.apply(lambda metadata: str(metadata.name))
        service_account = pulumi.Output.from_input(valid["service_account"])
        if valid["create_service_account"]:
            account = kubernetes.core.v1.ServiceAccount(
                f"{name}-service-account",
                metadata={"name": valid["service_account"], "namespace": self.namespace},
                automount_service_account_token=valid["automount_service_account_token"],
                opts=child,
            )
            service_account = account.metadata.apply(lambda metadata: str(metadata.name))

        self.association_id = association.association_id
        self.association_arn = association.association_arn
        self.external_id = association.external_id.apply(lambda external_id: external_id or "")
        if "kubeconfig" in args:
            effective = EffectiveAssociation(
                f"{name}-effective",
                args["kubeconfig"],
                self.namespace,
                service_account,
                self.association_id,
                valid["ready_timeout"],
                child,
            )
            self.ready = after(service_account, self.association_id, effective.urn)
        else:
            self.ready = after(service_account, self.association_id)
        self.allowed = allowed(args)
        self.register_outputs(
            {
                "association_id": self.association_id,
                "association_arn": self.association_arn,
                "external_id": self.external_id,
                "namespace": self.namespace,
                "ready": self.ready,
                "allowed": self.allowed,
            }
        )

    def _of_this_account(
        self,
        where: str,
        role_arn: pulumi.Input[str],
        target_role_arn: pulumi.Input[str] | None,
        allow: Mapping[str, str] | None,
    ) -> pulumi.Output[str]:
        # The cluster's account is the one in which it is asked for an association.
        invoke = pulumi.InvokeOutputOptions(parent=self)
        account = aws.get_caller_identity_output(opts=invoke).account_id
        partition = aws.get_partition_output(opts=invoke).partition

        def judged(role: str, account: str, partition: str, target: str | None) -> str:
            found = rules.judge_role_account(role, account, cluster_partition=partition, target_role_arn=target)
            refuse(where, found, allow)
            return role

        return pulumi.Output.all(role_arn, account, partition, target_role_arn).apply(lambda known: judged(*known))

    def _need_kubernetes(self, where: str) -> None:
        # Without one, Pulumi would take whatever cluster the operator's own kubeconfig happens to name.
        if self.get_provider("kubernetes:core/v1:ServiceAccount") is None:
            reason = "namespace and ServiceAccount are made in the cluster, and no Kubernetes provider leads there"
            fix = (
                "Give one: opts=pulumi.ResourceOptions(providers=[kubernetes.Provider(..., kubeconfig=...)]), or set "
                "create_namespace and create_service_account to false"
            )
            page = "https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/"
            refuse(where, [rules.Finding("kubernetes-provider", "opts.providers", None, reason, fix, page)])
