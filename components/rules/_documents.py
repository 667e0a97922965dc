"""Policy documents: that they are some, of elements that IAM knows, and no longer than IAM takes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._conditions import judge_condition, members, placed
from ._findings import IAM_GUIDE, UNKNOWN, Finding, Severity, is_list, known

POLICY_VERSION = "2012-10-17"
ELEMENTS = IAM_GUIDE + "reference_policies_elements"

_QUOTAS = IAM_GUIDE + "reference_iam-quotas.html"
_GRAMMAR = IAM_GUIDE + "reference_policies_grammar.html"
_NOT_PRINCIPAL = ELEMENTS + "_notprincipal.html"
_PRINCIPALS = ("AWS", "Service", "Federated", "CanonicalUser")


@dataclass(frozen=True)
class Form:
    """What statements of one kind of policy are made of: of each of the groups of elements in `one_of`, exactly one."""

    kind: str
    one_of: tuple[tuple[str, ...], ...]

    @property
    def elements(self) -> tuple[str, ...]:
        """All elements, as IAM orders them."""
        return ("Sid", "Effect", *(element for group in self.one_of for element in group), "Condition")


PERMISSION = Form("permission", (("Action", "NotAction"), ("Resource", "NotResource")))
TRUST = Form("trust", (("Principal",), ("Action", "NotAction")))

_MISPLACED = {
    (TRUST.kind, "Resource"): "a trust policy is about the role that has it, and names no other resource",
    (TRUST.kind, "NotPrincipal"): "IAM takes no NotPrincipal in a trust policy",
    (PERMISSION.kind, "Principal"): "a permission policy is about whom it is attached to",
}
"""Elements that belong elsewhere, and why."""


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
            return None, [Finding("document-json", prop, value, f"this is not JSON ({error})", fix, _GRAMMAR)]
    if not isinstance(document, Mapping) or document.get("Statement") is None:
        fix = 'Write {"Version": "2012-10-17", "Statement": [...]}'
        return None, [Finding("document-json", prop, value, "this is not a policy document", fix, _GRAMMAR)]
    findings: list[Finding] = []
    for key in sorted(set(document) - {"Version", "Id", "Statement"}, key=str):
        reason, fix = "a policy document has no such element", "Write Version and Statement"
        findings.append(Finding("document-json", f"{prop}.{key}", document[key], reason, fix, _GRAMMAR))
    version = document.get("Version")
    if version is not UNKNOWN and version != POLICY_VERSION:
        reason = "older versions of the policy language take policy variables for plain text"
        fix = f'Write "Version": "{POLICY_VERSION}"'
        page = ELEMENTS + "_version.html"
        findings.append(Finding("policy-version", f"{prop}.Version", version, reason, fix, page, Severity.WARNING))
    return document, findings


def statements_of(document: Mapping[str, Any]) -> Any:
    """The statements of a document, as a list: IAM takes a single one without the brackets too."""
    statements = document["Statement"]
    return [statements] if isinstance(statements, Mapping) else statements


def listed(value: Any) -> list[Any]:
    """The known members of an element that may be one text or a list of them."""
    return [item for item in members(value) if known(item)]


def judge_document_size(prop: str, text: Any, limit: int) -> list[Finding]:
    """An IAM document within IAM's quota, which does not count white space."""
    if not known(text):
        return []
    size = len(re.sub(r"\s", "", text))
    if size <= limit:
        return []
    fix = "Name fewer resources, or split the permissions over several policies"
    return [Finding("document-size", prop, size, f"IAM takes {limit} characters here", fix, _QUOTAS)]


def judge_statements(value: Any, prop: str = "statements", form: Form = PERMISSION) -> list[Finding]:
    """IAM statements that are whole: an effect, actions, and at least one resource, or who is trusted; all of them
    texts, and conditions by operators that there are."""
    page = ELEMENTS + ".html"
    findings = is_list("statement", prop, value, page=page)
    if findings or not known(value):
        return findings
    for where, statement in placed(prop, value):
        if statement is UNKNOWN:
            continue
        if not isinstance(statement, Mapping):
            findings.append(
                Finding("statement", where, statement, "a statement is a mapping", "Write {Effect: …}", page)
            )
            continue
        for key in sorted(set(statement) - set(form.elements), key=str):
            reason = _MISPLACED.get((form.kind, key), f"a {form.kind} statement has no such element")
            fix = f"Write the elements as IAM does: {', '.join(form.elements)}"
            about = _NOT_PRINCIPAL if key == "NotPrincipal" else page
            findings.append(Finding("statement", f"{where}.{key}", statement[key], reason, fix, about))
        effect = statement.get("Effect")
        if effect is not UNKNOWN and effect not in ("Allow", "Deny"):
            fix = "Write Allow or Deny"
            findings.append(Finding("statement", f"{where}.Effect", effect, "a statement allows or denies", fix, page))
        for group in form.one_of:
            given = [key for key in group if key in statement]
            if len(given) != 1:
                needed = f"exactly one of {' and '.join(group)}" if group[1:] else group[0]
                reason = f"a {form.kind} statement has {needed}, and this has {' and '.join(given) or 'none'}"
                findings.append(Finding("statement", where, given, reason, f"Give {group[0]}", page))
            elif given == ["Principal"]:
                findings += _judge_principal(f"{where}.Principal", statement["Principal"])
            else:
                findings += _judge_texts(f"{where}.{given[0]}", statement[given[0]], page)
        if "Condition" in statement:
            findings += judge_condition(f"{where}.Condition", statement["Condition"])
    return findings


def _judge_principal(where: str, principal: Any) -> list[Finding]:
    page = ELEMENTS + "_principal.html"
    if principal is UNKNOWN or principal == "*":
        return []
    if not isinstance(principal, Mapping) or not principal:
        name = principal if isinstance(principal, str) and principal else "pods.eks.amazonaws.com"
        reason, fix = "a principal has a type", f'Write {{"Service": "{name}"}}, or AWS or Federated for Service'
        return [Finding("statement", where, principal, reason, fix, page)]
    findings: list[Finding] = []
    for kind, names in principal.items():
        if kind not in _PRINCIPALS:
            fix = f"Use one of {', '.join(_PRINCIPALS)}"
            findings.append(Finding("statement", f"{where}.{kind}", names, "there are no such principals", fix, page))
        findings += _judge_texts(f"{where}.{kind}", names, page)
    return findings


def _judge_texts(where: str, value: Any, page: str) -> list[Finding]:
    """An element that is a text, or a list of texts."""
    given = placed(where, value)
    if not given:
        fix = "Name at least one, or leave the statement out"
        return [Finding("statement", where, [], "the list is empty", fix, page)]
    return [
        Finding("statement", place, item, "this is a text, or a list of texts", "Write it in quotes", page)
        for place, item in given
        if item is not UNKNOWN and (not isinstance(item, str) or not item)
    ]
