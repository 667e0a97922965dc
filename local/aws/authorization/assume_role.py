"""Assuming roles: the rules behind STS's AssumeRole, whoever asks for it.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from .context import Context, Value
from .directory import Directory, Role
from .evaluator import Policies, Request, denial_message, evaluate
from .keys import Caller, caller_keys, request_tag_keys
from .patterns import account_of, tag_keys
from .policy import MalformedPolicy, Policy
from .principals import Kind
from .sessions import Session, Sessions

CHAINED_SECONDS = 3_600
_POLICY_CHARACTERS = 2_048
_MAX_TAGS = 50


class StsError(Exception):
    """STS refuses; code and status are those of its API."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Assumption:
    """What is asked of AssumeRole, or of its like for those who are no principals of AWS.

    Attributes:
        seconds: how long the session is to last; the service's default when None.
        fixed_seconds: whether the duration is given by an AWS service, which the role's maximum does not bind.
        source: context keys that a service sets when it acts for somebody, such as ``aws:SourceArn``.
        action: the permission that it takes.
        federation: condition keys about a stranger that his session keeps.
    """

    role_arn: str
    session_name: str
    seconds: int | None = None
    fixed_seconds: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: frozenset[str] = frozenset()
    policy: str | None = None
    policy_arns: tuple[str, ...] = ()
    external_id: str | None = None
    source_identity: str | None = None
    source: Mapping[str, Value | None] = field(default_factory=dict)
    action: str = "sts:AssumeRole"
    federation: Mapping[str, Value] | None = None


class RoleAssumption:
    """Issues role sessions.

    Args:
        directory: IAM.
        sessions: where sessions are remembered.
        organization: id of the organization that the account belongs to, if any.
    """

    def __init__(self, directory: Directory, sessions: Sessions, organization: str | None = None) -> None:
        self._directory = directory
        self._sessions = sessions
        self._organization = organization

    def assume(self, caller: Caller, wanted: Assumption, keys: Mapping[str, Value | None]) -> Session:
        """Assume a role.

        Args:
            caller: who asks.
            wanted: what is asked.
            keys: condition keys of the request itself.

        Raises:
            StsError: the request is not valid, or not allowed.
        """
        _check_policy(wanted)
        _check_tags(wanted, caller.session)
        inherited = _inherited(caller.session)
        role = self._directory.role(wanted.role_arn)
        self._authorize(caller, wanted, role, inherited, keys)
        assert role is not None
        for arn in wanted.policy_arns:
            if self._directory.managed_policy(arn) is None:
                raise StsError("ValidationError", f"The requested policy {arn} does not exist.")
        seconds = _duration(caller, wanted, role)
        return self._sessions.add(
            Session(
                Kind.ROLE_SESSION,
                role.account,
                role.arn.split(":")[1],
                role.arn,
                role.id,
                dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(seconds=seconds),
                name=wanted.session_name,
                tags={**inherited, **wanted.tags},
                transitive=frozenset(inherited) | wanted.transitive,
                policy=wanted.policy,
                policy_arns=wanted.policy_arns,
                source_identity=_source_identity(caller.session) or wanted.source_identity,
                provider=caller.principal.provider if caller.principal.kind is Kind.FEDERATED else None,
                federation=wanted.federation,
            )
        )

    def _authorize(
        self,
        caller: Caller,
        wanted: Assumption,
        role: Role | None,
        inherited: Mapping[str, str],
        keys: Mapping[str, Value | None],
    ) -> None:
        tags = {**inherited, **wanted.tags}
        transitive = sorted(set(inherited) | wanted.transitive)
        context = Context(
            {
                **keys,
                **caller_keys(caller, self._organization),
                # Inherited tags count as tags of this request as well: a target role's trust policy can test them.
                **(request_tag_keys(tags) if tags else {}),
                **(tag_keys("aws:ResourceTag", role.tags) if role else {}),
                **(tag_keys("iam:ResourceTag", role.tags) if role else {}),
                "aws:ResourceAccount": account_of(wanted.role_arn) or None,
                "sts:ExternalId": wanted.external_id,
                "sts:RoleSessionName": wanted.session_name,
                "sts:SourceIdentity": wanted.source_identity,
                "sts:TransitiveTagKeys": transitive or None,
                **wanted.source,
            }
        )
        actions = [wanted.action]
        if tags:
            actions.append("sts:TagSession")
        if wanted.source_identity is not None or _source_identity(caller.session) is not None:
            actions.append("sts:SetSourceIdentity")
        owner = account_of(wanted.role_arn)
        for action in actions:
            request = Request(caller.principal, action, wanted.role_arn, context, owner or None)
            if role is None:
                # Whether there is no such role or no permission is not told.
                who = f"User: {caller.principal.arn} is not authorized to perform: {action}"
                raise _denied(caller, action, f"{who} on resource: {wanted.role_arn}")
            try:
                trust = Policies.trust(role.trust_policy(), caller.policies)
            except MalformedPolicy as error:
                raise StsError("AccessDenied", f"The trust policy of {role.arn} cannot be read: {error}", 403) from None
            decision = evaluate(request, trust)
            if not decision.allowed:
                raise _denied(caller, action, denial_message(request, decision))


