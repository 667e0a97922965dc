"""Trust policies, ours and anybody's: whether EKS Pod Identity can assume the role, and for whom."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import _actions
from ._findings import ABAC_PAGE, IAM_GUIDE, UNKNOWN, USER_GUIDE, Finding, Severity, known_items
from ._iam import TRUST_POLICY_SIZE, conditions, judge_document_size, listed, members, parse_document, statements_of
from ._names import ACCOUNT, CLUSTER_ARN, PARTITION

POD_IDENTITY_SERVICE = "pods.eks.amazonaws.com"
TRUST_ACTIONS = ("sts:AssumeRole", "sts:TagSession")
SESSION_TAGS = (
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
)
"""The tags that EKS Pod Identity gives a session, unless the association disables them."""

_ROLE_PAGE = USER_GUIDE + "pod-id-role.html"
_DEPUTY_PAGE = IAM_GUIDE + "confused-deputy.html"
_PRINCIPAL_PAGE = IAM_GUIDE + "reference_policies_elements_principal.html"
_OPERATORS_PAGE = IAM_GUIDE + "reference_policies_elements_condition_operators.html"
_IRSA_PAGE = USER_GUIDE + "associate-service-account-role.html"

_SCOPES = ("aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths")
# As CLUSTER_ARN, with patterns in any part.
_CLUSTER_PATTERN = re.compile(
    r"arn:(?P<partition>[a-z*?-]+):eks:(?P<region>[a-z0-9*?-]*):(?P<account>[\d*?]*)"
    r":cluster/(?P<name>[0-9A-Za-z*?_-]+)",
    re.ASCII,
)


def judge_trust(
    value: Any,
    prop: str = "assume_role_policy",
    *,
    disable_session_tags: Any = None,
    required: bool = False,
) -> list[Finding]:
    """A trust policy as EKS Pod Identity needs it: its principal, exactly its two actions, and scoped conditions.

    `value` is JSON text or a mapping; `disable_session_tags` what the associations with the role say, where that is
    known; `required` whether the role is for pods, so that a policy without Pod Identity is a finding too. Statements
    for other principals are judged only for being open to anyone, and those of OIDC providers for naming a subject.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html.
    """
    document, findings = parse_document(value, prop)
    if document is None:
        return findings
    text = value if isinstance(value, str) else json.dumps(document, default=str, separators=(",", ":"))
    findings += judge_document_size(prop, text, TRUST_POLICY_SIZE)
    statements = [
        _Trust(where, item)
        for where, item in known_items(f"{prop}.Statement", statements_of(document))
        if isinstance(item, Mapping)
    ]
    allowing = [statement for statement in statements if statement.allows]
    pods = [statement for statement in allowing if POD_IDENTITY_SERVICE in statement.principals("Service")]
    findings += _judge_actions(pods)
    for statement in allowing:
        findings += statement.judge_openness()
        findings += statement.judge_near_misses()
        findings += statement.judge_federation()
    for statement in pods:
        findings += statement.judge_scope(disable_session_tags)
    if required and trusts_pod_identity(document) is False:
        reason = "EKS Pod Identity may not assume the role"
        fix = "Build the document with documents.trust([...])"
        findings.append(Finding("association-trust", prop, POD_IDENTITY_SERVICE, reason, fix, _ROLE_PAGE))
    return findings


def trusts_pod_identity(value: Any) -> Any:
    """Whether a trust policy lets EKS Pod Identity assume its role; `UNKNOWN` where that cannot be said."""
    if value is UNKNOWN:
        return UNKNOWN
    document, _ = parse_document(value, "")
    if document is None:
        return False
    statements = members(statements_of(document))
    trusts = [_Trust("", statement) for statement in statements if isinstance(statement, Mapping)]
    if any(trust.allows and POD_IDENTITY_SERVICE in trust.principals("Service") for trust in trusts):
        return True
    return UNKNOWN if UNKNOWN in statements or any(trust.has_unknown_principal() for trust in trusts) else False


@dataclass
class _Trust:
    """One statement of a trust policy, and where it stands."""

    where: str
    elements: Mapping[str, Any]
    conditions: list[tuple[str, str, list[Any]]] = field(init=False)
    """Operators and keys in lower case, as IAM compares them, and the known values."""

    def __post_init__(self) -> None:
        self.conditions = list(conditions(self.elements.get("Condition")))

    def place(self, key: str) -> str:
        """Where a condition key stands, as it is spelt there."""
        tests = self.elements["Condition"].values()
        spelt = (name for test in tests if isinstance(test, Mapping) for name in test)
        return f"{self.where}.Condition.{next(name for name in spelt if str(name).lower() == key)}"

    @property
    def allows(self) -> bool:
        effect = self.elements.get("Effect")
        return effect is not UNKNOWN and effect == "Allow"

    def principals(self, kind: str) -> list[Any]:
        principal = self.elements.get("Principal")
        return listed(principal.get(kind)) if isinstance(principal, Mapping) else []

    def has_unknown_principal(self) -> bool:
        if self.elements.get("Effect") is UNKNOWN:
            return True
        principal = self.elements.get("Principal")
        if not isinstance(principal, Mapping):
            return principal is UNKNOWN
        return any(UNKNOWN in members(value) for value in principal.values())

    def actions(self) -> set[str]:
        return {action.lower() for action in listed(self.elements.get("Action")) if isinstance(action, str)}

    def judge_openness(self) -> list[Finding]:
        principal = self.elements.get("Principal")
        anyone = principal is not UNKNOWN and (principal == "*" or "*" in self.principals("AWS"))
        if not anyone or self.elements.get("Condition") is UNKNOWN or self.conditions:
            return []
        fix = "Name the accounts or roles, or the service, that are to have it"
        reason = "anyone, of any account, may assume the role"
        return [Finding("trust-anyone", f"{self.where}.Principal", principal, reason, fix, _PRINCIPAL_PAGE)]

    def judge_near_misses(self) -> list[Finding]:
        findings: list[Finding] = []
        for service in self.principals("Service"):
            # The name is the same in every partition, and none of its parts stands alone.
            near = (
                isinstance(service, str) and service != POD_IDENTITY_SERVICE and "eks" in service and "pod" in service
            )
            if near and "fargate" not in service:
                reason = "this is not the service that assumes roles for pods"
                fix = f"Write {POD_IDENTITY_SERVICE}, which is its name in every partition"
                where = f"{self.where}.Principal"
                findings.append(Finding("trust-principal", where, service, reason, fix, _ROLE_PAGE))
        return findings

    def judge_federation(self) -> list[Finding]:
        providers = [p for p in self.principals("Federated") if isinstance(p, str) and ":oidc-provider/" in p]
        if not providers or self.elements.get("Condition") is UNKNOWN:
            return []
        subjects = [values for operator, key, values in self.conditions if key.endswith(":sub") and _binds(operator)]
        open_to_all = [value for values in subjects for value in values if _is_open(value)]
        if subjects and not open_to_all:
            return []
        where, value = f"{self.where}.Condition", open_to_all[0] if open_to_all else None
        reason = "every token of the provider will do, whatever it was made for"
        fix = "Compare the provider's :sub claim, as in system:serviceaccount:<namespace>:<ServiceAccount>"
        return [Finding("trust-federated-subject", where, value, reason, fix, _IRSA_PAGE)]

    def judge_scope(self, disable_session_tags: Any) -> list[Finding]:
        if self.elements.get("Condition") is UNKNOWN:
            return []
        findings = [
            *self._judge_source_arn(),
            *self._judge_source_account(),
            *self._judge_organization(),
            *self._judge_tags(disable_session_tags),
        ]
        findings += self._judge_external_id()
        return [*findings, *self._judge_missing_scope()]

    def _tests(self, key: str) -> Iterator[tuple[str, str, str]]:
        """Operator, place and value of what is compared with a key, the values that are known texts."""
        for operator, name, values in self.conditions:
            if name == key:
                for value in values:
                    if isinstance(value, str):
                        yield operator, self.place(name), value

    def _judge_source_arn(self) -> list[Finding]:
        findings: list[Finding] = []
        for operator, where, value in self._tests("aws:sourcearn"):
            findings += _judge_operator("aws:SourceArn", operator, where, value)
            if _is_open(value) or CLUSTER_ARN.fullmatch(value) or _CLUSTER_PATTERN.fullmatch(value):
                continue
            if ":podidentityassociation/" in value:
                reason = (
                    "the request comes from the cluster: an association's ARN never matches, and no pod gets the role"
                )
            else:
                reason = "this never matches the ARN of a cluster, so no pod gets the role"
            fix = "Write arn:<partition>:eks:<region>:<account>:cluster/<name>"
            findings.append(Finding("trust-source-arn", where, value, reason, fix, _ROLE_PAGE))
        accounts = {value for _, _, value in self._tests("aws:sourceaccount") if re.fullmatch(ACCOUNT, value)}
        for _, where, value in self._tests("aws:sourcearn"):
            match = _CLUSTER_PATTERN.fullmatch(value)
            if match and accounts and not any(_actions.glob(match["account"]).fullmatch(one) for one in accounts):
                reason = f"aws:SourceAccount asks for {', '.join(sorted(accounts))}, and this is a cluster elsewhere"
                fix = "Name the account of each cluster in aws:SourceAccount"
                findings.append(Finding("trust-contradiction", where, value, reason, fix, _ROLE_PAGE))
        return findings

    def _judge_source_account(self) -> list[Finding]:
        findings: list[Finding] = []
        for operator, where, value in self._tests("aws:sourceaccount"):
            findings += _judge_operator("aws:SourceAccount", operator, where, value)
            if not re.fullmatch(r"[\d*?]+", value) or (not re.search("[*?]", value) and len(value) != 12):
                fix = "Write the 12 digits of the cluster's account"
                reason = "this is not the id of an account"
                findings.append(Finding("trust-source-account", where, value, reason, fix, _ROLE_PAGE))
        return findings

    def _judge_organization(self) -> list[Finding]:
        findings: list[Finding] = []
        for operator, where, value in self._tests("aws:sourceorgid"):
            findings += _judge_operator("aws:SourceOrgID", operator, where, value)
            if not _is_open(value) and not re.fullmatch(r"o-[a-z0-9*?]{1,32}", value):
                reason, fix = "this is not the id of an organisation", "Write it as o-a1b2c3d4e5"
                findings.append(Finding("trust-organization", where, value, reason, fix, _ROLE_PAGE))
        return findings

    def _judge_tags(self, disable_session_tags: Any) -> list[Finding]:
        findings: list[Finding] = []
        for operator, key, values in self.conditions:
            context, _, tag = key.partition("/")
            if context not in ("aws:requesttag", "aws:principaltag"):
                continue
            where, value = self.place(key), values[0] if values else None
            binds = _binds(operator)
            if context == "aws:principaltag" and binds:
                reason = "EKS has no tags of its own: the session's tags are those of the request"
                fix = f"Write aws:RequestTag/{tag}"
                findings.append(Finding("trust-session-tag", where, value, reason, fix, ABAC_PAGE))
                continue
            if tag not in SESSION_TAGS and binds:
                close = difflib.get_close_matches(tag, SESSION_TAGS, n=1, cutoff=0.4)
                reason = f"EKS sends no tag {tag}, so no pod gets the role"
                fix = f"Perhaps you mean {close[0]}" if close else f"Use one of {', '.join(SESSION_TAGS)}"
                findings.append(Finding("trust-session-tag", where, value, reason, fix, ABAC_PAGE))
            if disable_session_tags is True and binds and operator != "null":
                reason = "the trust asks for a session tag that the association does not send"
                fix = "Remove the condition, or leave disable_session_tags out"
                findings.append(Finding("trust-needs-session-tags", where, value, reason, fix, ABAC_PAGE))
            for text in values:
                if isinstance(text, str):
                    findings += _judge_operator(f"aws:RequestTag/{tag}", operator, where, text)
        return findings

    def _judge_external_id(self) -> list[Finding]:
        return [
            Finding(
                "trust-external-id",
                where,
                value,
                "EKS sends an external id to a target role only, so no pod gets this role",
                "Remove the condition here, and ask for it in the target role's trust policy",
                USER_GUIDE + "pod-id-assign-target-role.html",
            )
            for operator, where, value in self._tests("sts:externalid")
            if _binds(operator)
        ]

    def _judge_missing_scope(self) -> list[Finding]:
        scoping = {
            key
            for operator, key, values in self.conditions
            if _binds(operator) and (key in _SCOPES or key.startswith("aws:requesttag/eks-cluster-"))
            # A value that is not known yet may be as narrow as can be.
            if not values or not any(_leaves_open(key, value) for value in values)
        }
        where = f"{self.where}.Condition"
        if not scoping:
            reason = "pods of any cluster of any account may have the role, if only an association says so"
            fix = "Ask for aws:SourceArn = the cluster's ARN and aws:SourceAccount; documents.trust([...]) does"
            value = self.elements.get("Condition")
            return [Finding("trust-unscoped", where, value, reason, fix, _DEPUTY_PAGE)]
        findings: list[Finding] = []
        for key, name, fix in (
            ("aws:sourcearn", "aws:SourceArn", "Ask for the ARNs of the clusters whose pods may have it"),
            ("aws:sourceaccount", "aws:SourceAccount", "Ask for the account of the clusters too"),
        ):
            if not any(name == key for _, name, _ in self.conditions):
                reason = f"the trust does not ask for {name}"
                findings.append(Finding("trust-scope", where, None, reason, fix, _DEPUTY_PAGE, Severity.WARNING))
        return findings


def _judge_actions(pods: Sequence[_Trust]) -> list[Finding]:
    if not pods or any(statement.elements.get("Action") is UNKNOWN for statement in pods):
        return []
    if any(UNKNOWN in members(statement.elements.get("Action")) for statement in pods):
        return []
    given = {action for statement in pods for action in statement.actions()}
    wanted = {action.lower(): action for action in TRUST_ACTIONS}
    where, value = f"{pods[0].where}.Action", sorted(given)
    findings: list[Finding] = []
    for action in sorted(set(wanted) - given):
        if any(_actions.glob(pattern).fullmatch(action) for pattern in given):
            continue
        reason = f"EKS Pod Identity needs {wanted[action]} too, and EKS refuses the association without it"
        fix = f"Allow exactly {' and '.join(TRUST_ACTIONS)}"
        findings.append(Finding("trust-actions", where, value, reason, fix, _ROLE_PAGE))
    for action in sorted(given - set(wanted)):
        reason = f"EKS Pod Identity does not need {action}"
        fix = f"Allow exactly {' and '.join(TRUST_ACTIONS)}"
        findings.append(Finding("trust-actions", where, action, reason, fix, _ROLE_PAGE))
    return findings


def _binds(operator: str) -> bool:
    # A request without the key passes an IfExists, and a negation limits nothing to anyone.
    return not operator.endswith("ifexists") and "not" not in operator and not operator.startswith("forallvalues")


def _is_open(value: Any) -> bool:
    return isinstance(value, str) and set(value) <= set("*?") and "*" in value


def _leaves_open(key: str, value: Any) -> bool:
    if _is_open(value):
        return True
    if key != "aws:sourcearn" or not isinstance(value, str):
        return False
    match = _CLUSTER_PATTERN.fullmatch(value)
    return match is not None and not re.search(r"\d", match["account"])


def _judge_operator(name: str, operator: str, where: str, value: str) -> list[Finding]:
    base = operator.removesuffix("ifexists").rpartition(":")[2]
    if base.startswith(("string", "arn")):
        if "*" in value and base in ("stringequals", "stringequalsignorecase"):
            reason = f"{name} is compared letter by letter here, so the * never matches"
            fix = "Write ArnLike or StringLike" if name == "aws:SourceArn" else "Write StringLike"
            return [Finding("trust-wildcard", where, value, reason, fix, _OPERATORS_PAGE)]
        if base.startswith("arn") and not value.startswith("arn:") and not _is_open(value):
            fix = "Write StringEquals, or StringLike with a pattern"
            return [Finding("trust-wildcard", where, value, f"{name} is no ARN to {base}", fix, _OPERATORS_PAGE)]
        return []
    if base == "null":
        return []
    reason, fix = f"{name} is a text, and {base} never matches it", "Write StringEquals"
    return [Finding("trust-wildcard", where, value, reason, fix, _OPERATORS_PAGE)]


def judge_target_trust(
    value: Any,
    prop: str = "assume_role_policy",
    *,
    role_arn: Any,
    external_id: Any = None,
    disable_session_tags: Any = None,
) -> list[Finding]:
    """The trust policy of a target role: that the role of the association may assume it.

    `external_id` is the one that EKS sends, `region/account/cluster/namespace/ServiceAccount`; it sends one where the
    association disables session tags. With session tags the target role has to allow `sts:TagSession` too.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html.
    """
    page = USER_GUIDE + "pod-id-assign-target-role.html"
    document, findings = parse_document(value, prop)
    if document is None or not isinstance(role_arn, str):
        return findings
    account = re.match(rf"arn:(?P<partition>{PARTITION}):iam::(?P<account>{ACCOUNT}):", role_arn)
    if account is None:
        return findings
    root = f"arn:{account['partition']}:iam::{account['account']}:root"
    statements = [
        _Trust(where, item)
        for where, item in known_items(f"{prop}.Statement", statements_of(document))
        if isinstance(item, Mapping)
    ]
    if any(statement.has_unknown_principal() for statement in statements):
        return findings
    trusting = [
        statement
        for statement in statements
        if statement.allows and {role_arn, root, account["account"], "*"} & set(statement.principals("AWS"))
    ]
    if not trusting:
        reason = "the role of the association may not assume the target role"
        fix = f"Name {role_arn} as its principal; documents.target_trust(...) does"
        return [*findings, Finding("chaining-trust", prop, None, reason, fix, page)]
    allowed = {action for statement in trusting for action in statement.actions()}
    needed = ["sts:AssumeRole", *([] if disable_session_tags is True else ["sts:TagSession"])]
    for action in needed:
        if not any(_actions.glob(pattern).fullmatch(action.lower()) for pattern in allowed):
            reason = f"EKS needs {action} on the target role, and it is not allowed"
            fix = f"Allow {' and '.join(needed)} to {role_arn}"
            where = f"{trusting[0].where}.Action"
            findings.append(Finding("chaining-trust", where, sorted(allowed), reason, fix, page))
    for statement in trusting:
        tests = list(statement._tests("sts:externalid"))
        for operator, where, text in tests:
            if disable_session_tags in (None, False) and disable_session_tags is not UNKNOWN and _binds(operator):
                reason = "EKS sends an external id only where the association disables session tags"
                fix = "Set disable_session_tags to true, or scope by the session tags"
                findings.append(Finding("chaining-external-id", where, text, reason, fix, page))
            elif isinstance(external_id, str) and not _actions.glob(text).fullmatch(external_id):
                reason = f"EKS sends the external id {external_id}"
                findings.append(Finding("chaining-external-id", where, text, reason, f"Write {external_id}", page))
        if not tests and disable_session_tags is True and statement.elements.get("Condition") is not UNKNOWN:
            reason = "every association with the role may use the target role, from any cluster and ServiceAccount"
            fix = f"Ask for sts:ExternalId = {external_id or 'region/account/cluster/namespace/ServiceAccount'}"
            where = f"{statement.where}.Condition"
            findings.append(Finding("chaining-unscoped", where, None, reason, fix, page, Severity.WARNING))
    return findings
