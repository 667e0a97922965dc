"""The PULUMI_HOME that the engine is run with: official plugins where they can be had, launchers of ours elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from local.toolchain import Installation, Toolchain, pulumi_home
from local.toolchain.pulumi_home import prepare
from tests.twin.toolchain.conftest import ROOT, write_script

FOLDERS = {name: f"resource-{name}-v{version(f'pulumi-{name}')}" for name in ("aws", "eks", "kubernetes")}


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EKS_POD_IDENTITY_TOOLCHAIN", raising=False)


@pytest.fixture
def installs(tmp_path: Path) -> Toolchain:
    """A Pulumi that installs plugins into its home as the real one does, except those listed in ``refused``."""
    script = write_script(
        tmp_path / "bin",
        "pulumi",
        f"""\
        echo "$@" >> "{tmp_path}/calls"
        grep -qx "$4" "{tmp_path}/refused" 2>/dev/null && {{ echo "no such plugin" >&2; exit 255; }}
        mkdir -p "$PULUMI_HOME/plugins/resource-$4-v$5"
        echo official > "$PULUMI_HOME/plugins/resource-$4-v$5/pulumi-resource-$4"
        """,
    )
    return Toolchain({"pulumi": Installation("pulumi", "3.272.0", "download", script, official=True)})


def _built(tmp_path: Path) -> Toolchain:
    return Toolchain(
        {"pulumi": Installation("pulumi", "3.259.0", "build", tmp_path / "bin" / "pulumi", official=False)}
    )


def _reachable(monkeypatch: pytest.MonkeyPatch, answer: bool) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(pulumi_home, "answers", lambda url: asked.append(url) or answer)
    return asked


def test_launchers_stand_where_the_engine_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _reachable(monkeypatch, False)
    home = tmp_path / "home"
    environment = prepare(home, _built(tmp_path), ROOT, Path(sys.executable))
    for name, folder in FOLDERS.items():
        assert (home / "plugins" / folder / f"pulumi-resource-{name}").stat().st_mode & 0o111
    assert (home / "plugins" / "language-python-v3.259.0" / "pulumi-language-python").exists()
    assert environment["PULUMI_HOME"] == str(home)
    assert environment["PATH"].startswith(str(tmp_path / "bin"))
    assert environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    assert "PYTHONPATH" not in environment


def test_a_second_time_changes_nothing_and_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _reachable(monkeypatch, False)
    home = tmp_path / "home"

    def once() -> dict[Path, int]:
        prepare(home, _built(tmp_path), ROOT, Path(sys.executable))
        return {path: path.stat().st_mtime_ns for path in home.rglob("*")}

    first = once()
    started = time.perf_counter()
    assert once() == first
    assert time.perf_counter() - started < 0.1
    assert len(asked) == 1


def test_a_moved_checkout_gets_new_launchers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _reachable(monkeypatch, False)
    home = tmp_path / "home"
    prepare(home, _built(tmp_path), ROOT, Path(sys.executable))
    moved = tmp_path / "it's moved here"
    prepare(home, _built(tmp_path), moved, Path(sys.executable))
    launcher = home / "plugins" / FOLDERS["eks"] / "pulumi-resource-eks"
    failed = subprocess.run([launcher], capture_output=True, text=True)
    assert str(moved) in failed.stderr


def test_a_plugin_that_there_is_not_says_so(tmp_path: Path) -> None:
    launch = ROOT / "local" / "plugins" / "launch.py"
    result = subprocess.run([sys.executable, "-I", launch, "absent"], capture_output=True, text=True)
    assert result.returncode == 1
    assert "plugin `absent` could not be downloaded" in result.stderr


def test_official_plugins_are_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installs: Toolchain) -> None:
    _reachable(monkeypatch, True)
    home = tmp_path / "home"
    for _ in range(2):
        environment = prepare(home, installs, ROOT, Path(sys.executable))
        # Whatever else a program needs may be fetched as always.
        assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in environment
    for name, folder in FOLDERS.items():
        assert (home / "plugins" / folder / f"pulumi-resource-{name}").read_text() == "official\n"
    assert len((tmp_path / "calls").read_text().splitlines()) == len(FOLDERS)
    # The official distribution has its own language host.
    assert not list((home / "plugins").glob("language-*"))


def test_launchers_give_way_when_the_official_ones_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installs: Toolchain
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("EKS_POD_IDENTITY_TOOLCHAIN", "build")
    asked = _reachable(monkeypatch, True)
    prepare(home, installs, ROOT, Path(sys.executable))
    assert not asked
    monkeypatch.delenv("EKS_POD_IDENTITY_TOOLCHAIN")
    prepare(home, installs, ROOT, Path(sys.executable))
    assert (home / "plugins" / FOLDERS["aws"] / "pulumi-resource-aws").read_text() == "official\n"


def test_a_plugin_that_cannot_be_installed_is_replaced_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installs: Toolchain, capsys: pytest.CaptureFixture[str]
) -> None:
    _reachable(monkeypatch, True)
    (tmp_path / "refused").write_text("aws\n")
    home = tmp_path / "home"
    prepare(home, installs, ROOT, Path(sys.executable))
    assert "launch.py aws" in (home / "plugins" / FOLDERS["aws"] / "pulumi-resource-aws").read_text()
    assert (home / "plugins" / FOLDERS["eks"] / "pulumi-resource-eks").read_text() == "official\n"
    assert "no such plugin" in capsys.readouterr().err

    # It is not tried again at every command.
    calls = (tmp_path / "calls").read_text()
    prepare(home, installs, ROOT, Path(sys.executable))
    assert (tmp_path / "calls").read_text() == calls


def test_a_pulumi_that_is_on_path_already_stays_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installs: Toolchain
) -> None:
    _reachable(monkeypatch, False)
    path = f"/first{os.pathsep}{tmp_path / 'bin'}"
    monkeypatch.setenv("PATH", path)
    assert prepare(tmp_path / "home", installs, ROOT, Path(sys.executable))["PATH"] == path
