"""Temporary credentials: what STS remembers of the sessions that it issued.

The sessions live in moto's STS model, so that moto's reset forgets them and the endpoint's state file keeps
them, like everything else of that account.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html
"""

from __future__ import annotations

import base64
import datetime as dt
import secrets
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .context import Value
from .directory import Directory
from .evaluator import Policies
from .policy import Policy
from .principals import Kind, Principal

_ALPHABET = string.ascii_uppercase + "234567"
# An expired key is remembered for a while, so that its holder is told that it expired.
_REMEMBERED = dt.timedelta(days=1)


@dataclass
class Session:
    """One session.

    Attributes:
        kind: a role session, or one of a user or of the root user.
        role_arn: whose permissions the session has: a role's ARN, a user's or the account's root.
        name: the role session name; empty for users.
        principal_id: the unique id of the role or user.
        tags: session tags.
        transitive: those keys of them that pass on when the session assumes another role.
        policy: the inline session policy.
        policy_arns: managed session policies.
        provider: of a session of somebody for whom an identity provider vouched: the provider.
        federation: the condition keys that AWS keeps about him, such as ``<issuer>:sub``.
    """

    kind: Kind
    account_id: str
    partition: str
    role_arn: str
    principal_id: str
    expiration: dt.datetime
    name: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    transitive: frozenset[str] = frozenset()
    policy: str | None = None
    policy_arns: tuple[str, ...] = ()
    source_identity: str | None = None
    provider: str | None = None
    federation: Mapping[str, Value] | None = None
    issued: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    access_key_id: str = field(default_factory=lambda: "ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16)))
    secret_access_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(30)).decode())
    session_token: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(264)).decode())

    @property
    def arn(self) -> str:
        """The session's ARN, as ``GetCallerIdentity`` answers it."""
        if self.kind is Kind.ROLE_SESSION:
            role_name = self.role_arn.rpartition("/")[2]
            return f"arn:{self.partition}:sts::{self.account_id}:assumed-role/{role_name}/{self.name}"
        return self.role_arn

    @property
    def user_id(self) -> str:
        """Value of ``aws:userid``."""
        return f"{self.principal_id}:{self.name}" if self.kind is Kind.ROLE_SESSION else self.principal_id

    def expired(self, now: dt.datetime) -> bool:
        """Tell whether the session has ended."""
        return now >= self.expiration

    def credentials(self) -> dict[str, Any]:
        """Return the members of STS's Credentials."""
        return {
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret_access_key,
            "SessionToken": self.session_token,
            "Expiration": self.expiration,
        }


class Sessions:
    """The sessions of the endpoint.

    Args:
        directory: IAM.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def add(self, session: Session) -> Session:
        """Remember a session."""
        with self._directory.lock_of("sts"):
            issued = self._issued(session.partition)
            for key in list(_long_expired(issued)):
                del issued[key]
            issued[session.access_key_id] = session
        return session

    def find(self, access_key: str, partition: str) -> Session | None:
        """Return the session with this access key, also one that expired lately, or None."""
        with self._directory.lock_of("sts"):
            return self._issued(partition).get(access_key)

    def current(self) -> list[dict[str, Any]]:
        """Return the sessions that last, the oldest first: who, with which tags, until when; nothing secret."""
        now = dt.datetime.now(dt.UTC)
        with self._directory.lock_of("sts"):
            sessions = [session for session in self._issued("aws").values() if not session.expired(now)]
        return [
            {
                "arn": session.arn,
                "roleArn": session.role_arn,
                "tags": session.tags,
                "transitiveTagKeys": sorted(session.transitive),
                "expiration": session.expiration.isoformat(),
            }
            for session in sorted(sessions, key=lambda session: session.issued)
        ]

    def principal(self, session: Session) -> Principal:
        """Return who acts in a session; session tags win over the role's or user's own."""
        if session.kind is Kind.ROOT:
            return Principal(Kind.ROOT, session.role_arn, session.account_id, user_id=session.principal_id)
        if session.kind is Kind.USER:
            user = self._directory.user(session.role_arn)
            # Of a user that is gone nothing is left but the name: no policy will allow it anything.
            return user or Principal(Kind.USER, session.role_arn, session.account_id, user_id=session.principal_id)
        role = self._directory.role(session.role_arn)
        return Principal(
            Kind.ROLE_SESSION,
            session.arn,
            session.account_id,
            role_arn=session.role_arn,
            user_id=session.user_id,
            unique_id=session.principal_id,
            tags={**(role.tags if role else {}), **session.tags},
            provider=session.provider or "",
        )

    def policies(self, session: Session) -> Policies:
        """Return the policies of the role or user, and the session policies."""
        if session.kind is Kind.ROOT:
            return Policies()
        if session.kind is Kind.USER:
            return self._directory.policies_of_user(session.role_arn)
        role = self._directory.role(session.role_arn)
        # A role that was deleted and made again is another role: its old sessions have no permissions.
        held = self._directory.policies_of_role(session.role_arn) if _same(role, session) else Policies()
        return Policies(held.identity, boundary=held.boundary, session=self._session_policies(session))

    def _session_policies(self, session: Session) -> tuple[Policy, ...] | None:
        if session.policy is None and not session.policy_arns:
            return None
        inline = (Policy.parse(session.policy, "session policy"),) if session.policy is not None else ()
        managed = tuple(self._directory.managed_policy(arn) or Policy(arn, ()) for arn in session.policy_arns)
        return inline + managed

    def _issued(self, partition: str) -> dict[str, Session]:
        return _backend(self._directory.account, partition).__dict__.setdefault("issued_sessions", {})


def _same(role: Any, session: Session) -> bool:
    return role is not None and role.id == session.principal_id


def _long_expired(issued: dict[str, Session]) -> Iterator[str]:
    """Yield keys to forget. The oldest come first; a long-lived one merely delays those behind it."""
    limit = dt.datetime.now(dt.UTC) - _REMEMBERED
    for key, session in issued.items():
        if session.expiration > limit:
            return
        yield key


def _backend(account: str, partition: str) -> Any:
    from moto.sts.models import sts_backends

    regional = sts_backends[account]
    return regional[partition if partition in regional.regions else "aws"]
