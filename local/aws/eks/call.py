"""One call of an operation: who calls, where, and what a behaviour may use."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import secrets
import uuid
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from ..protocol import Operation, ServiceError, bad_parameter
from .cloud import Cloud
from .lifecycle import Lifecycle
from .seams import DataPlane
from .store import Cluster, Description, Region, Store

T = TypeVar("T")
Behaviour = Callable[["Call", dict[str, Any]], dict[str, Any]]

# Filled by the behaviours' modules when the service imports them.
BEHAVIOURS: dict[str, Behaviour] = {}


def behaviour(function: Behaviour) -> Behaviour:
    """Register a function as the behaviour of the operation that it is named after."""
    name = "".join(word.capitalize() for word in function.__name__.split("_"))
    assert name not in BEHAVIOURS, name
    BEHAVIOURS[name] = function
    return function


@dataclass
class Call:
    """The surroundings of one call."""

    operation: Operation
    access_key: str
    partition: str
    store: Store
    region: Region
    cloud: Cloud
    lifecycle: Lifecycle
    data_plane: DataPlane

    @property
    def now(self) -> dt.datetime:
        """The time of the call."""
        return dt.datetime.now(dt.UTC)

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource of this service."""
        return f"arn:{self.partition}:eks:{self.region.name}:{self.region.account}:{resource}"

    def unique_arn(self, resource: str) -> str:
        """Return an ARN that ends in a unique part, as those of node groups, add-ons and profiles do."""
        return self.arn(f"{resource}/{uuid.uuid4()}")

    def cluster(self, name: str) -> Cluster:
        """Return a cluster.

        Raises:
            ServiceError: ResourceNotFoundException.
        """
        cluster = self.region.clusters.get(name)
        if cluster is None:
            message = f"No cluster found for name: {name}."
            # CreateNodegroup and CreateFargateProfile do not model that something is not found.
            if "ResourceNotFoundException" not in self.operation.errors:
                self.refuse_parameter(message, clusterName=name)
            raise ServiceError("ResourceNotFoundException", message, clusterName=name)
        return cluster

    def active_cluster(self, name: str) -> Cluster:
        """Return a cluster that can take changes.

        Raises:
            ServiceError: there is none, or it is being created or deleted.
        """
        cluster = self.cluster(name)
        status = cluster.description["status"]
        if status in ("CREATING", "DELETING", "FAILED"):
            self.refuse_state(f"Cluster '{name}' is not in ACTIVE status: {status}", clusterName=name)
        return cluster

    def refuse_state(self, message: str, **details: str) -> NoReturn:
        """Refuse because of the state of something, in the error that this operation models for that."""
        for code in ("ResourceInUseException", "InvalidRequestException"):
            if code in self.operation.errors:
                raise ServiceError(code, message, **details)
        raise bad_parameter(self.operation, message)

    def refuse_parameter(self, message: str, **details: str) -> NoReturn:
        """Refuse a parameter, in the error that this operation models for that."""
        error = bad_parameter(self.operation, message)
        if isinstance(error, ServiceError):
            error.details.update(details)
        raise error

    def page(self, items: Mapping[str, T], request: dict[str, Any]) -> tuple[list[T], str | None]:
        """Return the page of a listing that a request asks for, and the token of the next one.

        Items are ordered by key and the token names the last key given, so that a listing stays whole
        while others add and remove.
        """
        keys = sorted(items)
        start = 0
        if (token := request.get("nextToken")) is not None:
            try:
                start = bisect_right(keys, base64.b64decode(token, altchars=b"-_", validate=True).decode())
            except ValueError:
                self.refuse_parameter("The nextToken parameter is not valid.")
        end = start + request.get("maxResults", 100)
        chosen = keys[start:end]
        more = base64.urlsafe_b64encode(chosen[-1].encode()).decode() if end < len(keys) else None
        return [items[key] for key in chosen], more

    def check_tags(self, tags: Mapping[str, str] | None) -> dict[str, str]:
        """Return a copy of user tags.

        https://docs.aws.amazon.com/eks/latest/userguide/eks-using-tags.html
        """
        for key in tags or {}:
            if key.lower().startswith("aws:"):
                self.refuse_parameter(f"aws: prefixed tag key names are not allowed for external use: {key}")
        return dict(tags or {})

    def check_role(self, arn: str, service: str, **details: str) -> None:
        """Refuse a role that is not there or that does not trust an AWS service.

        Args:
            service: the service principal, such as ``eks.amazonaws.com``.
        """
        found = ROLE_ARN.fullmatch(arn)
        if found is None:
            self.refuse_parameter(f"The provided role ARN is not valid: {arn}", **details)
        if found["account"] != self.region.account:
            self.refuse_parameter("Cross-account pass role is not allowed.", **details)
        role = self.cloud.role(arn)
        if role is None:
            self.refuse_parameter(f"Role with arn: {arn}, does not exist.", **details)
        if not trusts(role.trust, service, {"sts:AssumeRole"}):
            self.refuse_parameter(
                f"Role with arn: {arn}, could not be assumed because the trusted entity is not correct", **details
            )


ROLE_ARN = re.compile(
    r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/(?P<path>(?:[\x21-\x7e]+/)?)(?P<name>[\w+=,.@-]{1,64})"
)


def trusts(document: dict[str, Any], service: str, actions: set[str]) -> bool:
    """Tell whether a trust policy allows all the actions to a service principal.

    Conditions are not looked at: whether they hold is only known when the role is assumed.
    """
    statements = document.get("Statement", [])
    allowed: set[str] = set()
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        services = ["*"] if principal == "*" else as_list(principal.get("Service", []))
        if statement.get("Effect") != "Allow" or not {service, "*"} & set(services):
            continue
        for pattern in as_list(statement.get("Action", [])):
            expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
            allowed |= {action for action in actions if re.fullmatch(expression, action, re.IGNORECASE)}
    return allowed == actions


def as_list(value: Any) -> list[Any]:
    """Return a policy element as a list; a single value may stand for a list of one."""
    return value if isinstance(value, list) else [value]


def random_id(prefix: str) -> str:
    """Return an id as EKS makes them: a prefix and seventeen letters and digits."""
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    return prefix + "".join(secrets.choice(alphabet) for _ in range(17))


def compact_json(value: Any) -> str:
    """Return JSON as it stands in the parameters of updates."""
    return json.dumps(value, separators=(",", ":"), default=str)


__all__ = [
    "BEHAVIOURS",
    "ROLE_ARN",
    "Behaviour",
    "Call",
    "Description",
    "as_list",
    "behaviour",
    "compact_json",
    "random_id",
    "trusts",
]
