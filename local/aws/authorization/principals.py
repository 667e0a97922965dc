"""Who makes a request, and what the Principal element of a policy says about that.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_ACCOUNT = re.compile(r"\d{12}")
_ROOT = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")


class Kind(enum.Enum):
    """What kind of principal makes a request."""

    ROOT = "root user"
    USER = "IAM user"
    ROLE_SESSION = "role session"
    FEDERATED_USER = "federated user session"
    FEDERATED = "federated identity"
    SERVICE = "AWS service"
    ANONYMOUS = "anonymous"


class Grant(enum.IntEnum):
    """How directly a Principal element names who makes the request; stronger ones are greater.

    It decides which other policies still limit what a resource-based policy grants:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single-account.html
    """

    # The account: it delegates to its administrators, so an identity-based policy must allow as well.
    ACCOUNT = 1
    # The role (or, of a federated user session, the user): boundary and session policies still limit it.
    ROLE = 2
    # The very principal that makes the request, or everybody: nothing but an explicit deny limits it.
    DIRECT = 3


@dataclass(frozen=True)
class Principal:
    """Who makes a request.

    Attributes:
        arn: as error messages and ``sts:GetCallerIdentity`` name it; of a service, its service principal.
        account: the account it belongs to, empty for services and identities of providers outside AWS.
        role_arn: what a session stems from: the role's ARN, of a federated user session the user's.
        user_id: value of ``aws:userid``.
        unique_id: of a user or role, the id that IAM gave it.
        user_name: value of ``aws:username``; only IAM users have it.
        tags: values of ``aws:PrincipalTag``: those of the user or role, and session tags, which win.
        provider: of a federated identity, its provider.
    """

    kind: Kind
    arn: str
    account: str = ""
    role_arn: str = ""
    user_id: str = ""
    unique_id: str = ""
    user_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    provider: str = ""

    @staticmethod
    def service(name: str) -> Principal:
        """Return an AWS service, such as ``pods.eks.amazonaws.com``."""
        return Principal(Kind.SERVICE, name)

    @staticmethod
    def anonymous() -> Principal:
        """Return who makes requests that nobody signed."""
        return Principal(Kind.ANONYMOUS, "anonymous", user_id="anonymous")

    @staticmethod
    def federated(provider: str, subject: str) -> Principal:
        """Return somebody for whom an identity provider vouches.

        Args:
            provider: the provider's ARN.
            subject: what the provider calls him.
        """
        return Principal(Kind.FEDERATED, subject, provider=provider)

    @property
    def policy_arn(self) -> str:
        """The ARN that conditions on ``aws:PrincipalArn`` compare: of a role session, the role's."""
        return self.role_arn if self.kind is Kind.ROLE_SESSION else self.arn

    @property
    def has_identity_policies(self) -> bool:
        """Whether identity-based policies can apply; services and strangers have none."""
        return self.kind in (Kind.ROOT, Kind.USER, Kind.ROLE_SESSION, Kind.FEDERATED_USER)


@dataclass(frozen=True)
class PrincipalElement:
    """A Principal element: by type, the names in it."""

    names: Mapping[str, tuple[str, ...]]

    @staticmethod
    def parse(element: Any) -> PrincipalElement:
        """Read an element.

        Raises:
            ValueError: it has not the shape of one, or names an unknown type of principal.
        """
        if element == "*":
            return PrincipalElement({"AWS": ("*",)})
        if not isinstance(element, dict) or not element:
            raise ValueError('A Principal is "*" or an object of principal types')
        names = {}
        for kind, given in element.items():
            if kind not in ("AWS", "Service", "Federated", "CanonicalUser"):
                raise ValueError(f"Unknown type of principal: {kind}")
            values = given if isinstance(given, list) else [given]
            if not values or not all(isinstance(value, str) and value for value in values):
                raise ValueError(f"The principals of type {kind} must be names")
            names[kind] = tuple(values)
        return PrincipalElement(names)

    def grant(self, principal: Principal) -> Grant | None:
        """Return how this element names a principal, or None when it does not."""
        grants = [
            grant
            for kind, names in self.names.items()
            for name in names
            if (grant := _grant(kind, name, principal)) is not None
        ]
        return max(grants, default=None)

    def spares(self, principal: Principal) -> bool:
        """Tell whether this, as a NotPrincipal, leaves a principal out.

        Everything that the principal is must be listed: a session, its role and its account.
        """
        if principal.kind in (Kind.SERVICE, Kind.FEDERATED, Kind.ANONYMOUS):
            return self.grant(principal) is not None
        named = [name for name in self.names.get("AWS", ())]
        if "*" in named:
            return True
        selves = [arn for arn in (principal.arn, principal.role_arn) if arn]
        listed = all(arn in named for arn in selves if not _ROOT.fullmatch(arn))
        return listed and any(_account_named(name) == principal.account for name in named)


def _account_named(name: str) -> str | None:
    """Return the account that a principal stands for as a whole, or None."""
    if _ACCOUNT.fullmatch(name):
        return name
    found = _ROOT.fullmatch(name)
    return found[1] if found else None


def _grant(kind: str, name: str, principal: Principal) -> Grant | None:
    if kind == "Service":
        return Grant.DIRECT if principal.kind is Kind.SERVICE and name in (principal.arn, "*") else None
    if kind == "Federated":
        return Grant.DIRECT if principal.kind is Kind.FEDERATED and name in (principal.provider, "*") else None
    if kind != "AWS":
        return None
    if name == "*":
        return Grant.DIRECT
    if not principal.account:
        return None
    if name == principal.arn and principal.kind is not Kind.ROOT:
        return Grant.DIRECT
    if principal.role_arn and name == principal.role_arn:
        return Grant.ROLE
    if principal.unique_id and name == principal.unique_id:
        return Grant.DIRECT if principal.kind is Kind.USER else Grant.ROLE
    return Grant.ACCOUNT if _account_named(name) == principal.account else None
