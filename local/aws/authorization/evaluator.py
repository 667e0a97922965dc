"""Policy evaluation, as AWS publishes it.

An explicit deny in any policy wins. Otherwise, within an account, an identity-based or a resource-based
policy must allow; across accounts both must. Permissions boundaries and session policies only limit; whether
they limit what a resource-based policy grants depends on whom that names (see ``Grant``).

Service and resource control policies belong to AWS Organizations and have no place here.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from .context import Context
from .policy import Policy, Statement
from .principals import Grant, Kind, Principal


class PolicyType(enum.Enum):
    """The types of policies, as AWS's messages call them."""

    IDENTITY = "identity-based policy"
    RESOURCE = "resource-based policy"
    TRUST = "role trust policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"


@dataclass(frozen=True)
class Request:
    """What is asked.

    Attributes:
        principal: who asks.
        action: such as ``s3:GetObject``.
        resource: an ARN, or ``*`` for actions on no resource.
        resource_account: the account that owns the resource; the principal's own when None.
        context: condition keys.
    """

    principal: Principal
    action: str
    resource: str = "*"
    context: Context = field(default_factory=Context)
    resource_account: str | None = None

    @property
    def crosses_accounts(self) -> bool:
        """Whether the resource belongs to another account than the principal."""
        owner = self.resource_account
        return owner is not None and bool(self.principal.account) and owner != self.principal.account


@dataclass(frozen=True)
class Policies:
    """The policies that apply to a request.

    Attributes:
        identity: those of the user and its groups, or of the role.
        resource: the resource's own policy.
        boundary: the permissions boundary; None when there is none.
        session: the session policies, inline and managed together; None when none were passed.
        resource_type: what messages call the resource's policy.
        resource_must_allow: an identity-based policy alone is never enough, as for assuming a role.
    """

    identity: tuple[Policy, ...] = ()
    resource: Policy | None = None
    boundary: Policy | None = None
    session: tuple[Policy, ...] | None = None
    resource_type: PolicyType = PolicyType.RESOURCE
    resource_must_allow: bool = False

    @staticmethod
    def trust(policy: Policy, of_caller: Policies | None = None) -> Policies:
        """Return the policies that decide on assuming a role: its trust policy, and the caller's."""
        caller = of_caller or Policies()
        return Policies(caller.identity, policy, caller.boundary, caller.session, PolicyType.TRUST, True)


@dataclass(frozen=True)
class Decision:
    """The outcome, and who decided.

    Attributes:
        allowed: whether the request may be carried out.
        explicit: of a denial, whether a Deny statement decided it.
        policy_type: the type of policy that allowed, denied, or failed to allow.
        policy: name of the policy that decided; empty for an implicit denial.
        statement: Sid or number of the statement that decided; empty for an implicit denial.
    """

    allowed: bool
    policy_type: PolicyType
    explicit: bool = False
    policy: str = ""
    statement: str = ""


def evaluate(request: Request, policies: Policies) -> Decision:
    """Decide on a request.

    Args:
        request: what is asked, by whom.
        policies: every policy that applies to it.
    """
    if (denied := _explicit_deny(request, policies)) is not None:
        return denied
    principal = request.principal
    granted = _resource_grant(request, policies)
    if not principal.has_identity_policies:
        return granted[0] if granted else Decision(False, policies.resource_type)
    if granted is None and (request.crosses_accounts or policies.resource_must_allow):
        return Decision(False, policies.resource_type)
    if not request.crosses_accounts and granted is not None and granted[1] is Grant.DIRECT:
        return granted[0]
    suffices = not request.crosses_accounts and granted is not None and granted[1] is Grant.ROLE
    allowed = granted[0] if granted and suffices else _identity_allow(request, policies)
    if allowed is None:
        return Decision(False, PolicyType.IDENTITY)
    for kind, limits in (
        (PolicyType.BOUNDARY, None if policies.boundary is None else (policies.boundary,)),
        (PolicyType.SESSION, policies.session),
    ):
        if limits is not None and _find(request, limits, allows=True) is None:
            return Decision(False, kind)
    return allowed


def _explicit_deny(request: Request, policies: Policies) -> Decision | None:
    groups: tuple[tuple[PolicyType, Iterable[Policy]], ...] = (
        (PolicyType.IDENTITY, policies.identity),
        (PolicyType.BOUNDARY, (policies.boundary,) if policies.boundary else ()),
        (PolicyType.SESSION, policies.session or ()),
    )
    for kind, group in groups:
        if found := _find(request, group, allows=False):
            policy, statement = found
            return Decision(False, kind, True, policy.name, statement.place)
    if policies.resource is not None:
        for statement in policies.resource.statements:
            if not statement.allows and _named(statement, request):
                return Decision(False, policies.resource_type, True, policies.resource.name, statement.place)
    return None


def _named(statement: Statement, request: Request) -> bool:
    """Tell whether a statement of a resource-based policy is about this request."""
    return statement.grant(request.principal) is not None and statement.applies(
        request.action, request.resource, request.context
    )


def _resource_grant(request: Request, policies: Policies) -> tuple[Decision, Grant] | None:
    """Return the strongest grant of the resource's policy."""
    best: tuple[Decision, Grant] | None = None
    if policies.resource is None:
        return None
    for statement in policies.resource.statements:
        if not statement.allows or not _named(statement, request):
            continue
        grant = statement.grant(request.principal)
        assert grant is not None
        if best is None or grant > best[1]:
            decision = Decision(True, policies.resource_type, False, policies.resource.name, statement.place)
            best = decision, grant
    return best


def _identity_allow(request: Request, policies: Policies) -> Decision | None:
    if request.principal.kind is Kind.ROOT:
        # The root user has every permission in its account; no policy of its own grants them.
        return Decision(True, PolicyType.IDENTITY, False, "root user", "")
    found = _find(request, policies.identity, allows=True)
    if found is None:
        return None
    policy, statement = found
    return Decision(True, PolicyType.IDENTITY, False, policy.name, statement.place)


def _find(request: Request, group: Iterable[Policy], allows: bool) -> tuple[Policy, Statement] | None:
    """Return the first statement of an effect that applies, of policies that name no principal."""
    for policy in group:
        for statement in policy.statements:
            if statement.allows == allows and statement.applies(request.action, request.resource, request.context):
                return policy, statement
    return None


def denial_message(request: Request, decision: Decision, quote_resource: bool = False) -> str:
    """Return AWS's words for a denial.

    Args:
        request: what was asked.
        decision: the denial.
        quote_resource: whether to put the resource in quotes, as S3 does.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    who = request.principal.arn
    resource = f'"{request.resource}"' if quote_resource else request.resource
    on_resource = "" if request.resource == "*" else f" on resource: {resource}"
    text = f"User: {who} is not authorized to perform: {request.action}{on_resource}"
    kind = decision.policy_type.value
    if decision.explicit:
        article = "the" if decision.policy_type is PolicyType.TRUST else "an" if kind[0] in "aeiou" else "a"
        return f"{text} with an explicit deny in {article} {kind}"
    if request.crosses_accounts:
        return text  # AWS does not tell one account about another's policies.
    return f"{text} because no {kind} allows the {request.action} action"
