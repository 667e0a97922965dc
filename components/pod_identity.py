"""`PodIdentity` and `PodIdentities`: the AWS permissions of one workload, and of many over several clusters."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from . import _workloads, rules
from ._base import allowed, gathered, judge_plain, refuse, token
from ._identities import Cluster, Making


class PodIdentityArgs(TypedDict):
    """The arguments of a `PodIdentity`. What the pods may do is said by one of `preset`, `statements` and `role_arn`;
    `managed_policy_arns` and `inline_policies` come on top, or stand alone."""

    cluster_name: pulumi.Input[str]
    """The cluster's name. Give `PodIdentityAgent.ready`."""
    cluster_arn: pulumi.Input[str]
    """Its ARN, to which the role's trust is scoped. Give `cluster_arn` of `EksCluster` or `ExistingCluster`."""
    kubeconfig: NotRequired[pulumi.Input[str]]
    """A kubeconfig of the cluster, JSON or YAML, to wait until the association is effective. Default: none, and
    nothing is awaited."""
    namespace: NotRequired[str]
    """The ServiceAccount's namespace. Default: the one that the preset's workload customarily has."""
    service_account: NotRequired[str]
    """The ServiceAccount's name. Default: the one that the preset's workload customarily has."""
    preset: NotRequired[str]
    """The name of ready-made permissions, such as `external-dns`: see docs/presets.md."""
    scope: NotRequired[Mapping[str, Any]]
    """The preset's scope: zones, buckets, keys, queues. Its arguments stand in docs/presets.md."""
    statements: NotRequired[pulumi.Input[Sequence[Mapping[str, Any]]]]
    """IAM statements, each a mapping with `Effect`, `Action`, `Resource` and, where needed, `Sid` and `Condition`."""
    managed_policy_arns: NotRequired[Mapping[str, pulumi.Input[str]]]
    """ARNs of further policies to attach, by a key of yours, which names the attachment. Default: none."""
    inline_policies: NotRequired[Mapping[str, pulumi.Input[Any]]]
    """Policies inside of the role, by their names: each a document, or one as JSON, to 10,240 characters together.
    They are for a role that has them already, and go with it. Default: none."""
    role_arn: NotRequired[pulumi.Input[str]]
    """The ARN of a role that exists, with a trust policy that is not looked after here."""
    target_role_arn: NotRequired[pulumi.Input[str]]
    """The ARN of a role, often in another account, that EKS assumes through the first for the pods. The role made here
    may assume it; what the other has to trust is `target_trust_policy`. Default: none."""
    create_target_policy: NotRequired[bool]
    """Whether the policy by which the role may assume the target role is made here. Say false where another of its
    policies allows that. Default: true."""
    trust_policy: NotRequired[pulumi.Input[Any]]
    """The role's trust policy, a document or one as JSON, taken as it stands. Default: one that lets just this
    ServiceAccount of this cluster have the role."""
    addon: NotRequired[str]
    """The name of the EKS add-on that takes the association itself: none is made here, only the role. Give the role to
    `EksAddon`. Default: none."""
    role_name: NotRequired[pulumi.Input[str]]
    """The role's name, to 64 characters. Default: made by Pulumi from the component's name."""
    policy_name: NotRequired[pulumi.Input[str]]
    """The name of the role's first policy, to 128 characters. Default: made by Pulumi."""
    path: NotRequired[pulumi.Input[str]]
    """The IAM path of role and policies, such as `/workloads/`. Default: `/`."""
    description: NotRequired[pulumi.Input[str]]
    """The role's description, to 1,000 characters. Default: that it is for EKS Pod Identity."""
    permissions_boundary: NotRequired[pulumi.Input[str]]
    """The ARN of the policy that bounds whatever the role is ever given. Default: none."""
    max_session_duration: NotRequired[pulumi.Input[int]]
    """The longest session, 3600 to 43200 seconds. Default: 3600."""
    organization_id: NotRequired[pulumi.Input[str]]
    """The AWS organisation, `o-…`, that the cluster must belong to. Default: not asked for."""
    disable_session_tags: NotRequired[bool]
    """Whether sessions come without the six `kubernetes-*` and `eks-*` tags, by which the trust is scoped to namespace
    and ServiceAccount otherwise. Default: false."""
    session_policy: NotRequired[pulumi.Input[str]]
    """A policy document, JSON, to 2,048 characters, that limits sessions further. It needs `disable_session_tags`.
    Default: none."""
    create_service_account: NotRequired[bool]
    """Whether the ServiceAccount is made here. Default: true."""
    create_namespace: NotRequired[bool]
    """Whether the namespace is made here. Default: where the ServiceAccount is, and not `kube-system` and the like."""
    pod_security_standard: NotRequired[pulumi.Input[str]]
    """The Pod Security Standard that a namespace made here enforces. Default: `restricted`."""
    automount_service_account_token: NotRequired[pulumi.Input[bool]]
    """Whether pods get a token for the Kubernetes API too. Default: false."""
    ready_timeout: NotRequired[int]
    """For how long to wait until the association is effective, in seconds, 1 to 3600. Default: 120."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for role, policies and association. Default: none."""
    allow: NotRequired[Mapping[str, str]]
    """What is right here although a rule finds it: the rule's id, as it stands in brackets in the finding, and the
    reason. Default: nothing."""


