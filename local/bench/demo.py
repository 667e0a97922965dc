"""`python -m local.bench demo`: how long the demo takes on the twin, and who takes it.

Runs a stack's whole life on a fresh twin. The engine's own OpenTelemetry trace tells program, plugins and engine
apart; the endpoint counts its own work. Program and plugins overlap, so the parts do not add up to the whole.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.aws.http_server import USAGE_PATH
from local.bench.trace import busy, spans
from local.stack import ROOT, LocalStack
from local.twin import Twin

LIMITS = {"preview, nothing changed": 5.0, "up": 30.0, "make demo": 60.0}
"""What is promised, in seconds of wall time on two cores."""

REPEATED = {"preview, nothing changed": 3, "the same, judged": 3}
"""What is run several times, of which the shortest counts: one is compared with the other."""

PACK_LIMIT = 1.0
"""For how many seconds more a preview may take that the policy pack judges."""

RUNS: dict[str, list[str]] = {
    "preview, first": ["preview"],
    "up": ["up", "--yes", "--skip-preview"],
    "preview, nothing changed": ["preview", "--expect-no-changes"],
    "the same, judged": ["preview", "--expect-no-changes", "--policy-pack", str(ROOT / "policies")],
    "up, nothing changed": ["up", "--yes", "--skip-preview", "--expect-no-changes"],
    "refresh": ["refresh", "--yes", "--skip-preview", "--expect-no-changes"],
    "destroy": ["destroy", "--yes", "--skip-preview"],
}


@dataclass(frozen=True)
class Measured:
    """One run of Pulumi, in seconds: all of it, and what its parts were busy."""

    wall: float
    program: float
    starting: float
    plugins: float
    endpoint: float
    requests: int

    @property
    def engine(self) -> float:
        """What neither program nor plugins can be held to account for."""
        return max(0.0, self.wall - self.program - self.plugins)


def measure(stack: LocalStack, arguments: list[str], trace: Path) -> Measured:
    """Run Pulumi once and take it apart."""
    environment = stack.environment()
    before = _usage(environment["AWS_ENDPOINT_URL"])
    began = time.perf_counter()
    trace.unlink(missing_ok=True)
    stack.pulumi(*arguments, "--otel-traces", trace.as_uri(), capture=True)
    wall = time.perf_counter() - began
    after = _usage(environment["AWS_ENDPOINT_URL"])

    seen = list(spans(trace))

    def named(matches: Callable[[str], bool]) -> float:
        return busy(span for span in seen if matches(span.name))

    waiting = named(lambda name: name.startswith("pulumirpc.ResourceMonitor/"))
    return Measured(
        wall=wall,
        # While the program waits for the engine to answer a registration it is not the program that takes the time.
        program=max(0.0, named(lambda name: name == "pulumirpc.LanguageRuntime/Run") - waiting),
        starting=named(lambda name: name == "newPlugin"),
        plugins=named(lambda name: name.startswith("pulumirpc.ResourceProvider/")),
        endpoint=after["seconds"] - before["seconds"],
        requests=round(after["requests"] - before["requests"]),
    )


def _usage(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url + USAGE_PATH, timeout=10) as answer:
        return json.load(answer)


def main() -> int:
    console = Console(width=110)
    table = Table(title="The demo on the twin, in seconds")
    table.add_column("run")
    for column in ("wall", "engine", "program", "plugins", "plugins starting", "endpoint", "requests", "limit"):
        table.add_column(column, justify="right")
    walls: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        twin = Twin(Path(folder) / "twin", port=0)
        try:
            twin.start()
            stack = LocalStack(twin)
            stack.pulumi("stack", "ls", capture=True)  # what the very first run alone has to make
            for run, arguments in RUNS.items():
                tries = [measure(stack, arguments, Path(folder) / "trace.json") for _ in range(REPEATED.get(run, 1))]
                measured = min(tries, key=lambda one: one.wall)
                walls[run] = measured.wall
                limit = LIMITS.get(run)
                table.add_row(
                    run,
                    f"{measured.wall:.2f}",
                    f"{measured.engine:.2f}",
                    f"{measured.program:.2f}",
                    f"{measured.plugins:.2f}",
                    f"{measured.starting:.2f}",
                    f"{measured.endpoint:.2f}",
                    str(measured.requests),
                    f"{limit:.0f}" if limit is not None else "",
                )
            command = [sys.executable, "-m", "local", "--state", str(twin.state), "--port", "0"]
            twin.remove()
            began = time.perf_counter()
            subprocess.run([*command, "demo"], cwd=ROOT, capture_output=True, check=True)
            walls["make demo"] = time.perf_counter() - began
            table.add_row("make demo", f"{walls['make demo']:.2f}", *[""] * 6, f"{LIMITS['make demo']:.0f}")
        finally:
            twin.remove()
    console.print(table)
    console.print(
        "program: from its start to its end, but for its waiting for the engine. plugins: at least one at work. "
        "endpoint: sum over all requests, which overlap."
    )
    problems = [f"{run} took longer than {limit:.0f} s" for run, limit in LIMITS.items() if walls[run] > limit]
    pack = walls["the same, judged"] - walls["preview, nothing changed"]
    console.print(f"The policy pack adds {pack:.2f} s to a preview.")
    if pack > PACK_LIMIT:
        problems.append(f"that is more than {PACK_LIMIT:.0f} s")
    for problem in problems:
        console.print(f"[red]{problem}")
    return 1 if problems else 0
