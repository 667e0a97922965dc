"""What is seen only in the whole stack: associations with their clusters, roles, ServiceAccounts and pods."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ._checks import ASSOCIATION_NAMES, PODS, Finding, Props, renamed
from ._rules import rules
from ._values import peek

at = rules.at
UNKNOWN = rules.UNKNOWN

ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
CLUSTER = "aws:eks/cluster:Cluster"
ADDON = "aws:eks/addon:Addon"
FARGATE = "aws:eks/fargateProfile:FargateProfile"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
POLICY = "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
KUBERNETES = "pulumi:providers:kubernetes"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
SUBNET = "aws:ec2/subnet:Subnet"
CHARTS = ("kubernetes:helm.sh/v3:Release", "kubernetes:helm.sh/v4:Chart", "kubernetes:helm.sh/v3:Chart")
AGENT = "eks-pod-identity-agent"

TYPES = frozenset(
    (
        *(ASSOCIATION, CLUSTER, ADDON, FARGATE, NODE_GROUP, ROLE, ROLE_POLICY, POLICY, ATTACHMENT),
        *(KUBERNETES, SERVICE_ACCOUNT, SUBNET, *CHARTS, *PODS),
    )
)
"""The types whose properties are read here."""

Found = Iterator[tuple[str, Finding]]
"""URNs, each with a finding on its resource."""


@dataclass(frozen=True)
class Resource:
    """One resource: what it is, its inputs and outputs, the URNs that it, and each property of it, depends on, and that
    of its provider."""

    urn: str
    type: str
    props: Props
    dependencies: Sequence[str] = ()
    property_dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    provider: str = ""

    @property
    def label(self) -> str:
        """What it is called in the program: its type, with those of its parents, and its name."""
        return self.urn.split("::", 2)[2]


@dataclass(frozen=True)
class Association:
    """A role for a ServiceAccount: an association of its own, or one of those that an add-on has."""

    resource: Resource
    props: Props
    """Where the role and the ServiceAccount stand."""
    prefix: str = ""
    """Where that is in the resource."""

    @property
    def namespace(self) -> Any:
        if self.resource.type == ASSOCIATION:
            return at(self.props, "namespace")
        given = at(self.resource.props, "namespaceConfig")
        if given is None or given is UNKNOWN:
            # The provider answers where it is only once it is there.
            name = at(self.resource.props, "addonName")
            return rules.ADDON_NAMESPACES.get(name, UNKNOWN) if isinstance(name, str) else UNKNOWN
        return at(given, "namespace")

    @property
    def service_account(self) -> Any:
        return at(self.props, "serviceAccount")


@dataclass
class Holder:
    """What a role may do, by the policies of the stack: it, or the first of them where the role is not in the stack."""

    urn: str
    inline: dict[str, Any] = field(default_factory=dict)
    """Documents by the policies' own names: after a refresh a role has those of other resources among its own."""
    documents: dict[str, Any] = field(default_factory=dict)
    """All documents, by what they are called in the program."""


# How a kubeconfig gets its tokens: `aws eks get-token --cluster-name demo --region eu-west-1`.
_TOKEN = re.compile(r"--(cluster-name|region)[\s\"',=-]+([0-9A-Za-z][\w-]*)")


