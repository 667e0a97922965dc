"""The engine's own OpenTelemetry trace: what it did, and when."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Span:
    """One thing that the engine did, in seconds."""

    name: str
    start: float
    end: float


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
