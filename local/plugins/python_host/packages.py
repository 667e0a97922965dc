"""What is installed in a project's Python: the plugins its packages need, and its distributions.

See https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/ for ``pulumi-plugin.json``.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from pulumi.runtime.proto import plugin_pb2

from local.plugins.python_host.options import OptionError, PythonOptions

__all__ = ["about", "installed", "required"]


def required(options: PythonOptions) -> list[plugin_pb2.PackageDependency]:
    """The plugins that the Pulumi packages in the project's Python need, at the versions that they name."""
    found: dict[str, plugin_pb2.PackageDependency] = {}
    for folder, declaration in _plugin_declarations(_search_path(options)):
        if declaration is not None and not declaration.get("resource"):
            continue
        declaration = declaration or {}
        name = declaration.get("name") or _normal(folder.name).removeprefix("pulumi-")
        version = declaration.get("version") or _plugin_version(_version_of(folder) or "")
        if not version or name in found:
            continue
        dependency = plugin_pb2.PackageDependency(
            name=name,
            kind="resource",
            version=f"v{version.removeprefix('v')}",
            server=declaration.get("server") or "",
        )
        if parameterization := declaration.get("parameterization"):
            dependency.parameterization.CopyFrom(
                plugin_pb2.PackageParameterization(
                    name=parameterization["name"],
                    version=parameterization["version"],
                    value=base64.b64decode(parameterization.get("value") or ""),
                )
            )
        found[name] = dependency
    return list(found.values())


def installed(options: PythonOptions, *, transitive: bool) -> list[tuple[str, str]]:
    """Name and version of what is installed; without *transitive* only what nothing else there requires."""
    every: dict[str, Distribution] = {}
    for distribution in distributions(path=_search_path(options)):
        if name := distribution.metadata["Name"]:
            every.setdefault(_normal(name), distribution)
    if not transitive:
        wanted = {name for distribution in every.values() for name in _requirements(distribution)}
        every = {name: distribution for name, distribution in every.items() if name not in wanted}
    return sorted((name, distribution.version) for name, distribution in every.items())


def about(options: PythonOptions) -> tuple[str, str, str]:
    """The interpreter, its version, and pip's version (empty if there is no pip)."""
    question = (
        "import importlib.metadata as m, json, platform, sys\n"
        "pip = [d.version for d in m.distributions(name='pip')]\n"
        "print(json.dumps([sys.executable, platform.python_version(), pip[0] if pip else '']))"
    )
    executable, version, pip = _ask(options, question)
    return executable, version, pip


def _search_path(options: PythonOptions) -> list[str]:
    """The project's ``sys.path``. Only its own Python knows it for sure: .pth files, system packages, PYTHONPATH."""
    entries = _ask(options, "import json, sys; print(json.dumps(sys.path[1:]))")
    return [entry for entry in entries if Path(entry).is_dir()]


def _ask(options: PythonOptions, question: str) -> Any:
    try:
        answer = subprocess.run(
            [options.python(), "-c", question],
            env=options.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(answer.stdout)
    except (OSError, ValueError) as error:
        raise OptionError(f"{options.python()} cannot be asked what it is: {error}.") from error
    except subprocess.CalledProcessError as error:
        raise OptionError(f"{options.python()} does not run: {error.stderr.strip()}") from error


def _plugin_declarations(path: list[str]) -> Iterator[tuple[Path, dict[str, Any] | None]]:
    """Every Pulumi package on *path*, and its declaration: None for the old ones, which have just the name."""
    for entry in path:
        declared = set()
        for file in sorted(Path(entry).glob("*/pulumi-plugin.json")):
            declared.add(_normal(file.parent.name))
            yield file.parent, json.loads(file.read_bytes())
        for folder in sorted(Path(entry).glob("pulumi_*")):
            if folder.is_dir() and folder.suffix == "" and _normal(folder.name) not in declared:
                yield folder, None


def _version_of(package: Path) -> str | None:
    for distribution in distributions(name=package.name, path=[str(package.parent)]):
        return distribution.version
    return None


def _requirements(distribution: Distribution) -> Iterator[str]:
    for requirement in distribution.requires or ():
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        # An extra's requirements are there for somebody who asked for the extra, if they are there at all.
        if name and not re.search(r";.*\bextra\s*==", requirement):
            yield _normal(name[0])


def _normal(name: str) -> str:
    """The normal form of a distribution's name (https://packaging.python.org/en/latest/specifications/name-normalization/)."""
    return re.sub(r"[-_.]+", "-", name).lower()


_PEP440 = re.compile(
    r"(?P<release>\d+(?:\.\d+)*)(?:(?P<phase>a|b|rc)(?P<pre>\d+))?(?:\.post(?P<post>\d+))?(?:\.dev(?P<dev>\d+))?"
)
_PHASES = {"a": "alpha", "b": "beta", "rc": "rc"}


def _plugin_version(version: str) -> str | None:
    """The semantic version of the plugin of a package at PEP 440 *version*; None if it cannot be told."""
    parts = _PEP440.fullmatch(version)
    if parts is None:
        return None
    numbers = parts["release"].split(".")
    text = ".".join([*numbers, "0", "0"][: max(3, len(numbers))])
    if parts["phase"]:
        text += f"-{_PHASES[parts['phase']]}.{parts['pre']}"
    build = "".join(f"{name}{parts[name]}" for name in ("post", "dev") if parts[name])
    return f"{text}+{build}" if build else text
