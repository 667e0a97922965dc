"""What a plugin is made of: packages of resource types and functions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .calls import Call
from .properties import (
    DEFAULTS,
    Change,
    Kind,
    List,
    Map,
    Object,
    ObjectRule,
    Property,
    Set,
    Type,
    diff_properties,
    inputs_of,
    is_empty,
)
from .wire import Values, has_unknown


@dataclass(frozen=True)
class Timeouts:
    """Seconds that operations may take where the program does not say."""

    create: float = 300
    update: float = 300
    delete: float = 300
    read: float = 120


class Resource(ABC):
    """A resource type.

    Attributes:
        token: Its type token.
        properties: Its properties.
        not_served: Properties of the SDK's class that only the official plugin serves.
        rules: What must hold between properties.
        identity: Properties that no two resources can share: unchanged by a replacement, they make it delete first.
        derived: Outputs that are made of an input, and are secret with it.
        timeouts: What its operations may take.
    """

    token: ClassVar[str]
    properties: ClassVar[Mapping[str, Property]]
    not_served: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[tuple[ObjectRule, ...]] = ()
    identity: ClassVar[tuple[str, ...]] = ()
    derived: ClassVar[Mapping[str, str]] = {}
    timeouts: ClassVar[Timeouts] = Timeouts()

    def defaults(self, backend: Any) -> Values:
        """Inputs that the plugin's own configuration gives."""
        return {}

    def planned(self, backend: Any, new: Values) -> Values:
        """Outputs that are known from the inputs."""
        return {}

    @abstractmethod
    def create(self, call: Call, new: Values) -> str:
        """Create the resource and wait until it is usable.

        Args:
            call: The operation. Tell it the id with `Call.exists` as soon as there is one.
            new: The checked inputs.

        Returns:
            The resource's id.
        """

    @abstractmethod
    def read(self, call: Call, identifier: str, state: Values) -> Values | None:
        """Look the resource up.

        Args:
            call: The operation.
            identifier: Its id.
            state: What is known of it. What is not among the returned properties is taken from here.

        Returns:
            Its properties, inputs and outputs, or None if it is gone.
        """

    @abstractmethod
    def update(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        """Change the resource in place and wait until it is usable.

        Args:
            call: The operation.
            identifier: Its id.
            old: Its state.
            new: The checked inputs.
            changed: The properties that differ. Empty when a creation that failed half-way is taken up again.
        """

    @abstractmethod
    def delete(self, call: Call, identifier: str, state: Values) -> None:
        """Delete the resource and wait until it is gone. That it is gone already is no error."""

    def locate(self, call: Call, identifier: str) -> tuple[str, Values]:
        """Understand the id that an import was given.

        Returns:
            The id that the state has, and what else the id says.

        Raises:
            ProviderError: It is malformed.
        """
        return identifier, {}

    def diff(self, backend: Any, old: Values, new: Values) -> list[Change]:
        """Compare the state with the checked inputs."""
        changes = list(diff_properties(self.properties, old, new))
        for name, planned in self.planned(backend, new).items():
            source = self.derived.get(name)
            seen = {change.path[1:] for change in changes if change.path[0] == source}
            before = old.get(name)
            if is_empty(before) and is_empty(planned):
                continue
            kind = self.properties[name].type
            derived = kind.diff(before, planned, (name,)) if before is not None else (Change((name,), Kind.ADD),)
            changes += (change for change in derived if change.path[1:] not in seen and () not in seen)
        return changes

    def deletes_before_replace(self, old: Values, new: Values, filled: list[str]) -> bool:
        """Say whether the new resource could not stand beside the old one.

        Args:
            old: The state.
            new: The checked inputs.
            filled: The inputs that the provider filled in: a name among them will be another one.
        """
        return bool(self.identity) and all(
            name not in filled
            and not has_unknown(new.get(name))
            and self.properties[name].type.same(old.get(name), new.get(name))
            for name in self.identity
        )


class Function(ABC):
    """A function of the plugin.

    Attributes:
        token: Its token.
        arguments: What it takes.
        results: What it returns.
        rules: What must hold between arguments.
    """

    token: ClassVar[str]
    arguments: ClassVar[Mapping[str, Property]] = {}
    results: ClassVar[Mapping[str, Property]] = {}
    rules: ClassVar[tuple[ObjectRule, ...]] = ()

    @abstractmethod
    def invoke(self, call: Call, arguments: Values) -> Values:
        """Compute the results."""


class Backend(ABC):
    """A configured plugin: what the operations work on."""

    @abstractmethod
    def explain(self, error: Exception) -> str | None:
        """Say in a sentence what an error of the API means; nothing for what is a fault of the plugin itself."""

    @abstractmethod
    def may_pass(self, error: Exception) -> bool:
        """Say whether an error may pass once other changes have spread."""


class Package(ABC):
    """A plugin.

    Attributes:
        name: The package's name.
        version: Its version, that of the SDK it serves.
        config: Its configuration.
        resources: Its resource types.
        functions: Its functions.
    """

    name: str
    version: str
    config: Mapping[str, Property]
    resources: Mapping[str, Resource]
    functions: Mapping[str, Function]

    @abstractmethod
    def configure(self, config: Values, warn: Callable[[str], None]) -> Backend:
        """Get ready to work.

        Raises:
            ProviderError: With this configuration it cannot.
        """

    def warm_up(self) -> None:  # noqa: B027 - most packages have nothing to load
        """Load what is slow to load; called in the background once the engine knows that the plugin runs."""


def reconcile(type: Type, actual: Any, wanted: Any) -> Any:
    """Spell what the API returned as the program spells it, wherever both mean the same.

    An API returns policies with other white space, sets in another order, and objects with more members than were
    given; none of this is a change.

    Args:
        type: The type of both.
        actual: What the API returned.
        wanted: What the program gave.
    """
    if actual is None or wanted is None:
        return actual
    if isinstance(type, Object) and isinstance(actual, dict) and isinstance(wanted, dict):
        return {
            name: reconcile(type.properties[name].type, value, wanted.get(name)) if name in type.properties else value
            for name, value in actual.items()
        }
    if isinstance(type, Map) and isinstance(actual, dict) and isinstance(wanted, dict):
        return {key: reconcile(type.item, value, wanted.get(key)) for key, value in actual.items()}
    if isinstance(type, Set) and isinstance(actual, list) and isinstance(wanted, list):
        return _reconcile_set(type, actual, wanted)
    if isinstance(type, List) and isinstance(actual, list) and isinstance(wanted, list):
        return [
            reconcile(type.item, item, wanted[index] if index < len(wanted) else None)
            for index, item in enumerate(actual)
        ]
    return wanted if type.same(actual, wanted) else actual


def _reconcile_set(type: Set, actual: list[Any], wanted: list[Any]) -> list[Any]:
    left = list(actual)
    ordered = []
    for item in wanted:
        found = next((index for index, candidate in enumerate(left) if type.item.same(candidate, item)), None)
        if found is not None:
            ordered.append(reconcile(type.item, left.pop(found), item))
    return ordered + left


def compose_state(resource: Resource, known: Values, actual: Values) -> Values:
    """Make a resource's state: what was read, and of the rest what is known.

    Args:
        resource: Its type.
        known: Its inputs, or its state so far.
        actual: What was read.
    """
    state: Values = {}
    for name, declared in resource.properties.items():
        if name in actual:
            value = reconcile(declared.type, actual[name], known.get(name))
        elif declared.output:
            continue
        else:
            value = known.get(name)
        if value is not None:
            state[name] = value
    return state


def inputs_from_state(properties: Mapping[str, Property], inputs: Values, state: Values, *, importing: bool) -> Values:
    """Find the inputs by which a resource would be as it is.

    Args:
        properties: The declarations.
        inputs: The inputs so far.
        state: The resource's state.
        importing: There are none so far: take everything that is not as it is by default.

    Returns:
        The inputs. What the program never set stays unset as long as it is what the provider chose, or nothing.
    """
    found: Values = {}
    for name, declared in inputs_of(properties).items():
        actual = state.get(name)
        if name in inputs:
            if actual is None or (is_empty(actual) and not is_empty(inputs[name])):
                continue
            found[name] = _input_from_state(declared.type, inputs[name], actual)
        elif is_empty(actual) or actual == declared.default or not declared.imported:
            continue
        elif importing or not declared.computed:
            if any(other in found for other in declared.conflicts):
                continue
            found[name] = _input_from_state(declared.type, None, actual)
    kept = [name for name in inputs.get(DEFAULTS, ()) if name in found]
    return {**found, DEFAULTS: kept} if DEFAULTS in inputs else found


def _input_from_state(type: Type, given: Any, actual: Any) -> Any:
    if isinstance(type, Object) and isinstance(actual, dict):
        inputs = given if isinstance(given, dict) else {}
        return inputs_from_state(type.properties, inputs, actual, importing=not inputs)
    if isinstance(type, List) and isinstance(type.item, Object) and isinstance(actual, list):
        before = given if isinstance(given, list) else []
        return [
            _input_from_state(type.item, before[index] if index < len(before) else None, item)
            for index, item in enumerate(actual)
        ]
    return actual
