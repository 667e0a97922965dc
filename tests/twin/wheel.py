"""The wheel, built from this checkout and installed in a virtual environment of its own."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path) -> Path:
    """Build the wheel into a folder, and return its path. hatchling is there already, so nothing is downloaded."""
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, "--disable-pip-version-check"], check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Make a virtual environment with the wheel in it, and return its Python.

    What the wheel depends on is found in the tests' own environment, the checkout is not. pip refuses where something
    that it depends on is missing, or is there in another version.
    """
    venv.create(folder)
    python = folder / "bin" / "python"
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", str(wheel)]
    subprocess.run([*command, "--disable-pip-version-check"], check=True, capture_output=True, text=True)
    return python