class Stack:
    """The resources of a stack, by URN and type, and how they hang together."""

    def __init__(self, resources: Sequence[Resource]):
        # The engine has them in another order each time.
        self._by_urn = {resource.urn: resource for resource in sorted(resources, key=lambda resource: resource.urn)}
        self._by_type: dict[str, list[Resource]] = {}
        for resource in self._by_urn.values():
            self._by_type.setdefault(resource.type, []).append(resource)
        self._by_texts: dict[tuple[str, ...], dict[tuple[str | None, ...], list[Resource]]] = {}

    def of_type(self, *types: str) -> list[Resource]:
        return [resource for kind in types for resource in self._by_type.get(kind, ())]

    def _having(self, kind: str, **wanted: Any) -> list[Resource]:
        """The resources of a type whose properties are these texts, or are none where what is wanted is none."""
        index = self._by_texts.get((kind, *wanted))
        if index is None:
            index = self._by_texts[(kind, *wanted)] = {}
            for resource in self.of_type(kind):
                texts = tuple(_text(peek(resource.props, prop)) for prop in wanted)
                index.setdefault(texts, []).append(resource)
        return index.get(tuple(_text(value) for value in wanted.values()), [])

    def associations(self) -> list[Association]:
        """All associations, those that add-ons have included."""
        own = [Association(resource, resource.props) for resource in self.of_type(ASSOCIATION)]
        return own + [
            Association(addon, props, f"{where}.")
            for addon in self.of_type(ADDON)
            for where, props in rules.known_items("podIdentityAssociations", at(addon.props, "podIdentityAssociations"))
        ]

    def cluster_of(self, resource: Resource) -> Any:
        """What tells the resource's cluster apart: its URN where it is in the stack, else its name; `UNKNOWN` where
        neither can be told."""
        return self._named(resource, "clusterName", CLUSTER)

    def cluster_around(self, resource: Resource) -> Any:
        """The same for what is in Kubernetes, by its provider."""
        provider = self._by_urn.get(resource.provider)
        if provider is None:
            return UNKNOWN
        behind = self._behind(provider.property_dependencies.get("kubeconfig", ()), CLUSTER)
        if len(behind) == 1:
            return behind[0].urn
        arguments = set(_TOKEN.findall(str(at(provider.props, "kubeconfig"))))
        # With more of them there are several clusters in it.
        said = dict(arguments) if len(arguments) == 2 else {}
        return self._called(CLUSTER, said["cluster-name"], said["region"]) if len(said) == 2 else UNKNOWN

    def _named(self, resource: Resource, prop: str, kind: str) -> Any:
        """What a property names: the URN of a resource of that type where it is in the stack, else the name; `UNKNOWN`
        where neither can be told."""
        found = self._behind(resource.property_dependencies.get(prop, ()), kind)
        if len(found) == 1 and not isinstance(peek(resource.props, prop), str):
            return found[0].urn
        name = at(resource.props, prop)
        return self._called(kind, name, peek(resource.props, "region")) if isinstance(name, str) else UNKNOWN

    def _called(self, kind: str, name: str, region: Any) -> str:
        # There may be one of this name in each region.
        same = self._having(kind, name=name, region=region)
        if len(same) == 1:
            return same[0].urn
        return f"{region}:{name}" if isinstance(region, str) else name

    def _behind(self, urns: Sequence[str], kind: str) -> list[Resource]:
        """The resources of a type nearest behind these, by whatever way."""
        todo, seen, found = list(urns), set(urns), []
        while todo:
            resource = self._by_urn.get(todo.pop(0))
            if resource is None:
                continue
            if resource.type == kind:
                found.append(resource)
                continue
            for urn in resource.dependencies:
                if urn not in seen:
                    seen.add(urn)
                    todo.append(urn)
        return found

    def roles_of(self, association: Association, prop: str = "roleArn") -> list[Resource]:
        """The role that an association names, where it is in the stack. An add-on's are told together where they are
        not known yet."""
        arn = at(association.props, prop)
        if isinstance(arn, str):
            same = self._having(ROLE, arn=arn)
            if same:
                return same[:1]
        own = association.resource.type == ASSOCIATION
        roles = self._behind_directly(association.resource, prop if own else "podIdentityAssociations", ROLE)
        named = 1 if own else len(at(association.resource.props, "podIdentityAssociations"))
        # With more of them the program chooses, and which one cannot be told.
        return roles if len(roles) <= named else []

    def _behind_directly(self, resource: Resource, prop: str, kind: str) -> list[Resource]:
        urns = dict.fromkeys(resource.property_dependencies.get(prop, ()))
        return [self._by_urn[urn] for urn in urns if urn in self._by_urn and self._by_urn[urn].type == kind]

    def subnets_of(self, group: Resource) -> list[Resource]:
        """The subnets that a node group is in, those in the stack."""
        ids = [value for _, value in rules.known_items("", at(group.props, "subnetIds"))]
        if ids:
            return [subnet for subnet in self.of_type(SUBNET) if peek(subnet.props, "id") in ids]
        return self._behind_directly(group, "subnetIds", SUBNET)

    def associated(self, resource: Resource, namespace: Any, service_account: Any) -> Any:
        """Whether there is an association for a ServiceAccount, by its namespace and name, in the cluster that a
        resource is in; `UNKNOWN` where there is one, and its cluster or the resource's cannot be told."""
        if not isinstance(namespace, str) or not isinstance(service_account, str):
            return False
        clusters = [
            self.cluster_of(association.resource)
            for association in self._by_subject.get((namespace, service_account), ())
        ]
        if not clusters:
            return False
        cluster = self.cluster_around(resource)
        if cluster is not UNKNOWN and cluster in clusters:
            return True
        return UNKNOWN if cluster is UNKNOWN or UNKNOWN in clusters else False

    @cached_property
    def _by_subject(self) -> dict[tuple[Any, Any], list[Association]]:
        subjects: dict[tuple[Any, Any], list[Association]] = {}
        for association in self.associations():
            namespace, account = association.namespace, association.service_account
            if isinstance(namespace, str) and isinstance(account, str):
                subjects.setdefault((namespace, account), []).append(association)
        return subjects

    def holders(self) -> list[Holder]:
        """The roles that have policies in the stack, each with these: in the role itself, beside it, or attached."""
        holders: dict[str, Holder] = {}
        for role in self.of_type(ROLE):
            holder = holders.setdefault(role.urn, Holder(role.urn))
            for where, inline in rules.known_items("inlinePolicies", peek(role.props, "inlinePolicies")):
                name = at(inline, "name")
                holder.inline[name if isinstance(name, str) else where] = at(inline, "policy")
                holder.documents[where] = at(inline, "policy")
            for policy in self._policies_of(role, "managedPolicyArns"):
                holder.documents[policy.label] = at(policy.props, "policy")
        for resource in self.of_type(ROLE_POLICY, ATTACHMENT):
            role = self._named(resource, "role", ROLE)
            if role is UNKNOWN:
                continue
            holder = holders.setdefault(role, Holder(resource.urn))
            if resource.type == ROLE_POLICY:
                name = at(resource.props, "name")
                document = at(resource.props, "policy")
                holder.inline[name if isinstance(name, str) else resource.urn] = document
                holder.documents[resource.label] = document
            else:
                policies = self._policies_of(resource, "policyArn")
                # With more of them the program chooses, and which one cannot be told.
                for policy in policies if len(policies) == 1 else ():
                    holder.documents[policy.label] = at(policy.props, "policy")
        return list(holders.values())

    def _policies_of(self, resource: Resource, prop: str) -> list[Resource]:
        """The managed policies whose ARNs a property has, those in the stack."""
        given = peek(resource.props, prop)
        arns = [given] if isinstance(given, str) else [arn for _, arn in rules.known_items("", given)]
        policies = [policy for arn in arns if isinstance(arn, str) for policy in self._having(POLICY, arn=arn)]
        return policies or self._behind_directly(resource, prop, POLICY)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


