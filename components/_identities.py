"""What is made of workloads: roles and policies in IAM, associations in EKS, and objects in the clusters.

`PodIdentity` and `PodIdentities` are both made of this. Nothing stands between a component and its resources: each
registration costs the same, whether it is of something in the cloud or of a component, and there may be thousands.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
from pulumi.runtime.sync_await import _sync_await

from . import documents, presets, rules
from ._all_effective import EffectiveAssociations
from ._base import after, gathered, refuse, validated
from ._workloads import Workload, clusters_of, has_output, is_chained, judge_one, sharing
from .documents import Statement, Subject
from .rules import Finding


@dataclass(frozen=True)
class Cluster:
    """A cluster that workloads run in.

    `arn` and `kubeconfig` belong to the same cluster as `name`, which comes once the agent is there. With a
    `kubeconfig` it is awaited that associations are effective. `provider` makes objects in the cluster; without one it
    is that of the component's options. `region` is the one that the ARN names.
    """

    name: pulumi.Input[str]
    arn: pulumi.Input[str]
    kubeconfig: pulumi.Input[str] | None = None
    provider: kubernetes.Provider | None = None
    region: pulumi.Input[str] | None = None


@dataclass
class Made:
    """What was made: roles by workload, all else by workload and cluster."""

    role_arns: dict[str, pulumi.Output[str]] = field(default_factory=dict)
    attachments: dict[str, list[pulumi.CustomResource]] = field(default_factory=dict)
    """What gives a role its permissions: attachments, and policies inside of it."""
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
        return gathered(self.ready).apply(lambda _: dict(self.service_accounts))


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
            # Once for a cluster, and not for each association.
            region = _derived(valid["cluster_arn"], lambda arn: arn.split(":")[3])
            self._clusters[key] = Cluster(
                valid["cluster_name"], valid["cluster_arn"], cluster.kubeconfig, cluster.provider, region
            )
        self._arns: dict[tuple[str, ...], pulumi.Output[list[str]]] = {}
        self._namespaces: dict[tuple[str, str], pulumi.Output[str]] = {}
        self._awaited: dict[str, _Awaited] = {key: _Awaited() for key in clusters}

    def make(self, workloads: Mapping[str, Workload]) -> Made:
        """Make all that belongs to workloads, which are complete and judged."""
        self._need_kubernetes(workloads)
        # Where no registration has begun when a program ends, the SDK goes through all outputs that are still to come
        # each time that one of them comes, which takes minutes where there are ten thousands. One turn lets the
        # parent's begin.
        _sync_await(asyncio.sleep(0))
        self._make_namespaces(workloads)
        known = {key: self._guarded(key, workload) for key, workload in workloads.items()}
        shared = sharing(known)
        # Those that have the role of another come after it.
        for key in sorted(known, key=lambda key: "role_of" in known[key]):
            self._workload(key, known[key], shared.get(key, ()))
        for cluster, awaited in self._awaited.items():
            self._await(cluster, awaited)
        return self.made

    def _guarded(self, key: str, workload: Workload) -> Workload:
        """The workload with Outputs that fail where they turn out to be wrong."""
        if not has_output(workload):
            return workload

        def rule(**known: Any) -> list[Finding]:
            return judge_one(known, list(self._clusters), {}, f"workloads.{key}." if key else "")

        # `allow` is part of the workload, for the rule, and said once more, for what passes it.
        present = ("statements", "role_arn", "target_role_arn", "trust_policy")
        return validated(self._where, rule, workload, workload["allow"] or None, present=present)

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

    def _workload(self, key: str, workload: Workload, sharers: Sequence[Workload]) -> None:
        former, made = workload.get("former_name"), self.made
        if "role_of" in workload:
            owner = workload["role_of"]
            made.role_arns[key], made.attachments[key] = made.role_arns[owner], made.attachments[owner]
        else:
            made.role_arns[key], made.attachments[key] = self._role(key, workload, sharers, former)
        if workload.get("target_role_arn") is not None:
            made.target_trust_policies[key] = self._target_trust(workload, made.role_arns[key])
        if "addon" in workload:
            return
        for cluster in sorted(workload["clusters"]):
            self._association(key, workload, cluster, former)

    def _role(
        self, key: str, workload: Workload, sharers: Sequence[Workload], former: str | None
    ) -> tuple[pulumi.Output[str], list[pulumi.CustomResource]]:
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
            assume_role_policy=self._trust(key, workload, sharers),
            permissions_boundary=workload.get("permissions_boundary"),
            max_session_duration=workload.get("max_session_duration", 3600),
            tags=tags,
            opts=options("role"),
        )
        attached: dict[str, pulumi.Input[str]] = dict(workload.get("managed_policy_arns", {}))
        for suffix, description, text in self._permissions(workload, sharers, attached):
            attached[suffix] = aws.iam.Policy(
                self._called(key, suffix),
                name=workload.get("policy_name") if suffix == "policy" else None,
                path=path,
                description=description,
                policy=text,
                tags=tags,
                opts=options(suffix),
            ).arn
        attachments: list[pulumi.CustomResource] = [
            aws.iam.RolePolicyAttachment(
                self._called(key, suffix), role=role.name, policy_arn=arn, opts=options(suffix)
            )
            for suffix, arn in sorted(attached.items())
        ]
        inside = [
            aws.iam.RolePolicy(
                self._called(key, name),
                name=name,
                role=role.name,
                policy=_derived(document, documents.as_text),
                opts=options(name),
            )
            for name, document in sorted(workload.get("inline_policies", {}).items())
        ]
        return role.arn, [*attachments, *inside]

    def _cluster_arns(self, clusters: Sequence[str]) -> pulumi.Output[list[str]]:
        """The ARNs of clusters, in the order of their keys."""
        keys = tuple(sorted(clusters))
        if keys not in self._arns:
            self._arns[keys] = pulumi.Output.all(*(self._clusters[key].arn for key in keys))
        return self._arns[keys]

    def _trust(self, key: str, workload: Workload, sharers: Sequence[Workload]) -> pulumi.Input[str]:
        if "trust_policy" in workload:
            return _derived(workload["trust_policy"], documents.as_text)
        clusters = clusters_of(sharers)
        tagged = not workload.get("disable_session_tags", False)

        def text(cluster_arns: Sequence[str], organization_id: str | None) -> str:
            arns = dict(zip(clusters, cluster_arns, strict=True))
            subjects = [
                Subject(arns[cluster], one["namespace"], one["service_account"])
                for one in sharers
                for cluster in one["clusters"]
            ]
            made = (
                documents.shared_trust(subjects, organization_id=organization_id)
                if tagged
                else documents.trust(cluster_arns, organization_id=organization_id)
            )
            return self._fitting(key, documents.to_json(made), len(sharers))

        arns, organization = self._cluster_arns(clusters), workload.get("organization_id")
        if not has_output(organization):
            return arns.apply(lambda known: text(known, organization))
        return pulumi.Output.all(arns, organization).apply(lambda known: text(*known))

    def _fitting(self, key: str, trust: str, sharers: int) -> str:
        prop = f"workloads.{key}.clusters" if key else "cluster_arn"
        fix = "Name fewer clusters"
        if sharers > 1:
            fix = f"Make another role for some of the {sharers} workloads that share this one, or {fix.lower()}"
        too_long = rules.judge_document_size(prop, trust, rules.TRUST_POLICY_SIZE)
        refuse(self._where, [replace(one, fix=fix) for one in too_long])
        return trust

    def _permissions(
        self, workload: Workload, sharers: Sequence[Workload], attached: dict[str, pulumi.Input[str]]
    ) -> list[tuple[str, str, pulumi.Input[str]]]:
        """The role's own policies: each one's suffix, description and text. What a preset attaches is added."""
        own: list[tuple[str, str, pulumi.Input[str]]] = []
        description = "The permissions of pods through EKS Pod Identity"
        if "preset" in workload:
            name, scope, clusters = workload["preset"], workload.get("scope"), clusters_of(sharers)
            # How many policies there are decides what is made, so it may not depend on ARNs that come later.
            arns, count = self._cluster_arns(clusters), presets.most_policies(name, scope, len(clusters))
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
        if is_chained(workload, sharers):
            targets = [one["target_role_arn"] for one in sharers if "target_role_arn" in one]
            tagged = any(not one.get("disable_session_tags", False) for one in sharers)

            def chaining(known: Sequence[str]) -> str:
                return self._policy(documents.chaining(known, session_tags=tagged))

            description = "Lets EKS Pod Identity go on to the target role"
            own.append(("target-role", description, _derived(targets, chaining)))
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

        arns = self._cluster_arns(workload["clusters"])
        return pulumi.Output.all(role_arn, arns).apply(lambda known: text(*known))

    def _association(self, key: str, workload: Workload, cluster: str, former: str | None) -> None:
        def options(suffix: str, in_cluster: str | None = None, **more: Any) -> pulumi.ResourceOptions:
            return self._options((former, cluster, suffix) if former else (), in_cluster, **more)

        namespace, service_account = workload["namespace"], workload["service_account"]
        association = aws.eks.PodIdentityAssociation(
            self._called(key, cluster, "association"),
            cluster_name=self._clusters[cluster].name,
            namespace=namespace,
            service_account=service_account,
            role_arn=self.made.role_arns[key],
            target_role_arn=workload.get("target_role_arn"),
            disable_session_tags=workload.get("disable_session_tags", False),
            policy=workload.get("session_policy"),
            region=self._clusters[cluster].region,
            tags=workload["tags"],
            # The role's ARN is there before its policies are attached, and no value of theirs goes in here: one that is
            # yet to come would show every association as changed. (Cluster, namespace, ServiceAccount) is unique: a
            # replacement can only follow the deletion.
            opts=options("association", depends_on=self.made.attachments[key], delete_before_replace=True),
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
            self.made.ready[cluster] = gathered(dict(enumerate(ids)))
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
