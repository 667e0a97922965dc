"""What access policies allow, decided when the API server asks.

Like EKS, this is an authorizer beside RBAC and not RBAC objects: nothing of it shows in the cluster, namespaces may be
named by a pattern and need not exist yet, and a change counts at once.

https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from local.aws.eks.access_policies import RULES, Rule
from local.aws.eks.store import AccessEntry


def allowing_policy(entry: AccessEntry, review: Mapping[str, Any]) -> str | None:
    """Return the ARN of an access policy that allows a request; None when none does.

    Args:
        entry: the caller's access entry.
        review: the ``spec`` of a SubjectAccessReview.
    """
    for arn, association in entry.policies.items():
        name, scope = arn.rpartition("/")[2], association["accessScope"]
        if scope["type"] == "namespace" and not _in_namespaces(review, scope["namespaces"]):
            continue
        if any(_allows(rule, review) for rule in RULES.get(name, ())):
            return arn
    return None


def _in_namespaces(review: Mapping[str, Any], patterns: Iterable[str]) -> bool:
    namespace = (review.get("resourceAttributes") or {}).get("namespace")
    return bool(namespace) and any(fnmatch.fnmatchcase(namespace, pattern) for pattern in patterns)


def _allows(rule: Rule, review: Mapping[str, Any]) -> bool:
    """Tell whether a rule of RBAC matches a request.

    https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
    """
    if (request := review.get("resourceAttributes")) is not None:
        resource = request.get("resource", "")
        named = resource
        if subresource := request.get("subresource"):
            named = f"{resource}/{subresource}"
        names = rule.get("resourceNames") or []
        return (
            _matches(rule.get("verbs"), request.get("verb", ""))
            and _matches(rule.get("apiGroups"), request.get("group", ""))
            and (_matches(rule.get("resources"), named) or f"*/{subresource}" in (rule.get("resources") or []))
            and (not names or request.get("name", "") in names)
        )
    request = review.get("nonResourceAttributes") or {}
    path = request.get("path", "")
    return _matches(rule.get("verbs"), request.get("verb", "")) and any(
        path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
        for pattern in rule.get("nonResourceURLs") or []
    )


def _matches(patterns: Iterable[str] | None, value: str) -> bool:
    return any(pattern in ("*", value) for pattern in patterns or [])