@dataclass(frozen=True)
class StackCheck:
    """What judges a whole stack, and the ids of the rules that it can answer with."""

    judge: Callable[[Stack], Found]
    rules: tuple[str, ...]


def _duplicates(stack: Stack) -> Found:
    associations = [
        rules.Association(
            association.resource.urn,
            stack.cluster_of(association.resource),
            association.namespace,
            association.service_account,
            f"{association.prefix}serviceAccount",
        )
        for association in stack.associations()
    ]
    yield from rules.judge_associations(associations)


def _agents(stack: Stack) -> Found:
    served = [stack.cluster_of(association.resource) for association in stack.associations()]
    agents: list[Any] = []
    for addon in stack.of_type(ADDON):
        name = at(addon.props, "addonName")
        if name in (AGENT, UNKNOWN):
            agents.append(stack.cluster_of(addon))
    # In which cluster a chart comes is known to its provider only.
    agents += [UNKNOWN for chart in stack.of_type(*CHARTS) if AGENT in str(at(chart.props, "chart"))]
    for cluster in stack.of_type(CLUSTER):
        auto_mode = at(cluster.props, "computeConfig.enabled")
        for finding in rules.judge_agent(served, cluster=cluster.urn, agents=agents, auto_mode=auto_mode):
            yield cluster.urn, finding


def _trusts(stack: Stack) -> Found:
    for association in stack.associations():
        for role in stack.roles_of(association):
            trust, disabled = at(role.props, "assumeRolePolicy"), at(association.props, "disableSessionTags")
            for finding in rules.judge_trust(trust, "assumeRolePolicy", disable_session_tags=disabled, required=True):
                yield role.urn, renamed(finding, ASSOCIATION_NAMES)


