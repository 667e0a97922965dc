"""What authorization needs to know of IAM, read from moto's model.

moto stores users, roles, groups and policies well; only its own evaluation of them is not used. Everything is
looked up at each request, under IAM's lock, so that a change of a policy counts at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from .evaluator import Policies
from .patterns import account_of
from .policy import Policy
from .principals import Kind, Principal

LockOf = Callable[[str], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Role:
    """An IAM role, as it was when it was looked up.

    Attributes:
        trust: its trust policy, as JSON text.
        max_session: seconds that a session of it may last at most.
    """

    arn: str
    name: str
    id: str
    account: str
    trust: str
    max_session: int
    tags: dict[str, str]

    def trust_policy(self) -> Policy:
        """Read the trust policy.

        Raises:
            MalformedPolicy: it breaks the grammar.
        """
        return Policy.parse(self.trust, f"trust policy of {self.name}")


@dataclass(frozen=True)
class UserKey:
    """An access key that IAM issued, and the user that it belongs to."""

    principal: Principal
    secret: str
    active: bool


class Directory:
    """IAM's users, roles and policies.

    Args:
        lock_of: returns the lock that serialises one of moto's services.
        account: the endpoint's account.
    """

    def __init__(self, lock_of: LockOf, account: str) -> None:
        self.lock_of = lock_of
        self.account = account

    def role(self, arn: str) -> Role | None:
        """Return the role with this ARN, or None."""
        with self.lock_of("iam"):
            role = self._role(arn)
            if role is None:
                return None
            return Role(
                arn=role.arn,
                name=role.name,
                id=role.id,
                account=account_of(role.arn),
                trust=role.assume_role_policy_document or '{"Statement": []}',
                max_session=int(role.max_session_duration or 3_600),
                tags=_tags(role.tags),
            )

    def user_key(self, access_key: str, partition: str) -> UserKey | None:
        """Return the IAM user's key with this id, or None when no user has it."""
        with self.lock_of("iam"):
            for account in _accounts():
                backend = self._iam(account, partition)
                for user in backend.users.values():
                    for key in user.access_keys:
                        if key.access_key_id == access_key:
                            tags = backend.tagger.get_tag_dict_for_resource(user.arn)
                            return UserKey(_user(user, tags), key.secret_access_key, key.status == "Active")
        return None

    def user(self, arn: str) -> Principal | None:
        """Return the IAM user with this ARN, or None."""
        with self.lock_of("iam"):
            backend = self._backend_of(arn)
            user = _by_arn(backend.users.values(), arn) if backend else None
            if backend is None or user is None:
                return None
            return _user(user, backend.tagger.get_tag_dict_for_resource(user.arn))

    def policies_of_role(self, arn: str) -> Policies:
        """Return the identity-based policies and the boundary of a role; none when it is gone."""
        with self.lock_of("iam"):
            role = self._role(arn)
            if role is None:
                return Policies()
            return Policies(tuple(_attached(role)), boundary=self._boundary(role.permissions_boundary_arn))

    def policies_of_user(self, arn: str) -> Policies:
        """Return the policies of a user and of its groups, and its boundary; none when it is gone."""
        with self.lock_of("iam"):
            backend = self._backend_of(arn)
            user = _by_arn(backend.users.values(), arn) if backend else None
            if backend is None or user is None:
                return Policies()
            groups = [group for group in backend.groups.values() if user in group.users]
            policies = [policy for holder in (user, *groups) for policy in _attached(holder)]
            # moto keeps no permissions boundaries of users.
            return Policies(tuple(policies))

    def managed_policy(self, arn: str) -> Policy | None:
        """Return the default version of a managed policy, or None."""
        with self.lock_of("iam"):
            return self._managed_policy(arn)

    def audiences(self, provider: str) -> frozenset[str] | None:
        """Return the client ids of the OpenID Connect provider with this ARN; None when there is no such provider."""
        with self.lock_of("iam"):
            backend = self._backend_of(provider)
            found = backend.open_id_providers.get(provider) if backend else None
            return None if found is None else frozenset(found.client_id_list)

    def find_arn(self, kind: str, name: str, account: str, partition: str) -> str | None:
        """Return the ARN, which holds the path, of a user, role, group, policy or instance profile by name."""
        collections = {
            "user": "users",
            "role": "roles",
            "group": "groups",
            "policy": "managed_policies",
            "instance-profile": "instance_profiles",
        }
        if kind not in collections:
            return None
        with self.lock_of("iam"):
            for found in getattr(self._iam(account, partition), collections[kind]).values():
                if found.name == name:
                    return found.arn
        return None

    def tags_of(self, arn: str) -> dict[str, str]:
        """Return the tags of a role, user or managed policy."""
        with self.lock_of("iam"):
            backend = self._backend_of(arn)
            kind = arn.split(":", 5)[-1].partition("/")[0]
            if backend is None or kind not in ("role", "user", "policy"):
                return {}
            if kind == "user":
                return backend.tagger.get_tag_dict_for_resource(arn)
            found = self._role(arn) if kind == "role" else backend.managed_policies.get(arn)
            return _tags(found.tags) if found is not None else {}

    def _role(self, arn: str) -> Any:
        backend = self._backend_of(arn)
        return None if backend is None else _by_arn(backend.roles.values(), arn)

    def _boundary(self, arn: str | None) -> Policy | None:
        if not arn:
            return None
        # A boundary whose policy is gone allows nothing, as on AWS.
        return self._managed_policy(arn) or Policy(arn, ())

    def _managed_policy(self, arn: str) -> Policy | None:
        backend = self._backend_of(arn)
        found = backend.managed_policies.get(arn) if backend else None
        return None if found is None else _managed(found)

    def _backend_of(self, arn: str) -> Any:
        parts = arn.split(":", 5)
        if len(parts) != 6 or parts[2] != "iam" or not (parts[4].isdigit() or parts[4] == "aws"):
            return None
        return self._iam(self.account if parts[4] == "aws" else parts[4], parts[1])

    @staticmethod
    def _iam(account: str, partition: str) -> Any:
        from moto.iam.models import iam_backends

        regional = iam_backends[account]
        return regional[partition if partition in regional.regions else "aws"]


def _accounts() -> list[str]:
    """Return the accounts that IAM was used in."""
    from moto.iam.models import iam_backends

    return list(iam_backends)


def _by_arn(holders: Any, arn: str) -> Any:
    return next((holder for holder in holders if holder.arn == arn), None)


def _user(user: Any, tags: dict[str, str]) -> Principal:
    return Principal(
        Kind.USER,
        user.arn,
        account_of(user.arn),
        user_id=user.id,
        unique_id=user.id,
        user_name=user.name,
        tags=dict(tags),
    )


def _attached(holder: Any) -> Iterator[Policy]:
    for name, document in holder.policies.items():
        yield Policy.parse(document, name)
    for policy in holder.managed_policies.values():
        yield _managed(policy)


def _managed(policy: Any) -> Policy:
    version = next(version for version in policy.versions if version.is_default)
    document = version.document
    return Policy.parse(document if isinstance(document, str) else json.dumps(document), policy.arn)


def _tags(tags: Any) -> dict[str, str]:
    """Read moto's two ways of keeping tags: a list of them, or one by key."""
    values = tags.values() if isinstance(tags, dict) else tags or ()
    return {tag["Key"]: tag["Value"] for tag in values}
