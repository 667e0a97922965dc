"""The demo's stack on the twin: the environment in which `pulumi` runs there, and the stack `local` in its own
backend."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from local import toolchain
from local.toolchain import pulumi_home
from local.twin import Twin

ROOT = Path(__file__).parents[1]
STACK = "local"
REGION = "eu-west-1"

# The twin's Pulumi state protects nothing that outlives it. The salt in Pulumi.local.yaml goes with this passphrase.
PASSPHRASE = "local"

# These would carry somebody's real account, or a real Pulumi backend, into the twin.
_FOREIGN = ("AWS_", "PULUMI_")


class LocalStack:
    """The stack `local` of a program, deployed to a twin.

    Args:
        twin: The twin, which has the stack's state in its folder.
        program: The folder of the program, with its Pulumi.yaml and Pulumi.local.yaml. Default: the demo.
        config: Configuration on top of Pulumi.local.yaml, by its full key. It may be changed between two runs.
        variables: Environment variables for the commands, such as an option of Pulumi's.
    """

    def __init__(
        self,
        twin: Twin,
        program: Path = ROOT,
        config: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
    ):
        self.twin = twin
        self.program = program
        self.config = dict(config or {})
        self.variables = dict(variables or {})
        self.project: str = yaml.safe_load((program / "Pulumi.yaml").read_text())["name"]
        self.config_file = twin.state / f"{self.project}.{STACK}.yaml"
        self._pulumi_state = twin.state / "pulumi-state" / ".pulumi"
        self._checkpoint = self._pulumi_state / "stacks" / self.project / f"{STACK}.json"

    def environment(self) -> dict[str, str]:
        """The variables with which `pulumi` and the `aws` CLI work on the twin, and on nothing else.

        Raises `TwinError` when no twin is running, and `ToolchainError` when Pulumi cannot be had.
        """
        url = self.twin.url()
        tools = toolchain.ensure(("pulumi", "kubectl"))
        python = Path(sys.executable)
        pulumi = pulumi_home.prepare(self.twin.state / "pulumi-home", tools, ROOT, python)
        backend = self._pulumi_state.parent
        backend.mkdir(exist_ok=True)
        own = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        return {
            **own,
            **pulumi,
            "PATH": os.pathsep.join(
                [
                    pulumi["PATH"].split(os.pathsep)[0],
                    str(tools.path("kubectl").parent),
                    str(python.parent),
                    own.get("PATH", os.defpath),
                ]
            ),
            "PULUMI_BACKEND_URL": backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # Any keys do: the twin has its own IAM, and no real account is ever asked.
            "AWS_ACCESS_KEY_ID": "AKIATWINTWINTWINTWIN",
            "AWS_SECRET_ACCESS_KEY": "twin",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            # `aws eks update-kubeconfig` writes there, and not among somebody's real clusters.
            "KUBECONFIG": str(self.twin.state / "kubeconfig"),
            "KUBECACHEDIR": str(self.twin.state / "kubectl-cache"),
            **self.variables,
        }

    def pulumi(self, *arguments: str, capture: bool = False, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` on the stack, made at its first use. Raises `CalledProcessError` when it fails, unless told
        not to."""
        environment = self.environment()
        self._make_stack(environment)
        self._release_locks_of_the_dead()
        command = ["pulumi", *arguments, "--stack", STACK, "--non-interactive"]
        if arguments[0] not in _WITHOUT_CONFIG:
            command += ["--config-file", str(self.config_file)]
        return self._run(command, environment, capture=capture, check=check)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, without those that are secret. Raises `CalledProcessError` when there is no stack."""
        command = ("pulumi", "stack", "output", "--json", "--stack", STACK, "--non-interactive")
        return json.loads(self.run(*command, capture=True, apart=True).stdout)

    def run(
        self, *command: str, capture: bool = False, apart: bool = False, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, such as `aws` or `kubectl`, on the twin. What it says is captured in one, or `apart`. Raises
        `CalledProcessError` when it fails, unless told not to."""
        return self._run(command, self.environment(), capture=capture, apart=apart, check=check)

    def aws(self, *arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the `aws` CLI on the twin. Raises `CalledProcessError` when it fails."""
        return self.run("aws", *arguments, capture=capture)

    def exists(self) -> bool:
        """Whether the stack was made, and not removed again."""
        return self._checkpoint.exists()

    def interrupted(self) -> list[str]:
        """The URNs of resources that Pulumi was killed over: whether they are there nobody knows."""
        checkpoint = json.loads(self._checkpoint.read_text()) if self.exists() else {}
        pending = checkpoint.get("checkpoint", {}).get("latest", {}).get("pending_operations") or []
        return [operation["resource"]["urn"] for operation in pending]

    def _release_locks_of_the_dead(self) -> None:
        # Who was killed in an update did not give its lock back, and the next update would be refused.
        for lock in self._pulumi_state.glob(f"locks/*/{self.project}/{STACK}/*.json"):
            if not _lives(json.loads(lock.read_text())["pid"]):
                lock.unlink()

    def _make_stack(self, environment: dict[str, str]) -> None:
        self._write_config(environment["AWS_ENDPOINT_URL"])
        if not self.exists():
            command = ["pulumi", "stack", "init", STACK, "--non-interactive"]
            self._run(command, environment, capture=True, check=True)

    def _write_config(self, url: str) -> None:
        """The program's own Pulumi.local.yaml with the endpoint where this twin listens."""
        stack = yaml.safe_load((self.program / f"Pulumi.{STACK}.yaml").read_text())
        for endpoints in stack["config"].get("aws:endpoints", []):
            for service in endpoints:
                endpoints[service] = url
        stack["config"].update(self.config)
        self.config_file.write_text(yaml.safe_dump(stack, sort_keys=False))

    def _run(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        *,
        capture: bool,
        check: bool,
        apart: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.program,
            env=environment,
            text=True,
            check=check,
            stdout=subprocess.PIPE if capture else None,
            stderr=(subprocess.PIPE if apart else subprocess.STDOUT) if capture else None,
        )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


_WITHOUT_CONFIG = ("stack", "about", "plugin", "state", "cancel")
