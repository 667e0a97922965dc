"""`PodIdentities`: the AWS permissions of many workloads, over one or several clusters, from one mapping."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict, TypeVar

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from . import _workloads, documents, presets, rules
from ._base import refuse, token
from .association import PodIdentityAssociation
from .role import PodIdentityRole

T = TypeVar("T")


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
      or `role_arn`, a role that exists, with a trust policy that is not looked after here;
    - `clusters`, the keys of those that it runs in: default all. It has one role, trusted for just these clusters, this
      namespace and this ServiceAccount, and an association in each;
    - `former_name`, the name that it had in this mapping before, so that renaming it changes nothing;
    - and whatever else `PodIdentityRoleArgs` and `PodIdentityAssociationArgs` have.

    Tags are those of `defaults`, with the workload's own on top. Namespaces are made once for all workloads in them.
    The order of a mapping never matters.

    Raises `InvalidArgs` with everything that is wrong with any of them, on two that have the same ServiceAccount in a
    cluster, and on more than 5,000 in one.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html.
    """

    role_arns: pulumi.Output[Mapping[str, str]]
    """The roles' ARNs, by workload."""
    association_ids: pulumi.Output[Mapping[str, str]]
    """The associations' ids, by `<workload>/<cluster>`."""
    ready: pulumi.Output[Mapping[str, str]]
    """The ServiceAccounts' names, by `<workload>/<cluster>`, once pods with them get credentials."""

    def __init__(self, name: str, args: PodIdentitiesArgs, opts: pulumi.ResourceOptions | None = None):
        # What is said of a workload is in the state as what is made of it: a change is seen there, and only there.
        super().__init__(token("PodIdentities"), name, {"cluster_arns": args["cluster_arns"]}, opts)
        where = f"PodIdentities {name!r}"
        clusters = sorted(args["cluster_names"])
        defaults = args.get("defaults", {})
        refuse(where, _same_keys(args) or _workloads.judge(args["workloads"], defaults, clusters))
        workloads = _workloads.complete(args["workloads"], defaults, clusters)
        self._name, self._args = name, args
        self._namespaces = self._make_namespaces(workloads)

        role_arns: dict[str, pulumi.Output[str]] = {}
        associations: dict[str, PodIdentityAssociation] = {}
        pending = _Pending()
        for key, workload in workloads.items():
            former = workload.get("former_name")
            role_arns[key], usable = self._role(key, workload, former)
            for cluster in sorted(workload["clusters"]):
                associations[f"{key}/{cluster}"] = self._association(key, workload, cluster, former, usable, pending)
        pending.close(association.association_id for association in associations.values())

        self.role_arns = pulumi.Output.all(**role_arns)
        self.association_ids = pulumi.Output.all(**{key: a.association_id for key, a in associations.items()})
        self.ready = pulumi.Output.all(**{key: a.ready for key, a in associations.items()})
        self.register_outputs(
            {"role_arns": self.role_arns, "association_ids": self.association_ids, "ready": self.ready}
        )

    def _make_namespaces(self, workloads: Mapping[str, _workloads.Workload]) -> dict[tuple[str, str], Any]:
        made: dict[tuple[str, str], Any] = {}
        wanted = {
            (cluster, w["namespace"]): w.get("pod_security_standard", "restricted")
            for w in workloads.values()
            if w["create_namespace"]
            for cluster in w["clusters"]
        }
        for (cluster, namespace), standard in sorted(wanted.items()):
            made[cluster, namespace] = kubernetes.core.v1.Namespace(
                f"{self._name}-{namespace}-{cluster}",
                metadata={"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": standard}},
                opts=self._in(cluster),
            ).metadata.apply(lambda metadata: str(metadata.name))
        return made

    def _in(self, cluster: str) -> pulumi.ResourceOptions:
        options = pulumi.ResourceOptions(parent=self)
        provider = self._args.get("kubernetes_providers", {}).get(cluster)
        if provider is not None:
            options.providers = [provider]
        return options

    def _role(
        self, key: str, workload: _workloads.Workload, former: str | None
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """The role's ARN, and the same once the role has its permissions."""
        if "role_arn" in workload:
            arn = pulumi.Output.from_input(workload["role_arn"])
            return arn, arn
        name = f"{self._name}-{key}"
        arns = [self._args["cluster_arns"][cluster] for cluster in sorted(workload["clusters"])]
        said = {field: workload[field] for field in (*_workloads.ROLE, *_workloads.BOTH) if field in workload}
        if not said.get("disable_session_tags", False):
            said |= {"namespaces": [workload["namespace"]], "service_accounts": [workload["service_account"]]}
        if "preset" in workload:
            said |= self._preset(key, workload, arns, said)
        options = pulumi.ResourceOptions(parent=self, aliases=_aliases(self._name, former))
        role = PodIdentityRole(name, {"cluster_arns": arns, **said}, options)  # type: ignore[typeddict-item]
        return role.role_arn, role.resolved_role_arn

    def _preset(
        self, key: str, workload: _workloads.Workload, arns: Sequence[pulumi.Input[str]], said: Mapping[str, Any]
    ) -> dict[str, Any]:
        name, scope, former = workload["preset"], workload.get("scope"), workload.get("former_name")
        # How many policies there are decides what is made, so it may not depend on ARNs that come later.
        count = presets.most_policies(name, scope, len(arns))
        built = pulumi.Output.all(*arns).apply(
            lambda known: presets.build(name, [presets.Cluster.at(arn) for arn in known], scope, count)
        )
        attached: dict[str, pulumi.Input[str]] = dict(said.get("managed_policy_arns", {}))
        for path in presets.PRESETS[name].managed_policies:
            policy = path.rpartition("/")[2]
            attached[policy] = built.apply(lambda preset, policy=policy: preset.managed_policy_arns[policy])
        for number in range(1, count):
            attached[f"policy-{number + 1}"] = aws.iam.Policy(
                f"{self._name}-{key}-policy-{number + 1}",
                path=said.get("path", "/"),
                description="More permissions of pods through EKS Pod Identity",
                policy=built.apply(lambda preset, number=number: documents.to_json(preset.policies[number])),
                tags=said.get("tags", {}),
                opts=pulumi.ResourceOptions(parent=self, aliases=_aliases(self._name, former, f"policy-{number + 1}")),
            ).arn
        first = {"statements": built.apply(lambda preset: preset.policies[0]["Statement"])} if count else {}
        return {"managed_policy_arns": attached, **first}

    def _association(
        self,
        key: str,
        workload: _workloads.Workload,
        cluster: str,
        former: str | None,
        role_arn: pulumi.Output[str],
        pending: "_Pending",
    ) -> PodIdentityAssociation:
        said = {field: workload[field] for field in (*_workloads.ASSOCIATION, *_workloads.BOTH) if field in workload}
        said["namespace"] = self._namespaces.get((cluster, workload["namespace"]), workload["namespace"])
        if cluster in self._args.get("kubeconfigs", {}):
            said["kubeconfig"] = pending.after_all(self._args["kubeconfigs"][cluster])  # type: ignore[typeddict-item]
        options = self._in(cluster)
        options.aliases = _aliases(self._name, former, cluster)
        return PodIdentityAssociation(
            f"{self._name}-{key}-{cluster}",
            {  # type: ignore[typeddict-item]
                **said,
                "cluster_name": self._args["cluster_names"][cluster],
                "role_arn": role_arn,
                "create_namespace": False,
            },
            options,
        )


class _Pending:
    """What has to wait until all associations are there: each is effective some seconds after its making, so the waits
    are one wait if none begins before the last is made.

    Nothing is made to depend on the others by it: whoever changes one workload changes nothing else.
    """

    def __init__(self) -> None:
        self._all: asyncio.Future[None] = asyncio.get_event_loop().create_future()

    def after_all(self, value: pulumi.Input[T]) -> pulumi.Output[T]:
        async def later() -> None:
            await asyncio.shield(self._all)

        both = pulumi.Output.all(pulumi.Output.from_input(value), pulumi.Output.from_input(later()))
        return both.apply(lambda pair: pair[0])

    def close(self, outputs: Any) -> None:
        futures = [asyncio.ensure_future(output.future(with_unknowns=True)) for output in outputs]

        async def settle() -> None:
            # One that fails is its own error; the others go on.
            await asyncio.gather(*futures, return_exceptions=True)
            self._all.set_result(None)

        self._settled = asyncio.ensure_future(settle())


def _aliases(component: str, former: str | None, *rest: str) -> list[pulumi.Alias]:
    return [pulumi.Alias(name="-".join((component, former, *rest)))] if former else []


def _same_keys(args: PodIdentitiesArgs) -> list[rules.Finding]:
    keys = set(args["cluster_names"])
    findings = []
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