class PodIdentity(pulumi.ComponentResource):
    """The permissions of one workload in one cluster: role, policies, association, namespace and ServiceAccount.

    It is one workload of `PodIdentities`, which see, with the cluster's arguments beside its own.

    Raises `InvalidArgs` with everything that is wrong with the arguments, where objects are to be made in the cluster
    and no Kubernetes provider is given, and on the option `deleted_with`, which would leave the role behind.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html.
    """

    role_arn: pulumi.Output[str]
    """The role's ARN, once every policy is attached."""
    association_id: pulumi.Output[str]
    """The association's id, `a-…`. Empty where an add-on makes it."""
    ready: pulumi.Output[str]
    """The ServiceAccount's name, once a pod with it gets credentials: give this to whatever runs with it."""
    target_trust_policy: pulumi.Output[str]
    """The trust policy that the target role has to have, as JSON. Empty without a target role."""
    allowed: pulumi.Output[Mapping[str, str]]
    """What `allow` lets pass, with the reasons."""

    def __init__(self, name: str, args: PodIdentityArgs, opts: pulumi.ResourceOptions | None = None):
        # Not the arguments, which would delay all that is made until the last of them is known. What is said of a
        # workload is in the state as what is made of it: a change is seen there, and only there.
        super().__init__(token("PodIdentity"), name, {}, opts)
        where = f"PodIdentity {name!r}"
        refuse(where, _judge_options(opts))
        own = ("cluster_name", "cluster_arn", "kubeconfig")
        given = {field: value for field, value in args.items() if field not in own}
        judgement = _workloads.judge_single(given)
        _refuse(where, judgement)
        cluster = Cluster(args["cluster_name"], args["cluster_arn"], args.get("kubeconfig"))
        made = Making(self, name, where, {"": cluster}).make(judgement.completed)

        nothing = pulumi.Output.from_input("")
        service_account = judgement.completed[""]["service_account"]
        self.role_arn = made.resolved_role_arn("")
        self.association_id = made.association_ids.get(("", ""), nothing)
        self.ready = made.ready[""].apply(lambda _: service_account)
        self.target_trust_policy = made.target_trust_policies.get("", nothing)
        self.allowed = allowed(args)
        self.register_outputs(
            {
                "role_arn": self.role_arn,
                "association_id": self.association_id,
                "ready": self.ready,
                "target_trust_policy": self.target_trust_policy,
                "allowed": self.allowed,
            }
        )


