"""What IAM statements allow: actions that exist, on resources that are named, and no way to more than that."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import _actions
from ._findings import IAM_GUIDE, UNKNOWN, USER_GUIDE, Finding, Severity, is_list, known, known_items
from ._resources import overlap, template

TRUST_POLICY_SIZE = 2048
MANAGED_POLICY_SIZE = 6144
SESSION_POLICY_SIZE = 2048
INLINE_POLICY_SIZE = 10240
"""How many characters IAM takes, white space not counted; inline, for all policies of one role together."""

POLICY_VERSION = "2012-10-17"
ADMIN_POLICIES = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess")

_LEAST_PRIVILEGE = IAM_GUIDE + "best-practices.html#grant-least-privilege"
_ACTIONS_PAGE = (
    "https://docs.aws.amazon.com/service-authorization/latest/reference/"
    "reference_policies_actions-resources-contextkeys.html"
)
_PASS_ROLE_PAGE = IAM_GUIDE + "id_roles_use_passrole.html"
_QUOTAS = IAM_GUIDE + "reference_iam-quotas.html"
_ELEMENTS = IAM_GUIDE + "reference_policies_elements"


def judge_permissions(value: Any, prop: str = "statements") -> list[Finding]:
    """IAM statements that are whole and least: judged one by one, and for what they come to together.

    `value` is a list of mappings as IAM writes statements. Findings are on statements that IAM would refuse, actions
    that no service has, `*` and `service:*`, `NotAction` and `NotResource` with `Allow`, actions on `*` that can be
    limited to resources, `iam:PassRole` for any service, and on what amounts to handing out every role.
    """
    findings = judge_statements(value, prop)
    statements = [_Statement(where, item) for where, item in known_items(prop, value) if isinstance(item, Mapping)]
    for statement in statements:
        findings += statement.judge()
    return findings + _judge_escalation(prop, statements)


def judge_policy_document(value: Any, prop: str = "policy", limit: int = MANAGED_POLICY_SIZE) -> list[Finding]:
    """A whole permission policy, as JSON text or as a mapping: its form, its size, and its statements.

    `limit` is the number of characters, without white space, that IAM takes in this place.
    """
    document, findings = parse_document(value, prop)
    if document is None:
        return findings
    text = value if isinstance(value, str) else json.dumps(document, default=str)
    findings += judge_document_size(prop, text, limit)
    return findings + judge_permissions(statements_of(document), f"{prop}.Statement")


def judge_managed_policies(policies: Iterable[tuple[str, Any]]) -> list[Finding]:
    """ARNs of managed policies, each with its property: none that makes an administrator of who has it."""
    findings: list[Finding] = []
    for where, arn in policies:
        if not known(arn) or not isinstance(arn, str) or ":iam::aws:policy/" not in arn:
            continue
        name = arn.rpartition("/")[2]
        if name.startswith(ADMIN_POLICIES):
            reason = f"{name} lets its holder do everything, or give itself the right to"
            fix = "Write statements with the actions and the resources that are needed"
            findings.append(Finding("iam-admin-policy", where, arn, reason, fix, _LEAST_PRIVILEGE))
        elif name.endswith("FullAccess"):
            reason = f"{name} allows every action of its service, on every resource"
            fix = "Write statements with the actions and the resources that are needed"
            findings.append(
                Finding("iam-full-access-policy", where, arn, reason, fix, _LEAST_PRIVILEGE, Severity.WARNING)
            )
    return findings


def parse_document(value: Any, prop: str) -> tuple[Mapping[str, Any] | None, list[Finding]]:
    """A policy document from JSON text or a mapping, and what is wrong with its form; None where there is no more to
    judge."""
    if not known(value):
        return None, []
    document: Any = value
    if isinstance(value, str):
        try:
            document = json.loads(value)
        except ValueError as error:
            fix = "Build it with documents.permissions(...) and documents.to_json(...)"
            return None, [Finding("document-json", prop, value, f"this is not JSON ({error})", fix)]
    if not isinstance(document, Mapping) or "Statement" not in document:
        fix = 'Write {"Version": "2012-10-17", "Statement": [...]}'
        return None, [Finding("document-json", prop, value, "this is not a policy document", fix)]
    findings: list[Finding] = []
    version = document.get("Version")
    if version is not UNKNOWN and version != POLICY_VERSION:
        reason = "older versions of the policy language take policy variables for plain text"
        fix = f'Write "Version": "{POLICY_VERSION}"'
        page = _ELEMENTS + "_version.html"
        findings.append(Finding("policy-version", f"{prop}.Version", version, reason, fix, page, Severity.WARNING))
    return document, findings


def statements_of(document: Mapping[str, Any]) -> Any:
    """The statements of a document, as a list: IAM takes a single one without the brackets too."""
    statements = document["Statement"]
    return [statements] if isinstance(statements, Mapping) else statements


def listed(value: Any) -> list[Any]:
    """The known members of an element that may be one text or a list of them."""
    if not known(value):
        return []
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return [item for item in several if known(item)]


def members(value: Any) -> list[Any]:
    """All members of such an element, those that are not known included."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


