"""The wheel: what is in it, and that it works where there is nothing but it and what it depends on."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import Parser
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from components._version import VERSION
from tests.twin.wheel import ROOT, build, install

PACKAGE = "eks_pod_identity"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("environment") / "venv")


@contextmanager
def serving(*command: str | Path) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """A plugin that was started as the engine starts it, with the address of an engine."""
    process = subprocess.Popen([*map(str, command), "127.0.0.1:1"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    (metadata,) = {name.partition("/")[0] for name in names} - {PACKAGE}
    assert metadata == f"{PACKAGE}-{VERSION}.dist-info"
    source = ROOT / "components"
    not_in_it = {source / "PulumiPlugin.yaml", source / "requirements.txt"}
    files = {file for file in source.rglob("*") if file.is_file() and "__pycache__" not in file.parts} - not_in_it
    assert {name for name in names if name.startswith(f"{PACKAGE}/")} == {
        f"{PACKAGE}/{file.relative_to(source)}" for file in files
    }
    assert f"{PACKAGE}/py.typed" in names
    assert f"{PACKAGE}/schema.json" in names


def test_its_metadata_says_what_it_is_and_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"{PACKAGE}-{VERSION}.dist-info/METADATA").decode())
    assert (metadata["Name"], metadata["Version"]) == ("eks-pod-identity", VERSION)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    needs = {requirement.partition(">")[0].partition("<")[0] for requirement in metadata.get_all("Requires-Dist", [])}
    assert needs == {"kubernetes", "pulumi", "pulumi-aws", "pulumi-eks", "pulumi-kubernetes", "pyyaml"}


def test_it_is_imported_without_the_checkout(python: Path, tmp_path: Path) -> None:
    question = f"import {PACKAGE}, importlib.util; print({PACKAGE}.__file__, importlib.util.find_spec('components'))"
    answer = subprocess.run([python, "-c", question], cwd=tmp_path, capture_output=True, text=True, check=True)
    file, components = answer.stdout.split()
    assert Path(file).is_relative_to(python.parents[1])
    assert components == "None"


@pytest.mark.parametrize("started", ["script", "module", "folder"])
def test_it_is_a_plugin_however_it_is_started(python: Path, started: str) -> None:
    command = {
        "script": [python.with_name("pulumi-resource-eks-pod-identity")],
        "module": [python, "-m", PACKAGE],
        # As the engine does with a folder that has a PulumiPlugin.yaml.
        "folder": [python, ROOT / "components"],
    }[started]
    with serving(*command) as plugin:
        schema = plugin.GetSchema(provider_pb2.GetSchemaRequest()).schema
        version = plugin.GetPluginInfo(Empty()).version
    assert json.loads(schema) == json.loads((ROOT / "components" / "schema.json").read_text())
    assert version == VERSION


def test_programs_that_import_it_are_type_checked(python: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(f'import {PACKAGE} as e\n\ne.PodIdentityAgent("agent", {{"clustername": "prod"}})\n')
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "pyrightconfig.json").write_text('{"include": ["."], "typeCheckingMode": "standard"}')
    command = [sys.executable, "-m", "pyright", "--pythonpath", str(python), "--outputjson", "-p", str(tmp_path)]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    found = [(Path(one["file"]).name, one["message"]) for one in report["generalDiagnostics"]]
    assert report["summary"]["filesAnalyzed"] > 5
    assert [name for name, _ in found] == ["wrong.py"], found
    assert '"clustername" is an undefined item in type "PodIdentityAgentArgs"' in found[0][1].replace("\xa0", " ")
