"""What IAM statements allow: actions that exist, on resources that are named, and no way to more than that."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import _actions
from ._conditions import admits, is_literal, is_open, is_path, limits, members, placed
from ._documents import ELEMENTS, judge_document_size, judge_statements, parse_document, statements_of
from ._findings import EKS_API, IAM_GUIDE, UNKNOWN, USER_GUIDE, Finding, Severity, known, known_items
from ._names import ACCOUNT
from ._resources import PROBE, has_no_name, meet, overlap, probe, template

TRUST_POLICY_SIZE = 2048
MANAGED_POLICY_SIZE = 6144
SESSION_POLICY_SIZE = 2048
INLINE_POLICY_SIZE = 10240
"""How many characters IAM takes, white space not counted; inline, for all policies of one role together."""

ADMIN_POLICIES = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess")

_LEAST_PRIVILEGE = IAM_GUIDE + "best-practices.html#grant-least-privilege"
_ACTIONS_PAGE = (
    "https://docs.aws.amazon.com/service-authorization/latest/reference/"
    "reference_policies_actions-resources-contextkeys.html"
)
_PASS_ROLE_PAGE = IAM_GUIDE + "id_roles_use_passrole.html"
_ASSOCIATION_PAGE = EKS_API + "API_CreatePodIdentityAssociation.html"
_PODS = "pods.eks.amazonaws.com"


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
    return findings + _judge_escalation(statements)


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


def judge_session_policy(value: Any, prop: str = "session_policy") -> list[Finding]:
    """The session policy of an association, as JSON text: its form, its size, and that it names what there is.

    It takes away from what the role allows and gives nothing, so patterns in it are no finding.
    """
    if not known(value):
        return []
    if not isinstance(value, str):
        reason = "this is not JSON text"
        fix = "Build it with documents.permissions(...) and documents.to_json(...)"
        return [Finding("document-json", prop, value, reason, fix, _ASSOCIATION_PAGE)]
    document, findings = parse_document(value, prop)
    if len(value) > SESSION_POLICY_SIZE:
        reason, fix = f"EKS takes {SESSION_POLICY_SIZE} characters here", "Name fewer actions and resources"
        findings.append(Finding("document-size", prop, len(value), reason, fix, _ASSOCIATION_PAGE))
    if document is None:
        return findings
    judged = judge_permissions(statements_of(document), f"{prop}.Statement")
    return findings + [finding for finding in judged if finding.rule in _OF_NAMES]


_OF_NAMES = ("statement", "iam-action", "iam-resource-mismatch")
"""Rules that hold for policies that only take away, too."""


def judge_managed_policies(policies: Iterable[tuple[str, Any]]) -> list[Finding]:
    """ARNs of managed policies, each with its property: none that makes an administrator of who has it."""
    findings: list[Finding] = []
    for where, arn in policies:
        if not known(arn) or not isinstance(arn, str) or ":iam::aws:policy/" not in arn:
            continue
        name = arn.rpartition("/")[2]
        if name in ADMIN_POLICIES:
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
        if element in self.elements:
            for where, item in placed(f"{self.where}.{element}", self.elements[element]):
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
        matching = service.matching(name)
        if not matching:
            close = service.closest(name)
            reason = f"{prefix} has no such action, so nothing is allowed or denied by it ({_actions.source()})"
            fix = f"Perhaps you mean {close}" if close else "Look its name up"
            return [Finding("iam-action", where, action, reason, fix, page)]
        # What begins with a wildcard names no kind of action, and `s3:*t*` is all of S3 but one.
        if name[0] in "*?" and 2 * len(matching) > len(service.actions) and element == "Action" and self.allows:
            reason = f"this allows {len(matching)} of the {len(service.actions)} actions of {prefix}, and those to come"
            fix = "Name the actions that are needed"
            return [Finding("iam-service-wildcard", where, action, reason, fix, _LEAST_PRIVILEGE)]
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
                    ELEMENTS + "_notaction.html",
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
                    ELEMENTS + "_notresource.html",
                )
            )
        return findings

    def _judge_resources(self) -> list[Finding]:
        if limits(self.elements.get("Condition"), _closing):
            return []
        findings: list[Finding] = []
        for where, resource in self._texts("Resource"):
            every, types = self._wide(resource)
            if every:
                arn = next(iter(every.values()))
                reason = f"{_enumerated(every)} can be limited to resources"
                fix = f"Name them, as in {arn}, or limit the statement by a condition on their tags"
                return [Finding("iam-resource-wildcard", where, resource, reason, fix, _LEAST_PRIVILEGE)]
            if types:
                arn = next(iter(types.values()))
                reason = f"this is every resource of a type, for {_enumerated(types)}"
                fix = f"Name them, as in {arn}, or limit the statement by a condition on their tags"
                findings.append(
                    Finding("iam-all-of-a-type", where, resource, reason, fix, _LEAST_PRIVILEGE, Severity.WARNING)
                )
        return findings

    def _wide(self, resource: str) -> tuple[dict[str, str], dict[str, str]]:
        """The actions that a resource lets be done on all resources, and those on all of a type, each with an ARN that
        it takes."""
        every: dict[str, str] = {}
        types: dict[str, str] = {}
        for _, text in self._texts("Action"):
            prefix, _, name = text.partition(":")
            service = _actions.service(prefix)
            # What allows all of a service is a finding of its own.
            if service is None or set(name) <= {"*"}:
                continue
            taking = [action for action in service.matching(name) if action.resource_types]
            if taking and is_every_resource(resource, prefix):
                every[text] = _actions.examples(taking, service)[0]
                continue
            # To pass every role has one, too.
            all_of = [
                arn
                for action in taking
                if action.name != "PassRole"
                for arn in _actions.examples([action], service)
                if _is_all_of_a_type(resource, arn) and (_is_grave(prefix, action) or not _has_place(resource, arn))
            ]
            if all_of:
                types[text] = all_of[0]
        return every, types

    def _judge_match(self) -> list[Finding]:
        value = self.elements.get("Resource")
        resources = [text for _, text in self._texts("Resource")]
        # What is not known yet may be the very ARN that matches.
        if not resources or any(item is UNKNOWN for item in members(value)):
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
                if any(is_every_resource(resource, prefix) for resource in resources):
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
        wide = [(where, text) for where, text in self._texts("Resource") if _passes_every_role(text)]
        if not wide or not self.covers("iam:PassRole") or limits(self.elements.get("Condition"), _closing_passing):
            return []
        where, resource = wide[0]
        reason = "any role may be passed to any service, whatever rights the role has"
        fix = f"Name the roles, and say for which service: StringEquals: {{iam:PassedToService: {_PODS}}}"
        return [Finding("iam-pass-role", where, resource, reason, fix, _PASS_ROLE_PAGE)]

    def covers(self, action: str) -> bool:
        """Whether the statement is about an action; one about all actions has its own finding."""
        wanted = action.lower()
        named = (text.lower() for _, text in self._texts("Action") if not set(text) <= set("*:"))
        if any(_actions.glob(text).fullmatch(wanted) for text in named):
            return True
        excluded = list(self._texts("NotAction"))
        return bool(excluded) and not any(_actions.glob(text.lower()).fullmatch(wanted) for _, text in excluded)

    def gives_every_role(self) -> bool:
        """Whether the statement lets every role be passed to pods."""
        resources = [text for _, text in self._texts("Resource")]
        return (
            self.covers("iam:PassRole")
            and ("NotResource" in self.elements or any(map(_passes_every_role, resources)))
            and admits(self.elements.get("Condition"), "iam:passedtoservice", _PODS) is True
        )


def is_every_resource(text: str, prefix: str) -> bool:
    """Whether a Resource names all that a service has: `*`, `arn:aws:s3*`, `arn:aws:s3:::*`."""
    # One in a region and an account, one in none: a name in either place is the name of something.
    places = (f"{PROBE}:{PROBE}:{PROBE}/{PROBE}", f"::{PROBE}/{PROBE}")
    return any(overlap(text, f"arn:*:{prefix.lower()}:{place}") for place in places)


def _is_all_of_a_type(resource: str, arn: str) -> bool:
    return not has_no_name(arn) and overlap(resource, probe(arn))


def _has_place(resource: str, arn: str) -> bool:
    """Whether a Resource names a region or an account, where ARNs of that type have one. What controllers make and
    manage is named by AWS, so that they can be told no more."""
    return not any(arn.split(":", 5)[3:5]) or any(part.strip("*?") for part in resource.split(":", 5)[3:5])


def _is_grave(prefix: str, action: _actions.Action) -> bool:
    """Whether all of a type are too many even in one account: secrets, keys, and what gives rights."""
    if prefix.lower() == "iam":
        return action.level not in ("Read", "List")
    return prefix.lower() in ("kms", "secretsmanager", "ssm", "sts")


def _passes_every_role(text: str) -> bool:
    return overlap(text, f"arn:*:iam::*:role/{PROBE}")


def _closing(key: str) -> Callable[[str], bool] | None:
    """The keys that say on which resources something is done. Most others say how, when or by whom."""
    prefix, _, name = key.partition(":")
    if prefix == "aws":
        return _GLOBAL.get(name.partition("/")[0])
    if key == "iam:passedtoservice":
        return _is_service
    return _is_closed if _NAMING.fullmatch(name) and _actions.service(prefix) else None


def _closing_passing(key: str) -> Callable[[str], bool] | None:
    # Tags of roles do not limit their passing, as AWS's page says.
    return _closing(key) if key in ("iam:passedtoservice", "iam:associatedresourcearn") else None


def _is_closed(value: str) -> bool:
    parts = value.split(":", 5)
    if not value.startswith("arn"):
        return not is_open(value) and not meet(value, f"alias/{PROBE}")
    if len(parts) < 6 or re.fullmatch(ACCOUNT, parts[4]):
        return len(parts) == 6
    # In no account, as buckets are, what is within one comes after its name.
    name = re.split("[:/]", parts[5])[-1 if any(parts[3:5]) else 0]
    return not is_open(name)


def _is_service(value: str) -> bool:
    return not meet(value, f"{PROBE}.amazonaws.com")


_GLOBAL: Mapping[str, Callable[[str], bool]] = {
    "resourcetag": _is_closed,
    "requesttag": _is_closed,
    "tagkeys": _is_closed,
    "resourceaccount": is_literal,
    "resourceorgid": is_literal,
    "resourceorgpaths": is_path,
    "calledvia": _is_closed,
    "calledviafirst": _is_closed,
    "calledvialast": _is_closed,
}
_NAMING = re.compile(
    r"(?!x-amz-|versionid|externalid|rolesession)"
    r"(.*(tag(keys?)?(/.*)?|arns?|ids?|identifiers?|names?|alias(es)?|namespaces?|vpcs?|subnet|cluster)"
    r"|.*(service|leadingkeys|resourceaccount|accesspointaccount|launchtemplate|instanceprofile|placementgroup)"
    r"|.*(securitygroup|task-definition|encryptioncontext(keys|:.*)?|grantisforawsresource|permissionsboundary)"
    r"|prefix|createaction|resource)"
)
"""Names of services' own keys that are about which resource: of 1,400 there are, those that end in what names one."""


def _judge_escalation(statements: Sequence[_Statement]) -> list[Finding]:
    allowing = [statement for statement in statements if statement.allows]
    passing = [statement for statement in allowing if statement.gives_every_role()]
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
