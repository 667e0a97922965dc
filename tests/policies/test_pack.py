"""The pack as a folder: that it finds its rules wherever it lies, and that it is fast."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .cases import ASSOCIATED, ASSOCIATION, IN_DEPLOYMENT, POLICY, ROLE, allow, document, trust
from .conftest import Analyzer, Made

ROOT = Path(__file__).parents[2]
SAY = "from eks_pod_identity_policies import policies, rules; print(len(policies()), rules.__file__)"


def run(folder: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    # As the engine starts it: the folder is the working directory, and the only one of the checkout on the path.
    return subprocess.run(
        [sys.executable, "-c", SAY], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    folder = tmp_path / "pack" / "anything"
    shutil.copytree(ROOT / "policies", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_in_the_checkout() -> None:
    said = run(ROOT / "policies")
    assert said.stdout.split()[1] == str(ROOT / "components" / "rules" / "__init__.py"), said.stderr


def test_with_the_wheel(copied: Path, tmp_path: Path) -> None:
    package = tmp_path / "site" / "eks_pod_identity"
    shutil.copytree(ROOT / "components" / "rules", package / "rules", ignore=shutil.ignore_patterns("__pycache__"))
    # What the wheel's package imports is none of the pack's business.
    (package / "__init__.py").write_text("raise RuntimeError('the components are not needed')\n")
    said = run(copied, tmp_path / "site")
    assert said.stdout.split()[1] == str(package / "rules" / "__init__.py"), said.stderr


def test_with_neither(copied: Path) -> None:
    said = run(copied)
    assert said.returncode
    assert "pip install eks-pod-identity" in said.stderr


def test_three_hundred_resources_take_no_three_seconds() -> None:
    analyzer = Analyzer()
    kinds = [
        (ROLE, {"name": "r", "assumeRolePolicy": trust()}),
        (POLICY, {"policy": document(allow(["s3:GetObject", "s3:PutObject"]), allow("ec2:DescribeInstances", "*"))}),
        (ASSOCIATION, ASSOCIATED),
        ("kubernetes:apps/v1:Deployment", IN_DEPLOYMENT),
        ("aws:ec2/subnet:Subnet", {"cidrBlock": "10.0.0.0/24"}),
    ]
    resources = [Made(kind, f"r{i}", props) for i in range(60) for kind, props in kinds]
    begin = time.process_time()
    for made in resources:
        analyzer.resource(made.type, made.props, made.name)
    violations = analyzer.stack(resources)
    assert time.process_time() - begin < 3
    assert len([v for v in violations if v.policy == "association-duplicate"]) == 59
