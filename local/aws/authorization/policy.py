"""Policy documents, read once into statements that can be asked whether they apply.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .conditions import Test, parse_conditions
from .context import Context
from .patterns import Pattern, Unresolved, matches_action
from .principals import Grant, Principal, PrincipalElement

_VERSIONS = ("2012-10-17", "2008-10-17")
_ELEMENTS = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}


class MalformedPolicy(ValueError):
    """A document breaks the grammar of policies; the message says where."""


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        place: where it stands, for messages: its Sid, or its number.
        variables: whether the document's version knows policy variables.
    """

    place: str
    allows: bool
    actions: tuple[str, ...]
    negated_actions: bool
    resources: tuple[str, ...] | None
    negated_resources: bool
    principal: PrincipalElement | None
    negated_principal: bool
    tests: tuple[Test, ...]
    variables: bool

    def applies(self, action: str, resource: str, context: Context) -> bool:
        """Tell whether action, resource and conditions are met; the principal is asked for separately."""
        named = any(matches_action(pattern, action) for pattern in self.actions)
        if named == self.negated_actions:
            return False
        if not self._covers(resource, context):
            return False
        return all(test.holds(context, self.variables) for test in self.tests)

    def grant(self, principal: Principal) -> Grant | None:
        """Return how the statement names a principal; None when it does not name it."""
        if self.principal is None:
            return None
        if not self.negated_principal:
            return self.principal.grant(principal)
        return None if self.principal.spares(principal) else Grant.DIRECT

    def _covers(self, resource: str, context: Context) -> bool:
        if self.resources is None:
            return True  # A trust policy has no Resource: it is about the role that carries it.
        matched = False
        for text in self.resources:
            try:
                matched = Pattern(text, context, self.variables).matches_resource(resource)
            except Unresolved:
                # Neither `Resource` nor `NotResource` may reach further because a variable has no value.
                if self.negated_resources:
                    return not self.allows
                continue
            if matched:
                break
        return matched != self.negated_resources


@dataclass(frozen=True)
class Policy:
    """A policy.

    Attributes:
        name: for messages and logs: an ARN or a name.
    """

    name: str
    statements: tuple[Statement, ...]

    @staticmethod
    def parse(document: str | Mapping[str, Any], name: str = "policy") -> Policy:
        """Read a document.

        Args:
            document: JSON text, or what it parses to.
            name: for messages and logs.

        Raises:
            MalformedPolicy: it breaks the grammar.
        """
        text = document if isinstance(document, str) else json.dumps(document)
        return Policy(name, _statements(text))


def _many(value: Any, what: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise MalformedPolicy(f"{what} must be a string or a list of strings")
    return tuple(values)


# Roles and policies are read far more often than written: parse each document once.
@lru_cache(maxsize=4096)
def _statements(text: str) -> tuple[Statement, ...]:
    try:
        document = json.loads(text)
    except ValueError:
        raise MalformedPolicy("The policy is not valid JSON") from None
    if not isinstance(document, dict) or "Statement" not in document:
        raise MalformedPolicy("The policy has no Statement")
    version = document.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        raise MalformedPolicy(f"The policy has an unknown Version: {version}")
    given = document["Statement"]
    statements = given if isinstance(given, list) else [given]
    return tuple(
        _statement(statement, number, version == "2012-10-17") for number, statement in enumerate(statements, 1)
    )


def _statement(element: Any, number: int, variables: bool) -> Statement:
    if not isinstance(element, dict):
        raise MalformedPolicy(f"Statement {number} is not an object")
    place = str(element.get("Sid") or f"statement {number}")
    if unknown := element.keys() - _ELEMENTS:
        raise MalformedPolicy(f"{place} has unknown elements: {', '.join(sorted(unknown))}")
    if element.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicy(f"{place}: Effect must be Allow or Deny")
    if ("Action" in element) == ("NotAction" in element):
        raise MalformedPolicy(f"{place} needs either Action or NotAction")
    for one, other in (("Resource", "NotResource"), ("Principal", "NotPrincipal")):
        if one in element and other in element:
            raise MalformedPolicy(f"{place} has both {one} and {other}")
    resources = element.get("Resource", element.get("NotResource"))
    principal = element.get("Principal", element.get("NotPrincipal"))
    condition = element.get("Condition", {})
    if not isinstance(condition, dict):
        raise MalformedPolicy(f"{place}: Condition must be an object")
    try:
        return Statement(
            place=place,
            allows=element["Effect"] == "Allow",
            actions=_many(element.get("Action", element.get("NotAction")), f"{place}: Action"),
            negated_actions="NotAction" in element,
            resources=None if resources is None else _many(resources, f"{place}: Resource"),
            negated_resources="NotResource" in element,
            principal=None if principal is None else PrincipalElement.parse(principal),
            negated_principal="NotPrincipal" in element,
            tests=parse_conditions(condition),
            variables=variables,
        )
    except MalformedPolicy:
        raise
    except ValueError as error:
        raise MalformedPolicy(f"{place}: {error}") from None
