"""The package's schema, from the declarations.

See https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/. It has the types, functions and
properties that are served here, and no others.
"""

from collections.abc import Mapping
from typing import Any

from .properties import List, Map, Object, Property, Type, inputs_of
from .resource import Package

Json = dict[str, Any]


def of(package: Package) -> Json:
    """Write the schema of a package."""
    types: Json = {}
    resources = {}
    for token, resource in package.resources.items():
        stem = token.rpartition(":")[2]
        module = token.split(":")[1].partition("/")[0]
        prefix = f"{package.name}:{module}/{stem}"
        inputs = inputs_of(resource.properties)
        resources[token] = {
            "properties": _properties(resource.properties, prefix, types),
            "required": sorted(
                name
                for name, declared in resource.properties.items()
                if declared.required or declared.output or declared.computed or declared.default is not None
            ),
            "inputProperties": _properties(inputs, prefix, types),
            "requiredInputs": sorted(name for name, declared in inputs.items() if declared.required),
        }
    functions = {}
    for token, function in package.functions.items():
        prefix = f"{package.name}:{token.split(':')[1].partition('/')[0]}/{token.rpartition(':')[2]}"
        functions[token] = {
            "inputs": {
                "type": "object",
                "properties": _properties(function.arguments, prefix, types),
                "required": sorted(name for name, declared in function.arguments.items() if declared.required),
            },
            "outputs": {"type": "object", "properties": _properties(function.results, f"{prefix}Result", types)},
        }
    config = _properties(package.config, f"{package.name}:config/config", types)
    return {
        "name": package.name,
        "version": package.version,
        "config": {"variables": config},
        "provider": {"properties": config, "inputProperties": config},
        "types": types,
        "resources": resources,
        "functions": functions,
    }


def _properties(properties: Mapping[str, Property], prefix: str, types: Json) -> Json:
    written: Json = {}
    for name, declared in properties.items():
        spec = _type(declared.type, prefix + name[0].upper() + name[1:], types)
        if declared.secret:
            spec["secret"] = True
        if declared.replace:
            spec["replaceOnChanges"] = True
        if isinstance(declared.default, (str, int, bool)):
            spec["default"] = declared.default
        written[name] = spec
    return written


def _type(type: Type, token: str, types: Json) -> Json:
    if isinstance(type, List):
        return {"type": "array", "items": _type(type.item, token, types)}
    if isinstance(type, Map):
        return {"type": "object", "additionalProperties": _type(type.item, token, types)}
    if isinstance(type, Object):
        name = f"{token}:{token.rpartition('/')[2]}"
        types[name] = {
            "type": "object",
            "properties": _properties(type.properties, token, types),
            "required": sorted(name for name, declared in type.properties.items() if declared.required),
        }
        return {"$ref": f"#/types/{name}"}
    return dict(type.schema)
