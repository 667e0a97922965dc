"""What is made of workloads: roles and policies in IAM, associations in EKS, and objects in the clusters.

`PodIdentity` and `PodIdentities` are both made of this. Nothing stands between a component and its resources: each
registration costs the same, whether it is of something in the cloud or of a component, and there may be thousands.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
from pulumi.runtime.sync_await import _sync_await

from . import documents, presets, rules
from ._all_effective import EffectiveAssociations
from ._base import after, refuse, validated
from ._workloads import Workload, has_output, judge_one
from .documents import Statement
from .rules import Finding


@dataclass(frozen=True)
class Cluster:
    """A cluster that workloads run in.

    `arn` and `kubeconfig` belong to the same cluster as `name`, which comes once the agent is there. With a
    `kubeconfig` it is awaited that associations are effective. `provider` makes objects in the cluster; without one it
    is that of the component's options.
    """

    name: pulumi.Input[str]
    arn: pulumi.Input[str]
    kubeconfig: pulumi.Input[str] | None = None
    provider: kubernetes.Provider | None = None


@dataclass
class Made:
    """What was made: roles by workload, all else by workload and cluster."""

    role_arns: dict[str, pulumi.Output[str]] = field(default_factory=dict)
    attachments: dict[str, list[aws.iam.RolePolicyAttachment]] = field(default_factory=dict)
    association_ids: dict[tuple[str, str], pulumi.Output[str]] = field(default_factory=dict)
    service_accounts: dict[tuple[str, str], str] = field(default_factory=dict)
    target_trust_policies: dict[str, pulumi.Output[str]] = field(default_factory=dict)
    ready: dict[str, pulumi.Output[Any]] = field(default_factory=dict)
    """By cluster: comes once all its associations are effective, or made where that is not awaited."""

    def resolved_role_arn(self, workload: str) -> pulumi.Output[str]:
        """A role's ARN, once every policy is attached."""
        return after(self.role_arns[workload], *(attachment.id for attachment in self.attachments[workload]))

    def all_ready(self) -> pulumi.Output[dict[tuple[str, str], str]]:
        """The ServiceAccounts' names, once pods with them get credentials."""
        return pulumi.Output.all(*self.ready.values()).apply(lambda _: dict(self.service_accounts))


def judge_cluster(*, cluster_name: Any = None, cluster_arn: Any = None) -> list[Finding]:
    """Judge a cluster's name and ARN, which belong together."""
    findings = rules.judge_cluster_name(cluster_name) + rules.judge_cluster_arn(cluster_arn, "cluster_arn")
    match = rules.CLUSTER_ARN.fullmatch(cluster_arn) if isinstance(cluster_arn, str) else None
    if match is not None and isinstance(cluster_name, str) and match["name"] != cluster_name:
        reason = f"this is the ARN of another cluster than {cluster_name}"
        findings.append(Finding("cluster-arn", "cluster_arn", cluster_arn, reason, "Give both of the same cluster"))
    return findings


