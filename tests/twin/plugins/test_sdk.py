"""The declarations, held against the classes of pulumi_aws."""

from __future__ import annotations

import collections.abc
import importlib
import re
import typing
from typing import Any

import pulumi
import pytest

from local.plugins.aws.config import CONFIG
from local.plugins.aws.package import AwsPackage
from local.plugins.base.properties import Bool, Float, Int, List, Map, Object, Str, Type, inputs_of

PACKAGE = AwsPackage()

# The SDK's `Input` refers to these by name, and they are not imported where it is used.
NAMES = {"Output": pulumi.Output, "T": typing.TypeVar("T")}


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def module_of(token: str) -> Any:
    _, path, _ = token.split(":")
    package, name = path.split("/")
    prefix = "pulumi_aws" if package == "index" else f"pulumi_aws.{package}"
    return importlib.import_module(f"{prefix}.{snake(name)}")


def fields(cls: type) -> dict[str, Any]:
    """The Pulumi names of a class's properties, and their types."""
    found = {}
    for name, member in vars(cls).items():
        if isinstance(member, property) and member.fget is not None:
            module = importlib.import_module(cls.__module__)
            hints = typing.get_type_hints(member.fget, {**NAMES, **vars(module)})
            pulumi_name = getattr(member.fget, "_pulumi_name", name)
            found[pulumi_name] = hints["return"]
    return found


def needed(cls: type) -> set[str]:
    """The Pulumi names of the arguments that a class cannot be made without."""
    optional = set(typing.cast(Any, cls.__init__).__kwdefaults__ or ())
    names = {name: getattr(vars(cls)[name].fget, "_pulumi_name", name) for name in snake_names(cls)}
    return {pulumi_name for name, pulumi_name in names.items() if name not in optional}


def snake_names(cls: type) -> list[str]:
    return [name for name, member in vars(cls).items() if isinstance(member, property)]


def plain(hint: Any) -> set[Any]:
    """The alternatives of a type, without Input, Output, None."""
    origin = typing.get_origin(hint)
    if origin is pulumi.Output:
        return plain(typing.get_args(hint)[0])
    arguments = typing.get_args(hint)
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        found: set[Any] = set()
        for argument in arguments:
            if typing.get_origin(argument) not in (collections.abc.Awaitable, pulumi.Output):
                found |= plain(argument)
        return found
    return set() if hint is type(None) else {hint}


SCALARS = {Str: str, Int: int, Float: float, Bool: bool}


def mismatches(declared: Type, hint: Any, where: str, *, inputs: bool) -> list[str]:
    """Where a declared type and one of the SDK differ."""
    alternatives = plain(hint)
    for kind, python in SCALARS.items():
        if isinstance(declared, kind):
            return [] if python in alternatives else [f"{where}: declared {python.__name__}, SDK has {alternatives}"]
    for alternative in alternatives:
        origin, arguments = typing.get_origin(alternative), typing.get_args(alternative)
        if isinstance(declared, List) and origin in (collections.abc.Sequence, list):
            return mismatches(declared.item, arguments[0], f"{where}[]", inputs=inputs)
        if isinstance(declared, Map) and origin in (collections.abc.Mapping, dict):
            return mismatches(declared.item, arguments[1], f"{where}{{}}", inputs=inputs)
        if isinstance(declared, Object) and isinstance(alternative, type) and origin is None:
            if alternative.__name__.endswith("Dict"):
                continue
            return object_mismatches(declared.properties, alternative, where, inputs=inputs)
    return [f"{where}: declared {type(declared).__name__}, SDK has {alternatives}"]


def object_mismatches(properties: Any, cls: type, where: str, *, inputs: bool) -> list[str]:
    known = fields(cls)
    found = [f"{where}.{name}: not in the SDK's {cls.__name__}" for name in properties.keys() - known.keys()]
    if inputs:
        # An input that is left out would be taken for a mistake of the program's.
        missing = known.keys() - properties.keys() - TOLERATED.get(where, set())
        found += [f"{where}.{name}: in the SDK's {cls.__name__} and not declared" for name in missing]
        wanted = {name for name, declared in properties.items() if declared.required}
        if wanted != needed(cls) & properties.keys():
            found.append(f"{where}: required {sorted(wanted)}, SDK requires {sorted(needed(cls))}")
    for name in properties.keys() & known.keys():
        found += mismatches(properties[name].type, known[name], f"{where}.{name}", inputs=inputs)
    return found