class PodIdentitiesArgs(TypedDict):
    """The arguments of `PodIdentities`. All mappings of clusters have the same keys, which are yours to choose."""

    cluster_names: Mapping[str, pulumi.Input[str]]
    """The clusters' names. Give `PodIdentityAgent.ready` for each."""
    cluster_arns: Mapping[str, pulumi.Input[str]]
    """Their ARNs, to which the roles' trust is scoped. Give `cluster_arn` of `EksCluster` or `ExistingCluster`."""
    workloads: Mapping[str, Mapping[str, Any]]
    """The workloads, by a name of yours, which their resources are named after: see the class."""
    defaults: NotRequired[Mapping[str, Any]]
    """What holds for every workload that does not say otherwise, in the same fields. Default: nothing."""
    kubeconfigs: NotRequired[Mapping[str, pulumi.Input[str]]]
    """The clusters' kubeconfigs, to wait until associations are effective. Default: none, and nothing is awaited."""
    kubernetes_providers: NotRequired[Mapping[str, kubernetes.Provider]]
    """The clusters' Kubernetes providers, to make namespaces and ServiceAccounts. Default: that of the component's
    options, for all."""


class PodIdentities(pulumi.ComponentResource):
    """Roles, associations, namespaces and ServiceAccounts of many workloads.

    A workload is a mapping with

    - `namespace` and `service_account`; left out, those that a preset's workload customarily has;
    - what its pods may do: `preset` with its `scope` (see docs/presets.md), or `statements`, and `managed_policy_arns`;
      or `role_arn`, a role that exists, with a trust policy that is not looked after here; or `role_of`, the name of
      another workload, whose role it shares;
    - `clusters`, the keys of those that it runs in: default all. It has one role, trusted for just these clusters, this
      namespace and this ServiceAccount, and an association in each;
    - `target_role_arn`, a role of another account that is assumed through the first: see `target_trust_policies`;
    - `addon`, the EKS add-on that takes the association itself: only the role is made, or shared, for `EksAddon`;
    - `former_name`, the name that it had in this mapping before, so that renaming it changes nothing;
    - and whatever else `PodIdentityArgs` has, but for the cluster.

    What a workload says comes before what `defaults` says, and `null` takes a default away, whoever's it is. Of `tags`
    and `allow` it is so key by key. A workload that says where its permissions come from takes nothing of that from the
    defaults.

    A role that is shared is trusted for those who share it and for nobody else: for each its own clusters, namespace
    and ServiceAccount, and not all combinations of them. It may assume the target roles of all of them. Who has session
    tags and who has none cannot share a role, unless its `trust_policy` is given.

    Fields may be in camelCase too, as a stack's configuration has them: `serviceAccount`. What stands inside of them
    keeps its names.

    A namespace is made once for all workloads in it, where a ServiceAccount is and the namespace is not `kube-system`
    or the like. The order of a mapping never matters. Whoever adds a workload changes no other's resources; what is
    awaited, all together for a cluster, is only what is new.

    Beside the outputs below, which travel between languages, the instance has `role_arn(workload)` and
    `service_account(workload, cluster)`, which come for that workload alone.

    Raises `InvalidArgs` with everything that is wrong with any of them, on two that have the same ServiceAccount in a
    cluster, on more than 5,000 in one, and on the option `deleted_with`, which would leave the roles behind.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html.
    """

    role_arns: pulumi.Output[Mapping[str, str]]
    """The roles' ARNs, by workload: for those that share a role, the same."""
    association_ids: pulumi.Output[Mapping[str, str]]
    """The associations' ids, by `<workload>/<cluster>`."""
    ready: pulumi.Output[Mapping[str, str]]
    """The ServiceAccounts' names, by `<workload>/<cluster>`, once pods with them get credentials."""
    target_trust_policies: pulumi.Output[Mapping[str, str]]
    """The trust policies that target roles have to have, as JSON, by workload."""

    def __init__(self, name: str, args: PodIdentitiesArgs, opts: pulumi.ResourceOptions | None = None):
        # As in PodIdentity: a change of one workload is no change of this component.
        super().__init__(token("PodIdentities"), name, {}, opts)
        where = f"PodIdentities {name!r}"
        refuse(where, judge_plain(PodIdentitiesArgs, args))
        names, arns = args["cluster_names"], args["cluster_arns"]
        keys = sorted(names)
        refuse(where, _judge_options(opts) + _same_keys(args))
        judgement = _workloads.judge(args["workloads"], args.get("defaults") or {}, keys)
        _refuse(where, judgement)
        kubeconfigs, providers = args.get("kubeconfigs", {}), args.get("kubernetes_providers", {})
        clusters = {key: Cluster(names[key], arns[key], kubeconfigs.get(key), providers.get(key)) for key in keys}
        self._made = Making(self, name, where, clusters).make(judgement.completed)

        ids = {f"{workload}/{cluster}": found for (workload, cluster), found in self._made.association_ids.items()}
        self.role_arns = gathered(self._made.role_arns)
        self.association_ids = gathered(ids)
        self.ready = self._made.all_ready().apply(
            lambda ready: {"/".join(at): account for at, account in ready.items()}
        )
        self.target_trust_policies = gathered(self._made.target_trust_policies)
        self.register_outputs(
            {
                "role_arns": self.role_arns,
                "association_ids": self.association_ids,
                "ready": self.ready,
                "target_trust_policies": self.target_trust_policies,
            }
        )

    def role_arn(self, workload: str) -> pulumi.Output[str]:
        """The ARN of a workload's role, once every policy is attached. Raises `KeyError` on one that there is not."""
        return self._made.resolved_role_arn(workload)

    def service_account(self, workload: str, cluster: str) -> pulumi.Output[str]:
        """The name of a workload's ServiceAccount, once pods with it get credentials in a cluster. Raises `KeyError` on
        a workload that has no association there."""
        account = self._made.service_accounts[workload, cluster]
        return self._made.ready[cluster].apply(lambda _: account)