@dataclass(frozen=True)
class _Statement:
    """One permission statement, and where it stands."""

    where: str
    elements: Mapping[str, Any]

    def judge(self) -> list[Finding]:
        findings: list[Finding] = []
        for element in ("Action", "NotAction"):
            for where, action in self._texts(element):
                findings += self._judge_action(element, where, action)
        if self.allows:
            findings += self._judge_negations()
            findings += self._judge_resources()
            findings += self._judge_match()
            findings += self._judge_pass_role()
        return findings

    @property
    def allows(self) -> bool:
        effect = self.elements.get("Effect")
        return effect is not UNKNOWN and effect == "Allow"

    def _texts(self, element: str) -> Iterator[tuple[str, str]]:
        value = self.elements.get(element)
        if isinstance(value, str):
            yield f"{self.where}.{element}", value
        else:
            for where, item in known_items(f"{self.where}.{element}", value):
                if isinstance(item, str):
                    yield where, item

    def _judge_action(self, element: str, where: str, action: str) -> list[Finding]:
        page = _ACTIONS_PAGE
        if set(action) <= set("*:"):
            if element == "NotAction" or not self.allows:
                return []
            reason, fix = "this allows every action there is", "Name the actions that are needed"
            return [Finding("iam-all-actions", where, action, reason, fix, _LEAST_PRIVILEGE)]
        prefix, colon, name = action.partition(":")
        if not colon or not name:
            reason, fix = "an action is a service and a name", "Write it as s3:GetObject"
            return [Finding("iam-action", where, action, reason, fix, page)]
        service = _actions.service(prefix)
        if service is None:
            close = _actions.closest_prefix(prefix)
            reason = f"AWS has no service with the prefix {prefix}"
            fix = f"Perhaps you mean {close}:{name}" if close else "Look its prefix up"
            return [Finding("iam-action", where, action, reason, fix, page)]
        if set(name) == {"*"}:
            if element == "NotAction" or not self.allows:
                return []
            reason = f"this allows every action of {prefix}, those to come included"
            return [
                Finding(
                    "iam-service-wildcard", where, action, reason, "Name the actions that are needed", _LEAST_PRIVILEGE
                )
            ]
        if not service.matching(name):
            close = service.closest(name)
            reason = f"{prefix} has no such action, so nothing is allowed or denied by it ({_actions.source()})"
            fix = f"Perhaps you mean {close}" if close else "Look its name up"
            return [Finding("iam-action", where, action, reason, fix, page)]
        return []

    def _judge_negations(self) -> list[Finding]:
        findings: list[Finding] = []
        if "NotAction" in self.elements:
            reason = "this allows every action but these, those to come included"
            findings.append(
                Finding(
                    "iam-not-action",
                    f"{self.where}.NotAction",
                    self.elements["NotAction"],
                    reason,
                    "Name what is allowed, in Action; or deny, with Effect: Deny",
                    _ELEMENTS + "_notaction.html",
                )
            )
        if "NotResource" in self.elements:
            reason = "this allows the actions on every resource but these, those to come included"
            findings.append(
                Finding(
                    "iam-not-resource",
                    f"{self.where}.NotResource",
                    self.elements["NotResource"],
                    reason,
                    "Name the resources, in Resource; or deny, with Effect: Deny",
                    _ELEMENTS + "_notresource.html",
                )
            )
        return findings

    def _judge_resources(self) -> list[Finding]:
        wide = [(where, text) for where, text in self._texts("Resource") if is_every_resource(text)]
        if not wide or self._is_limited():
            return []
        where, resource = wide[0]
        limitable: dict[str, list[str]] = {}
        for _, text in self._texts("Action"):
            prefix, _, name = text.partition(":")
            service = _actions.service(prefix)
            # What allows all of a service is a finding of its own.
            if service is None or set(name) <= {"*"} or not _covers(resource, prefix):
                continue
            taking = [action for action in service.matching(name) if action.resource_types]
            if taking:
                limitable[text] = _actions.examples(taking, service)
        if not limitable:
            return []
        arns = next(iter(limitable.values()))
        reason = f"{_enumerated(limitable)} can be limited to resources"
        fix = f"Name them, as in {arns[0]}, or limit the statement by a condition on their tags"
        return [Finding("iam-resource-wildcard", where, resource, reason, fix, _LEAST_PRIVILEGE)]

    def _judge_match(self) -> list[Finding]:
        value = self.elements.get("Resource")
        resources = [text for _, text in self._texts("Resource")]
        # What is not known yet may be the very ARN that matches.
        if not resources or UNKNOWN in members(value):
            return []
        findings: list[Finding] = []
        for where, text in self._texts("Action"):
            prefix, _, name = text.partition(":")
            service = _actions.service(prefix)
            actions = service.matching(name) if service else []
            if service is None or len(actions) != 1 or re.search("[*?]", name):
                continue
            arns = _actions.examples(actions, service)
            if not arns:
                if any(is_every_resource(resource) for resource in resources):
                    continue
                reason, fix = "this action takes no resources, so it is never allowed on these", 'Allow it on "*"'
            elif any(overlap(template(arn), resource) for arn in arns for resource in resources):
                continue
            else:
                reason = f"this action is never allowed: it takes {' or '.join(arns[:2])}, and no such ARN is named"
                fix = "Name one, or remove the action"
            findings.append(Finding("iam-resource-mismatch", where, text, reason, fix, _ACTIONS_PAGE))
        return findings

    def _judge_pass_role(self) -> list[Finding]:
        wide = [(where, text) for where, text in self._texts("Resource") if passes_every_role(text)]
        condition = self.elements.get("Condition")
        if not wide or condition is UNKNOWN or not self.covers("iam:PassRole"):
            return []
        if any(key == "iam:passedtoservice" for _, key, _ in conditions(condition)):
            return []
        where, resource = wide[0]
        reason = "any role may be passed to any service, whatever rights the role has"
        fix = "Name the roles, and say for which service: StringEquals: {iam:PassedToService: pods.eks.amazonaws.com}"
        return [Finding("iam-pass-role", where, resource, reason, fix, _PASS_ROLE_PAGE)]

    def covers(self, action: str) -> bool:
        """Whether the statement is about an action; one about all actions has its own finding."""
        wanted = action.lower()
        named = (text.lower() for _, text in self._texts("Action") if not set(text) <= set("*:"))
        if any(_actions.glob(text).fullmatch(wanted) for text in named):
            return True
        excluded = list(self._texts("NotAction"))
        return bool(excluded) and not any(_actions.glob(text.lower()).fullmatch(wanted) for _, text in excluded)

    def passes_every_role(self) -> bool:
        resources = [text for _, text in self._texts("Resource")]
        return self.covers("iam:PassRole") and (
            "NotResource" in self.elements or any(passes_every_role(text) for text in resources)
        )

    def _is_limited(self) -> bool:
        condition = self.elements.get("Condition")
        return condition is UNKNOWN or any(_limits(operator, key) for operator, key, _ in conditions(condition))


