"""Decides where a tool comes from: what the user has, the project's download, or a build; and gets it from there."""

from __future__ import annotations

import enum
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from local.toolchain.download import download
from local.toolchain.errors import NotAvailable, ToolchainError
from local.toolchain.gobuild import build
from local.toolchain.progress import Progress
from local.toolchain.store import Installation, Store, cache_root
from local.toolchain.tools import OnPath, Tool

__all__ = ["MODE_VARIABLE", "Mode", "resolve"]

MODE_VARIABLE = "EKS_POD_IDENTITY_TOOLCHAIN"


class Mode(enum.Enum):
    """Which ways to a tool are open."""

    AUTO = "auto"
    PATH = "path"
    DOWNLOAD = "download"
    BUILD = "build"

    @classmethod
    def chosen(cls) -> Mode:
        """The mode that the environment asks for.

        Raises:
            ToolchainError: It asks for one that does not exist.
        """
        text = os.environ.get(MODE_VARIABLE, "") or "auto"
        try:
            return cls(text)
        except ValueError:
            choices = ", ".join(mode.value for mode in cls)
            raise ToolchainError(f"{MODE_VARIABLE}={text}: must be one of {choices}.") from None

    def allows(self, way: Mode) -> bool:
        """Whether *way* is open in this mode."""
        return self in (Mode.AUTO, way)


def resolve(tool: Tool, mode: Mode, *, quiet: bool = False, root: Path | None = None) -> Installation:
    """Finds *tool*, or gets it.

    What is there already is taken without a process or a network call, in the order PATH, download, build. Only when
    nothing is there, the download and then the build are tried.

    Args:
        mode: Which ways are open.
        quiet: Show no progress.
        root: Cache folder; the user's own by default.

    Raises:
        ToolchainError: No open way leads to the tool; the message says why not and what to do.
    """
    root = root or cache_root()
    store = Store(tool, root)
    found, refusal = _on_path(tool, store, root) if mode.allows(Mode.PATH) else (None, "")
    if found := found or _installed(tool, mode, store):
        return found
    reasons = [refusal] if refusal else []

    if mode is not Mode.PATH:
        with Progress(f"{tool.name} {tool.version}", quiet=quiet) as progress:

            def waiting() -> None:
                progress.note("another run is getting it; waiting for that one")
                progress.stage("waiting for the other run")

            with store.locked(waiting):
                # Another run may have got it while this one waited.
                if found := _installed(tool, mode, store):
                    return found
                if found := _get(tool, mode, store, progress, reasons):
                    if not quiet:
                        progress.note(f"ready from {found.origin} after {progress.elapsed:.0f} s")
                    return found

    ways = "\n".join(f"  - {reason}" for reason in reasons) or "  - it declares no such way"
    raise NotAvailable(
        f"{tool.name} {tool.version} cannot be had ({MODE_VARIABLE}={mode.value}):\n{ways}\n"
        f"Installing it yourself always works: {tool.homepage}"
    )


def _installed(tool: Tool, mode: Mode, store: Store) -> Installation | None:
    if tool.release and mode.allows(Mode.DOWNLOAD):
        found = store.installed(tool.release.version, Mode.DOWNLOAD.value)
        if found:
            return found
    if tool.module and mode.allows(Mode.BUILD):
        return store.installed(tool.version, Mode.BUILD.value)
    return None


def _get(tool: Tool, mode: Mode, store: Store, progress: Progress, reasons: list[str]) -> Installation | None:
    if (release := tool.release) and mode.allows(Mode.DOWNLOAD):
        partial = store.folder / f"{release.version}.download"
        try:
            return store.install(
                release.version,
                Mode.DOWNLOAD.value,
                lambda target: download(tool, release, target, partial, progress),
            )
        except NotAvailable as error:
            reasons.append(str(error))
    if (module := tool.module) and mode.allows(Mode.BUILD):
        log = store.folder / "build.log"
        try:
            return store.install(
                tool.version, Mode.BUILD.value, lambda target: build(tool, module, target, log, progress)
            )
        except NotAvailable as error:
            reasons.append(str(error))
    return None


def _on_path(tool: Tool, store: Store, root: Path) -> tuple[Installation | None, str]:
    """The user's own copy, or why it is not taken (an empty text if the tool is never taken from PATH)."""
    if tool.on_path is None:
        return None, ""
    location = shutil.which(tool.name)
    if location is None:
        return None, f"There is no `{tool.name}` on PATH."
    executable = Path(location).resolve()
    if root.resolve() in executable.parents:
        # Ours, put on PATH for a child process of an earlier call.
        return None, f"The `{tool.name}` on PATH is the one of this cache."
    missing = [name for name in tool.companions if not (executable.parent / name).exists()]
    if missing:
        return None, f"{location} has no {', '.join(missing)} beside it."
    try:
        version = _version(executable, tool.on_path, store)
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"{location} does not tell its version: {error}"
    if not tool.on_path.rule.admits(version, tool.version):
        rule = tool.on_path.rule.value
        return None, f"{location} is version {version}; {tool.version} needs {rule}."
    return Installation(tool.name, version, Mode.PATH.value, Path(location), official=True), ""


def _version(executable: Path, on_path: OnPath, store: Store) -> str:
    """The version that *executable* says it is. It is asked once, and again only when the file has changed."""
    status = executable.stat()
    identity = [str(executable), status.st_mtime_ns, status.st_size]
    memory = store.folder / "on-path.json"
    try:
        remembered = json.loads(memory.read_bytes())
        if remembered["identity"] == identity:
            return remembered["version"]
    except (OSError, ValueError, KeyError, TypeError):
        # Nothing is remembered, or not in a form this version writes: ask, and write it anew.
        remembered = None
    answer = subprocess.run(
        [str(executable), *on_path.version_command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
    )
    version = re.search(r"\d+\.\d+\.\d+", answer.stdout + answer.stderr)
    if version is None:
        raise OSError(f"no version in {answer.stdout.strip()!r}")
    memory.parent.mkdir(parents=True, exist_ok=True)
    fresh = memory.with_name(f".on-path.{os.getpid()}")
    fresh.write_text(json.dumps({"identity": identity, "version": version[0]}))
    fresh.replace(memory)
    return version[0]
