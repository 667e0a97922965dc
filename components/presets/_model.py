"""What a preset is: its definition, the scope it takes, and what is built of the two."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .. import documents, rules
from ..documents import Document, Statement
from ..rules import UNKNOWN, Finding
from ._forms import Form, Items

ATTACHED_POLICIES = 10
"""How many managed policies IAM attaches to a role, unless the quota is raised."""

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Cluster:
    """The facts of the cluster that a preset is built for: all of them stand in its ARN."""

    partition: str
    region: str
    account: str
    name: str

    @classmethod
    def at(cls, arn: str) -> "Cluster":
        """The cluster with this ARN. Raises `ValueError` on what is no cluster's ARN."""
        match = rules.CLUSTER_ARN.fullmatch(arn)
        if match is None:
            raise ValueError(f"{arn!r} is not the ARN of an EKS cluster")
        return cls(match["partition"], match["region"], match["account"], match["name"])

    def arn(self, service: str, resource: str, *, region: str | None = None, account: str | None = None) -> str:
        """An ARN in the cluster's partition, and in its region and account unless others, or none (`""`), are given."""
        place = (self.region if region is None else region, self.account if account is None else account)
        return f"arn:{self.partition}:{service}:{place[0]}:{place[1]}:{resource}"

    @property
    def ownership_tag(self) -> str:
        """The key of the tag that nodes, and what belongs to them, carry with the value `owned`."""
        return f"kubernetes.io/cluster/{self.name}"


Builder = Callable[..., Sequence[Statement]]
"""What makes the statements: the cluster, and the scope's arguments by keyword."""


@dataclass(frozen=True)
class Argument:
    """One argument of a preset's scope. One that is not required may be left out, but what is given is not empty.

    Names are written with underscores here; a stack's configuration may write them in camelCase.
    """

    name: str
    form: Form
    description: str
    required: bool = False


@dataclass(frozen=True)
class Preset:
    """A preset, built: what to give to a role, and to whom that role is customarily given."""

    name: str
    """The preset's name, such as `external-dns`."""
    namespace: str | None
    """The namespace in which the workload customarily runs. None where it is any workload's own."""
    service_account: str | None
    """The ServiceAccount that it customarily has. None where it is any workload's own."""
    policies: tuple[Document, ...]
    """The permission policies; more than one only where one would be over IAM's 6,144 characters."""
    managed_policy_arns: Mapping[str, str]
    """ARNs of AWS managed policies to attach as well, by the policy's name."""
    exceptions: Mapping[str, str]
    """Actions that are allowed on `*` although they take resources, and why."""
    addon: str | None
    """The name of the EKS add-on that is this workload and takes the association itself. None where there is none."""

    @property
    def statements(self) -> list[Statement]:
        """The statements of all policies, in order."""
        return [statement for policy in self.policies for statement in policy["Statement"]]


