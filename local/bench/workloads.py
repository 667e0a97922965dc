"""How long many workloads take: by `PodIdentities`, and the same resources written flat.

Each has a role, a policy and its attachment, an association and a ServiceAccount, in the demo's cluster. Both programs
make the same, by turns, and wait for nothing else, so that what they take can be compared; at the end the components
wait, too, until pods get credentials by all of their associations. What is promised is checked: see `LIMITS`.

The engine saves its state at the end of a run. With a state in files it would write all of it twice for each change,
which grows with the square and hides everything else; see https://github.com/pulumi/pulumi/issues/10960.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from local.bench.trace import busy, spans
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

AWAIT = "wait for all"
"""What only the components do, before they are destroyed."""

RESOURCES_OF_ONE = 5

COST, GROWTH = 1.10, 1.25
PARALLEL = min(16, 4 * (os.cpu_count() or 1))
"""How many operations the engine has under way at most, as it is by default: see `pulumi up --help`."""

AT_ONCE = PARALLEL / 2
LIMITS = (
    f"over all runs the components take at most {COST:.2f} of what the flat program takes; with N times the "
    f"workloads no run takes more than {GROWTH:.2f} N times as long; on average at least {AT_ONCE:.0f} "
    f"resources are made at once, of {PARALLEL} that the engine allows"
)

# Below this, what every run takes anyway hides what workloads take.
_FROM = 100

_WHO = {
    "python_host/executor.py": "program",
    "python_host": "host",
    "launch.py aws": "aws",
    "launch.py kubernetes": "kubernetes",
    "local aws": "endpoint",
    "bin/kube-apiserver": "API server",
    "bin/kube-controller-manager": "controllers",
    "bin/kube-scheduler": "scheduler",
    "bin/kwok": "kwok",
    "bin/etcd": "etcd",
    "pulumi ": "engine",
}
"""Whom a process is counted for, by what stands in its command line; the first that fits."""


class Memory:
    """The most memory that each kind of process ever had, in MB, while this was watching: all that this one started.

    Args:
        peaks: What was so before, by who it is. It is kept up.
    """

    def __init__(self, peaks: dict[str, int]) -> None:
        self.peaks = peaks
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
            listing = ["ps", "-ww", "-eo", "pid=,ppid=,rss=,args="]
            listed = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
            processes = [line.split(maxsplit=3) for line in listed.splitlines()]
            ours = {str(os.getpid())}
            # A process has a greater number than the one that started it, until the numbers begin anew.
            for pid, parent, *_ in sorted(processes, key=lambda process: int(process[0])):
                if parent in ours:
                    ours.add(pid)
            for pid, _, size, *command in processes:
                who = next((name for mark, name in _WHO.items() if mark in "".join(command)), None)
                if pid in ours and who is not None:
                    self.peaks[who] = max(self.peaks.get(who, 0), int(size) // 1024)


@dataclass
class Measured:
    """What one program took with one number of workloads."""

    seconds: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    at_once: float = 0.0
    """How many resources were being made at once, on average, while any was."""

    @property
    def total(self) -> float:
        """What both programs do."""
        return sum(self.seconds[run] for run in RUNS)


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


def _measure(stacks: Mapping[str, LocalStack], number: int) -> dict[str, Measured]:
    """Run by run, and in each first the one and then the other, so that what changes meanwhile is the same for both."""
    measured = {kind: Measured() for kind in stacks}
    kinds = list(stacks)
    for run in RUNS:
        if run == "destroy":
            # What only the components do.
            _run(stacks["components"], "components", AWAIT, number, measured["components"])
        for kind in kinds:
            _run(stacks[kind], kind, run, number, measured[kind])
        kinds.reverse()
    return measured


def _run(stack: LocalStack, kind: str, run: str, number: int, measured: Measured) -> None:
    more, arguments = RUNS["one more" if run == AWAIT else run]
    variables = {
        "BENCH_WORKLOADS": str(number + more),
        "BENCH_NAMESPACE": f"many-{kind}",
        "BENCH_AWAIT": "yes" if run == AWAIT else "",
    }
    stack.variables.update(variables)
    trace = stack.program / "trace.json"
    traced = ["--otel-traces", trace.as_uri()] if run == "up" else []
    with Memory(measured.peaks):
        began = time.perf_counter()
        said = stack.pulumi(*arguments, *traced, capture=True).stdout
        measured.seconds[run] = time.perf_counter() - began
    if run == "one more":
        _check_one_more(said, f"w{number:04}")
    if traced:
        made = [span for span in spans(trace) if span.name == "pulumirpc.ResourceProvider/Create"]
        measured.at_once = sum(span.end - span.start for span in made) / busy(made)


def _check_one_more(said: str, name: str) -> None:
    """Check that a run made the resources of one workload, and touched no other.

    Raises:
        AssertionError: It did not.
    """
    lines, _, summary = said.rpartition("Resources:")
    counts = dict(re.findall(r"^\s+\S (\d+) (\w+)", summary, re.MULTILINE))
    done = {what: int(count) for count, what in counts.items()}
    assert done == {"created": RESOURCES_OF_ONE}, summary
    created = [line for line in lines.splitlines() if re.search(r" created( \(|$)", line)]
    assert len(created) >= RESOURCES_OF_ONE, said
    assert all(name in line for line in created), created


def broken(results: Mapping[int, Mapping[str, Measured]]) -> list[str]:
    """What was promised and does not hold, of results by number of workloads and kind of program."""
    found = []
    for number, kinds in results.items():
        ratio = kinds["components"].total / kinds["flat"].total
        if number >= _FROM and ratio > COST:
            found.append(f"{number} workloads: the components take {ratio:.2f} of what the flat program takes")
        if number >= _FROM and kinds["components"].at_once < AT_ONCE:
            found.append(f"{number} workloads: only {kinds['components'].at_once:.1f} resources are made at once")
    for run in RUNS:
        for fewer, more in pairwise(sorted(results)):
            before, after = (results[number]["components"].seconds[run] for number in (fewer, more))
            if after / before > GROWTH * more / fewer:
                found.append(f"{run}: {after / before:.1f} times as long for {more / fewer:.1f} times the workloads")
    return found


def _show(console: Console, results: Mapping[int, Mapping[str, Measured]]) -> None:
    times = Table(title="Many workloads on the twin: seconds of wall time, components / flat")
    for column in ("workloads", *RUNS, "all", "at once", AWAIT):
        times.add_column(column, justify="right")
    sizes = Table(title="Most memory of each process with the components, in MB")
    whose = list(dict.fromkeys(_WHO.values()))
    for column in ("workloads", *whose):
        sizes.add_column(column, justify="right")
    for number, kinds in results.items():
        components, flat = kinds["components"], kinds["flat"]
        times.add_row(
            str(number),
            *(f"{components.seconds[run]:.1f} / {flat.seconds[run]:.1f}" for run in RUNS),
            f"{components.total / flat.total:.2f}",
            f"{components.at_once:.1f} / {flat.at_once:.1f}",
            f"{components.seconds[AWAIT]:.1f}",
        )
        sizes.add_row(str(number), *(str(components.peaks.get(who, "")) for who in whose))
    console.print(times, sizes)


def main(numbers: list[int], *, save_each_change: bool = False) -> int:
    console = Console(width=140)
    variables = {} if save_each_change else {"PULUMI_SKIP_CHECKPOINTS": "true"}
    results: dict[int, dict[str, Measured]] = {}
    with tempfile.TemporaryDirectory() as name:
        # What is asked is what the machinery costs, and not how long EKS takes.
        twin = Twin(Path(name) / "twin", port=0, propagation=0)
        try:
            twin.start()
            LocalStack(twin).pulumi("up", "--yes", "--skip-preview", capture=True)
            for number in numbers:
                with _program("flat", Path(name)) as flat, _program("components", Path(name)) as components:
                    programs = {"flat": flat, "components": components}
                    stacks = {kind: LocalStack(twin, at, variables=variables) for kind, at in programs.items()}
                    results[number] = _measure(stacks, number)
                _show(console, results)
        finally:
            twin.remove()
    if save_each_change:
        # What is promised is of the components, and not of where the state is.
        return 0
    problems = broken(results)
    for problem in problems:
        console.print(f"[red]{problem}[/]")
    if not problems:
        console.print(f"As promised: {LIMITS}.")
    return 1 if problems else 0
