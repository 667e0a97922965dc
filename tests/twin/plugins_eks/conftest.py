"""The machine that the plugin finds itself on."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with the aws command, without a kubernetes plugin and without an AWS profile."""
    command = tmp_path / "bin" / "aws"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def kubernetes_plugin(tmp_path: Path) -> None:
    (tmp_path / "pulumi" / "plugins" / "resource-kubernetes-v4.34.2").mkdir(parents=True)
