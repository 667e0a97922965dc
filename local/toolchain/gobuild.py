"""Builds a tool from Go modules that a committed ``go.mod`` pins and a committed ``go.sum`` verifies.

What is compiled is kept in Go's own build cache, package by package, so a build that was interrupted goes on where it
stopped. See https://go.dev/ref/mod#authenticating and https://pkg.go.dev/cmd/go#hdr-Environment_variables.
"""

from __future__ import annotations

import collections
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from local.toolchain.errors import BuildFailed, NotAvailable
from local.toolchain.progress import Progress
from local.toolchain.tools import GoModule, Tool

__all__ = ["build", "go_environment"]

_GO_INSTALL = "https://go.dev/doc/install"
# From this version on, the go command can fetch the exact Go that a module asks for.
_SELF_UPGRADING = (1, 21)


def build(tool: Tool, module: GoModule, target: Path, log: Path, progress: Progress) -> None:
    """Builds *tool* from *module* into the folder *target*.

    Args:
        log: File that gets everything the go command says.

    Raises:
        NotAvailable: There is no Go, or none that is new enough.
        BuildFailed: The go command failed; the message ends with its last words.
    """
    environment = go_environment(tool, module, log.parent)
    flags = ["-trimpath", "-buildvcs=false"]
    with open(log, "w", encoding="utf-8") as transcript, tempfile.TemporaryFile("w+") as listing:
        go = _Go(module.directory, environment, transcript, log, tool)

        progress.stage("fetching Go modules")
        # Lists what is not in the build cache yet, and downloads the modules it needs to know that.
        go.run(
            ["list", "-deps", *flags, "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", module.package],
            said=lambda line: progress.advance(line.removeprefix("go: downloading ")),
            stdout=listing.fileno(),
        )
        listing.seek(0)
        missing = sum(1 for line in listing if line.strip())

        progress.stage("compiling packages", total=missing)

        def compiled(line: str) -> None:
            progress.advance(line)
            # The package that holds `main` is the last one; after it comes linking, which says nothing.
            if line == module.package:
                progress.stage("linking")

        linker_flags = f"-s -w {module.ldflags.format(version=tool.version)}".strip()
        go.run(
            ["build", "-v", *flags, "-ldflags", linker_flags, "-o", str(target / tool.name), module.package],
            said=compiled,
            stdout=subprocess.DEVNULL,
        )


def go_environment(tool: Tool, module: GoModule, directory: Path) -> dict[str, str]:
    """The environment for building *module*; *directory* is any folder outside of a Go module.

    Raises:
        NotAvailable: There is no Go, or none that is new enough.
    """
    needed = _needed_version(module)
    remedy = (
        f"Install Go {needed} or newer ({_GO_INSTALL}; Debian and Ubuntu: `apt install golang-go` if new enough; "
        f"macOS: `brew install go`), or install {tool.name} itself ({tool.homepage})."
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        # The user's flags and cross-compilation targets are about other builds.
        if name not in ("GOFLAGS", "GOOS", "GOARCH", "GOEXPERIMENT")
    }
    environment |= {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    try:
        answer = subprocess.run(
            ["go", "env", "GOVERSION"], cwd=directory, env=environment, capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise NotAvailable(
            f"Building {tool.name} {tool.version} needs Go, and there is no `go` on PATH. {remedy}"
        ) from None
    except subprocess.CalledProcessError as error:
        raise NotAvailable(f"`go env GOVERSION` failed: {error.stderr.strip()} {remedy}") from error
    found = answer.stdout.strip()
    if _numbers(found) < _numbers(needed):
        if _numbers(found) < _SELF_UPGRADING:
            raise NotAvailable(f"Building {tool.name} {tool.version} needs Go {needed}; this is {found}. {remedy}")
        environment["GOTOOLCHAIN"] = "auto"
    return environment


def _needed_version(module: GoModule) -> str:
    declared = re.search(r"^go (\S+)$", (module.directory / "go.mod").read_text(), re.MULTILINE)
    return declared[1] if declared else "1.21"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


class _Go:
    """Runs the go command in a module, with a transcript of all that it says."""

    def __init__(
        self, directory: Path, environment: dict[str, str], transcript: IO[str], log: Path, tool: Tool
    ) -> None:
        self._directory = directory
        self._environment = environment
        self._transcript = transcript
        self._log = log
        self._tool = tool

    def run(self, arguments: Sequence[str], *, said: Callable[[str], None], stdout: int) -> None:
        executable = shutil.which("go", path=self._environment.get("PATH"))
        command = [executable or "go", *arguments]
        last: collections.deque[str] = collections.deque(maxlen=20)
        self._write(f"$ cd {self._directory} && {shlex.join(command)}")
        with subprocess.Popen(
            command,
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            assert process.stderr is not None
            try:
                for raw in process.stderr:
                    line = raw.rstrip()
                    self._write(line)
                    last.append(line)
                    said(line)
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            words = "\n".join(f"    {line}" for line in last)
            raise BuildFailed(
                f"Building {self._tool.name} {self._tool.version} failed (`go {arguments[0]}` ended with "
                f"{process.returncode}). Its last words:\n{words}\nAll of it: {self._log}"
            )

    def _write(self, line: str) -> None:
        print(line, file=self._transcript, flush=True)
