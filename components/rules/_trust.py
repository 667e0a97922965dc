"""Trust policies, ours and anybody's: whether EKS Pod Identity can assume the role, and for whom."""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import _actions
from ._conditions import OPERATORS_PAGE, Test, is_literal, is_open, is_path, limits, members, tests
from ._documents import TRUST, judge_document_size, judge_statements, listed, parse_document, statements_of
from ._findings import ABAC_PAGE, IAM_GUIDE, UNKNOWN, USER_GUIDE, Finding, Severity, known_items
from ._iam import TRUST_POLICY_SIZE
from ._names import ACCOUNT
from ._resources import meet, overlap

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
_OIDC_PAGE = IAM_GUIDE + "id_roles_create_for-idp_oidc.html"

_ANY_CLUSTER = "arn:*:eks:*:*:cluster/*"
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
    for other principals are judged only for their form, for being open to anyone, and those of OIDC providers for
    naming a subject.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html.
    """
    document, findings = parse_document(value, prop)
    if document is None:
        return findings
    text = value if isinstance(value, str) else json.dumps(document, default=str, separators=(",", ":"))
    findings += judge_document_size(prop, text, TRUST_POLICY_SIZE)
    findings += judge_statements(statements_of(document), f"{prop}.Statement", TRUST)
    statements = trust_statements(document, prop)
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
    trusts = trust_statements(document, "")
    if any(trust.allows and POD_IDENTITY_SERVICE in trust.principals("Service") for trust in trusts):
        return True
    return UNKNOWN if has_unknown_principals(document) else False


def trust_statements(document: Mapping[str, Any], prop: str) -> list["TrustStatement"]:
    """The statements of a trust policy that are known, and are some."""
    statements = known_items(f"{prop}.Statement", statements_of(document))
    return [TrustStatement(where, item) for where, item in statements if isinstance(item, Mapping)]


def has_unknown_principals(document: Mapping[str, Any]) -> bool:
    """Whether somebody may be trusted who is not known yet."""
    unknown = any(statement is UNKNOWN for statement in members(statements_of(document)))
    return unknown or any(statement.has_unknown_principal() for statement in trust_statements(document, ""))


@dataclass
class TrustStatement:
    """One statement of a trust policy, and where it stands."""

    where: str
    elements: Mapping[str, Any]
    tests: list[Test] = field(init=False)
    """What its condition compares."""

    def __post_init__(self) -> None:
        self.tests = tests(self.elements.get("Condition"))

    def place(self, test: Test) -> str:
        """Where a condition key stands, as it is spelt there."""
        return f"{self.where}.Condition.{test.name}"

    def limits(self, closing: Callable[[str], Callable[[str], bool] | None]) -> bool:
        """Whether the condition limits the statement, or may."""
        return limits(self.elements.get("Condition"), closing)

    @property
    def allows(self) -> bool:
        effect = self.elements.get("Effect")
        return effect is not UNKNOWN and effect == "Allow"

    def principals(self, kind: str) -> list[Any]:
        principal = self.elements.get("Principal")
        if isinstance(principal, str) and principal == "*":
            return ["*"] if kind == "AWS" else []
        return listed(principal.get(kind)) if isinstance(principal, Mapping) else []

    def has_unknown_principal(self) -> bool:
        if self.elements.get("Effect") is UNKNOWN:
            return True
        principal = self.elements.get("Principal")
        if not isinstance(principal, Mapping):
            return principal is UNKNOWN
        return any(name is UNKNOWN for names in principal.values() for name in members(names))

    def actions(self) -> set[str]:
        return {action.lower() for action in listed(self.elements.get("Action")) if isinstance(action, str)}

    def has_unknown_action(self) -> bool:
        return any(action is UNKNOWN for action in members(self.elements.get("Action")))

    def judge_openness(self) -> list[Finding]:
        anyone = any("*" in self.principals(kind) for kind in ("AWS", "Service", "Federated"))
        if not anyone or self.limits(_WHO.get):
            return []
        principal = self.elements["Principal"]
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
        if not providers or self.limits(_closing_subjects):
            return []
        values = [value for test in self.tests if _closing_subjects(str(test.key)) for value in test.values]
        where, value = f"{self.where}.Condition", next((value for value in values if value is not UNKNOWN), None)
        reason = "tokens of the provider will do that were made for somebody else"
        fix = (
            "Compare the provider's :sub claim, with system:serviceaccount:<namespace>:<ServiceAccount> or "
            "repo:<owner>/<name>:<context>"
        )
        return [Finding("trust-federated-subject", where, value, reason, fix, _OIDC_PAGE)]

    def judge_scope(self, disable_session_tags: Any) -> list[Finding]:
        return [
            *self._judge_source_arn(),
            *self._judge_source_account(),
            *self._judge_organization(),
            *self._judge_tags(disable_session_tags),
            *self._judge_external_id(),
            *self._judge_missing_scope(),
        ]

    def values(self, key: str) -> Iterator[tuple[Test, str, str]]:
        """What a request is to have for a key: the test, its place, and each value that is known."""
        for test in self.tests:
            if test.key == key and test.compares:
                for value in test.values:
                    if value is not UNKNOWN:
                        yield test, self.place(test), value

    def _judge_source_arn(self) -> list[Finding]:
        findings: list[Finding] = []
        for test, where, value in self.values("aws:sourcearn"):
            findings += judge_operator("aws:SourceArn", test, where, value)
            if overlap(value, _ANY_CLUSTER):
                continue
            if ":podidentityassociation/" in value:
                reason = (
                    "the request comes from the cluster: an association's ARN never matches, and no pod gets the role"
                )
            else:
                reason = "this never matches the ARN of a cluster, so no pod gets the role"
            fix = "Write arn:<partition>:eks:<region>:<account>:cluster/<name>"
            findings.append(Finding("trust-source-arn", where, value, reason, fix, _ROLE_PAGE))
        return findings + self._judge_accounts()

    def _judge_accounts(self) -> list[Finding]:
        tests = [test for test in self.tests if test.key == "aws:sourceaccount" and test.compares]
        given = {value for test in tests for value in test.values}
        if not given or UNKNOWN in given or not all(map(_is_account, given)):
            return []
        findings: list[Finding] = []
        for _, where, value in self.values("aws:sourcearn"):
            match = _CLUSTER_PATTERN.fullmatch(value)
            if match and not any(meet(match["account"], account) for account in given):
                reason = f"aws:SourceAccount asks for {', '.join(sorted(given))}, and this is a cluster elsewhere"
                fix = "Name the account of each cluster in aws:SourceAccount"
                findings.append(Finding("trust-contradiction", where, value, reason, fix, _ROLE_PAGE))
        return findings

    def _judge_source_account(self) -> list[Finding]:
        findings: list[Finding] = []
        for test, where, value in self.values("aws:sourceaccount"):
            findings += judge_operator("aws:SourceAccount", test, where, value)
            if not _is_account(value):
                fix = "Write the 12 digits of the cluster's account"
                reason = "this is not the id of an account"
                findings.append(Finding("trust-source-account", where, value, reason, fix, _ROLE_PAGE))
        return findings

    def _judge_organization(self) -> list[Finding]:
        findings: list[Finding] = []
        for test, where, value in self.values("aws:sourceorgid"):
            findings += judge_operator("aws:SourceOrgID", test, where, value)
            if not re.fullmatch(r"o-[a-z0-9]{1,32}", value) and (is_literal(value) or not meet(value, "o-*")):
                reason, fix = "this is not the id of an organisation", "Write it as o-a1b2c3d4e5"
                findings.append(Finding("trust-organization", where, value, reason, fix, _ROLE_PAGE))
        return findings

    def _judge_tags(self, disable_session_tags: Any) -> list[Finding]:
        findings: list[Finding] = []
        for test in self.tests:
            context, _, tag = str(test.key).partition("/")
            if context not in ("aws:requesttag", "aws:principaltag"):
                continue
            where, value = self.place(test), _first(test.values)
            is_needed = test.holds(None) is False
            if context == "aws:principaltag" and is_needed:
                reason = "EKS has no tags of its own: the session's tags are those of the request"
                fix = f"Write aws:RequestTag/{tag}"
                findings.append(Finding("trust-session-tag", where, value, reason, fix, ABAC_PAGE))
                continue
            if tag not in SESSION_TAGS and is_needed:
                close = difflib.get_close_matches(tag, SESSION_TAGS, n=1, cutoff=0.4)
                reason = f"EKS sends no tag {tag}, so no pod gets the role"
                fix = f"Perhaps you mean {close[0]}" if close else f"Use one of {', '.join(SESSION_TAGS)}"
                findings.append(Finding("trust-session-tag", where, value, reason, fix, ABAC_PAGE))
            if disable_session_tags is True and is_needed:
                findings.append(needs_session_tags(where, value))
            for _, where, text in self.values(test.key) if test.compares else ():
                findings += judge_operator(f"aws:RequestTag/{tag}", test, where, text)
        return findings

    def _judge_external_id(self) -> list[Finding]:
        return [
            Finding(
                "trust-external-id",
                self.place(test),
                _first(test.values),
                "EKS sends an external id to a target role only, so no pod gets this role",
                "Remove the condition here, and ask for it in the target role's trust policy",
                USER_GUIDE + "pod-id-assign-target-role.html",
            )
            for test in self.tests
            if test.key == "sts:externalid" and test.holds(None) is False
        ]

    def _judge_missing_scope(self) -> list[Finding]:
        where = f"{self.where}.Condition"
        if not self.limits(_SCOPES.get):
            reason = "pods of any cluster of any account may have the role, if only an association says so"
            fix = "Ask for aws:SourceArn = the cluster's ARN and aws:SourceAccount; documents.trust([...]) does"
            value = self.elements.get("Condition")
            return [Finding("trust-unscoped", where, value, reason, fix, _DEPUTY_PAGE)]
        findings: list[Finding] = []
        for name, fix in (
            ("aws:SourceArn", "Ask for the ARNs of the clusters whose pods may have it"),
            ("aws:SourceAccount", "Ask for the account of the clusters too"),
        ):
            key = name.lower()
            if not self.limits({key: _SCOPES[key]}.get):
                reason = f"the trust does not ask for {name}, or takes those of other accounts"
                findings.append(Finding("trust-scope", where, None, reason, fix, _DEPUTY_PAGE, Severity.WARNING))
        return findings


def _judge_actions(pods: Sequence[TrustStatement]) -> list[Finding]:
    if not pods or any(statement.has_unknown_action() for statement in pods):
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


def _first(values: Sequence[Any]) -> Any:
    return next((value for value in values if value is not UNKNOWN), None)


def needs_session_tags(where: str, value: Any) -> Finding:
    """That a session tag is asked for, and the association disables them."""
    reason = "the trust asks for a session tag that the association does not send"
    fix = "Remove the condition, or leave disable_session_tags out"
    return Finding("trust-needs-session-tags", where, value, reason, fix, ABAC_PAGE)


def judge_operator(name: str, test: Test, where: str, value: str) -> list[Finding]:
    """That an operator can match a value of a key that is a text, or an ARN."""
    if test.base.startswith(("string", "arn")):
        if not is_literal(value) and test.base in ("stringequals", "stringequalsignorecase"):
            reason = f"{name} is compared letter by letter here, so the wildcard never matches"
            fix = "Write ArnLike or StringLike" if name == "aws:SourceArn" else "Write StringLike"
            return [Finding("trust-wildcard", where, value, reason, fix, OPERATORS_PAGE)]
        if test.base.startswith("arn") and not meet(value.partition(":")[0], "arn"):
            fix = "Write StringEquals, or StringLike with a pattern"
            return [Finding("trust-wildcard", where, value, f"{name} is no ARN to {test.base}", fix, OPERATORS_PAGE)]
        return []
    reason, fix = f"{name} is a text, and {test.base} never matches it", "Write StringEquals"
    return [Finding("trust-wildcard", where, value, reason, fix, OPERATORS_PAGE)]


def _is_account(value: str) -> bool:
    return re.fullmatch(rf"{ACCOUNT}|[\d*?]*[*?][\d*?]*", value, re.ASCII) is not None


def _is_in_an_account(value: str) -> bool:
    """Whether an ARN is in an account that is named, or no cluster's at all, which is a finding of its own."""
    parts = value.split(":", 5)
    if len(parts) == 6 and re.fullmatch(ACCOUNT, parts[4], re.ASCII):
        return True
    return not overlap(value, _ANY_CLUSTER)


