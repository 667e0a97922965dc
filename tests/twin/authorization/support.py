"""Principals, policies and clients on a running endpoint."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from joserfc import jwt
from joserfc.jwk import RSAKey

REGION = "eu-west-1"
ACCOUNT = "123456789012"
SECOND_ACCOUNT = "210987654321"
_numbers = itertools.count(1)


def unique(prefix: str) -> str:
    """Return a name that nothing else has."""
    return f"{prefix}-{next(_numbers)}"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **elements}


def deny(action: Any, resource: Any = "*", **elements: Any) -> dict[str, Any]:
    return {**allow(action, resource, **elements), "Effect": "Deny"}


def trusting(principal: Any, *actions: str, **elements: Any) -> str:
    """Return a trust policy of one statement."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions or ("sts:AssumeRole",)), **elements}
    return document(statement)


@contextmanager
def refused(code: str, *words: str) -> Iterator[dict[str, Any]]:
    """Expect AWS's refusal with a code, and words in its message; what is yielded holds the response afterwards."""
    response: dict[str, Any] = {}
    with pytest.raises(ClientError) as caught:
        yield response
    response.update(caught.value.response)
    error = response["Error"]
    assert error["Code"] == code, error
    for word in words:
        assert word in error["Message"], error


def ask(
    url: str, method: str, target: str, headers: dict[str, str] | None = None, body: str | bytes = b""
) -> tuple[int, bytes]:
    """Send a request just as it is given, which clients would not."""
    connection = http.client.HTTPConnection(url.partition("://")[2], timeout=20)
    try:
        connection.request(method, target, body, headers or {})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


class Issuer:
    """An issuer of identity tokens, as a cluster's API server is one."""

    def __init__(self) -> None:
        self.url = f"https://oidc.example/id/{unique('issuer')}"
        self.key = RSAKey.generate_key(2048, {"kid": unique("key")}, auto_kid=False)
        self.subject = "system:serviceaccount:ns:app"

    @property
    def host(self) -> str:
        """What its condition keys and its provider's ARN begin with."""
        return self.url.removeprefix("https://")

    @property
    def keys(self) -> dict[str, Any]:
        """Its JSON Web Key Set."""
        return {"keys": [self.key.as_dict(private=False)]}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return a token's claims; None leaves one out."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": self.subject, "aud": ["sts.amazonaws.com"], "iat": now, "exp": now + 600}
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def token(self, key: Any = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Sign a token."""
        used = key or self.key
        named = {"alg": "RS256", "kid": used.kid, **(header or {})}
        named = {name: value for name, value in named.items() if value is not None}
        return jwt.encode(named, self.claims(**changes), used, algorithms=[named["alg"]])


class Issuers:
    """Issuers whose keys the endpoint can have."""

    def __init__(self) -> None:
        self._known: dict[str, Issuer] = {}

    def new(self) -> Issuer:
        """Return a new one."""
        made = Issuer()
        self._known[made.url] = made
        return made

    def keys_of(self, issuer: str) -> dict[str, Any] | None:
        """Return the key set of an issuer, or None."""
        known = self._known.get(issuer)
        return known.keys if known is not None else None


class Aws:
    """An endpoint, seen by one principal.

    Args:
        credentials: of STS's or EKS Auth's form; the operator's when empty.
    """

    def __init__(self, url: str, credentials: dict[str, Any] | None = None, account: str = "") -> None:
        self.url = url
        self._made: dict[str, Any] = {}
        lowered = {key[0].lower() + key[1:]: value for key, value in (credentials or {}).items()}
        self._keys = {
            "aws_access_key_id": lowered.get("accessKeyId", account or "AKIATWIN"),
            "aws_secret_access_key": lowered.get("secretAccessKey", "secret"),
            "aws_session_token": lowered.get("sessionToken"),
        }

    def __getattr__(self, service: str) -> Any:
        if service not in self._made:
            self._made[service] = self.client(service)
        return self._made[service]

    def client(self, service: str, **settings: Any) -> Any:
        """Return a boto3 client of a service."""
        config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, **settings)
        return boto3.client(  # type: ignore[call-overload]
            service, endpoint_url=self.url, region_name=REGION, config=config, **self._keys
        )

    def sign(
        self, service: str, method: str, target: str, headers: dict[str, str], body: str | bytes = ""
    ) -> dict[str, str]:
        """Return the headers with which a request is sent that no client would make."""
        request = AWSRequest(method, self.url + target, headers, body)
        keys = self._keys["aws_access_key_id"], self._keys["aws_secret_access_key"], self._keys["aws_session_token"]
        SigV4Auth(Credentials(*keys), service, REGION).add_auth(request)
        return dict(request.headers.items())

    def anonymous(self) -> Aws:
        """Return who signs nothing."""
        return _Anonymous(self.url)

    def with_keys(self, **changes: str) -> Aws:
        """Return the same principal with some of its keys changed."""
        other = Aws(self.url)
        other._keys = {**self._keys, **changes}
        return other

    def role(self, trust: str, *statements: dict[str, Any], **arguments: Any) -> str:
        """Make a role; return its ARN."""
        name = unique("role")
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **arguments)
        if statements:
            self.iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
        return made["Role"]["Arn"]

    def managed(self, *statements: dict[str, Any]) -> str:
        """Make a managed policy; return its ARN."""
        made = self.iam.create_policy(PolicyName=unique("policy"), PolicyDocument=document(*statements))
        return made["Policy"]["Arn"]

    def bucket(self) -> str:
        """Make a bucket; return its name."""
        name = unique("bucket")
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name

    def assume(self, role: str, **arguments: Any) -> Aws:
        """Return who one is after assuming a role."""
        made = self.sts.assume_role(RoleArn=role, **{"RoleSessionName": "job", **arguments})
        return Aws(self.url, made["Credentials"])

    def session(self, *statements: dict[str, Any], **arguments: Any) -> Aws:
        """Return a session of a new role with these permissions."""
        trust = trusting({"AWS": ACCOUNT}, "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
        return self.assume(self.role(trust, *statements), **arguments)

    def user(self, *statements: dict[str, Any]) -> Aws:
        """Return a new IAM user with these permissions."""
        name = unique("user")
        self.iam.create_user(UserName=name)
        if statements:
            self.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
        return Aws(self.url, self.iam.create_access_key(UserName=name)["AccessKey"])


class _Anonymous(Aws):
    def client(self, service: str, **settings: Any) -> Any:
        """Return a boto3 client that does not sign."""
        return super().client(service, signature_version=UNSIGNED, **settings)