def conditions(condition: Any) -> Iterator[tuple[str, str, list[Any]]]:
    """What a Condition element compares: operator and key in lower case, and the known values."""
    if not isinstance(condition, Mapping):
        return
    for operator, tests in condition.items():
        if isinstance(tests, Mapping):
            for key, values in tests.items():
                yield str(operator).lower(), str(key).lower(), listed(values)


def is_every_resource(text: str) -> bool:
    """Whether a Resource names everything: `*`, or an ARN that is open in all but its service (`arn:aws:s3:::*`)."""
    if set(text) == {"*"}:
        return True
    parts = text.split(":", 5)
    return len(parts) > 3 and parts[0] == "arn" and all(set(part) <= set("*:/") for part in parts[3:])


def passes_every_role(text: str) -> bool:
    """Whether a Resource names every role of an account, or everything."""
    return is_every_resource(text) or re.fullmatch(r"arn:[^:]*:(iam|\*):[^:]*:[^:]*:role/[*/]*\*", text) is not None


def _covers(resource: str, prefix: str) -> bool:
    parts = resource.split(":", 5)
    return len(parts) < 3 or _actions.glob(parts[2].lower()).fullmatch(prefix.lower()) is not None


def _limits(operator: str, key: str) -> bool:
    # With IfExists, and with ForAllValues, a request that has no such key passes.
    if operator.endswith("ifexists") or operator.startswith("forallvalues"):
        return False
    family = re.split("[:/]", key)
    if family[0] == "aws":
        return len(family) > 1 and family[1] in _LIMITING
    return True


