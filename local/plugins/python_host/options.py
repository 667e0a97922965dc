"""The ``runtime: options:`` of Pulumi.yaml, PulumiPlugin.yaml and PulumiPolicy.yaml, and the Python they lead to.

See https://www.pulumi.com/docs/iac/languages-sdks/python/#virtual-environments.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["TYPECHECKERS", "OptionError", "PythonOptions"]

TYPECHECKERS = ("mypy", "pyright")
_OFFICIAL = "https://www.pulumi.com/docs/install/"


class OptionError(Exception):
    """The project asks for something that cannot be, or that this host does not do. Meant for the user."""


@dataclass(frozen=True)
class PythonOptions:
    """Which Python runs a project, and how."""

    program: Path
    """The folder of the program; pip and the type checker run in it."""

    virtualenv: Path | None
    """The virtual environment's folder; None for the Python on PATH."""

    declared: str
    """The ``virtualenv`` option as it was written."""

    typechecker: str

    @classmethod
    def of(cls, options: Mapping[str, Any], *, root: str, program: str, plugin: bool = False) -> PythonOptions:
        """Reads the *options* of a project.

        Args:
            root: The folder of the project file; a relative ``virtualenv`` starts there.
            program: The folder of the program.
            plugin: Whether it is a plugin. Plugins never run in the Python on PATH: their default is ``venv``.

        Raises:
            OptionError: An option is wrong or not supported.
        """
        texts: dict[str, str] = {}
        for name in ("virtualenv", "toolchain", "typechecker"):
            value = options.get(name, "")
            if not isinstance(value, str):
                raise OptionError(f"The runtime option `{name}` must be a string, not {value!r}.")
            texts[name] = value
        if texts["toolchain"] not in ("", "pip"):
            raise OptionError(
                f"The runtime option `toolchain: {texts['toolchain']}` needs Pulumi's own language host, which comes "
                f"with Pulumi ({_OFFICIAL}). This one knows `pip`."
            )
        if texts["typechecker"] and texts["typechecker"] not in TYPECHECKERS:
            choices = " or ".join(TYPECHECKERS)
            raise OptionError(f"The runtime option `typechecker` must be {choices}, not {texts['typechecker']!r}.")
        declared = texts["virtualenv"] or ("venv" if plugin else "")
        virtualenv = Path(os.path.abspath(Path(root) / declared)) if declared else None
        return cls(Path(program), virtualenv, declared, texts["typechecker"])

    @property
    def is_ready(self) -> bool:
        """Whether the Python is there; a missing virtual environment still has to be created."""
        return self.virtualenv is None or self._virtualenv_python(self.virtualenv).is_file()

    def python(self) -> str:
        """The Python interpreter.

        Raises:
            OptionError: The virtual environment is not there, or there is no Python on PATH.
        """
        if self.virtualenv is None:
            return self.python_on_path()
        if not self.is_ready:
            state = "is not a virtual environment" if self.virtualenv.exists() else "does not exist"
            raise OptionError(
                f"The runtime option `virtualenv` is {self.declared!r}, but {self.virtualenv} {state}. "
                "`pulumi install` creates it and installs the dependencies into it."
            )
        return str(self._virtualenv_python(self.virtualenv))

    @staticmethod
    def python_on_path() -> str:
        """The Python on PATH, or the one that ``PULUMI_PYTHON_CMD`` names.

        Raises:
            OptionError: There is none.
        """
        wanted = os.environ.get("PULUMI_PYTHON_CMD")
        names = [wanted] if wanted else ["python3", "python"]
        for name in names:
            if found := shutil.which(name):
                return found
        raise OptionError(f"There is no {' or '.join(names)} on PATH. Install Python 3.10 or newer.")

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment *base* (this process's own by default) with the virtual environment active."""
        environment = dict(os.environ if base is None else base)
        if self.virtualenv is not None:
            environment["VIRTUAL_ENV"] = str(self.virtualenv)
            programs = str(self._virtualenv_python(self.virtualenv).parent)
            environment["PATH"] = os.pathsep.join([programs, environment.get("PATH", os.defpath)])
            environment.pop("PYTHONHOME", None)
        return environment

    @staticmethod
    def _virtualenv_python(virtualenv: Path) -> Path:
        return virtualenv / "bin" / "python"
