"""Principals, policies and clients on a running endpoint."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

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
def refused(code: str, *words: str) -> Iterator[None]:
    """Expect AWS's refusal with a code, and words in its message."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]  # type: ignore[typeddict-item]
    assert error["Code"] == code, error
    for word in words:
        assert word in error["Message"], error


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
