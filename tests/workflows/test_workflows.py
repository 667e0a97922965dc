"""The workflows: what linters say of them, what they may do, and their commands, run on the twin."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import toolchain
from local.stack import ROOT, LocalStack
from local.twin import Twin
from tests.twin.wheel import build, install

GITHUB = ROOT / ".github"
FILES = sorted((GITHUB / "workflows").glob("*.yml"))
NAMES = [file.stem for file in FILES]


@dataclass(frozen=True)
class Step:
    """A step, and where it stands."""

    workflow: str
    job: str
    step: Mapping[str, Any]

    @property
    def place(self) -> tuple[str, str, str]:
        return self.workflow, self.job, self.step["name"]


def load(name: str) -> dict[str, Any]:
    # YAML 1.1 takes the key `on` for true.
    return yaml.load((GITHUB / "workflows" / f"{name}.yml").read_text(), yaml.BaseLoader)


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name in NAMES:
        for job, content in load(name)["jobs"].items():
            yield name, job, content


def steps() -> list[Step]:
    """Every step of every job, and those of the action that they share."""
    own = [Step(workflow, job, step) for workflow, job, content in jobs() for step in content["steps"]]
    action = yaml.load((GITHUB / "actions" / "setup" / "action.yml").read_text(), yaml.BaseLoader)
    return [*own, *(Step("action", "setup", step) for step in action["runs"]["steps"])]


def the_step(*place: str) -> Mapping[str, Any]:
    (found,) = (step.step for step in steps() if step.place == place)
    return found


# Linters


def test_actionlint() -> None:
    lint = toolchain.ensure(("actionlint",)).path("actionlint")
    # Without the checkers that happen to be on PATH: what passes here passes everywhere.
    command = [str(lint), "-shellcheck=", "-pyflakes=", "-no-color", *map(str, FILES)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_zizmor() -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    lint = shutil.which("zizmor", path=path)
    assert lint, "zizmor is one of requirements-dev.txt"
    command = [lint, "--offline", "--persona=pedantic", "--format=plain", "--no-progress", str(GITHUB)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_linters_find_what_they_are_for(tmp_path: Path) -> None:
    wrong = (FILES[0].read_text()).replace("run: |", "run: |\n          echo ${{ github.head_ref }}", 1)
    (tmp_path / "wrong.yml").write_text(wrong)
    lint = toolchain.ensure(("actionlint",)).path("actionlint")
    result = subprocess.run(
        [str(lint), "-shellcheck=", "-pyflakes=", str(tmp_path / "wrong.yml")], capture_output=True, check=False
    )
    assert result.returncode != 0
    assert b"untrusted" in result.stdout


# What they may do


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_allowed_that_a_job_does_not_ask_for(name: str) -> None:
    workflow = load(name)
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    assert "pull_request_target" not in workflow["on"]
    for job in workflow["jobs"].values():
        assert "permissions" in job
        assert int(job["timeout-minutes"]) <= 90
        assert re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"])


def test_what_each_job_may_do() -> None:
    read, login = {"contents": "read"}, {"contents": "read", "id-token": "write"}
    assert {(name, job): content["permissions"] for name, job, content in jobs()} == {
        ("test", "test"): read,
        ("test", "wheel"): read,
        ("preview", "preview"): {**login, "pull-requests": "write"},
        ("preview", "not-set-up"): {},
        ("preview", "fork"): {},
        ("drift", "drift"): {**login, "issues": "write"},
        ("deploy", "preview"): login,
        ("deploy", "deploy"): login,
        ("deploy", "not-set-up"): {},
    }


def test_there_are_no_keys_and_no_secrets() -> None:
    for file in (*FILES, GITHUB / "actions" / "setup" / "action.yml"):
        text = file.read_text()
        assert "secrets." not in text
        assert not re.search(r"access.key|ACCESS_TOKEN|PASSPHRASE", text, re.IGNORECASE)


def test_actions_are_pinned_by_commit_with_their_version() -> None:
    for file in (*FILES, GITHUB / "actions" / "setup" / "action.yml"):
        for line in re.findall(r"uses: (.*)", file.read_text()):
            local = line == "./.github/actions/setup"
            assert local or re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    pins: dict[str, set[str]] = {}
    for step in steps():
        action, _, commit = step.step.get("uses", "").partition("@")
        pins.setdefault(action, set()).add(commit)
    assert all(len(commits) == 1 for action, commits in pins.items() if action), pins


def test_only_the_deploy_job_has_the_deploy_role_and_it_waits_for_the_environment() -> None:
    logins = {
        (step.workflow, step.job): re.search(r"vars\.AWS_\w+_ROLE", step.step["with"]["role-to-assume"])
        for step in steps()
        if "configure-aws-credentials" in step.step.get("uses", "")
    }
    assert {place: found[0] for place, found in logins.items() if found} == {
        ("preview", "preview"): "vars.AWS_PREVIEW_ROLE",
        ("drift", "drift"): "vars.AWS_PREVIEW_ROLE",
        ("deploy", "preview"): "vars.AWS_PREVIEW_ROLE",
        ("deploy", "deploy"): "vars.AWS_DEPLOY_ROLE",
    }
    deploy = load("deploy")
    assert deploy["on"]["push"]["branches"] == ["main"]
    assert deploy["jobs"]["deploy"]["environment"] == "production"
    assert deploy["jobs"]["deploy"]["needs"] == "preview"
    assert deploy["concurrency"]["cancel-in-progress"] == "false"
    assert "refs/heads/main" in deploy["jobs"]["preview"]["if"]


def test_whoever_logs_in_does_so_only_where_there_is_a_role() -> None:
    for _, _, job in jobs():
        if "id-token" in job["permissions"] and "needs" not in job:
            assert "vars.AWS_PREVIEW_ROLE != ''" in job["if"]


def test_a_fork_is_told_and_gets_nothing() -> None:
    preview = load("preview")["jobs"]
    here = "github.event.pull_request.head.repo.full_name == github.repository"
    assert here in preview["preview"]["if"]
    assert here in preview["not-set-up"]["if"]
    assert preview["fork"]["if"] == here.replace("==", "!=")


def test_pulumi_is_the_sdks_version() -> None:
    pins = [step.step["with"]["pulumi-version"] for step in steps() if "pulumi/actions" in step.step.get("uses", "")]
    assert pins == [importlib.metadata.version("pulumi")] * 4


def test_the_matrix_begins_with_the_oldest_python_that_is_supported() -> None:
    project = re.search(r'requires-python = ">=(\S+)"', (ROOT / "pyproject.toml").read_text())
    matrix = load("test")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert project is not None
    assert matrix[0] == project[1]
    assert matrix == ["3.11", "3.12", "3.13"]


def test_the_cache_of_the_toolchain_is_keyed_by_what_decides_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    cache = the_step("test", "test", "Cache of the toolchain")["with"]
    assert Path(cache["path"]).expanduser() == toolchain.cache_root()
    hashed = re.search(r"hashFiles\((.*?)\)", cache["key"])
    assert hashed is not None
    patterns = re.findall(r"'([^']+)'", hashed[1])
    files = {file.relative_to(ROOT) for pattern in patterns for file in ROOT.glob(pattern) if file.is_file()}
    modules = {file.relative_to(ROOT) for file in (ROOT / "local/toolchain/modules").glob("*/go.*")}
    assert files >= modules | {Path("local/toolchain/tools.py")}
    assert modules


# Their commands, run

NOT_RUN = {
    ("action", "setup", "Virtual environment"): "makes the very environment in which these tests run",
    ("test", "test", "Test"): "runs these tests",
    ("test", "wheel", "Build"): "builds the wheel, as tests/twin/test_package.py does",
}
RUN = {
    ("test", "wheel", "Install it where there is nothing else"),
    ("preview", "preview", "Preview"),
    ("preview", "preview", "Comment"),
    ("preview", "not-set-up", "Say so"),
    ("preview", "fork", "Say so"),
    ("deploy", "not-set-up", "Say so"),
    ("drift", "drift", "Look for drift"),
    ("drift", "drift", "Keep the issue"),
}
PULUMI = {("deploy", "preview", "Preview"), ("deploy", "deploy", "Deploy")}
# Steps of GitHub's, AWS's and Pulumi's own, which need GitHub: what they are given is judged above.
THEIRS = {
    "actions/checkout",
    "actions/setup-python",
    "actions/setup-go",
    "actions/cache",
    "actions/upload-artifact",
    "aws-actions/configure-aws-credentials",
    "./.github/actions/setup",
}


def test_every_step_is_run_here_or_is_somebody_elses() -> None:
    for step in steps():
        if "run" in step.step:
            assert step.place in RUN or step.place in NOT_RUN
            assert "${{" not in step.step["run"], "values reach a script by its environment"
        elif step.step["uses"].startswith("pulumi/actions@"):
            # Without a command it only installs.
            assert ("command" in step.step["with"]) == (step.place in PULUMI)
        else:
            assert step.step["uses"].partition("@")[0] in THEIRS
    places = {step.place for step in steps()}
    assert RUN | PULUMI | set(NOT_RUN) <= places


@pytest.mark.parametrize("place", sorted(NOT_RUN), ids="-".join)
def test_what_is_not_run_is_a_target_of_make(place: tuple[str, str, str]) -> None:
    command = the_step(*place)["run"].split()
    assert command[0] == "make"
    subprocess.run(["make", "--dry-run", *command[1:]], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("place", sorted(place for place in RUN if place[2] == "Say so"), ids="-".join)
def test_notices(place: tuple[str, str, str]) -> None:
    said = shell(the_step(*place)["run"], {"PATH": os.environ["PATH"]}, ROOT)
    assert said.returncode == 0
    assert re.match(r"::notice title=[\w ]+::[^\n]+\n$", said.stdout)
    for page in re.findall(r"docs/\S+\.md", said.stdout):
        assert (ROOT / page).exists()


def shell(script: str, environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script as `shell: bash` does."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("twin") / "state", port=0, propagation=0.5)
    twin.start()
    yield twin
    twin.remove()


@pytest.fixture(scope="module")
def checkout(twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> LocalStack:
    """A checkout whose stack `local` lives on the twin, as `dev` lives on AWS."""
    folder = tmp_path_factory.mktemp("runner") / "checkout"
    folder.mkdir()
    for name in ("Pulumi.yaml", "__main__.py", "settings.py"):
        shutil.copy(ROOT / name, folder)
    for name in ("components", "policies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(sys.prefix)
    stack = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())
    for endpoints in stack["config"]["aws:endpoints"]:
        for service in endpoints:
            endpoints[service] = twin.url()
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump(stack))
    local = LocalStack(twin, folder)
    local.pulumi("preview", capture=True)  # makes the stack
    return local


PLANNED = "aws:eks/podIdentityAssociation:PodIdentityAssociation: (create)"


def pulumi_command(step: Mapping[str, Any]) -> list[str]:
    """What pulumi/actions runs for a step's inputs, by its documentation, on the stack of the twin."""
    given = dict(step["with"])
    command = ["pulumi", given.pop("command"), "--stack", "local", "--non-interactive"]
    assert given.pop("stack-name") == "${{ vars.PULUMI_STACK || 'dev' }}"
    if command[1] == "up":
        command += ["--yes", "--skip-preview"]
    for flag in ("refresh", "diff"):
        if given.pop(flag, "false") == "true":
            command.append(f"--{flag}")
    if given.pop("suppress-outputs", "false") == "true":
        command.append("--suppress-outputs")
    packs = given.pop("policyPacks").split()
    assert packs == ["policies"]
    command += [word for pack in packs for word in ("--policy-pack", pack)]
    # What is left is about GitHub's pages, and about which Pulumi is installed.
    assert set(given) <= {"pulumi-version", "comment-on-summary"}
    return command


