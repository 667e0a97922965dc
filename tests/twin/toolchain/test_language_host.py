"""The language host under the real engine: programs, their configuration, their errors, their end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.twin.toolchain.conftest import Project

MakeProject = Callable[..., Project]

CONFIGURED = """\
    import json, os, sys
    import pulumi

    config = pulumi.Config()
    password = config.require_secret("password")

    class Greeting(pulumi.ComponentResource):
        def __init__(self, name):
            super().__init__("project:index:Greeting", name)
            self.text = pulumi.Output.concat("hello ", name)
            self.register_outputs({"text": self.text})

    print("printed by the program")
    pulumi.export("greeting", Greeting("world").text)
    pulumi.export("size", config.require_int("size"))
    pulumi.export("password", password)
    pulumi.export("missing", config.get("missing"))
    pulumi.export("stack", f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
    pulumi.export("dry run", pulumi.runtime.is_dry_run())
    pulumi.export("arguments", open("/proc/self/cmdline").read().split("\\0"))
    pulumi.export("executable", sys.executable)
    pulumi.export("path", list(sys.path))
    pulumi.export("python path", os.environ.get("PYTHONPATH"))
    pulumi.export("virtual environment", os.environ.get("VIRTUAL_ENV"))
"""


def test_a_program_runs_from_nothing_to_nothing(project: MakeProject) -> None:
    stack = project(CONFIGURED)
    stack.run("config", "set", "size", "3")
    stack.run("config", "set", "--secret", "password", "correct horse")

    preview = stack.run("preview")
    assert "printed by the program" in preview
    assert "project:index:Greeting" in preview
    assert "warning" not in preview

    up = stack.run("up", "--yes", "--skip-preview")
    assert "2 created" in up
    assert "correct horse" not in up

    outputs = stack.outputs()
    assert outputs["greeting"] == "hello world"
    assert outputs["size"] == 3
    assert outputs["password"] == "correct horse"
    assert outputs["stack"] == "organization/project/test"
    assert outputs["dry run"] is False
    assert "correct horse" not in stack.run("stack", "export")

    # Arguments are visible to every user of the machine.
    assert not any("correct" in argument for argument in outputs["arguments"])
    # The folder of the program comes first, and none of the host's comes at all.
    assert Path(stack.folder, outputs["path"][0]).resolve() == stack.folder.resolve()
    assert not any("python_host" in entry for entry in outputs["path"])
    assert outputs.get("python path") == os.environ.get("PYTHONPATH")
    assert outputs["executable"].startswith(outputs["virtual environment"])

    stack.run("preview", "--expect-no-changes")
    stack.run("refresh", "--yes")
    assert "2 deleted" in stack.run("destroy", "--yes", "--skip-preview")


@pytest.mark.parametrize(
    ("program", "expected", "unexpected"),
    [
        pytest.param(
            "import pulumi\nraise pulumi.RunError('the cluster is on fire')",
            ["error: the cluster is on fire"],
            ["Traceback"],
            id="RunError",
        ),
        pytest.param(
            "def deep():\n    raise ValueError('boom')\ndeep()",
            ["unhandled exception", "Traceback", "__main__.py", "in deep", "ValueError: boom"],
            ["executor.py", "runpy", "non-zero exit code"],
            id="exception",
        ),
        pytest.param(
            "import pulumi\npulumi.Output.from_input(0).apply(lambda zero: 1 / zero)",
            ["ZeroDivisionError"],
            ["executor.py"],
            id="exception in apply",
        ),
        pytest.param(
            "import pulumi\npulumi.Config().require('size')",
            ["Missing required configuration variable 'project:size'"],
            ["executor.py"],
            id="missing configuration",
        ),
        pytest.param("import sys\nsys.exit(3)", ["non-zero exit code: 3"], ["Traceback"], id="exit code"),
        pytest.param("import os\nos.kill(os.getpid(), 9)", ["ended by signal 9"], [], id="killed"),
        pytest.param("def (", ["SyntaxError"], [], id="syntax"),
        pytest.param(None, ["There is no Python program at"], ["Traceback"], id="no program"),
    ],
)
def test_what_goes_wrong_is_shown_once_and_fails_the_command(
    project: MakeProject, program: str | None, expected: list[str], unexpected: list[str]
) -> None:
    said = project(program).run("preview", code=1)
    assert "1 errored" in said
    for text in expected:
        assert text in said
    for text in unexpected:
        assert text not in said


def test_options_that_cannot_be_followed_fail_the_command(project: MakeProject) -> None:
    said = project("", options={"virtualenv": "nowhere"}).run("preview", code=1)
    assert "nowhere does not exist. `pulumi install` creates it" in said


def test_a_configuration_that_is_too_large_is_explained(project: MakeProject) -> None:
    stack = project("")
    settings = (stack.folder / "Pulumi.test.yaml").read_text()
    stack.write({"Pulumi.test.yaml": f"{settings}config:\n  project:large: {'x' * 140_000}\n"})
    said = stack.run("preview", code=1)
    assert "configuration is 136 KiB" in said
    assert "Keep large values in a file" in said


def test_logging_and_tracing_flags_reach_nobody(project: MakeProject) -> None:
    stack = project("print('ran')")
    assert "ran" in stack.run("preview", "--logflow", "-v=3", "--tracing", (stack.folder / "trace").as_uri())


def test_install_makes_the_environment(project: MakeProject) -> None:
    stack = project("", options={"virtualenv": "made"}, **{"requirements.txt": "# nothing\n"})
    said = stack.run("install")
    assert "Creating virtual environment" in said
    assert (stack.folder / "made" / "bin" / "python").exists()
    # The SDK is not in it, and that is what the user is told.
    assert "The Pulumi SDK is not installed" in stack.run("preview", code=None)


def test_install_shows_why_pip_failed(project: MakeProject) -> None:
    stack = project("", **{"requirements.txt": "./absent-folder\n"})
    said = stack.run("install", code=None)
    assert "absent-folder" in said
    assert "ended with exit code 1" in said


def test_about_describes_the_python(project: MakeProject) -> None:
    said = project("").run("about")
    assert "toolchain='pip'" in said
    assert "pulumi-eks" in said


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_engine(project: MakeProject, ending: signal.Signals) -> None:
    stack = project("""\
        import os, pathlib, subprocess
        child = subprocess.Popen(["sleep", "600"])
        pathlib.Path("pids.new").write_text(f"{os.getpid()} {child.pid} {os.getppid()}")
        os.rename("pids.new", "pids")
        child.wait()
    """)
    engine = subprocess.Popen(
        ["pulumi", "preview", "--non-interactive"],
        cwd=stack.folder,
        env=dict(stack.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        pids = stack.folder / "pids"
        assert _becomes_true(pids.exists, 30)
        program, child, host = (int(pid) for pid in pids.read_text().split())
        engine.send_signal(ending)
        assert _becomes_true(lambda: not any(_runs(pid) for pid in (program, child, host)), 15)
    finally:
        engine.kill()
        engine.wait()


def _becomes_true(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether *condition* becomes true in time; there is no event for files and foreign processes."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
