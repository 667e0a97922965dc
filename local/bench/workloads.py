"""How long many workloads take: by `PodIdentities`, and the same resources written flat.

Each has a role, a policy and its attachment, an association and a ServiceAccount, in the demo's cluster. The components
also wait until pods get credentials, which the flat program does not.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from local.stack import ROOT, LocalStack
from local.twin import Twin

PROGRAMS = Path(__file__).parent / "programs"

RUNS: dict[str, tuple[int, list[str]]] = {
    "preview": (0, ["preview"]),
    "up": (0, ["up", "--yes", "--skip-preview"]),
    "nothing changed": (0, ["up", "--yes", "--skip-preview", "--expect-no-changes"]),
    "one more": (1, ["up", "--yes", "--skip-preview"]),
    "destroy": (1, ["destroy", "--yes", "--skip-preview"]),
}
"""What is run, and with how many workloads more than at first."""

_WHO = {
    "python_host/executor.py": "program",
    "launch.py aws": "aws",
    "launch.py kubernetes": "kubernetes",
    "local aws": "endpoint",
    "bin/kube-apiserver": "API server",
    "bin/etcd": "etcd",
    "pulumi ": "engine",
}
"""Whom a process is counted for, by what stands in its command line; the first that fits."""


class Memory:
    """The most memory that each kind of process ever had, in MB, while this was watching."""

    def __init__(self) -> None:
        self.peaks: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            listed = subprocess.run(["ps", "-ww", "-eo", "rss=,args="], capture_output=True, text=True, check=True)
            for line in listed.stdout.splitlines():
                size, _, command = line.strip().partition(" ")
                who = next((name for mark, name in _WHO.items() if mark in command), None)
                if who is not None:
                    self.peaks[who] = max(self.peaks.get(who, 0), int(size) // 1024)


@contextlib.contextmanager
def _program(kind: str, folder: Path) -> Iterator[Path]:
    """A program as a Pulumi project of its own, with the demo's configuration of the provider."""
    place = folder / kind
    place.mkdir()
    project = {
        "name": f"bench-{kind}",
        "runtime": {"name": "python", "options": {"virtualenv": str(ROOT / ".venv")}},
        "main": str(PROGRAMS / kind),
    }
    (place / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    local = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())
    local["config"] = {key: value for key, value in local["config"].items() if key.startswith("aws:")}
    (place / "Pulumi.local.yaml").write_text(yaml.safe_dump(local))
    yield place
    shutil.rmtree(place)


def _measure(stack: LocalStack, number: int) -> tuple[dict[str, float], Mapping[str, int]]:
    seconds: dict[str, float] = {}
    with Memory() as memory:
        for run, (more, arguments) in RUNS.items():
            os.environ["BENCH_WORKLOADS"] = str(number + more)
            began = time.perf_counter()
            stack.pulumi(*arguments, capture=True)
            seconds[run] = time.perf_counter() - began
    return seconds, memory.peaks


def main(numbers: list[int]) -> int:
    console = Console(width=140)
    times = Table(title="Many workloads on the twin: seconds of wall time, components / flat")
    times.add_column("workloads", justify="right")
    for run in RUNS:
        times.add_column(run, justify="right")
    sizes = Table(title="Most memory of each process with the components, in MB")
    sizes.add_column("workloads", justify="right")
    for who in dict.fromkeys(_WHO.values()):
        sizes.add_column(who, justify="right")
    with tempfile.TemporaryDirectory() as name:
        # What is asked is what the machinery costs, and not how long EKS takes.
        twin = Twin(Path(name) / "twin", port=0, propagation=0)
        try:
            twin.start()
            LocalStack(twin).pulumi("up", "--yes", "--skip-preview", capture=True)
            for number in numbers:
                seconds: dict[str, dict[str, float]] = {}
                peaks: Mapping[str, int] = {}
                for kind in ("flat", "components"):
                    with _program(kind, Path(name)) as program:
                        seconds[kind], peaks = _measure(LocalStack(twin, program), number)
                times.add_row(
                    str(number),
                    *(f"{seconds['components'][run]:.1f} / {seconds['flat'][run]:.1f}" for run in RUNS),
                )
                sizes.add_row(str(number), *(str(peaks.get(who, "")) for who in dict.fromkeys(_WHO.values())))
                console.print(times, sizes)
        finally:
            twin.remove()
    return 0