class Making:
    """The making of workloads' resources below a component.

    Args:
        parent: The component.
        name: The component's name, which the resources' names begin with.
        where: What errors are said of.
        clusters: The clusters, by their keys. A key that is empty stands in no name.
    """

    def __init__(self, parent: pulumi.ComponentResource, name: str, where: str, clusters: Mapping[str, Cluster]):
        self.made = Made()
        self._parent, self._name, self._where = parent, name, where
        self._clusters: dict[str, Cluster] = {}
        for key, cluster in clusters.items():
            given = {"cluster_name": cluster.name, "cluster_arn": cluster.arn}
            valid = validated(_of(where, f"cluster {key}" if key else ""), judge_cluster, given)
            self._clusters[key] = Cluster(
                valid["cluster_name"], valid["cluster_arn"], cluster.kubeconfig, cluster.provider
            )
        self._arns: dict[tuple[str, ...], pulumi.Output[list[str]]] = {}
        self._namespaces: dict[tuple[str, str], pulumi.Output[str]] = {}
        self._awaited: dict[str, _Awaited] = {key: _Awaited() for key in clusters}

    def make(self, workloads: Mapping[str, Workload]) -> Made:
        """Make all that belongs to workloads, which are complete and judged."""
        self._need_kubernetes(workloads)
        self._make_namespaces(workloads)
        for key, workload in workloads.items():
            self._workload(key, self._guarded(key, workload))
        for cluster, awaited in self._awaited.items():
            self._await(cluster, awaited)
        # Where no registration has begun when a program ends, the SDK goes through all outputs that are still to come
        # each time that one of them comes, which takes minutes where there are ten thousands. One turn lets one begin.
        _sync_await(asyncio.sleep(0))
        return self.made

    def _guarded(self, key: str, workload: Workload) -> Workload:
        """The workload with Outputs that fail where they turn out to be wrong."""
        if not has_output(workload):
            return workload

        def rule(**known: Any) -> list[Finding]:
            return judge_one(known, list(self._clusters), {}, f"workloads.{key}." if key else "")

        # `allow` is part of the workload, for the rule, and said once more, for what passes it.
        return validated(self._where, rule, workload, workload["allow"] or None)

    def _need_kubernetes(self, workloads: Mapping[str, Workload]) -> None:
        # Without one, Pulumi would take whatever cluster the operator's own kubeconfig happens to name.
        if self._parent.get_provider("kubernetes:core/v1:ServiceAccount") is not None:
            return
        wanted = {
            cluster
            for workload in workloads.values()
            if workload["create_service_account"] or workload["create_namespace"]
            for cluster in workload["clusters"]
        }
        lacking = sorted(key for key in wanted if self._clusters[key].provider is None)
        if lacking:
            reason = "namespaces and ServiceAccounts are made in the cluster, and no Kubernetes provider leads there"
            fix = (
                "Give one: opts=pulumi.ResourceOptions(providers=[kubernetes.Provider(..., kubeconfig=...)]), or "
                "kubernetes_providers for several clusters, or set create_service_account to false"
            )
            page = "https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/"
            shown = ", ".join(filter(None, lacking)) or None
            refuse(self._where, [Finding("kubernetes-provider", "opts.providers", shown, reason, fix, page)])

    # Names and options

    def _called(self, *parts: str) -> str:
        return "-".join(filter(None, (self._name, *parts)))

    def _options(self, former: Sequence[str] = (), cluster: str | None = None, **more: Any) -> pulumi.ResourceOptions:
        provider = self._clusters[cluster].provider if cluster is not None else None
        aliases = [pulumi.Alias(name=self._called(*former))] if former else None
        return pulumi.ResourceOptions(parent=self._parent, provider=provider, aliases=aliases, **more)

    # The parts

    def _make_namespaces(self, workloads: Mapping[str, Workload]) -> None:
        wanted = {
            (cluster, workload["namespace"]): (key, workload.get("pod_security_standard", "restricted"))
            for key, workload in workloads.items()
            if workload["create_namespace"]
            for cluster in workload["clusters"]
        }
        for (cluster, namespace), (key, standard) in sorted(wanted.items()):
            made = kubernetes.core.v1.Namespace(
                self._called(namespace if key else "", cluster, "namespace"),
                metadata={"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": standard}},
                opts=self._options(cluster=cluster),
            )
            self._namespaces[cluster, namespace] = made.metadata.apply(lambda metadata: str(metadata.name))

    def _workload(self, key: str, workload: Workload) -> None:
        former = workload.get("former_name")
        role_arn, attachments = self._role(key, workload, former)
        self.made.role_arns[key], self.made.attachments[key] = role_arn, attachments
        if workload.get("target_role_arn") is not None:
            self.made.target_trust_policies[key] = self._target_trust(workload, role_arn)
        if "addon" in workload:
            return
        for cluster in sorted(workload["clusters"]):
            self._association(key, workload, cluster, former, role_arn, attachments)

    def _role(
        self, key: str, workload: Workload, former: str | None
    ) -> tuple[pulumi.Output[str], list[aws.iam.RolePolicyAttachment]]:
        if "role_arn" in workload:
            return pulumi.Output.from_input(workload["role_arn"]), []
        path, tags = workload.get("path", "/"), workload["tags"]

        def options(*suffix: str) -> pulumi.ResourceOptions:
            return self._options((former, *suffix) if former else ())

        role = aws.iam.Role(
            self._called(key, "role"),
            name=workload.get("role_name"),
            path=path,
            description=workload.get("description"),
            assume_role_policy=self._trust(workload),
            permissions_boundary=workload.get("permissions_boundary"),
            max_session_duration=workload.get("max_session_duration", 3600),
            tags=tags,
            opts=options("role"),
        )
        attached: dict[str, pulumi.Input[str]] = dict(workload.get("managed_policy_arns", {}))
        for suffix, description, text in self._permissions(workload, attached):
            attached[suffix] = aws.iam.Policy(
                self._called(key, suffix),
                name=workload.get("policy_name") if suffix == "policy" else None,
                path=path,
                description=description,
                policy=text,
                tags=tags,
                opts=options(suffix),
            ).arn
        attachments = [
            aws.iam.RolePolicyAttachment(
                self._called(key, suffix), role=role.name, policy_arn=arn, opts=options(suffix)
            )
            for suffix, arn in sorted(attached.items())
        ]
        return role.arn, attachments

    def _cluster_arns(self, workload: Workload) -> pulumi.Output[list[str]]:
        keys = tuple(sorted(workload["clusters"]))
        if keys not in self._arns:
            self._arns[keys] = pulumi.Output.all(*(self._clusters[key].arn for key in keys))
        return self._arns[keys]

    def _trust(self, workload: Workload) -> pulumi.Output[str]:
        tagged = not workload.get("disable_session_tags", False)
        narrowed = {"namespaces": [workload["namespace"]], "service_accounts": [workload["service_account"]]}

        def text(cluster_arns: Sequence[str], organization_id: str | None) -> str:
            made = documents.trust(cluster_arns, organization_id=organization_id, **(narrowed if tagged else {}))
            return self._sized("clusters", documents.to_json(made), rules.TRUST_POLICY_SIZE)

        arns, organization = self._cluster_arns(workload), workload.get("organization_id")
        if not has_output(organization):
            return arns.apply(lambda known: text(known, organization))
        return pulumi.Output.all(arns, organization).apply(lambda known: text(*known))

    def _permissions(
        self, workload: Workload, attached: dict[str, pulumi.Input[str]]
    ) -> list[tuple[str, str, pulumi.Input[str]]]:
        """The role's own policies: each one's suffix, description and text. What a preset attaches is added."""
        own: list[tuple[str, str, pulumi.Input[str]]] = []
        description = "The permissions of pods through EKS Pod Identity"
        if "preset" in workload:
            name, scope, arns = workload["preset"], workload.get("scope"), self._cluster_arns(workload)
            # How many policies there are decides what is made, so it may not depend on ARNs that come later.
            count = presets.most_policies(name, scope, len(set(workload["clusters"])))
            built = arns.apply(
                lambda known: presets.build(name, [presets.Cluster.at(arn) for arn in known], scope, count)
            )
            for path in presets.PRESETS[name].managed_policies:
                policy = path.rpartition("/")[2]
                attached[policy] = built.apply(lambda preset, policy=policy: preset.managed_policy_arns[policy])
            for number in range(count):
                text = built.apply(lambda preset, number=number: documents.to_json(preset.policies[number]))
                own.append((f"policy-{number + 1}" if number else "policy", description, text))
        elif "statements" in workload:
            own.append(("policy", description, _derived(workload["statements"], self._policy)))
        if workload.get("target_role_arn") is not None:
            tagged = not workload.get("disable_session_tags", False)

            def chaining(target: str) -> str:
                return self._policy(documents.chaining([target], session_tags=tagged))

            description = "Lets EKS Pod Identity go on to the target role"
            own.append(("target-role", description, _derived(workload["target_role_arn"], chaining)))
        return own

    def _policy(self, statements: Sequence[Statement]) -> str:
        text = documents.to_json(documents.permissions(statements))
        return self._sized("statements", text, rules.MANAGED_POLICY_SIZE)

    def _sized(self, prop: str, text: str, limit: int) -> str:
        refuse(self._where, rules.judge_document_size(prop, text, limit))
        return text

    def _target_trust(self, workload: Workload, role_arn: pulumi.Output[str]) -> pulumi.Output[str]:
        namespace, service_account = workload["namespace"], workload["service_account"]

        def text(role: str, cluster_arns: Sequence[str]) -> str:
            if workload.get("disable_session_tags", False):
                ids = [documents.external_id(arn, namespace, service_account) for arn in cluster_arns]
                return documents.to_json(documents.target_trust(role, external_ids=ids))
            return documents.to_json(
                documents.target_trust(
                    role, namespaces=[namespace], service_accounts=[service_account], cluster_arns=cluster_arns
                )
            )

        return pulumi.Output.all(role_arn, self._cluster_arns(workload)).apply(lambda known: text(*known))

    def _association(
        self,
        key: str,
        workload: Workload,
        cluster: str,
        former: str | None,
        role_arn: pulumi.Output[str],
        attachments: Sequence[pulumi.Resource],
    ) -> None:
        def options(suffix: str, in_cluster: str | None = None, **more: Any) -> pulumi.ResourceOptions:
            return self._options((former, cluster, suffix) if former else (), in_cluster, **more)

        namespace, service_account = workload["namespace"], workload["service_account"]
        association = aws.eks.PodIdentityAssociation(
            self._called(key, cluster, "association"),
            cluster_name=self._clusters[cluster].name,
            namespace=namespace,
            service_account=service_account,
            role_arn=role_arn,
            target_role_arn=workload.get("target_role_arn"),
            disable_session_tags=workload.get("disable_session_tags", False),
            policy=workload.get("session_policy"),
            tags=workload["tags"],
            # The role's ARN is there before its policies are attached, and no value of theirs goes in here: one that is
            # yet to come would show every association as changed. (Cluster, namespace, ServiceAccount) is unique: a
            # replacement can only follow the deletion.
            opts=options("association", depends_on=attachments, delete_before_replace=True),
        )
        awaited = self._awaited[cluster]
        subject = f"{namespace}/{service_account}"
        if workload["create_service_account"]:
            account = kubernetes.core.v1.ServiceAccount(
                self._called(key, cluster, "service-account"),
                metadata={
                    "name": service_account,
                    "namespace": self._namespaces.get((cluster, namespace), namespace),
                },
                automount_service_account_token=workload.get("automount_service_account_token"),
                opts=options("service-account", cluster),
            )
            awaited.service_accounts.append(account)
        awaited.association_ids[subject] = association.association_id
        awaited.seconds[subject] = int(workload.get("ready_timeout", 120))
        self.made.association_ids[key, cluster] = association.association_id
        self.made.service_accounts[key, cluster] = service_account

    def _await(self, cluster: str, awaited: "_Awaited") -> None:
        at, accounts = self._clusters[cluster], awaited.service_accounts
        if at.kubeconfig is None or not awaited.association_ids:
            ids = [*awaited.association_ids.values(), *(account.id for account in accounts)]
            self.made.ready[cluster] = pulumi.Output.all(*ids)
            return
        called = self._called(cluster, "effective")
        self.made.ready[cluster] = EffectiveAssociations(
            called, at.name, at.kubeconfig, awaited.association_ids, awaited.seconds, accounts, self._options()
        ).urn


@dataclass
class _Awaited:
    """The associations of a cluster, by `<namespace>/<ServiceAccount>`, and the ServiceAccounts that are made."""

    association_ids: dict[str, pulumi.Output[str]] = field(default_factory=dict)
    seconds: dict[str, int] = field(default_factory=dict)
    service_accounts: list[pulumi.CustomResource] = field(default_factory=list)


def _derived(value: Any, build: Callable[[Any], str]) -> pulumi.Input[str]:
    """What is built of a value: at once where it is plain, because an Output more for each of thousands adds up."""
    return pulumi.Output.from_input(value).apply(build) if has_output(value) else build(value)


def _of(where: str, part: str) -> str:
    return f"{where}, {part}" if part else where