_SCOPES: Mapping[str, Callable[[str], bool]] = {
    "aws:sourcearn": _is_in_an_account,
    "aws:sourceaccount": is_literal,
    "aws:sourceorgid": is_literal,
    "aws:sourceorgpaths": is_path,
    "aws:requesttag/eks-cluster-arn": _is_in_an_account,
    "aws:requesttag/eks-cluster-name": lambda value: not is_open(value),
}
"""What tells the clusters apart that EKS assumes a role for."""

_WHO: Mapping[str, Callable[[str], bool]] = {
    **{key: closed for key, closed in _SCOPES.items() if key.startswith("aws:source")},
    "aws:principalaccount": is_literal,
    "aws:principalarn": lambda value: (
        is_literal(value) or re.match(rf"arn:[^:]+:(iam|sts)::{ACCOUNT}:", value) is not None
    ),
    "aws:principalorgid": is_literal,
    "aws:principalorgpaths": is_path,
    "aws:sourcevpc": is_literal,
    "aws:sourcevpce": is_literal,
    "aws:userid": lambda value: re.match(r"[^*?:]{12,}", value) is not None,
}
"""What tells apart who assumes a role. Tags do not: everybody tags what is his own. Nor does an external id, which is
no secret."""


def _closing_subjects(key: str) -> Callable[[str], bool] | None:
    return _is_subject if key.endswith(":sub") else None


def _is_subject(value: str) -> bool:
    """Whether a `sub` claim is somebody's: a repository's, or a ServiceAccount's of a namespace."""
    if meet(value, "repo:*"):
        return re.fullmatch(r"repo:[^/*?]+/[^:*?]+(:.*)?", value) is not None
    if meet(value, "system:serviceaccount:*"):
        return re.fullmatch(r"system:serviceaccount:[^:*?][^:]*:.+", value) is not None
    # Of other providers it is known only that a kind comes first, as in project_path:<group>/<project>.
    return re.match(r"([\w-]+:)?[*?]", value) is None
