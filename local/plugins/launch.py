"""Starts a plugin package of this folder: ``python -I launch.py aws ARGUMENT...``.

The engine starts a plugin in the program's folder and with the program's environment. Run with ``-I``, neither can put
a module of the same name before ours; and because the search path is set here and not in PYTHONPATH, a program that the
language host starts does not inherit it.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    name = sys.argv.pop(1)
    if not Path(__file__).with_name(name).is_dir():
        sys.exit(
            f"The official Pulumi plugin `{name}` could not be downloaded here, and local/plugins has none instead."
        )
    # With `pulumi --tracing` or `--otel-traces` these come before the engine's address, which plugins take as the
    # first.
    if name != "python_host" and "--tracing" in sys.argv:
        flag = sys.argv.index("--tracing")
        del sys.argv[flag : flag + 2]
    runpy.run_module(f"local.plugins.{name}", run_name="__main__", alter_sys=True)
