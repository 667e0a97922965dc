"""What the bench promises of many workloads, judged by results that are made up."""

from __future__ import annotations

import pytest

from local.bench.trace import Span, busy
from local.bench.workloads import AT_ONCE, RUNS, Measured, _check_one_more, broken

ONE_MORE = """Updating (local):
 +  pkg:index:PodIdentities many creating (0s)
{lines}
Resources:
    + {number} created
    51 unchanged
"""


def measured(number: int, each: float = 0.01, at_once: float = AT_ONCE) -> Measured:
    return Measured({run: 3 + number * each for run in RUNS}, {}, at_once)


def results(**of_components: float) -> dict[int, dict[str, Measured]]:
    return {
        number: {"components": measured(number, **of_components), "flat": measured(number)}
        for number in (10, 100, 1000)
    }


def test_what_costs_the_same_and_grows_evenly_is_as_promised() -> None:
    assert broken(results()) == []


def test_what_components_cost_is_judged_where_there_are_many() -> None:
    # Of ten workloads nearly all is what every run takes.
    found = broken(results(each=0.02))
    assert [line.split(":")[0] for line in found] == ["100 workloads", "1000 workloads"]


def test_one_at_a_time_is_found() -> None:
    found = broken(results(at_once=1.0))
    assert found == [f"{number} workloads: only 1.0 resources are made at once" for number in (100, 1000)]


@pytest.mark.parametrize("run", RUNS)
def test_growth_with_the_square_is_found(run: str) -> None:
    grown = {
        number: {kind: measured(number, each=0.1) for kind in ("components", "flat")} for number in (10, 100, 300, 1000)
    }
    assert broken(grown) == []
    for number, kinds in grown.items():
        for one in kinds.values():
            one.seconds[run] = 3 + number**2 * 0.001
    found = broken(grown)
    assert f"{run}: 10.8 times as long for 3.3 times the workloads" in found
    assert all(line.startswith(f"{run}: ") for line in found)


def test_one_more_is_five_resources_of_its_own() -> None:
    made = [f" +  aws:iam:Role many-w0010-{part} created (0.1s)" for part in "abcde"]
    _check_one_more(ONE_MORE.format(lines="\n".join(made), number=5), "w0010")


@pytest.mark.parametrize(("name", "number"), [("w0009", 5), ("w0010", 6)])
def test_one_more_that_touches_another_is_found(name: str, number: int) -> None:
    made = [f" +  aws:iam:Role many-w0010-{part} created (0.1s)" for part in "abcd"]
    made.append(f" +  aws:iam:Role many-{name}-e created (0.1s)")
    with pytest.raises(AssertionError):
        _check_one_more(ONE_MORE.format(lines="\n".join(made), number=number), "w0010")


def test_time_is_counted_once_where_spans_overlap() -> None:
    assert busy([Span("a", 0, 2), Span("b", 1, 3), Span("c", 5, 6)]) == 4