def _chains(stack: Stack) -> Found:
    clusters = {cluster.urn: cluster for cluster in stack.of_type(CLUSTER)}
    for association in stack.associations():
        props = association.props
        cluster = clusters.get(stack.cluster_of(association.resource))
        arn = at(cluster.props, "arn") if cluster else None
        match = rules.CLUSTER_ARN.fullmatch(arn) if isinstance(arn, str) else None
        role_arn, target_arn = at(props, "roleArn"), at(props, "targetRoleArn")
        for finding in rules.judge_role_account(
            role_arn,
            match["account"] if match else None,
            cluster_partition=match["partition"] if match else None,
            target_role_arn=target_arn,
            prop=f"{association.prefix}roleArn",
        ):
            yield association.resource.urn, renamed(finding, ASSOCIATION_NAMES)
        account = association.namespace, association.service_account
        external_id = None
        if match and all(isinstance(part, str) for part in account):
            external_id = "/".join([match["region"], match["account"], match["name"], *account])
        for target in stack.roles_of(association, "targetRoleArn") if target_arn is not None else ():
            for finding in rules.judge_target_trust(
                at(target.props, "assumeRolePolicy"),
                "assumeRolePolicy",
                role_arn=role_arn,
                external_id=external_id,
                disable_session_tags=at(props, "disableSessionTags"),
            ):
                yield target.urn, renamed(finding, ASSOCIATION_NAMES)


def _fargate(stack: Stack) -> Found:
    for profile in stack.of_type(FARGATE):
        cluster = stack.cluster_of(profile)
        if cluster is UNKNOWN:
            continue
        associations = [
            (association.namespace, association.service_account)
            for association in stack.associations()
            if stack.cluster_of(association.resource) == cluster
        ]
        pods = [
            (at(pod.props, "metadata.namespace"), at(spec, "serviceAccountName"), at(metadata, "labels"))
            for pod, metadata, spec, _ in _pods(stack)
            if stack.cluster_around(pod) == cluster
        ]
        for finding in rules.judge_fargate(at(profile.props, "selectors"), associations, pods=pods):
            yield profile.urn, finding


def _workloads(stack: Stack) -> Found:
    for account in stack.of_type(SERVICE_ACCOUNT):
        metadata = at(account.props, "metadata")
        associated = stack.associated(account, at(metadata, "namespace"), at(metadata, "name"))
        for finding in rules.judge_service_account_object(metadata, associated=associated):
            yield account.urn, finding
    for pod, _, spec, prop in _pods(stack):
        metadata = at(pod.props, "metadata")
        associated = stack.associated(pod, at(metadata, "namespace"), at(spec, "serviceAccountName"))
        for finding in rules.judge_pod(metadata, spec, associated=associated, prop=prop):
            yield pod.urn, finding


def _pods(stack: Stack) -> Iterator[tuple[Resource, Any, Any, str]]:
    """What runs pods: the resource, the pods' own metadata and specification, and where the latter stands."""
    for resource in stack.of_type(*PODS):
        prefix = f"{PODS[resource.type]}." if PODS[resource.type] else ""
        yield resource, at(resource.props, f"{prefix}metadata"), at(resource.props, f"{prefix}spec"), f"{prefix}spec"


def _policies(stack: Stack) -> Found:
    for holder in stack.holders():
        for finding in rules.judge_inline_policies(holder.inline.values()):
            yield holder.urn, finding
        for finding in rules.judge_attached_policies(holder.documents):
            yield holder.urn, finding


def _node_subnets(stack: Stack) -> Found:
    for group in stack.of_type(NODE_GROUP):
        for subnet in stack.subnets_of(group):
            for finding in rules.judge_node_subnet(subnet.props, "subnetIds"):
                yield group.urn, finding


STACK_CHECKS: tuple[StackCheck, ...] = (
    StackCheck(_duplicates, ("association-duplicate",)),
    StackCheck(_agents, ("agent-missing",)),
    StackCheck(_trusts, ("trust-needs-session-tags", "association-trust")),
    StackCheck(
        _chains,
        (
            "role-account",
            "chaining-self",
            "chaining-trust",
            "chaining-external-id",
            "chaining-unscoped",
            "trust-needs-session-tags",
        ),
    ),
    StackCheck(_fargate, ("pod-identity-fargate", "pod-identity-fargate-labels")),
    StackCheck(_workloads, ("irsa-left-over", "pod-identity-windows", "workload-elsewhere")),
    StackCheck(_policies, ("iam-inline-size", "iam-role-escalation")),
    StackCheck(_node_subnets, ("node-public-subnet",)),
)
