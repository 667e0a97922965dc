"""``python -m local.toolchain [TOOL ...]``: gets tools and prints name, version, origin and path of each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from local.toolchain import MODE_VARIABLE, Mode, ToolchainError, ensure
from local.toolchain.tools import TOOLS

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command with *argv* (the process's arguments by default) and returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local tools",
        description="Finds or gets the pinned tools, and prints name, version, origin and path of each.",
        epilog=f"{MODE_VARIABLE}={'|'.join(mode.value for mode in Mode)} forces where they come from.",
    )
    parser.add_argument("tools", nargs="*", metavar="TOOL", help=f"one of {', '.join(TOOLS)}; all by default")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    arguments = parser.parse_args(argv)
    try:
        toolchain = ensure(arguments.tools or tuple(TOOLS), quiet=arguments.quiet)
    except ToolchainError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next run continues where this one stopped", file=sys.stderr)
        return 130
    for tool in toolchain.tools.values():
        print(f"{tool.name}\t{tool.version}\t{tool.origin}\t{tool.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