def test_the_preview_before_a_deployment(checkout: LocalStack) -> None:
    result = checkout.run(*pulumi_command(the_step("deploy", "preview", "Preview")), capture=True, check=False)
    assert result.returncode == 0, result.stdout
    assert PLANNED in result.stdout


GH_API = """#!/bin/sh
# Stands in for GitHub's CLI: writes down what it is asked, and knows of the comment that is said to be there.
echo "$*" >> "$GH_CALLS"
case "$*" in *"--method "*) cp comment.md "$GH_CALLS.body" ;; *) echo "$STANDING" ;; esac
"""


@pytest.fixture
def pull_request(checkout: LocalStack, tmp_path: Path) -> Any:
    """`pull_request(standing, **more)` runs the preview workflow's commands: whether the preview succeeds, the calls of
    GitHub's CLI, and the comment."""
    (tmp_path / "gh").write_text(GH_API)
    (tmp_path / "gh").chmod(0o755)
    environment = checkout.environment()
    environment["PATH"] = os.pathsep.join([str(tmp_path), environment["PATH"]])

    def run(standing: str = "") -> tuple[bool, list[str], str]:
        calls = tmp_path / "calls"
        calls.write_text("")
        seen = {**environment, "PULUMI_STACK": "local"}
        preview = shell(the_step("preview", "preview", "Preview")["run"], seen, checkout.program)
        step = the_step("preview", "preview", "Comment")
        told = {
            **seen, "GH_CALLS": str(calls), "STANDING": standing, "GH_REPO": "octo-org/octo-repo", "GH_TOKEN": "x",
            "NUMBER": "7", "RUN_URL": "https://github.com/run/1",
            "OUTCOME": "failure" if preview.returncode else "success",
        }  # fmt: skip
        assert set(step["env"]) <= set(told)
        commented = shell(step["run"], told, checkout.program)
        assert commented.returncode == 0, commented.stdout + commented.stderr
        return preview.returncode == 0, calls.read_text().splitlines(), (tmp_path / "calls.body").read_text()

    return run


