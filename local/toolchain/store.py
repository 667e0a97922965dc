"""The user's cache of tools: where each one is kept, and how it gets there whole or not at all.

    <cache>/eks-pod-identity/toolchain/<tool>/<version>-<recipe>/
        bin/            the tool and its companions
        stamp.json      written last; a folder without it is not an installation

The cache folder follows the XDG base directory specification (https://specifications.freedesktop.org/basedir-spec/).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from local.toolchain.tools import Tool

__all__ = ["Installation", "Store", "cache_root"]


def cache_root() -> Path:
    """The folder that holds everything this package keeps: ``$XDG_CACHE_HOME`` or ``~/.cache``, and ours in it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification tells to ignore a path that is not absolute.
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "eks-pod-identity" / "toolchain"


@dataclass(frozen=True)
class Installation:
    """A tool that is ready to be run."""

    name: str
    version: str
    origin: str
    """``path``, ``download`` or ``build``."""

    path: Path
    """The executable."""

    official: bool
    """Whether it is the project's own distribution, with all companions beside it."""


@dataclass(frozen=True)
class _Stamp:
    version: str
    origin: str
    size: int
    """Of the executable: a copy that was cut short afterwards is not taken for a good one."""


class Store:
    """One tool's folder in the cache."""

    def __init__(self, tool: Tool, root: Path | None = None) -> None:
        self.tool = tool
        self.folder = (root or cache_root()) / tool.name
        self._recipe = tool.recipe()

    def place(self, version: str) -> Path:
        """The folder for *version* of the tool as it is declared now."""
        return self.folder / f"{version}-{self._recipe}"

    def installed(self, version: str, origin: str) -> Installation | None:
        """What is installed of *version* by *origin*; None if it is missing or not whole."""
        place = self.place(version)
        executable = place / "bin" / self.tool.name
        try:
            stamp = _Stamp(**json.loads((place / "stamp.json").read_bytes()))
            whole = stamp == _Stamp(version, origin, executable.stat().st_size)
        except (OSError, ValueError, TypeError):
            return None
        if not whole:
            return None
        official = origin == "download" and all((place / "bin" / name).exists() for name in self.tool.companions)
        return Installation(self.tool.name, version, origin, executable, official)

    def install(self, version: str, origin: str, fill: Callable[[Path], None]) -> Installation:
        """Puts *version* in its place: *fill* gets an empty ``bin`` folder and must leave the executable in it.

        Only a whole installation appears, by one rename. Must be called under :meth:`locked`.
        """
        self._sweep()
        work = Path(tempfile.mkdtemp(prefix=".incomplete-", dir=self.folder))
        try:
            (work / "bin").mkdir()
            fill(work / "bin")
            executable = work / "bin" / self.tool.name
            executable.chmod(0o755)
            stamp = _Stamp(version, origin, executable.stat().st_size)
            (work / "stamp.json").write_text(json.dumps(asdict(stamp)) + "\n")
            work.chmod(0o755)
            place = self.place(version)
            if place.exists():
                shutil.rmtree(place)
            work.rename(place)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        result = self.installed(version, origin)
        if result is None:  # the disk changed under us between rename and read
            raise OSError(f"{place} was changed while {self.tool.name} was being installed")
        return result

    def _sweep(self) -> None:
        """Removes what a killed run left. The lock says that nobody is using it."""
        for leftover in self.folder.glob(".incomplete-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Holds the tool's lock, so that two runs do not do the same work; *waiting* is called if another holds it.

        The kernel gives the lock back when its holder dies, however it dies.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / ".lock", "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
