"""What AWS resource types have in common: a region, and tags."""

import ipaddress
import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..base.calls import Call
from ..base.properties import Change, Map, Property, Str, computed, optional, output
from ..base.resource import Resource
from ..base.wire import Values
from .backend import Aws

_REGION_SUFFIX = re.compile(r"(?P<id>.+)@(?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d+)")


def _tag_rule(key: str, value: Any) -> str | None:
    if not 1 <= len(key) <= 128:
        return f"the key has {len(key)} characters; tags' keys have 1 to 128"
    if key.lower().startswith("aws:"):
        return "keys that begin with aws: are AWS's own"
    return None


REGION: dict[str, Property] = {"region": computed(Str(), replace=True, imported=False)}
"""The property of every regional type, https://www.pulumi.com/registry/packages/aws/how-to-guides/7-0-migration/."""

TAGS: dict[str, Property] = {
    "tags": optional(Map(Str(longest=256), rule=_tag_rule)),
    "tagsAll": output(Map(Str()), "tags"),
}
"""The properties of every type that has tags."""


def cidr(version: int) -> Str:
    """The type of a CIDR block of IP version 4 or 6."""

    def rule(value: str) -> str | None:
        try:
            network = ipaddress.ip_network(value)
        except ValueError as error:
            hint = str(error).replace(value, "it")
            return f"{value!r} is no IPv{version} CIDR block: {hint}"
        return None if network.version == version else f"{value!r} is no IPv{version} CIDR block"

    def equal(left: str, right: str) -> bool:
        try:
            return ipaddress.ip_network(left) == ipaddress.ip_network(right)
        except ValueError:
            return False

    return Str(rule=rule, equal=equal)


def arn() -> Str:
    """The type of an ARN."""
    return Str(pattern=r"arn:[\w-]+:[\w-]*:[\w-]*:\d*:.+|arn:[\w-]+:[\w-]+:[\w-]*:aws:.+")


def pick(source: Mapping[str, Any], names: Mapping[str, str]) -> Values:
    """Take members under other names, leaving out what is not there.

    Args:
        source: Where they are.
        names: The name here, by the name there.
    """
    return {there: source[here] for here, there in names.items() if source.get(here) is not None}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most APIs take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as most APIs return them, as a mapping."""
    return {tag["Key"]: tag.get("Value", "") for tag in tags or ()}


class AwsResource(Resource):
    """A resource type of AWS.

    Attributes:
        service: The API it belongs to, by botocore's name.
        regional: Whether it is in a region.
    """

    service: ClassVar[str]
    regional: ClassVar[bool] = True
    derived: ClassVar[Mapping[str, str]] = {"tagsAll": "tags"}

    def api(self, call: Call, values: Values) -> Any:
        """The client for a resource with these inputs or this state."""
        return self.aws(call).client(self.service, values.get("region") if self.regional else None)

    def aws(self, call: Call) -> Aws:
        """The connection."""
        return call.backend

    def tags_of(self, call: Call, new: Values) -> dict[str, str]:
        """All tags that a resource with these inputs has."""
        return self.aws(call).merged_tags(new.get("tags"))

    def defaults(self, backend: Aws) -> Values:
        return {"region": backend.region} if self.regional else {}

    def planned(self, backend: Aws, new: Values) -> Values:
        return {"tagsAll": backend.merged_tags(new.get("tags"))} if "tagsAll" in self.properties else {}

    def diff(self, backend: Aws, old: Values, new: Values) -> list[Change]:
        # States of version 6 of the provider have no region: what they describe is in the provider's.
        return super().diff(backend, {**self.defaults(backend), **old}, new)

    def locate(self, call: Call, identifier: str) -> tuple[str, Values]:
        region = _REGION_SUFFIX.fullmatch(identifier) if self.regional else None
        seed = self.defaults(self.aws(call))
        if region:
            identifier, seed = region["id"], {"region": region["region"]}
        identifier, known = self.parse(call, identifier, seed)
        return identifier, {**seed, **known}

    def parse(self, call: Call, identifier: str, seed: Values) -> tuple[str, Values]:
        """Understand the id that an import was given, once the region is taken off it.

        Args:
            call: The operation.
            identifier: The id.
            seed: The region.

        Returns:
            The id that the state has, and what else the id says.
        """
        return identifier, {}

    def read(self, call: Call, identifier: str, state: Values) -> Values | None:
        found = self.describe(call, identifier, state)
        if found is None:
            return None
        if self.regional:
            found["region"] = state.get("region") or self.aws(call).region
        if "tagsAll" in self.properties:
            found["tagsAll"] = self.aws(call).managed_tags(found.pop("tags", None) or {})
            defaults = self.aws(call).default_tags
            given = state.get("tags") or {}
            found["tags"] = {
                key: value for key, value in found["tagsAll"].items() if key in given or defaults.get(key) != value
            }
        return found

    @abstractmethod
    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        """Look the resource up, as `read` does; `tags` are all its tags, and the region is left out."""

    def update(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        self.modify(call, identifier, old, new, changed)
        if changed & {"tags", "tagsAll"}:
            before, after = old.get("tagsAll") or {}, self.tags_of(call, new)
            added = {key: value for key, value in after.items() if before.get(key) != value}
            self.tag(call, identifier, {**new, **old}, added, sorted(before.keys() - after.keys()))

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        """Change the resource in place, as `update` does, but for its tags."""

    def tag(self, call: Call, identifier: str, state: Values, added: dict[str, str], removed: list[str]) -> None:
        """Put tags on the resource and take others off it; either may be empty."""
        raise NotImplementedError(f"{self.token} has no tags")


def by_token(*types: type[Resource]) -> dict[str, Resource]:
    """Resource types by their tokens."""
    return {kind.token: kind() for kind in types}