def test_a_preview_is_a_comment_that_is_kept_up_to_date(pull_request: Any) -> None:
    succeeded, calls, body = pull_request()
    assert succeeded
    assert calls[-1] == "api --method POST repos/octo-org/octo-repo/issues/7/comments --field body=@comment.md"
    assert body.startswith("<!-- preview of local -->\n### Preview of `local`: success\n")
    assert PLANNED in body and "https://github.com/run/1" in body

    succeeded, calls, _ = pull_request(standing="11")
    assert succeeded
    assert calls[-1] == "api --method PATCH repos/octo-org/octo-repo/issues/comments/11 --field body=@comment.md"


def test_what_a_policy_stops_is_in_the_comment(pull_request: Any, checkout: LocalStack) -> None:
    program = checkout.program / "__main__.py"
    source = program.read_text()
    document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    program.write_text(f"{source}\naws.iam.Policy('all', policy={document!r})\n")
    succeeded, calls, body = pull_request(standing="11")
    program.write_text(source)
    assert not succeeded
    assert "issues/comments/11" in calls[-1]
    assert "### Preview of `local`: failure" in body
    assert "iam-all-actions" in body


def test_the_deployment(checkout: LocalStack) -> None:
    result = checkout.run(*pulumi_command(the_step("deploy", "deploy", "Deploy")), capture=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "Outputs:" not in result.stdout


def test_the_wheel_alone(tmp_path: Path) -> None:
    # What it depends on is found among the tests' own: that it is all that is needed, pip says.
    (tmp_path / "dist").mkdir()
    build(tmp_path / "dist")
    script = the_step("test", "wheel", "Install it where there is nothing else")["run"]
    assert script.splitlines()[0] == "python3 -m venv alone"
    install(next((tmp_path / "dist").glob("*.whl")), tmp_path / "alone")
    said = shell("\n".join(script.splitlines()[2:]), {"PATH": os.environ["PATH"]}, tmp_path)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(str(tmp_path / "alone"))


GH = """#!/bin/sh
# Stands in for GitHub's CLI: writes down what it is asked, and knows of the issue that is said to be open.
echo "$*" >> "$GH_CALLS"
[ "$1 $2" != "issue list" ] || echo "$OPEN_ISSUE"
case "$*" in *"--body-file "*) cp issue.md "$GH_CALLS.body" ;; esac
"""


@dataclass
class Night:
    """What one run of the drift workflow did."""

    found: str
    calls: list[str]
    body: str


@pytest.fixture
def night(checkout: LocalStack, tmp_path: Path) -> Any:
    """`night(open_issue)` runs the drift workflow's commands."""
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    environment = checkout.environment()
    environment["PATH"] = os.pathsep.join([str(tmp_path), environment["PATH"]])

    def run(open_issue: str = "") -> Night:
        output, calls = tmp_path / "output", tmp_path / "calls"
        for file in (output, calls, tmp_path / "calls.body"):
            file.write_text("")
        seen = {**environment, "PULUMI_STACK": "local", "GITHUB_OUTPUT": str(output)}
        look = shell(the_step("drift", "drift", "Look for drift")["run"], seen, checkout.program)
        assert look.returncode == 0, look.stdout + look.stderr
        found = output.read_text().strip().removeprefix("found=")
        step = the_step("drift", "drift", "Keep the issue")
        keep = {
            **seen, "GH_CALLS": str(calls), "OPEN_ISSUE": open_issue,
            "FOUND": found, "GH_REPO": "octo-org/octo-repo", "GH_TOKEN": "x", "RUN_URL": "https://github.com/run/1",
        }  # fmt: skip
        assert set(step["env"]) <= set(keep)
        kept = shell(step["run"], keep, checkout.program)
        assert kept.returncode == 0, kept.stdout + kept.stderr
        return Night(found, calls.read_text().splitlines(), (tmp_path / "calls.body").read_text())

    return run


def test_a_night_without_drift(night: Any) -> None:
    quiet = night()
    assert quiet.found == "false"
    assert len(quiet.calls) == 1 and quiet.calls[0].startswith("issue list --label drift --state open")


def test_drift_opens_an_issue_then_changes_it_then_closes_it(night: Any, checkout: LocalStack) -> None:
    cluster = ("--cluster-name", "eks-pod-identity-demo")
    listed = json.loads(checkout.aws("eks", "list-pod-identity-associations", *cluster, capture=True).stdout)
    arn = listed["associations"][0]["associationArn"]
    checkout.aws("eks", "tag-resource", "--resource-arn", arn, "--tags", "team=intruder", capture=True)

    first = night()
    assert first.found == "true"
    assert first.calls[-1].startswith("issue create --title Drift in stack local --label drift --body-file")
    assert "intruder" in first.body and "https://github.com/run/1" in first.body

    second = night(open_issue="7")
    assert second.calls[-1] == "issue edit 7 --body-file issue.md"
    assert "intruder" in second.body

    checkout.aws("eks", "untag-resource", "--resource-arn", arn, "--tag-keys", "team", capture=True)
    third = night(open_issue="7")
    assert third.found == "false"
    assert third.calls[-1].startswith("issue close 7 --comment The drift is gone")


def test_a_failure_is_no_drift(checkout: LocalStack, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text("")
    environment = {**checkout.environment(), "PULUMI_STACK": "nosuch", "GITHUB_OUTPUT": str(output)}
    failed = shell(the_step("drift", "drift", "Look for drift")["run"], environment, checkout.program)
    assert failed.returncode not in (0, 7)
    assert output.read_text() == ""
