"""Runs a Pulumi program in this process. Started by the language host under the project's own Python.

It uses nothing but the standard library and the project's Pulumi SDK, because the project's Python has nothing else for
sure. The stack's configuration comes in the environment variables that the SDK itself reads.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

# The program ended and the user has been told why.
_SHOWN_TO_USER = 32

# What the engine answers when a component of a plugin could not be made and it has said so. The SDK knows this only by
# another status, and takes it for an error of the program.
_ENGINE_IS_DONE = "resource monitor shut down"


def main() -> int:
    """Runs the program that the arguments name and returns the exit code."""
    parser = argparse.ArgumentParser(description="Runs a Pulumi program.")
    for name in ("monitor", "engine", "project", "stack", "organization", "root-directory", "pwd"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--parallel", type=int, default=0)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs="*")
    arguments = parser.parse_args()

    # Python put this script's own folder first; a program must not find the host's modules by accident.
    if sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
        del sys.path[0]

    try:
        import pulumi
        import pulumi.runtime
    except ImportError:
        traceback.print_exc()
        print(
            f"The Pulumi SDK is not installed for {sys.executable}. `pulumi install` installs the project's "
            "dependencies.",
            file=sys.stderr,
        )
        return 1

    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), list(pulumi.runtime.get_config_secret_keys_env()))
    settings = {
        "monitor": arguments.monitor,
        "engine": arguments.engine,
        "project": arguments.project,
        "stack": arguments.stack,
        "parallel": arguments.parallel,
        "dry_run": arguments.dry_run,
        "organization": arguments.organization,
        "root_directory": arguments.root_directory,
    }
    # An older SDK knows fewer of them.
    known = inspect.signature(pulumi.runtime.Settings).parameters
    pulumi.runtime.configure(
        pulumi.runtime.Settings(**{name: value for name, value in settings.items() if name in known})
    )

    sys.argv = [arguments.program, *arguments.arguments]
    if arguments.pwd:
        os.chdir(arguments.pwd)

    # After a failed program many futures have never been awaited. That is expected, and asyncio's complaints about it
    # would hide the one error that matters.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=4 * max(arguments.parallel, 1))
    loop.set_default_executor(executor)
    program = os.path.abspath(arguments.program)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run(arguments.program)))
    except pulumi.RunError as error:
        # What a program raises to end with a message of its own: no traceback.
        pulumi.log.error(str(error))
        return 1
    except KeyboardInterrupt:
        _end_at_once()
    except Exception as error:  # noqa: BLE001 - whatever a program raises is shown to its author
        if str(error) != _ENGINE_IS_DONE:
            pulumi.log.error(f"Program failed with an unhandled exception:\n{_trace_from(program, error)}")
        return _SHOWN_TO_USER
    finally:
        executor.shutdown(wait=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _end_at_once() -> NoReturn:
    """The host's way to end a program that the engine has given up. Threads may be waiting for answers that will never
    come, so nothing is waited for. The exit code is 128 and the signal's number, as shells have it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130)


def _run(program: str) -> None:
    import pulumi

    # Given a folder, runpy puts it on sys.path and runs its __main__.py.
    entry = os.path.join(program, "__main__.py") if os.path.isdir(program) else program
    if not os.path.exists(entry):
        pulumi.log.error(f"There is no Python program at {os.path.abspath(entry)}.")
        sys.exit(_SHOWN_TO_USER)
    runpy.run_path(program, run_name="__main__")


def _trace_from(program: str, error: BaseException) -> str:
    """The traceback of *error*, from the first line of the user's program on."""
    inside = (program, os.path.join(program, "__main__.py"))
    start = error.__traceback__
    while start is not None and os.path.abspath(start.tb_frame.f_code.co_filename) not in inside:
        start = start.tb_next
    return "".join(traceback.format_exception(type(error), error, start or error.__traceback__))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        # It may also come while threads are waited for.
        _end_at_once()