def judge_workloads(
    workloads: Mapping[str, Any], defaults: Mapping[str, Any], clusters: Sequence[str]
) -> list[rules.Finding]:
    """Judge `workloads` and `defaults` of `PodIdentities`, whose clusters have these keys, as its constructor does."""
    return _workloads.judge(workloads, defaults, clusters).findings


def _refuse(where: str, judgement: _workloads.Judgement) -> None:
    refuse(where, judgement.findings)
    for finding, reason in judgement.allowed:
        pulumi.log.info(f"{where}: allowed, because {reason}: {finding}")


def _judge_options(opts: pulumi.ResourceOptions | None) -> list[rules.Finding]:
    if opts is None or opts.deleted_with is None:
        return []
    reason = "roles and policies do not go with the cluster, and would be left behind in IAM"
    fix = "Remove deleted_with, which everything that is made here would inherit"
    page = "https://www.pulumi.com/docs/iac/concepts/resources/options/deletedwith/"
    return [rules.Finding("deleted-with", "opts.deleted_with", None, reason, fix, page)]


def _same_keys(args: PodIdentitiesArgs) -> list[rules.Finding]:
    keys = set(args["cluster_names"])
    findings = [
        finding
        for key in sorted(keys, key=str)
        for finding in _workloads.judge_key(f"cluster_names.{key}", key, "a cluster")
    ]
    if not keys:
        fix = "Give at least one, as in {prod: …}"
        findings.append(rules.Finding("workload-cluster", "cluster_names", {}, "there is no cluster", fix))
    if set(args["cluster_arns"]) != keys:
        fix = f"Give one for each of {', '.join(sorted(keys))}"
        reason = "these are not the keys of cluster_names"
        findings.append(rules.Finding("workload-cluster", "cluster_arns", sorted(args["cluster_arns"]), reason, fix))
    for prop in ("kubeconfigs", "kubernetes_providers"):
        foreign = sorted(set(args.get(prop, {})) - keys)
        if foreign:
            reason = "these are no keys of cluster_names"
            findings.append(rules.Finding("workload-cluster", prop, foreign, reason, "Remove them"))
    return findings
