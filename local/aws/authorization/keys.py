"""The global condition keys of a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from .context import Value
from .evaluator import Policies
from .patterns import tag_keys
from .principals import Kind, Principal
from .sessions import Session

_TYPES = {
    Kind.ROOT: "Account",
    Kind.USER: "User",
    Kind.ROLE_SESSION: "AssumedRole",
    Kind.FEDERATED_USER: "FederatedUser",
    Kind.ANONYMOUS: "Anonymous",
}


@dataclass(frozen=True)
class Caller:
    """Who makes a request, with the policies that come with that.

    Attributes:
        policies: identity-based policies, boundary and session policies.
        session: of temporary credentials, the session.
    """

    principal: Principal
    policies: Policies = field(default_factory=Policies)
    session: Session | None = None

    @property
    def is_operator(self) -> bool:
        """Whether this is the account's root user with no session: the operator, who may do everything."""
        return self.principal.kind is Kind.ROOT and self.session is None


def caller_keys(caller: Caller, organization: str | None = None) -> dict[str, Value | None]:
    """Return the keys about the principal.

    Args:
        organization: id of the organization that the account belongs to, if any.
    """
    principal, session = caller.principal, caller.session
    service = principal.kind is Kind.SERVICE
    return {
        # Services and strangers, who have no account, have no ARN either.
        "aws:PrincipalArn": principal.policy_arn if principal.account else None,
        "aws:PrincipalAccount": principal.account or None,
        "aws:PrincipalOrgID": organization if principal.account else None,
        "aws:PrincipalType": _TYPES.get(principal.kind),
        "aws:PrincipalIsAWSService": service,
        "aws:PrincipalServiceName": principal.arn if service else None,
        "aws:userid": principal.user_id or None,
        "aws:username": principal.user_name or None,
        "aws:FederatedProvider": principal.provider or None,
        "aws:TokenIssueTime": session.issued.strftime("%Y-%m-%dT%H:%M:%SZ") if session else None,
        "aws:MultiFactorAuthPresent": False if session else None,
        "aws:SourceIdentity": session.source_identity if session else None,
        "aws:ViaAWSService": False,
        **(session.federation or {} if session else {}),
        **tag_keys("aws:PrincipalTag", principal.tags),
    }


def request_keys(region: str, now: dt.datetime, headers: Mapping[str, str]) -> dict[str, Value | None]:
    """Return the keys about the request itself.

    Args:
        region: the region that it is signed for.
        now: the time.
        headers: by lower-case name.
    """
    return {
        "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": int(now.timestamp()),
        "aws:RequestedRegion": region,
        # The loopback connection stands in for AWS's TLS: policies that insist on it must hold here, too.
        "aws:SecureTransport": True,
        "aws:SourceIp": "127.0.0.1",
        "aws:UserAgent": headers.get("user-agent"),
        "aws:Referer": headers.get("referer"),
    }


def request_tag_keys(tags: Mapping[str, str] | None, removed: list[str] | None = None) -> dict[str, Value | None]:
    """Return the keys about the tags that a request gives or takes away.

    Args:
        tags: tags that it gives; None when it knows none.
        removed: keys of tags that it takes away.
    """
    if tags is None and not removed:
        return {}
    return {"aws:TagKeys": [*(tags or {}), *(removed or [])], **tag_keys("aws:RequestTag", tags or {})}
