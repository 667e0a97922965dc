"""Prepares a PULUMI_HOME of our own: the engine's plugins, found without a warning and without touching the user's.

The official plugins are taken where they can be downloaded. Where they cannot, launchers of the plugins under
``local/plugins`` stand at the very places in the plugin cache where the engine looks for the official ones, so that the
program and its Pulumi.yaml are the same on every machine. The folder's layout is the engine's own
(https://www.pulumi.com/docs/iac/concepts/plugins/).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from local.toolchain import Mode, Toolchain
from local.toolchain.download import answers
from local.toolchain.progress import Progress
from local.toolchain.store import cache_root

__all__ = ["prepare"]

_PROVIDERS = ("aws", "eks", "kubernetes")
_PLUGIN_URL = "https://get.pulumi.com/releases/plugins/pulumi-resource-{name}-v{version}-linux-amd64.tar.gz"
_INSTALL_SECONDS = 900
_REMEMBERED_SECONDS = 24 * 3600


def prepare(home: Path, toolchain: Toolchain, root: Path, python: Path) -> dict[str, str]:
    """Makes *home* a PULUMI_HOME with the plugins of the installed SDKs' versions.

    Args:
        home: The folder; made if it is missing. Whatever else is in it stays.
        toolchain: Has Pulumi.
        root: The repository's root; ``local.plugins`` is under it.
        python: The Python that runs our plugins; it has the packages of requirements-dev.txt.

    Returns:
        The variables to run ``pulumi`` with, on top of the environment: ``PATH`` with Pulumi first, and PULUMI_*.
    """
    home = home.absolute()
    plugins = home / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    wanted = dict(_wanted_versions())
    missing = {
        name: release for name, release in wanted.items() if not _is_official(plugins / f"resource-{name}-v{release}")
    }
    if missing and _officials_are_open(*next(iter(missing.items()))):
        missing = _install_official(home, toolchain, missing)
    for name, release in missing.items():
        # Also where there is no plugin of ours: being told so beats the engine's five attempts to download one.
        _write_launcher(plugins / f"resource-{name}-v{release}", f"pulumi-resource-{name}", root, python, name)
    if not toolchain.official:
        # The engine takes a language host from beside its own executable, else from here.
        release = toolchain.tools["pulumi"].version
        folder = plugins / f"language-python-v{release}"
        _write_launcher(folder, "pulumi-language-python", root, python, "python_host")
    path = os.environ.get("PATH", os.defpath)
    pulumi = toolchain.path("pulumi")
    environment = {
        # The order of the user's PATH is changed only if it has to be: it decides on other programs too.
        "PATH": path if shutil.which("pulumi") == str(pulumi) else os.pathsep.join([str(pulumi.parent), path]),
        "PULUMI_HOME": str(home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # A stray plugin on PATH would go before the ones that were chosen here.
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
    }
    if missing:
        environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return environment


def _wanted_versions() -> Iterator[tuple[str, str]]:
    """The engine accepts a plugin at exactly the version that the program's SDK names."""
    for name in _PROVIDERS:
        try:
            yield name, version(f"pulumi-{name}")
        except PackageNotFoundError:
            continue  # a program that does not have the SDK cannot ask for the plugin


def _is_official(folder: Path) -> bool:
    return folder.is_dir() and not (folder / "launcher.json").exists()


def _write_launcher(folder: Path, executable: str, root: Path, python: Path, package: str) -> None:
    """Writes *executable* into *folder*: a script that starts our plugin *package*."""
    # The marker tells our folders from installed plugins, and whether they are what they should be.
    marker = folder / "launcher.json"
    script = (
        "#!/bin/sh\n"
        "# Written by local/toolchain/pulumi_home.py.\n"
        f'exec {shlex.join([str(python), "-I", str(root / "local" / "plugins" / "launch.py"), package])} "$@"\n'
    )
    content = json.dumps({"script": script})
    if marker.is_file() and marker.read_text() == content and os.access(folder / executable, os.X_OK):
        return
    folder.mkdir(exist_ok=True)
    target = folder / executable
    fresh = folder / f".{executable}.{os.getpid()}"
    fresh.write_text(script)
    fresh.chmod(0o755)
    fresh.replace(target)
    marker.write_text(content)


def _officials_are_open(name: str, release: str) -> bool:
    """Whether official plugins can be downloaded here, asked by one of them. A no is remembered for a day."""
    if not Mode.chosen().allows(Mode.DOWNLOAD):
        return False
    try:
        if time.time() - _memory().stat().st_mtime < _REMEMBERED_SECONDS:
            return False
    except FileNotFoundError:
        pass  # never asked, or it was open
    if answers(_PLUGIN_URL.format(name=name, version=release)):
        return True
    _remember_closed()
    return False


def _memory() -> Path:
    return cache_root() / "official-plugins-closed"


def _remember_closed() -> None:
    _memory().parent.mkdir(parents=True, exist_ok=True)
    _memory().touch()


def _install_official(home: Path, toolchain: Toolchain, missing: dict[str, str]) -> dict[str, str]:
    """Installs the official plugins *missing* and returns those that could not be installed."""
    environment = {**os.environ, "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    failed: dict[str, str] = {}
    with Progress("plugins") as progress:
        for name, release in missing.items():
            progress.stage(f"installing {name} {release}")
            # A launcher of ours at its place would look installed to the engine.
            shutil.rmtree(home / "plugins" / f"resource-{name}-v{release}", ignore_errors=True)
            try:
                subprocess.run(
                    [str(toolchain.path("pulumi")), "plugin", "install", "resource", name, release],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=_INSTALL_SECONDS,
                    check=True,
                )
            except subprocess.CalledProcessError as error:
                failed[name] = release
                progress.note(f"{name} {release} cannot be installed, ours is used: {error.stderr.strip()[-300:]}")
            except subprocess.TimeoutExpired:
                failed[name] = release
                progress.note(f"{name} {release} took too long to install, ours is used")
    if failed:
        _remember_closed()
    return failed
