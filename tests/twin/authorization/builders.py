"""Short ways to write principals, policies and requests in tables of cases."""

from __future__ import annotations

from typing import Any

from local.aws.authorization.context import Context
from local.aws.authorization.evaluator import Decision, Policies, Request, evaluate
from local.aws.authorization.policy import Policy
from local.aws.authorization.principals import Kind, Principal

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
ROOT = Principal(Kind.ROOT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
USER = Principal(
    Kind.USER,
    f"arn:aws:iam::{ACCOUNT}:user/alice",
    ACCOUNT,
    user_id="AIDAALICE",
    unique_id="AIDAALICE",
    user_name="alice",
)
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/app/reader"
SESSION = Principal(
    Kind.ROLE_SESSION,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/job",
    ACCOUNT,
    role_arn=ROLE_ARN,
    user_id="AROAREADER:job",
    unique_id="AROAREADER",
)
PODS = Principal.service("pods.eks.amazonaws.com")


def statement(effect: str = "Allow", action: Any = "*", resource: Any = "*", **elements: Any) -> dict[str, Any]:
    """A statement; `resource=None` leaves Resource out."""
    found = {"Effect": effect, **elements}
    if "NotAction" not in elements:
        found["Action"] = action
    if resource is not None and "NotResource" not in elements:
        found["Resource"] = resource
    return found


def policy(*statements: dict[str, Any], version: str | None = "2012-10-17", name: str = "p") -> Policy:
    document: dict[str, Any] = {"Statement": list(statements)}
    if version is not None:
        document["Version"] = version
    return Policy.parse(document, name)


ALLOW_ALL = policy(statement())


def decide(
    action: str = "s3:GetObject",
    resource: str = "arn:aws:s3:::b/k",
    principal: Principal = SESSION,
    context: dict[str, Any] | None = None,
    owner: str | None = ACCOUNT,
    policies: Policies | None = None,
    **groups: Any,
) -> Decision:
    request = Request(principal, action, resource, Context(context), owner)
    return evaluate(request, policies if policies is not None else Policies(**groups))
