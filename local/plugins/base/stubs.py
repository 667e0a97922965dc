"""Loads the Pulumi SDK's gRPC stubs without the rest of the SDK.

Importing ``pulumi.runtime.proto`` first runs ``pulumi/__init__.py``, which loads the whole SDK: two thirds of the time
that a plugin needs to start, and it is started in every preview.
"""

import importlib.util
import sys
import types
from pathlib import Path


def without_the_sdk() -> None:
    """Put empty packages in the place of the SDK's, with their folders as search path.

    Only for a process that is a plugin and runs no Pulumi program: ``import pulumi`` finds nothing in it afterwards.
    Does nothing where the SDK is loaded already.

    Raises:
        ImportError: The SDK is not installed.
    """
    if "pulumi" in sys.modules:
        return
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("The Pulumi SDK is not installed for this Python.", name="pulumi")
    folder = Path(spec.submodule_search_locations[0])
    for name in ("pulumi", "pulumi.runtime", "pulumi.runtime.proto"):
        package = types.ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
