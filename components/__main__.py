"""The components as a Pulumi plugin, so that programs in any language can use them.

The engine runs this folder where it finds PulumiPlugin.yaml, and `pulumi-resource-eks-pod-identity` where the wheel is
installed. See https://www.pulumi.com/docs/iac/guides/building-extending/components/packaging-components/.
"""

import importlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi
from pulumi.errors import InputPropertiesError, InputPropertyErrorDetails
from pulumi.provider import main as serve
from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyType
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.util import camel_case
from pulumi.provider.server import ComponentInitError


def main() -> None:
    """Serve the components until the engine is done. The address of the engine is the argument."""
    serve(provider(), sys.argv[1:])


def provider() -> "Components":
    """The provider of all components that the package names in `__all__`."""
    return Components(_package())


class Components(ComponentProvider):
    """Constructs the components for programs in other languages, and has the schema, inferred from their annotations.

    Args:
        package: The package of the components.
    """

    def __init__(self, package: ModuleType):
        named = [getattr(package, name) for name in package.__all__]
        components = [one for one in named if inspect.isclass(one) and issubclass(one, pulumi.ComponentResource)]
        base = importlib.import_module("._base", package.__name__)
        version = importlib.import_module("._version", package.__name__)
        self._invalid_args = base.InvalidArgs
        super().__init__(components, base.PACKAGE, version=version.VERSION)
        inferred = json.loads(self.schema or "{}")
        self.schema = json.dumps(_tidy({**inferred, "description": package.__doc__, "license": "Apache-2.0"}))

    def map_inputs(self, inputs: Any, component_def: ComponentDefinition) -> Any:
        """The arguments by their names in Python, with whole numbers as such."""
        # All numbers travel as floating ones. The SDK makes none of them whole, and fails at one that is an Output.
        left_alone = {
            name: replace(prop, type=PropertyType.NUMBER) if prop.type is PropertyType.INTEGER else prop
            for name, prop in component_def.inputs.items()
        }
        return super().map_inputs(_whole(inputs), replace(component_def, inputs=left_alone))

    def construct(self, name: str, resource_type: str, inputs: Any, options: Any = None) -> Any:
        """Construct a component. What is wrong with its arguments is said without a trace of the code."""
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            inner: Any = error.inner
            if not isinstance(inner, self._invalid_args):
                raise
            headline, _, _ = str(inner).partition("\n")
            findings: list[InputPropertyErrorDetails] = [
                {"property_path": _in_schema(finding.property), "reason": str(finding)} for finding in inner.findings
            ]
            raise InputPropertiesError(headline, findings) from error


def _whole(value: Any) -> Any:
    if isinstance(value, pulumi.Output):
        return value.apply(_whole)
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _in_schema(path: str) -> str:
    """The path of an argument in the schema, where the argument's name is in camelCase."""
    return re.sub(r"^\w+", lambda name: camel_case(name[0]), path)


def _tidy(schema: Any, *, inner: bool = False) -> Any:
    """The schema as the engine keeps it, with the docstrings as they are meant: not indented, and each said once."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {
        key: _tidy(value, inner=key in ("items", "additionalProperties"))
        for key, value in schema.items()
        if value != [] and not (inner and key == "description")
    }
    if isinstance(tidy.get("description"), str):
        tidy["description"] = inspect.cleandoc(tidy["description"])
    return tidy


def _package() -> ModuleType:
    """The package that this file is in."""
    if __package__:
        return importlib.import_module(__package__)
    # Run as a folder. Its modules are the package's: none of them may be found as a package of its own.
    folder = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != folder]
    spec = importlib.util.spec_from_file_location("eks_pod_identity", folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = package
    spec.loader.exec_module(package)
    return package


if __name__ == "__main__":
    main()