@dataclass(frozen=True)
class Definition:
    """A preset, defined: who publishes the permissions, whom they are for, and how the scope turns into statements.

    `title` is the workload's own name, `version` the release whose published permissions are followed and `source` the
    page that has them. Of the arguments named in `any_of` at least one has to be given. `managed_policies` are names
    of AWS managed policies with their path, `exceptions` as in `Preset`, and `note` what else has to be set up.
    """

    name: str
    title: str
    version: str
    source: str
    statements: Builder
    scope: tuple[Argument, ...]
    namespace: str | None = None
    service_account: str | None = None
    addon: str | None = None
    any_of: tuple[str, ...] = ()
    managed_policies: tuple[str, ...] = ()
    exceptions: Mapping[str, str] = field(default_factory=lambda: _NONE)
    note: str = ""

    def judge(
        self, scope: Any, prop: str = "scope", partition: str | None = None, *, camel_case: bool = False
    ) -> list[Finding]:
        """Judge a scope: its keys, what is missing or empty, and the form of each value.

        `prop` is where the scope stands; `partition` the cluster's, in which all ARNs have to be, where it is known.
        `camel_case` says how the findings are to spell the names of arguments.
        """
        if scope is UNKNOWN:
            return []
        spelled = camel_cased if camel_case else str
        arguments = {argument.name: argument for argument in self.scope}
        names = [spelled(name) for name in arguments]
        if scope is None:
            scope = {}
        if not isinstance(scope, Mapping):
            fix = f"Write it with {', '.join(names)}" if names else "Leave it out"
            return [Finding("preset-scope", prop, scope, "a scope is a mapping", fix, self.source)]
        findings: list[Finding] = []
        given: dict[str, str] = {}
        for key in scope:
            name = snake_case(key)
            where = f"{prop}.{key}"
            if name in given:
                reason = f"this is given a second time, beside {given[name]}"
                findings.append(Finding("preset-scope", where, scope[key], reason, "Remove one of them"))
            elif name not in arguments:
                reason = f"the preset {self.name} has no such argument"
                fix = closest(spelled(name), names)
                findings.append(Finding("preset-scope", where, scope[key], reason, fix, self.source))
            else:
                given[name] = key
        for name, argument in arguments.items():
            value = scope[given[name]] if name in given else None
            if value is None and argument.required:
                reason = f"the preset {self.name} is not given without a scope"
                fix = f"Give a {argument.form.type}: {argument.description}"
                findings.append(
                    Finding("preset-scope-missing", f"{prop}.{spelled(name)}", None, reason, fix, self.source)
                )
            elif value is not None:
                findings += argument.form.judge(f"{prop}.{given[name]}", value, self.source, partition)
        chosen = [scope[given[name]] for name in self.any_of if name in given]
        if self.any_of and all(value is None or value is False for value in chosen):
            reason = f"the preset {self.name} is not given without a scope"
            fix = f"Give at least one of {', '.join(map(spelled, self.any_of))}"
            findings.append(Finding("preset-scope-missing", prop, None, reason, fix, self.source))
        return findings

    def build(
        self,
        clusters: Cluster | Sequence[Cluster],
        scope: Mapping[str, Any] | None = None,
        policies: int | None = None,
    ) -> Preset:
        """The preset for a scope, and for one cluster or several of one partition.

        `policies` is how many policies there are to be, which is to say that of `most_policies`; as few as can be where
        it is left out. The same arguments, in whatever order, always give the same documents. Raises `ValueError` with
        all findings on a scope that `judge` refuses, on one that is not known yet, and on one that would take more
        policies than asked for, or than a role can have.
        """
        several = (clusters,) if isinstance(clusters, Cluster) else tuple(clusters)
        partitions = sorted({cluster.partition for cluster in several})
        if len(partitions) != 1:
            raise ValueError(f"{self.name}: clusters of one partition are wanted, not of {partitions}")
        statements = self._statements(several, self._arguments(scope, partitions[0]))
        parts = split(statements)
        most = ATTACHED_POLICIES - len(self.managed_policies) if policies is None else policies
        if len(parts) > most:
            raise ValueError(
                f"{self.name}: this scope takes {len(parts)} policies, and there can be {most} at most. "
                "Name fewer resources, or use more than one role"
            )
        if policies is not None:
            parts = spread(parts, policies)
        return Preset(
            name=self.name,
            namespace=self.namespace,
            service_account=self.service_account,
            policies=tuple(documents.permissions(part) for part in parts),
            managed_policy_arns={
                path.rpartition("/")[2]: f"arn:{partitions[0]}:iam::aws:policy/{path}" for path in self.managed_policies
            },
            exceptions=self.exceptions,
            addon=self.addon,
        )

    def most_policies(self, scope: Mapping[str, Any] | None = None, clusters: int = 1) -> int:
        """How many policies a scope takes at most, whatever the clusters are of which the number is known; no more than
        a role can have.

        For programs that have to say how many policies they make before the clusters' ARNs are known. Raises
        `ValueError` as `build` does.
        """
        arguments = self._arguments(scope, None)
        longest = [Cluster("aws-us-gov", "x" * 16, f"{n:012}", f"{n:0100}") for n in range(clusters)]
        statements = self._statements(longest, arguments)
        # A statement that need not be cut after all may fill a policy by itself.
        most = len(split(statements)) + sum(_size([one]) > rules.MANAGED_POLICY_SIZE for one in statements)
        return min(most, ATTACHED_POLICIES - len(self.managed_policies))

    def _statements(self, clusters: Sequence[Cluster], arguments: Mapping[str, Any]) -> list[Statement]:
        return _distinct(
            statement
            for cluster in sorted(set(clusters), key=lambda one: (one.account, one.region, one.name))
            for statement in self.statements(cluster, **arguments)
        )

    def _arguments(self, scope: Mapping[str, Any] | None, partition: str | None) -> dict[str, Any]:
        findings = self.judge(scope, partition=partition)
        if findings:
            raise ValueError("\n".join(map(str, findings)))
        given = scope or {}
        if _unknown(scope) or any(_unknown(value) for value in given.values()):
            raise ValueError(f"{self.name}: the scope is not known yet")
        values = {snake_case(key): value for key, value in given.items() if value is not None}
        return {
            argument.name: sorted(values.get(argument.name, ()))
            if isinstance(argument.form, Items)
            else values[argument.name]
            for argument in self.scope
            if isinstance(argument.form, Items) or argument.name in values
        }


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Mapping[str, Any]] | None = None
) -> Statement:
    """A statement that allows the actions on the resources; `["*"]` where the actions take none."""
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": resources[0] if len(resources) == 1 else list(resources),
    }
    return statement | ({"Condition": {key: dict(value) for key, value in condition.items()}} if condition else {})


