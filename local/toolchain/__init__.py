"""Gets the pinned tools that the twin runs on into the user's cache, and says where they are.

A tool that fits on PATH is used; else the project's own download; else it is built from Go modules. The environment
variable ``EKS_POD_IDENTITY_TOOLCHAIN`` (``auto``, ``path``, ``download``, ``build``) forces one way.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - the message is for who runs an older one all the same
    raise SystemExit(
        f"Python 3.10 or newer is needed; this is {sys.version.split()[0]} ({sys.executable}). "
        "Install one (https://www.python.org/downloads/; Debian and Ubuntu: `apt install python3`; "
        "macOS: `brew install python`) and make the virtual environment again with it."
    )

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.toolchain.errors import BuildFailed, NotAvailable, ToolchainError
from local.toolchain.resolve import MODE_VARIABLE, Mode, resolve
from local.toolchain.store import Installation, cache_root
from local.toolchain.tools import TOOLS

__all__ = [
    "MODE_VARIABLE",
    "BuildFailed",
    "Installation",
    "Mode",
    "NotAvailable",
    "Toolchain",
    "ToolchainError",
    "cache_root",
    "ensure",
]


@dataclass(frozen=True)
class Toolchain:
    """Tools that are ready to be run."""

    tools: Mapping[str, Installation]

    def path(self, name: str) -> Path:
        """The executable of tool *name*.

        Raises:
            KeyError: It was not asked for when this toolchain was made.
        """
        return self.tools[name].path

    @property
    def official(self) -> bool:
        """Whether Pulumi came as its official distribution, with the official language host."""
        return "pulumi" in self.tools and self.tools["pulumi"].official


def ensure(names: Iterable[str] = ("pulumi",), *, quiet: bool = False) -> Toolchain:
    """Makes sure that the tools *names* are there, and says where.

    Args:
        names: Names of declared tools (:data:`local.toolchain.tools.TOOLS`).
        quiet: Show no progress on standard error.

    Raises:
        ToolchainError: A tool is not declared, or cannot be had; the message says why and what to do.
    """
    mode = Mode.chosen()
    names = tuple(names)
    if unknown := [name for name in names if name not in TOOLS]:
        raise ToolchainError(f"No such tool: {', '.join(unknown)}. There are {', '.join(TOOLS)}.")
    return Toolchain({name: resolve(TOOLS[name], mode, quiet=quiet) for name in names})