def _denied(caller: Caller, action: str, message: str) -> StsError:
    """Return a denial; strangers are not told whose policy it is of."""
    stranger = caller.principal.kind is Kind.FEDERATED
    return StsError("AccessDenied", f"Not authorized to perform {action}" if stranger else message, 403)


def _source_identity(session: Session | None) -> str | None:
    return session.source_identity if session is not None else None


def _inherited(session: Session | None) -> dict[str, str]:
    """Return the tags that pass on from the calling session."""
    if session is None:
        return {}
    return {key: value for key, value in session.tags.items() if key in session.transitive}


def _check_policy(wanted: Assumption) -> None:
    if wanted.policy is None:
        return
    if len(wanted.policy) > _POLICY_CHARACTERS:
        raise StsError("PackedPolicyTooLarge", "Policy exceeds the maximum size of 2048 characters")
    try:
        policy = Policy.parse(wanted.policy, "session policy")
    except MalformedPolicy as error:
        raise StsError("MalformedPolicyDocument", str(error)) from None
    for statement in policy.statements:
        if statement.principal is not None:
            raise StsError("MalformedPolicyDocument", "Policy document should not specify a principal.")
        if statement.resources is None:
            raise StsError("MalformedPolicyDocument", "Policy statement must contain resources.")


def _check_tags(wanted: Assumption, session: Session | None) -> None:
    if len(wanted.tags) > _MAX_TAGS:
        raise StsError("ValidationError", f"A session can have at most {_MAX_TAGS} tags.")
    lowered = [key.lower() for key in wanted.tags]
    if len(set(lowered)) != len(lowered):
        raise StsError(
            "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )
    for key in wanted.tags:
        if key.lower().startswith("aws:"):
            raise StsError("InvalidParameterValue", f"The tag key {key} uses the reserved prefix aws:.")
    if unknown := wanted.transitive - set(wanted.tags):
        raise StsError(
            "InvalidParameterValue",
            f"The specified transitive tag key must be included in the requested tags: {', '.join(sorted(unknown))}",
        )
    if {key.lower() for key in _inherited(session)} & set(lowered):
        raise StsError(
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
            "from the calling session.",
        )
    identity = _source_identity(session)
    if identity is not None and wanted.source_identity not in (None, identity):
        raise StsError("AccessDenied", "The source identity of a session cannot be changed.", 403)


def _duration(caller: Caller, wanted: Assumption, role: Role) -> int:
    """Return how long the session lasts.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_manage-assume.html
    """
    chained = caller.principal.kind is Kind.ROLE_SESSION
    seconds = wanted.seconds if wanted.seconds is not None else 3_600
    if wanted.fixed_seconds:
        return seconds
    if chained and seconds > CHAINED_SECONDS:
        raise StsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        )
    if seconds > role.max_session:
        raise StsError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return seconds
