"""What is seen only in the whole stack: associations with their clusters, roles, ServiceAccounts and pods."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._checks import PODS, Finding, Props
from ._rules import rules

at = rules.at

ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
CLUSTER = "aws:eks/cluster:Cluster"
ADDON = "aws:eks/addon:Addon"
FARGATE = "aws:eks/fargateProfile:FargateProfile"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
ROLE = "aws:iam/role:Role"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
SUBNET = "aws:ec2/subnet:Subnet"
CHARTS = ("kubernetes:helm.sh/v3:Release", "kubernetes:helm.sh/v4:Chart", "kubernetes:helm.sh/v3:Chart")
AGENT = "eks-pod-identity-agent"

TYPES = frozenset((ASSOCIATION, CLUSTER, ADDON, FARGATE, NODE_GROUP, ROLE, SERVICE_ACCOUNT, SUBNET, *CHARTS, *PODS))
"""The types whose properties are read here."""

Found = Iterator[tuple[str, Finding]]
"""URNs, each with a finding on its resource."""


@dataclass(frozen=True)
class Resource:
    """One resource: what it is, its inputs and outputs, and the URNs that it, and each property of it, depends on."""

    urn: str
    type: str
    props: Props
    dependencies: Sequence[str] = ()
    property_dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Stack:
    """The resources of a stack, by URN and type, and how they hang together."""

    def __init__(self, resources: Sequence[Resource]):
        self._by_urn = {resource.urn: resource for resource in resources}
        self._names = {
            name: cluster.urn for cluster in self.of_type(CLUSTER) if isinstance(name := at(cluster.props, "name"), str)
        }

    def of_type(self, *types: str) -> list[Resource]:
        return [resource for resource in self._by_urn.values() if resource.type in types]

    def cluster_of(self, resource: Resource, prop: str = "clusterName") -> Any:
        """What tells the resource's cluster apart: its URN where it is in the stack, else its name; `UNKNOWN` where
        neither can be told."""
        name = at(resource.props, prop)
        if isinstance(name, str):
            return self._names.get(name, name)
        found = self._behind(resource.property_dependencies.get(prop) or resource.dependencies, CLUSTER)
        return found[0].urn if len(found) == 1 else rules.UNKNOWN

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

    def role_of(self, association: Resource, prop: str = "roleArn") -> Resource | None:
        """The role that an association names, where it is in the stack."""
        arn = at(association.props, prop)
        roles = [self._by_urn[urn] for urn in association.property_dependencies.get(prop, ()) if urn in self._by_urn]
        roles = [role for role in roles if role.type == ROLE]
        if isinstance(arn, str):
            roles = [role for role in self.of_type(ROLE) if at(role.props, "arn") == arn] or roles
        return roles[0] if len(roles) == 1 else None

    def subnets_of(self, group: Resource) -> list[Resource]:
        """The subnets that a node group is in, those in the stack."""
        ids = [value for _, value in rules.known_items("", at(group.props, "subnetIds"))]
        if ids:
            return [subnet for subnet in self.of_type(SUBNET) if at(subnet.props, "id") in ids]
        urns = group.property_dependencies.get("subnetIds", ())
        return [self._by_urn[urn] for urn in urns if urn in self._by_urn and self._by_urn[urn].type == SUBNET]

    def associated(self, namespace: Any, service_account: Any) -> bool:
        """Whether there is an association for a ServiceAccount, by its namespace and name."""
        if not isinstance(namespace, str) or not isinstance(service_account, str):
            return False
        return any(
            (at(a.props, "namespace"), at(a.props, "serviceAccount")) == (namespace, service_account)
            for a in self.of_type(ASSOCIATION)
        )


@dataclass(frozen=True)
class StackCheck:
    """What judges a whole stack, and the ids of the rules that it can answer with."""

    judge: Callable[[Stack], Found]
    rules: tuple[str, ...]


def _duplicates(stack: Stack) -> Found:
    associations = [
        rules.Association(
            resource.urn,
            stack.cluster_of(resource),
            at(resource.props, "namespace"),
            at(resource.props, "serviceAccount"),
        )
        for resource in stack.of_type(ASSOCIATION)
    ]
    yield from rules.judge_associations(associations)


def _agents(stack: Stack) -> Found:
    served = [stack.cluster_of(association) for association in stack.of_type(ASSOCIATION)]
    agents: list[Any] = []
    for addon in stack.of_type(ADDON):
        name = at(addon.props, "addonName")
        if name in (AGENT, rules.UNKNOWN):
            agents.append(stack.cluster_of(addon))
    # In which cluster a chart comes is known to its provider only.
    agents += [rules.UNKNOWN for chart in stack.of_type(*CHARTS) if AGENT in str(at(chart.props, "chart"))]
    for cluster in stack.of_type(CLUSTER):
        auto_mode = at(cluster.props, "computeConfig.enabled")
        for finding in rules.judge_agent(served, cluster=cluster.urn, agents=agents, auto_mode=auto_mode):
            yield cluster.urn, finding


def _trusts(stack: Stack) -> Found:
    for association in stack.of_type(ASSOCIATION):
        role = stack.role_of(association)
        if role is not None:
            trust, disabled = at(role.props, "assumeRolePolicy"), at(association.props, "disableSessionTags")
            for finding in rules.judge_trust(trust, "assumeRolePolicy", disable_session_tags=disabled, required=True):
                yield role.urn, finding


def _chains(stack: Stack) -> Found:
    for association in stack.of_type(ASSOCIATION):
        props = association.props
        cluster = next((c for c in stack.of_type(CLUSTER) if c.urn == stack.cluster_of(association)), None)
        arn = at(cluster.props, "arn") if cluster else None
        match = rules.CLUSTER_ARN.fullmatch(arn) if isinstance(arn, str) else None
        role_arn, target_arn = at(props, "roleArn"), at(props, "targetRoleArn")
        for finding in rules.judge_role_account(
            role_arn, match["account"] if match else None, target_role_arn=target_arn, prop="roleArn"
        ):
            yield association.urn, finding
        target = stack.role_of(association, "targetRoleArn") if target_arn is not None else None
        if target is None:
            continue
        account = at(props, "namespace"), at(props, "serviceAccount")
        external_id = None
        if match and all(isinstance(part, str) for part in account):
            external_id = "/".join([match["region"], match["account"], match["name"], *account])
        for finding in rules.judge_target_trust(
            at(target.props, "assumeRolePolicy"),
            "assumeRolePolicy",
            role_arn=role_arn,
            external_id=external_id,
            disable_session_tags=at(props, "disableSessionTags"),
        ):
            yield target.urn, finding


def _fargate(stack: Stack) -> Found:
    for profile in stack.of_type(FARGATE):
        cluster = stack.cluster_of(profile)
        pairs = [
            (at(a.props, "namespace"), at(a.props, "serviceAccount"))
            for a in stack.of_type(ASSOCIATION)
            if cluster is not rules.UNKNOWN and stack.cluster_of(a) == cluster
        ]
        for finding in rules.judge_fargate(at(profile.props, "selectors"), pairs):
            yield profile.urn, finding


def _workloads(stack: Stack) -> Found:
    for account in stack.of_type(SERVICE_ACCOUNT):
        metadata = at(account.props, "metadata")
        if stack.associated(at(metadata, "namespace"), at(metadata, "name")):
            for finding in rules.judge_service_account_object(metadata, associated=True):
                yield account.urn, finding
    for pod in stack.of_type(*PODS):
        path = PODS[pod.type]
        prefix = f"{path}." if path else ""
        spec = at(pod.props, f"{prefix}spec")
        if stack.associated(at(pod.props, "metadata.namespace"), at(spec, "serviceAccountName")):
            for finding in rules.judge_pod(at(pod.props, "metadata"), spec, associated=True, prop=f"{prefix}spec"):
                yield pod.urn, finding


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
        _chains, ("role-account", "chaining-self", "chaining-trust", "chaining-external-id", "chaining-unscoped")
    ),
    StackCheck(_fargate, ("pod-identity-fargate", "pod-identity-fargate-labels")),
    StackCheck(_workloads, ("irsa-left-over", "pod-identity-windows")),
    StackCheck(_node_subnets, ("node-public-subnet",)),
)
