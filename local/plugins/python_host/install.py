"""Creates a project's virtual environment and installs its dependencies, with pip."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from local.plugins.python_host.options import PythonOptions
from local.plugins.python_host.processes import Processes
from local.plugins.python_host.streams import Chunk, stream

__all__ = ["InstallError", "install"]


class InstallError(Exception):
    """A step of the installation failed; its output says why."""


def install(options: PythonOptions, processes: Processes) -> Iterator[Chunk]:
    """Installs what ``requirements.txt`` names, or the project itself if it only has a ``pyproject.toml``.

    pip stays as the virtual environment made it: the same input gives the same environment, offline too.

    Yields:
        What the steps print, as it comes.

    Raises:
        InstallError: A step failed.
    """
    if options.virtualenv is not None and not options.is_ready:
        yield Chunk.out(f"Creating virtual environment {options.virtualenv} ...\n")
        yield from _step(
            [options.python_on_path(), "-m", "venv", str(options.virtualenv)], options, processes, "python -m venv"
        )
    if (options.program / "requirements.txt").is_file():
        what = ["-r", "requirements.txt"]
    elif (options.program / "pyproject.toml").is_file():
        what = ["-e", "."]
    else:
        yield Chunk.out("There is no requirements.txt and no pyproject.toml: nothing to install.\n")
        return
    command = [options.python(), "-m", "pip", "--disable-pip-version-check", "install", *what]
    yield from _step(command, options, processes, f"pip install {' '.join(what)}")


def _step(command: list[str], options: PythonOptions, processes: Processes, name: str) -> Iterator[Chunk]:
    # pip decides by the active environment; for `python -m venv` it makes no difference.
    process = processes.start(
        command,
        cwd=Path(options.program),
        env=options.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    yield from stream(process)
    if code := processes.wait(process):
        raise InstallError(f"`{name}` in {options.program} ended with exit code {code}.")
