"""`python -m local`: the local twin of AWS, and the demo on it."""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from local.stack import ROOT, LocalStack
from local.toolchain import ToolchainError
from local.twin import Twin, TwinError

DEFAULT_PORT = 4599


def main(argv: list[str]) -> int:
    # These two have command lines of their own.
    if argv[:1] == ["aws"]:
        from local.aws.__main__ import main as aws

        return aws(argv[1:])
    if argv[:1] == ["tools"]:
        from local.toolchain.__main__ import main as tools

        return tools(argv[1:])

    arguments = _parser().parse_args(argv)
    twin = Twin(arguments.state, arguments.port)
    stack = LocalStack(twin)
    try:
        return COMMANDS[arguments.command](twin, stack, arguments)
    except (TwinError, ToolchainError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        if error.stdout:
            print(error.stdout, file=sys.stderr)
        print(f"error: {shlex.join(error.cmd)} failed ({error.returncode})", file=sys.stderr)
        return error.returncode
    except KeyboardInterrupt:
        return 130


def _start(twin: Twin, stack: LocalStack, _: argparse.Namespace) -> int:
    print(f"The twin is at {twin.start()}")
    return 0


def _stop(twin: Twin, stack: LocalStack, _: argparse.Namespace) -> int:
    print("The twin is stopped." if twin.stop() else "No twin was running.")
    return 0


def _status(twin: Twin, stack: LocalStack, _: argparse.Namespace) -> int:
    print(f"The twin is at {twin.url()}")
    return 0


def _env(twin: Twin, stack: LocalStack, _: argparse.Namespace) -> int:
    for name, value in sorted(stack.environment().items()):
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")
    return 0


def _pulumi(twin: Twin, stack: LocalStack, arguments: argparse.Namespace) -> int:
    twin.start()
    return stack.pulumi(*arguments.arguments, check=False).returncode


def _up(twin: Twin, stack: LocalStack, arguments: argparse.Namespace) -> int:
    twin.start()
    try:
        stack.pulumi("up", "--yes", "--skip-preview", *arguments.arguments)
    except subprocess.CalledProcessError:
        if stack.interrupted():
            print("An earlier run was killed in the middle of its work. To begin anew: make clean", file=sys.stderr)
        raise
    return 0


def _demo(twin: Twin, stack: LocalStack, arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from local import demo

    _up(twin, stack, arguments)
    demo.make_buckets(stack)
    try:
        demo.verify(stack, Console())
    except demo.VerificationFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _destroy(twin: Twin, stack: LocalStack, arguments: argparse.Namespace) -> int:
    if not twin.state.exists():
        print("There is no twin.")
        return 0
    twin.start()
    if stack.exists():
        stack.pulumi("destroy", "--yes", "--skip-preview", *arguments.arguments)
        stack.pulumi("stack", "rm", "--yes", "--preserve-config")
    from local import demo
    from local.aws.inventory import inventory

    demo.remove_buckets(stack)
    left = {kind: names for kind, names in inventory(twin.url()).items() if names}
    if left:
        print(f"error: the endpoint still has resources, and the twin is kept: {left}", file=sys.stderr)
        return 1
    twin.remove()
    print("Nothing is left: no resource, no process, no state.")
    return 0


def _clean(twin: Twin, stack: LocalStack, _: argparse.Namespace) -> int:
    twin.remove()
    return 0


COMMANDS = {
    "start": _start,
    "stop": _stop,
    "status": _status,
    "env": _env,
    "pulumi": _pulumi,
    "up": _up,
    "demo": _demo,
    "destroy": _destroy,
    "clean": _clean,
}

_HELP = {
    "aws": "serve the AWS endpoint alone, in the foreground",
    "tools": "find or get the pinned tools, and say where they are",
    "start": "start the twin in the background",
    "stop": "stop it; its state stays",
    "status": "say where it listens",
    "env": 'print the environment for pulumi and aws: eval "$(python -m local env)"',
    "pulumi": "run pulumi on the stack `local`: python -m local pulumi preview --diff",
    "up": "deploy the demo",
    "demo": "deploy the demo and run the blog's verification",
    "destroy": "destroy the demo, check that nothing is left, and remove the twin",
    "clean": "remove the twin with all that is in it, without asking Pulumi",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    state = Path(os.environ.get("TWIN_STATE", ROOT / ".twin"))
    parser.add_argument(
        "--state", type=Path, default=state, help="the twin's state folder (TWIN_STATE; default: .twin)"
    )
    port = int(os.environ.get("TWIN_PORT", DEFAULT_PORT))
    parser.add_argument("--port", type=int, default=port, help=f"its port (TWIN_PORT; default: {DEFAULT_PORT}; 0: any)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _HELP.items():
        command = commands.add_parser(name, help=text, add_help=name not in ("pulumi", "aws", "tools"))
        if name in ("pulumi", "up", "demo", "destroy"):
            command.add_argument("arguments", nargs=argparse.REMAINDER, help="further arguments for pulumi")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