_LIMITING = frozenset(
    ("resourcetag", "requesttag", "tagkeys", "resourceaccount", "resourceorgid", "resourceorgpaths", "calledvia")
)


def _judge_escalation(prop: str, statements: Sequence[_Statement]) -> list[Finding]:
    allowing = [statement for statement in statements if statement.allows]
    passing = [statement for statement in allowing if statement.passes_every_role()]
    for action in ("eks:CreatePodIdentityAssociation", "eks:UpdatePodIdentityAssociation"):
        if passing and any(statement.covers(action) for statement in allowing):
            reason = f"with {action} and iam:PassRole on every role, its holder can give any pod any role"
            fix = "Name the roles that may be passed, in the Resource of iam:PassRole"
            page = USER_GUIDE + "pod-id-role.html"
            return [Finding("iam-escalation", passing[0].where, action, reason, fix, page)]
    return []


def _enumerated(names: Iterable[str]) -> str:
    several = list(names)
    return ", ".join(several[:4]) + (f" and {len(several) - 4} more" if len(several) > 4 else "")


def judge_document_size(prop: str, text: Any, limit: int) -> list[Finding]:
    """An IAM document within IAM's quota, which does not count white space."""
    if not known(text):
        return []
    size = len(re.sub(r"\s", "", text))
    if size <= limit:
        return []
    fix = "Name fewer resources, or split the permissions over several policies"
    return [Finding("document-size", prop, size, f"IAM takes {limit} characters here", fix, _QUOTAS)]


def judge_statements(value: Any, prop: str = "statements") -> list[Finding]:
    """IAM statements that are whole: an effect, actions, and at least one resource."""
    page = IAM_GUIDE + "reference_policies_elements.html"
    findings = is_list("statement", prop, value)
    for where, statement in known_items(prop, value):
        if not isinstance(statement, Mapping):
            findings.append(
                Finding("statement", where, statement, "a statement is a mapping", "Write {Effect: …}", page)
            )
            continue
        unknown_keys = set(statement) - {
            *("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"),
        }
        for key in sorted(unknown_keys):
            fix = "Write the elements as IAM does: Sid, Effect, Action, Resource, Condition"
            reason = "a permission statement has no such element"
            findings.append(Finding("statement", f"{where}.{key}", statement[key], reason, fix, page))
        effect = statement.get("Effect")
        if effect is not UNKNOWN and effect not in ("Allow", "Deny"):
            fix = "Write Allow or Deny"
            findings.append(Finding("statement", f"{where}.Effect", effect, "a statement allows or denies", fix, page))
        for either in (("Action", "NotAction"), ("Resource", "NotResource")):
            given = [key for key in either if key in statement]
            if len(given) != 1:
                fix = f"Give {either[0]}"
                reason = f"a statement has exactly one of {either[0]} and {either[1]}"
                findings.append(Finding("statement", where, given, reason, fix, page))
            elif statement[given[0]] is not UNKNOWN and not statement[given[0]]:
                fix = "Name at least one, or leave the statement out"
                findings.append(Finding("statement", f"{where}.{given[0]}", [], "the list is empty", fix, page))
    return findings
