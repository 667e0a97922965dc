"""Declarations of properties: what type a value has, what is right, and when two of them mean the same.

A type knows how to check a value that a program gave and how to compare what is with what should be. Everything here
is pure: values in, findings or changes out; `UNKNOWN` passes every check and differs from everything.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from .paths import Path, render
from .wire import UNKNOWN, Values, has_unknown

DEFAULTS = "__defaults"
"""Under this key the checked inputs list the properties that the provider filled in, as bridged providers do."""

Rule = Callable[[Any], str | None]
"""Says what is wrong with a value, or nothing."""


class Kind(Enum):
    """What happens to a property."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the state and the inputs.

    Attributes:
        path: Where.
        kind: Whether a value appears, changes or goes.
        replace: Whether it takes a new resource.
    """

    path: Path
    kind: Kind
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is wrong with a resource's inputs."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{render(self.path)}: {self.reason}" if self.path else self.reason


Report = Callable[[Path, str], None]


def is_empty(value: Any) -> bool:
    """Say whether a value is what the cloud reports for something that was never set."""
    return value is not UNKNOWN and not value


class Type:
    """The type of a property.

    Attributes:
        noun: What a value is called, with its article.
        schema: The type in a package's schema, for the types that are made of no others.
    """

    noun: ClassVar[str] = "a value"
    schema: ClassVar[Any] = {}

    def check(self, value: Any, path: Path, report: Report) -> Any:
        """Judge a known value that a program gave.

        Args:
            value: The value; not None, and not `UNKNOWN` as a whole.
            path: Where it stands.
            report: Is told what is wrong.

        Returns:
            The value in its proper type.
        """
        raise NotImplementedError

    def diff(self, old: Any, new: Any, path: Path) -> Iterator[Change]:
        """Compare the state with the inputs; both are there."""
        if has_unknown(new) or not self.same(old, new):
            yield Change(path, Kind.UPDATE)

    def same(self, old: Any, new: Any) -> bool:
        """Say whether two values mean the same."""
        return old == new

    def _mismatch(self, value: Any, path: Path, report: Report) -> Any:
        report(path, f"expected {self.noun}, got {_describe(value)}")
        return value


def _describe(value: Any) -> str:
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the string {json.dumps(value)}"
    return "a list" if isinstance(value, list) else "an object"


def _one_of(choices: Sequence[str]) -> str:
    return ", ".join(choices)


@dataclass(frozen=True)
class Str(Type):
    """A string.

    Attributes:
        choices: The values there are, if there are only these.
        pattern: What it must look like as a whole.
        rule: More that must hold.
        equal: When two of them mean the same; equality by default.
        longest: The most characters.
    """

    choices: tuple[str, ...] = ()
    pattern: str | None = None
    rule: Rule | None = None
    equal: Callable[[str, str], bool] | None = None
    longest: int | None = None

    noun = "a string"
    schema: ClassVar = {"type": "string"}

    def check(self, value: Any, path: Path, report: Report) -> Any:
        # Programs write numbers and booleans where the API has strings ("3600", "true"); their spelling is fixed.
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, (int, float)):
            value = str(value)
        if not isinstance(value, str):
            return self._mismatch(value, path, report)
        if self.choices and value not in self.choices:
            close = difflib.get_close_matches(value, self.choices, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            report(path, f"{json.dumps(value)} is none of {_one_of(self.choices)}{hint}")
        elif self.pattern is not None and not re.fullmatch(self.pattern, value):
            report(path, f"{json.dumps(value)} does not match {self.pattern}")
        elif self.longest is not None and len(value) > self.longest:
            report(path, f"{len(value)} characters are more than the {self.longest} that are allowed")
        elif self.rule is not None and (reason := self.rule(value)):
            report(path, reason)
        return value

    def same(self, old: Any, new: Any) -> bool:
        if old == new:
            return True
        return self.equal is not None and isinstance(old, str) and self.equal(old, new)


@dataclass(frozen=True)
class Int(Type):
    """A whole number, within bounds."""

    least: int | None = None
    most: int | None = None
    rule: Rule | None = None

    noun = "a whole number"
    schema: ClassVar = {"type": "integer"}

    def check(self, value: Any, path: Path, report: Report) -> Any:
        if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return self._mismatch(value, path, report)
        if self.least is not None and value < self.least:
            report(path, f"{value} is less than {self.least}")
        elif self.most is not None and value > self.most:
            report(path, f"{value} is more than {self.most}")
        elif self.rule is not None and (reason := self.rule(value)):
            report(path, reason)
        return value


@dataclass(frozen=True)
class Float(Type):
    """A number."""

    noun = "a number"
    schema: ClassVar = {"type": "number"}

    def check(self, value: Any, path: Path, report: Report) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return self._mismatch(value, path, report)
        return value


@dataclass(frozen=True)
class Bool(Type):
    """True or false."""

    noun = "a boolean"
    schema: ClassVar = {"type": "boolean"}

    def check(self, value: Any, path: Path, report: Report) -> Any:
        if value in ("true", "false"):
            value = value == "true"
        return value if isinstance(value, bool) else self._mismatch(value, path, report)


@dataclass(frozen=True)
class List(Type):
    """A list in which the order matters."""

    item: Type
    least: int = 0
    most: int | None = None
    noun = "a list"

    def check(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, list):
            return self._mismatch(value, path, report)
        if len(value) < self.least:
            report(path, f"has {len(value)} elements and needs at least {self.least}")
        if self.most is not None and len(value) > self.most:
            report(path, f"has {len(value)} elements and may have at most {self.most}")
        return [
            item if item is UNKNOWN else self._element(item, (*path, index), report) for index, item in enumerate(value)
        ]

    def _element(self, item: Any, path: Path, report: Report) -> Any:
        if item is None:
            report(path, f"expected {self.item.noun}, got null")
            return item
        return self.item.check(item, path, report)

    def diff(self, old: Any, new: Any, path: Path) -> Iterator[Change]:
        if new is UNKNOWN or not isinstance(old, list):
            yield Change(path, Kind.UPDATE)
            return
        for index in range(max(len(old), len(new))):
            where = (*path, index)
            if index >= len(new):
                yield Change(where, Kind.DELETE)
            elif index >= len(old):
                yield Change(where, Kind.ADD)
            elif new[index] is UNKNOWN:
                yield Change(where, Kind.UPDATE)
            else:
                yield from self.item.diff(old[index], new[index], where)

    def same(self, old: Any, new: Any) -> bool:
        return not any(self.diff(old, new, ()))


@dataclass(frozen=True)
class Set(List):
    """A list in which the order does not matter."""

    noun = "a list"

    def diff(self, old: Any, new: Any, path: Path) -> Iterator[Change]:
        if new is UNKNOWN or not isinstance(old, list):
            yield Change(path, Kind.UPDATE)
            return
        gone, added = self._unmatched(old, new)
        # What goes and what comes at the same index is one change of that element.
        for index in sorted({*gone, *added}):
            kind = Kind.UPDATE if index in gone and index in added else Kind.ADD if index in added else Kind.DELETE
            yield Change((*path, index), kind)

    def _unmatched(self, old: list[Any], new: list[Any]) -> tuple[list[int], list[int]]:
        left = dict(enumerate(old))
        added = []
        for index, item in enumerate(new):
            found = None
            if not has_unknown(item):
                # The same place first, so that an unchanged list is compared once through.
                candidates = [index, *left] if index in left else list(left)
                found = next((i for i in candidates if self.item.same(left[i], item)), None)
            if found is None:
                added.append(index)
            else:
                del left[found]
        return list(left), added


@dataclass(frozen=True)
class Map(Type):
    """A mapping from any string to values of one type."""

    item: Type
    rule: Callable[[str, Any], str | None] | None = None

    noun = "an object"

    def check(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, dict):
            return self._mismatch(value, path, report)
        checked = {}
        for key, item in value.items():
            where = (*path, key)
            if item is not None and item is not UNKNOWN:
                item = self.item.check(item, where, report)
            if self.rule is not None and (reason := self.rule(key, item)):
                report(where, reason)
            checked[key] = item
        return checked

    def diff(self, old: Any, new: Any, path: Path) -> Iterator[Change]:
        if new is UNKNOWN or not isinstance(old, dict):
            yield Change(path, Kind.UPDATE)
            return
        for key in {**old, **new}:
            where = (*path, key)
            if key not in new:
                yield Change(where, Kind.DELETE)
            elif key not in old:
                yield Change(where, Kind.ADD)
            elif new[key] is UNKNOWN:
                yield Change(where, Kind.UPDATE)
            else:
                yield from self.item.diff(old[key], new[key], where)

    def same(self, old: Any, new: Any) -> bool:
        return not any(self.diff(old, new, ()))


@dataclass(frozen=True)
class Object(Type):
    """An object with declared properties."""

    properties: "Mapping[str, Property]"
    rules: "tuple[ObjectRule, ...]" = ()

    noun = "an object"

    def check(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, dict):
            return self._mismatch(value, path, report)
        checked, filled = check_properties(self.properties, value, path, report)
        for rule in self.rules:
            for name, reason in rule(checked):
                report((*path, name) if name else path, reason)
        return {**checked, DEFAULTS: filled} if filled else checked

    def diff(self, old: Any, new: Any, path: Path) -> Iterator[Change]:
        if new is UNKNOWN or not isinstance(old, dict):
            yield Change(path, Kind.UPDATE)
            return
        yield from diff_properties(self.properties, old, new, path)

    def same(self, old: Any, new: Any) -> bool:
        return isinstance(old, dict) and not any(self.diff(old, new, ()))


@dataclass(frozen=True)
class AutoName:
    """How a name is made where the program gives none: the resource's name and seven random characters.

    Attributes:
        longest: The most characters of the name.
        prefix: What comes before.
        transform: Makes the resource's name fit what the API takes.
    """

    longest: int = 255
    prefix: str = ""
    transform: Callable[[str], str] = field(default=str)


@dataclass(frozen=True)
class Property:
    """One property of a resource type, of an object in it, or of a function.

    Attributes:
        type: Its type.
        required: Whether the program must give it.
        output: Whether only the provider sets it.
        computed: Whether the provider fills it in where the program does not.
        default: What holds where the program gives none; fixed, and seen in the checked inputs.
        replace: Whether a change takes a new resource.
        secret: Whether it is always secret.
        conflicts: Properties that may not be given beside it.
        follows: For what the provider sets: inputs whose change changes it ("*" for any).
        autoname: How it is named where the program gives no name.
        imported: Whether an import or a refresh may put it among the inputs.
        removable: For what is computed: whether leaving it out again takes it away, rather than keeping it.
    """

    type: Type
    required: bool = False
    output: bool = False
    computed: bool = False
    default: Any = None
    replace: bool = False
    secret: bool = False
    conflicts: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    autoname: AutoName | None = None
    imported: bool = True
    removable: bool = False


ObjectRule = Callable[[Values], Iterator[tuple[str, str]]]
"""Judges properties against each other; yields the name of a property (or none) and what is wrong."""


def required(type: Type, **more: Any) -> Property:
    """A property that the program must give."""
    return Property(type, required=True, **more)


def optional(type: Type, default: Any = None, **more: Any) -> Property:
    """A property that the program may give."""
    return Property(type, default=default, **more)


def computed(type: Type, **more: Any) -> Property:
    """A property that the program may give, and that the provider fills in otherwise."""
    return Property(type, computed=True, **more)


def output(type: Type, *follows: str, **more: Any) -> Property:
    """A property that only the provider sets.

    Args:
        type: Its type.
        follows: Inputs whose change changes it.
        more: Other attributes of the property.
    """
    return Property(type, output=True, follows=follows, **more)


def inputs_of(properties: Mapping[str, Property]) -> dict[str, Property]:
    """The properties that a program may give."""
    return {name: declared for name, declared in properties.items() if not declared.output}


def check_properties(
    properties: Mapping[str, Property], values: Values, path: Path, report: Report
) -> tuple[Values, list[str]]:
    """Judge properties that a program gave, and fill in the defaults.

    Args:
        properties: The declarations.
        values: The values.
        path: Where they stand.
        report: Is told each thing that is wrong.

    Returns:
        The values in their proper types, and the names of those that were filled in.
    """
    inputs = inputs_of(properties)
    checked: Values = {}
    for name, value in values.items():
        if value is None or name == DEFAULTS:
            continue
        if name not in inputs:
            report((*path, name), _unknown_property(name, properties))
        elif value is UNKNOWN:
            checked[name] = value
        else:
            checked[name] = inputs[name].type.check(value, (*path, name), report)
    filled = []
    for name, declared in inputs.items():
        if name in checked:
            for other in declared.conflicts:
                # Each pair is reported once, at the property that declares it.
                if checked.get(other) is not None:
                    report((*path, name), f"conflicts with {other}: give one of them")
        elif declared.required:
            report((*path, name), "missing required property")
        elif declared.default is not None and not any(other in checked for other in declared.conflicts):
            checked[name] = declared.default
            filled.append(name)
    return checked, filled


def _unknown_property(name: str, properties: Mapping[str, Property]) -> str:
    if name in properties:
        return "is an output and cannot be set"
    close = difflib.get_close_matches(name, inputs_of(properties), n=1)
    return "unknown property" + (f"; did you mean {close[0]}?" if close else "")


def diff_properties(properties: Mapping[str, Property], old: Values, new: Values, path: Path = ()) -> Iterator[Change]:
    """Compare the state with the inputs.

    Args:
        properties: The declarations.
        old: What is.
        new: What should be, with the defaults filled in.
        path: Where they stand.
    """
    for name, declared in inputs_of(properties).items():
        for change in _diff_property(declared, old.get(name), new.get(name), (*path, name)):
            yield Change(change.path, change.kind, True) if declared.replace else change


def _diff_property(declared: Property, old: Any, new: Any, path: Path) -> Iterator[Change]:
    if new is None:
        if is_empty(old) or (declared.computed and not declared.removable) or old == declared.default:
            return
        if isinstance(declared.type, Object):
            if any(diff_properties(declared.type.properties, old, {}, path)):
                yield Change(path, Kind.DELETE)
        else:
            yield Change(path, Kind.DELETE)
    elif new is UNKNOWN:
        yield Change(path, Kind.ADD if old is None else Kind.UPDATE)
    elif is_empty(old) and is_empty(new):
        # What was never set comes back from the cloud as nothing, zero, false or an empty list, whichever it likes.
        return
    elif old is None:
        yield Change(path, Kind.ADD)
    else:
        yield from declared.type.diff(old, new, path)


def without_defaults(value: Any) -> Any:
    """Leave out the notes on what was filled in, on every level."""
    if isinstance(value, dict):
        return {key: without_defaults(item) for key, item in value.items() if key != DEFAULTS}
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    return value


def unknown_where_unset(properties: Mapping[str, Property], values: Values) -> Values:
    """Fill in what is known before a resource is created: its inputs, and that the rest will come.

    Args:
        properties: The declarations.
        values: The inputs.
    """
    state: Values = {}
    for name, declared in properties.items():
        value = values.get(name)
        if value is None:
            if declared.output or declared.computed:
                state[name] = UNKNOWN
        else:
            state[name] = _fill(declared.type, value)
    return state


def _fill(type: Type, value: Any) -> Any:
    if isinstance(type, Object) and isinstance(value, dict):
        return unknown_where_unset(type.properties, value)
    if isinstance(type, List) and isinstance(value, list):
        return [_fill(type.item, item) for item in value]
    return value


def keep_unset(properties: Mapping[str, Property], old: Values, new: Values) -> Values:
    """Fill in what is known before a resource is updated: its inputs, and of the rest what it has now.

    Args:
        properties: The declarations.
        old: The state.
        new: The inputs.
    """
    state: Values = {}
    for name, declared in properties.items():
        value = new.get(name)
        if value is not None:
            before = old.get(name)
            nested = isinstance(declared.type, Object) and isinstance(value, dict) and isinstance(before, dict)
            state[name] = keep_unset(declared.type.properties, before, value) if nested else value  # type: ignore[attr-defined]
        elif name in old and (declared.output or (declared.computed and not declared.removable) or is_empty(old[name])):
            state[name] = old[name]
    return state