def split(statements: Sequence[Statement], limit: int = rules.MANAGED_POLICY_SIZE) -> list[list[Statement]]:
    """The statements, in order, in as few policies of at most `limit` characters as that order allows.

    A statement that is too large by itself is cut by its resources. Raises `ValueError` where one resource is too much.
    """
    parts: list[list[Statement]] = []
    for statement in statements:
        for piece in _pieces(statement, limit):
            if parts and _size([*parts[-1], piece]) <= limit:
                parts[-1].append(piece)
            else:
                parts.append([piece])
    return parts


def spread(parts: Sequence[list[Statement]], count: int) -> list[list[Statement]]:
    """The parts that `split` made, as exactly `count` of them: the largest are halved as often as it takes.

    Raises `ValueError` where there is nothing left to halve.
    """
    result = list(parts)
    while len(result) < count:
        largest = max(range(len(result)), key=lambda i: (len(result[i]) > 1, _size(result[i])))
        pieces = result[largest] if len(result[largest]) > 1 else _halves(result[largest][0])
        middle = len(pieces) // 2
        result[largest : largest + 1] = [pieces[:middle], pieces[middle:]]
    return result


def _pieces(statement: Statement, limit: int) -> list[Statement]:
    if _size([statement]) <= limit:
        return [statement]
    pieces = [piece for half in _halves(statement) for piece in _pieces(half, limit)]
    return [piece | {"Sid": f"{statement['Sid']}Part{i}"} for i, piece in enumerate(pieces, 1)]


def _halves(statement: Statement) -> list[Statement]:
    resources = statement["Resource"]
    if isinstance(resources, str):
        raise ValueError(f"the statement {statement['Sid']} has one resource, and cannot be cut")
    middle = len(resources) // 2
    halves = (resources[:middle], resources[middle:])
    return [statement | {"Resource": half[0] if len(half) == 1 else half} for half in halves]


def _size(statements: Sequence[Statement]) -> int:
    # IAM does not count white space.
    return len(re.sub(r"\s", "", documents.to_json(documents.permissions(statements))))


def _distinct(statements: Iterable[Statement]) -> list[Statement]:
    """The statements without repetitions; those of further clusters under Sids of their own."""
    kept: list[Statement] = []
    for statement in statements:
        alike = [one for one in kept if re.fullmatch(rf"{statement['Sid']}\d*", one["Sid"])]
        if not any(one | {"Sid": ""} == statement | {"Sid": ""} for one in alike):
            kept.append(statement | ({"Sid": f"{statement['Sid']}{len(alike) + 1}"} if alike else {}))
    return kept


def _unknown(value: Any) -> bool:
    return value is UNKNOWN or (isinstance(value, Sequence) and any(item is UNKNOWN for item in value))


def snake_case(key: object) -> str:
    """An argument's name as it is written here: `hosted_zone_arns` for `hostedZoneArns`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(key)).lower()


def camel_cased(name: str) -> str:
    """The same name as a stack's configuration writes it: `hostedZoneArns` for `hosted_zone_arns`."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def closest(name: str, names: Collection[str]) -> str:
    """What to write in place of a name that does not exist."""
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"Write {near[0]}"
    return f"Use one of {', '.join(sorted(names))}" if names else "Remove it: there is none to give"
