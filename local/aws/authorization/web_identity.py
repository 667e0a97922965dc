"""What a token of an identity provider proves to STS: who somebody is, so that a role may trust him.

The token is a JSON Web Token of an OpenID Connect issuer that the role's account knows. Its signature is verified with
the issuer's keys, which are asked of whoever runs the issuer here: nothing is ever fetched from the network.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
https://datatracker.ietf.org/doc/html/rfc8725
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from .assume_role import StsError
from .context import Value
from .directory import Directory
from .principals import Principal

IssuerKeys = Callable[[str], Mapping[str, Any] | None]
"""Returns the JSON Web Key Set of an issuer by its URL; None when it cannot be had."""

_SCHEME = "https://"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
# A token never chooses another way to be verified.
_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
_REQUIRED = ("iss", "sub", "aud", "iat", "exp")
# Clocks differ; IAM takes tokens for so much longer.
_SKEW_SECONDS = 300
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp
_TAGS = "https://aws.amazon.com/tags"
_SOURCE_IDENTITY = "https://aws.amazon.com/source_identity"
_NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity "
    "documentation for requirements"
)


def no_issuer_keys(issuer: str) -> None:
    """Return no keys: where nothing runs that issues tokens, there are none."""


@dataclass(frozen=True)
class WebIdentity:
    """Who a token says that somebody is.

    Attributes:
        principal: he, as policies see him.
        audience: the application that the token was made for.
        subject: what the issuer calls him.
        keys: condition keys about him, for the role's trust policy.
        lasting: those of them that his session keeps.
        tags: session tags that the issuer gives him.
        transitive: those keys of them that pass on when the session assumes another role.
    """

    principal: Principal
    audience: str
    subject: str
    keys: Mapping[str, Value]
    lasting: Mapping[str, Value]
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: frozenset[str] = frozenset()
    source_identity: str | None = None


class WebIdentities:
    """Judges tokens of identity providers.

    Args:
        directory: IAM, which knows the providers.
        issuer_keys: returns the keys of issuers.
    """

    def __init__(self, directory: Directory, issuer_keys: IssuerKeys) -> None:
        self._directory = directory
        self._issuer_keys = issuer_keys

    def of(self, token: str, account: str, partition: str) -> WebIdentity:
        """Return who a token proves somebody to be, in an account.

        Raises:
            StsError: InvalidIdentityToken or ExpiredTokenException.
        """
        header, claims = _parsed(token)
        issuer, audience = claims["iss"], _audience(claims)
        provider = f"arn:{partition}:iam::{account}:oidc-provider/{issuer.removeprefix(_SCHEME)}"
        audiences = self._directory.audiences(provider) if issuer.startswith(_SCHEME) else None
        if audiences is None:
            raise _invalid(f"No OpenIDConnect provider found in your account for {issuer}")
        if audience not in audiences:
            raise _invalid("Incorrect token audience")
        _check_times(claims, time.time())
        self._verify(token, header, issuer)
        return _identity(provider, audience, claims)

    def _verify(self, token: str, header: Mapping[str, Any], issuer: str) -> None:
        known, kid = self._issuer_keys(issuer) or {"keys": []}, header.get("kid")
        found = next((key for key in known["keys"] if kid is not None and key.get("kid") == kid), None)
        if found is None:
            raise _invalid(_NO_KEY)
        try:
            jwt.decode(token, JWKRegistry.import_key(found), algorithms=[header["alg"]])
        except (JoseError, ValueError):
            raise _invalid("The signature of the web identity token could not be verified.") from None


def _invalid(message: str) -> StsError:
    return StsError("InvalidIdentityToken", message)


def _no_token() -> StsError:
    return _invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")


def _parsed(token: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Return a token's header and claims, of the right types but not yet verified."""
    if not _TOKEN.fullmatch(token):
        raise _no_token()
    try:
        parts = jws.extract_compact(token.encode())
        header, claims = parts.headers(), json.loads(parts.payload)
    except (JoseError, ValueError, RecursionError):
        raise _no_token() from None
    if header.get("alg") not in _ALGORITHMS or not isinstance(claims, dict):
        raise _no_token()
    for name in _REQUIRED:
        if name not in claims:
            raise _invalid(f"Missing a required claim: {name}")
    texts = all(isinstance(claims[name], str) for name in ("iss", "sub"))
    # JSON's true and false are numbers to Python.
    times = all(type(claims[name]) is int for name in ("iat", "exp", "nbf") if name in claims)
    if not (texts and times and _texts(claims["aud"]) and isinstance(claims.get("azp", ""), str)):
        raise _no_token()
    return header, claims


def _texts(claim: Any) -> list[str] | None:
    """Return a claim that is one string or several; None when it is neither."""
    values = claim if isinstance(claim, list) else [claim]
    return values if _is_texts(values) else None


def _audience(claims: Mapping[str, Any]) -> str:
    """Return whom a token is for; AWS asks the authorized party first."""
    if "azp" in claims:
        return claims["azp"]
    audiences = _texts(claims["aud"]) or []
    if len(audiences) != 1:
        raise _invalid("Token audience contains more than one audience while authorized party is not present")
    return audiences[0]


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    if now >= claims["exp"] + _SKEW_SECONDS:
        raise StsError(
            "ExpiredTokenException",
            f"Token expired: current date/time {int(now)} must be before the expiration date/time {claims['exp']}",
        )
    if max(claims["iat"], claims.get("nbf", 0)) > now + _SKEW_SECONDS:
        raise _invalid("The web identity token is not yet valid.")


def _identity(provider: str, audience: str, claims: Mapping[str, Any]) -> WebIdentity:
    host, subject = claims["iss"].removeprefix(_SCHEME), claims["sub"]
    lasting: dict[str, Value] = {f"{host}:aud": audience, f"{host}:sub": subject}
    if methods := _texts(claims.get("amr")):
        lasting[f"{host}:amr"] = methods
    keys = {**lasting, f"{host}:oaud": _texts(claims["aud"]) or []}
    if isinstance(claims.get("email"), str):
        keys[f"{host}:email"] = claims["email"]
    tags, transitive = _tags(claims.get(_TAGS, {}))
    source_identity = claims.get(_SOURCE_IDENTITY)
    if source_identity is not None and not (
        isinstance(source_identity, str) and re.fullmatch(r"[\w+=,.@-]{2,64}", source_identity, re.ASCII)
    ):
        raise _invalid("The source identity passed in claim is not in correct format.")
    principal = Principal.federated(provider, subject)
    return WebIdentity(principal, audience, subject, keys, lasting, tags, transitive, source_identity)


def _tags(claim: Any) -> tuple[dict[str, str], frozenset[str]]:
    """Return session tags, each of which a token has as a list of one value, and the keys of the transitive ones."""
    fields: Any = claim if isinstance(claim, dict) else {"principal_tags": None}
    given, transitive = fields.get("principal_tags", {}), fields.get("transitive_tag_keys", [])
    lists: Any = given.values() if isinstance(given, dict) else (None,)
    if not all(_is_texts(values) and len(values) == 1 for values in lists) or not _is_texts(transitive):
        raise _invalid("Session tags passed in claim are not in correct format.")
    return {key: value for key, (value,) in given.items()}, frozenset(transitive)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
