"""A real engine on our language host, and small projects for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.toolchain import ensure
from local.toolchain.pulumi_home import prepare

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Project:
    """A project with a stack ``test`` in a backend of its own."""

    folder: Path
    environment: Mapping[str, str]

    def write(self, files: Mapping[str, str]) -> None:
        """Writes *files*, dedented, under the project's folder."""
        for name, text in files.items():
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text))

    def run(self, *arguments: str, code: int | None = 0) -> str:
        """Runs ``pulumi`` and returns what it printed; its exit code must be *code*, if one is given."""
        result = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color=never"],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        said = result.stdout + result.stderr
        assert code is None or result.returncode == code, f"exit code {result.returncode}:\n{said}"
        return said

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain text."""
        return json.loads(self.run("stack", "output", "--json", "--show-secrets"))


def write_script(folder: Path, name: str, text: str) -> Path:
    """Writes an executable shell script."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / name
    script.write_text(f"#!/bin/sh\n{textwrap.dedent(text)}\n")
    script.chmod(0o755)
    return script


@pytest.fixture(scope="session")
def pulumi_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a built engine with our language host."""
    home = tmp_path_factory.mktemp("pulumi-home")
    with pytest.MonkeyPatch.context() as patch:
        # Also where the official ones could be had: it is ours that is under test.
        patch.setenv("EKS_POD_IDENTITY_TOOLCHAIN", "build")
        prepared = prepare(home, ensure(), ROOT, Path(sys.executable))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    return {
        **inherited,
        **prepared,
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "1",
    }


@pytest.fixture(scope="session")
def empty_stack(pulumi_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a new stack and its backend. Making a stack takes longer than copying one."""
    place = tmp_path_factory.mktemp("empty-stack")
    made = _project(place, pulumi_environment)
    (place / "state").mkdir()
    made.write({"Pulumi.yaml": json.dumps(_manifest({}))})
    made.run("stack", "init", "test")
    return place


@pytest.fixture
def project(pulumi_environment: dict[str, str], empty_stack: Path, tmp_path: Path) -> Callable[..., Project]:
    """Makes a project from its ``__main__.py``, more runtime options, and more files."""

    def make(program: str | None = "", *, options: Mapping[str, str] | None = None, **files: str) -> Project:
        place = tmp_path / "place"
        shutil.copytree(empty_stack, place)
        made = _project(place, pulumi_environment)
        made.write({"Pulumi.yaml": json.dumps(_manifest(options or {})), **files})
        if program is not None:
            made.write({"__main__.py": program})
        return made

    return make


def _project(place: Path, environment: Mapping[str, str]) -> Project:
    return Project(
        place / "project", {**environment, "PULUMI_BACKEND_URL": (place / "state").as_uri(), "PULUMI_STACK": "test"}
    )


def _manifest(options: Mapping[str, str]) -> dict[str, Any]:
    settings = {"virtualenv": sys.prefix, "toolchain": "pip", **options}
    return {"name": "project", "runtime": {"name": "python", "options": settings}}
