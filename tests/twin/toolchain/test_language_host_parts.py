"""The language host's parts, without an engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from local.plugins.python_host import packages
from local.plugins.python_host.options import OptionError, PythonOptions
from tests.twin.toolchain.conftest import ROOT

LAUNCH = ROOT / "local" / "plugins" / "launch.py"


@pytest.fixture(scope="module")
def host() -> Iterator[language_pb2_grpc.LanguageRuntimeStub]:
    """A host that no engine has started."""
    command = [sys.executable, "-I", str(LAUNCH), "python_host"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            yield language_pb2_grpc.LanguageRuntimeStub(channel)
        process.terminate()
        assert process.wait(5) == 0


def _info(**options: str) -> language_pb2.ProgramInfo:
    info = language_pb2.ProgramInfo(root_directory=str(ROOT), program_directory=str(ROOT), entry_point=".")
    info.options.update({"virtualenv": sys.prefix, **options})
    return info


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"toolchain": "poetry"}, r"`toolchain: poetry` needs Pulumi's own language host"),
        ({"typechecker": "guess"}, r"must be mypy or pyright, not 'guess'"),
        ({"virtualenv": True}, r"`virtualenv` must be a string, not True"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        PythonOptions.of(options, root="/project", program="/project")


def test_a_relative_environment_starts_at_the_project(tmp_path: Path) -> None:
    options = PythonOptions.of({"virtualenv": "../shared"}, root=str(tmp_path / "project"), program="/elsewhere")
    assert options.virtualenv == tmp_path / "shared"
    with pytest.raises(OptionError, match="does not exist"):
        options.python()
    (tmp_path / "shared").mkdir()
    with pytest.raises(OptionError, match="is not a virtual environment"):
        options.python()


def test_programs_may_use_the_python_on_path_and_plugins_may_not() -> None:
    assert PythonOptions.of({}, root="/project", program="/project").virtualenv is None
    plugin = PythonOptions.of({}, root="/plugin", program="/plugin", plugin=True)
    assert plugin.virtualenv == Path("/plugin/venv")


def test_the_environment_is_activated() -> None:
    options = PythonOptions.of({"virtualenv": "made"}, root="/project", program="/project")
    environment = options.environment({"PATH": "/bin", "PYTHONHOME": "/old"})
    assert environment == {"PATH": f"/project/made/bin{os.pathsep}/bin", "VIRTUAL_ENV": "/project/made"}


@pytest.mark.parametrize(
    ("package", "plugin"),
    [
        ("7.51.1", "7.51.1"),
        ("1.2", "1.2.0"),
        ("1.2.3a4", "1.2.3-alpha.4"),
        ("1.2.3b4", "1.2.3-beta.4"),
        ("1.2.3rc4", "1.2.3-rc.4"),
        ("1.2.3.post4", "1.2.3+post4"),
        ("1.2.3.post4.dev5", "1.2.3+post4dev5"),
        ("1!2.3", None),
        ("", None),
        ("1.2.3+local", None),
    ],
)
def test_versions_of_packages_become_versions_of_plugins(package: str, plugin: str | None) -> None:
    assert packages._plugin_version(package) == plugin


def test_which_plugins_packages_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def package(name: str, declaration: dict[str, object] | None, version: str = "1.2.3") -> None:
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}-{version}.dist-info").mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (tmp_path / f"{name}-{version}.dist-info" / "METADATA").write_text(metadata)
        if declaration is not None:
            (tmp_path / name / "pulumi-plugin.json").write_text(json.dumps(declaration))

    package("pulumi_named", {"resource": True, "name": "other-name", "version": "v4.5.6", "server": "https://x"})
    package("pulumi_bare", {"resource": True})
    package("pulumi_library", {"resource": False})
    package("pulumi_old", None, version="2.0.0a1")
    package("acme_things", {"resource": True, "name": "things", "version": "0.1.0"})
    package(
        "pulumi_bridged",
        {
            "resource": True,
            "name": "bridge",
            "version": "1.0.0",
            "parameterization": {"name": "bridged", "version": "2.0.0", "value": "aGVsbG8="},
        },
    )
    package("unrelated", None)
    monkeypatch.setattr(packages, "_search_path", lambda options: [str(tmp_path)])
    found = packages.required(PythonOptions.of({}, root="/", program="/"))
    assert {(package.name, package.version, package.server) for package in found} == {
        ("other-name", "v4.5.6", "https://x"),
        ("bare", "v1.2.3", ""),
        ("old", "v2.0.0-alpha.1", ""),
        ("things", "v0.1.0", ""),
        ("bridge", "v1.0.0", ""),
    }
    (bridge,) = (package for package in found if package.name == "bridge")
    assert (bridge.parameterization.name, bridge.parameterization.value) == ("bridged", b"hello")


def test_required_packages_of_this_projects_own_python(host: language_pb2_grpc.LanguageRuntimeStub) -> None:
    answer = host.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(info=_info()))
    found = {package.name: package.version for package in answer.packages}
    assert {"aws", "eks", "kubernetes"} <= set(found)
    assert "policy" not in found
    older = host.GetRequiredPlugins(language_pb2.GetRequiredPluginsRequest(info=_info()))
    assert {plugin.name: plugin.version for plugin in older.plugins} == found


def test_dependencies_with_and_without_what_they_bring(host: language_pb2_grpc.LanguageRuntimeStub) -> None:
    def names(transitive: bool) -> set[str]:
        request = language_pb2.GetProgramDependenciesRequest(info=_info(), transitiveDependencies=transitive)
        return {dependency.name for dependency in host.GetProgramDependencies(request).dependencies}

    assert "pulumi" in names(True)
    assert "pulumi" not in names(False)  # every provider's SDK requires it
    assert names(False) < names(True)


def test_what_pulumi_new_asks(host: language_pb2_grpc.LanguageRuntimeStub) -> None:
    info = _info()
    del info.options.fields["virtualenv"]
    prompts = host.RuntimeOptionsPrompts(language_pb2.RuntimeOptionsRequest(info=info)).prompts
    assert {prompt.key: prompt.default.stringValue for prompt in prompts} == {"toolchain": "pip", "virtualenv": "venv"}
    info.options.update({"toolchain": "pip", "virtualenv": "venv"})
    assert not host.RuntimeOptionsPrompts(language_pb2.RuntimeOptionsRequest(info=info)).prompts


def test_what_is_not_served_says_where_to_find_it(host: language_pb2_grpc.LanguageRuntimeStub) -> None:
    for call, request in (
        (host.GeneratePackage, language_pb2.GeneratePackageRequest()),
        (host.GenerateProgram, language_pb2.GenerateProgramRequest()),
        (host.GenerateProject, language_pb2.GenerateProjectRequest()),
        (host.Pack, language_pb2.PackRequest()),
        (host.Link, language_pb2.LinkRequest()),
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            call(request)
        assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "https://www.pulumi.com/docs/install/" in str(refusal.value.details())


def test_a_typechecker_that_fails_keeps_the_program_from_running(
    host: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path
) -> None:
    # A module of that name in the program's folder is what `python -m` finds first.
    (tmp_path / "mypy.py").write_text("raise SystemExit(5)")
    (tmp_path / "__main__.py").write_text("open('ran', 'w')")
    info = _info(typechecker="mypy")
    info.program_directory = str(tmp_path)
    answer = host.Run(language_pb2.RunRequest(info=info, pwd=str(tmp_path), project="p", stack="s"))
    assert answer.error == "mypy exited with non-zero exit code: 5"
    assert not (tmp_path / "ran").exists()