# Of network interfaces, what only special hardware has.
TOLERATED = {
    "aws:ec2/launchTemplate:LaunchTemplate.networkInterfaces[]": {
        "connectionTrackingSpecification",
        "enaQueueCount",
        "enaSrdSpecification",
        "ipv4Addresses",
        "ipv4PrefixCount",
        "ipv4Prefixes",
        "ipv6Addresses",
        "ipv6PrefixCount",
        "ipv6Prefixes",
    }
}


@pytest.mark.parametrize("token", sorted(PACKAGE.resources))
def test_a_resource_type_is_that_of_the_sdk(token: str) -> None:
    resource = PACKAGE.resources[token]
    module = module_of(token)
    name = token.rpartition(":")[2]
    arguments, outputs = getattr(module, f"{name}Args"), fields(getattr(module, name))
    declared_inputs = inputs_of(resource.properties)
    given = fields(arguments)
    found = []
    for property_name, declared in declared_inputs.items():
        if property_name not in given:
            found.append(f"{property_name} is no input of the SDK's")
        else:
            found += mismatches(declared.type, given[property_name], f"{token}.{property_name}", inputs=True)
    wanted = {name for name, declared in declared_inputs.items() if declared.required}
    assert not found
    assert wanted == needed(arguments) - resource.not_served | wanted & STRICTER.get(token, set())
    assert given.keys() - declared_inputs.keys() <= resource.not_served
    assert outputs.keys() - resource.properties.keys() <= resource.not_served
    assert resource.properties.keys() <= outputs.keys()
    assert resource.not_served <= given.keys() | outputs.keys(), "what is not served has to exist"
    for property_name, declared in resource.properties.items():
        found += mismatches(declared.type, outputs[property_name], f"{token}.{property_name}", inputs=False)
    assert not found


# Zonal NAT gateways are the only ones that are served, and these need their subnet.
STRICTER = {"aws:ec2/natGateway:NatGateway": {"subnetId"}}


def test_the_tokens_are_those_of_the_sdk() -> None:
    for token in PACKAGE.resources:
        cls = getattr(module_of(token), token.rpartition(":")[2])
        assert cls.pulumi_type == token


@pytest.mark.parametrize("token", sorted(PACKAGE.functions))
def test_a_function_is_that_of_the_sdk(token: str) -> None:
    function = PACKAGE.functions[token]
    module = module_of(token)
    name = token.rpartition(":")[2]
    call = getattr(module, snake(name))
    hints = typing.get_type_hints(call, {**NAMES, **vars(module)})
    hints.pop("opts", None)
    hints.pop("return", None)
    arguments = {camel(name): hint for name, hint in hints.items()}
    assert function.arguments.keys() == arguments.keys()
    outputs = fields(getattr(module, f"{name[0].upper()}{name[1:]}Result"))
    assert function.results.keys() <= outputs.keys()
    found: list[str] = []
    for property_name, declared in function.arguments.items():
        found += mismatches(declared.type, arguments[property_name], f"{token}.{property_name}", inputs=False)
    for property_name, declared in function.results.items():
        found += mismatches(declared.type, outputs[property_name], f"{token}.{property_name}", inputs=False)
    assert not found


def camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def test_the_configuration_is_that_of_the_sdk() -> None:
    from pulumi_aws.provider import ProviderArgs

    known = fields(ProviderArgs)
    assert CONFIG.keys() == known.keys()
    assert not [
        problem
        for name, declared in CONFIG.items()
        if not isinstance(declared.type, List) or not isinstance(declared.type.item, Map)
        for problem in mismatches(declared.type, known[name], name, inputs=False)
    ]


def test_every_output_that_follows_follows_an_input() -> None:
    for token, resource in PACKAGE.resources.items():
        inputs = inputs_of(resource.properties).keys()
        for name, declared in resource.properties.items():
            assert set(declared.follows) <= inputs | {"*"}, f"{token}.{name}"
            assert not (declared.required and (declared.computed or declared.default is not None)), f"{token}.{name}"
