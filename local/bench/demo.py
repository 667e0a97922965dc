"""`python -m local.bench demo`: how long the demo takes on the twin, and who takes it.

Runs a stack's whole life on a fresh twin. The engine's own OpenTelemetry trace tells program, plugins and engine
apart; the endpoint counts its own work. Program and plugins overlap, so the parts do not add up to the whole.
"""

import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.aws.http_server import USAGE_PATH
from local.stack import LocalStack
from local.twin import Twin

LIMITS = {"preview, nothing changed": 5.0, "up": 30.0}
"""What is promised, in seconds of wall time on two cores."""

RUNS: dict[str, list[str]] = {
    "preview, first": ["preview"],
    "up": ["up", "--yes", "--skip-preview"],
    "preview, nothing changed": ["preview", "--expect-no-changes"],
    "up, nothing changed": ["up", "--yes", "--skip-preview", "--expect-no-changes"],
    "refresh": ["refresh", "--yes", "--skip-preview", "--expect-no-changes"],
    "destroy": ["destroy", "--yes", "--skip-preview"],
}


@dataclass(frozen=True)
class Span:
    """One thing that the engine did, in seconds."""

    name: str
    start: float
    end: float


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


def spans(trace: Path) -> Iterator[Span]:
    """The spans of a trace file as `pulumi --otel-traces file://…` writes it."""
    for line in trace.read_text().splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    yield Span(span["name"], int(span["startTimeUnixNano"]) / 1e9, int(span["endTimeUnixNano"]) / 1e9)


def busy(spans: Iterable[Span]) -> float:
    """The time during which at least one of the spans was under way."""
    total, until = 0.0, float("-inf")
    for span in sorted(spans, key=lambda span: span.start):
        total += max(0.0, span.end - max(span.start, until))
        until = max(until, span.end)
    return total


def measure(stack: LocalStack, arguments: list[str], trace: Path) -> Measured:
    """Run Pulumi once and take it apart."""
    environment = stack.environment()
    before = _usage(environment["AWS_ENDPOINT_URL"])
    began = time.perf_counter()
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
    late = []
    with tempfile.TemporaryDirectory() as folder:
        twin = Twin(Path(folder) / "twin", port=0)
        try:
            twin.start()
            stack = LocalStack(twin)
            stack.pulumi("stack", "ls", capture=True)  # what the very first run alone has to make
            for run, arguments in RUNS.items():
                measured = measure(stack, arguments, Path(folder) / "trace.json")
                limit = LIMITS.get(run)
                if limit is not None and measured.wall > limit:
                    late.append(run)
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
                (Path(folder) / "trace.json").unlink()
        finally:
            twin.remove()
    console.print(table)
    console.print(
        "program: from its start to its end, but for its waiting for the engine. plugins: at least one at work. "
        "endpoint: sum over all requests, which overlap."
    )
    for run in late:
        console.print(f"[red]{run} took longer than {LIMITS[run]:.0f} s")
    return 1 if late else 0
