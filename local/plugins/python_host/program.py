"""Runs a Pulumi program: one child process under the project's own Python."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

from pulumi.runtime.proto import language_pb2

from local.plugins.python_host.options import PythonOptions
from local.plugins.python_host.processes import Processes

__all__ = ["ProgramError", "run"]

_EXECUTOR = Path(__file__).with_name("executor.py")

# The executor's word for: the user has seen what is wrong, there is nothing to add.
_SHOWN_TO_USER = 32


class ProgramError(Exception):
    """The program could not be started. Meant for the user."""


def run(
    request: language_pb2.RunRequest,
    options: PythonOptions,
    engine: str,
    processes: Processes,
    on_end: Callable[[Callable[[], None]], None],
) -> language_pb2.RunResponse:
    """Runs the program of *request* to its end.

    Its output goes to the host's own, which the engine shows.

    Args:
        on_end: Takes an action that is to be done when the engine ends the call.

    Raises:
        OptionError: Its Python is not there.
        ProgramError: It could not be started.
    """
    if options.typechecker and (error := _typecheck(options, processes)):
        return language_pb2.RunResponse(error=error)

    arguments = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "stack": request.stack,
        "organization": request.organization,
        "root-directory": request.info.root_directory,
        "pwd": request.pwd,
        "parallel": str(request.parallel),
    }
    command = [options.python(), "-u", str(_EXECUTOR)]
    command += [f"--{name}={value}" for name, value in arguments.items() if value]
    if request.dryRun:
        command.append("--dry-run")
    command += ["--", request.info.entry_point or ".", *request.args]
    environment = options.environment()
    # Never as arguments: every user of a machine can read those. The SDK reads these two.
    environment["PULUMI_CONFIG"] = json.dumps(dict(request.config))
    environment["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
    try:
        process = processes.start(command, cwd=request.info.program_directory or os.curdir, env=environment)
    except OSError as error:
        if error.errno == errno.E2BIG:
            size = len(environment["PULUMI_CONFIG"]) // 1024
            raise ProgramError(
                f"The stack's configuration is {size} KiB. Python programs get it in one environment variable, and "
                "this system allows 128 KiB for one. Keep large values in a file and its path in the configuration."
            ) from error
        raise ProgramError(f"{command[0]} cannot be started: {error}.") from error
    on_end(lambda: processes.stop(process))
    code = processes.wait(process)
    if code == 0:
        return language_pb2.RunResponse()
    if code == _SHOWN_TO_USER:
        return language_pb2.RunResponse(bail=True)
    ending = f"was ended by signal {-code}" if code < 0 else f"exited with non-zero exit code: {code}"
    return language_pb2.RunResponse(error=f"program {ending}")


def _typecheck(options: PythonOptions, processes: Processes) -> str:
    command = [options.python(), "-m", options.typechecker]
    if options.typechecker == "mypy" and options.virtualenv is not None:
        command += ["--exclude", os.path.relpath(options.virtualenv, options.program)]
    command.append(str(options.program))
    code = processes.wait(processes.start(command, cwd=options.program, env=options.environment()))
    return f"{options.typechecker} exited with non-zero exit code: {code}" if code else ""
