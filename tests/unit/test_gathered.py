"""Many Outputs as one, held to what `pulumi.Output.all` makes of them."""

import asyncio
import gc
import warnings
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown
from pulumi.runtime import rpc
from pulumi.runtime.settings import SETTINGS

from components._base import gathered


def output(value: Any, *, known: bool = True, secret: bool = False, of: pulumi.Resource | None = None) -> Any:
    async def said(what: Any) -> Any:
        return what

    return pulumi.Output({of} if of is not None else set(), said(value), said(known), said(secret))


async def all_of(one: pulumi.Output[Any]) -> tuple[Any, ...]:
    value = await one.future(with_unknowns=True) if await one.is_known() else None
    return value, await one.is_known(), await one.is_secret(), await one.resources()


@pytest.mark.parametrize(
    "given",
    [
        {"a": {"value": "x"}},
        {"a": {"value": "x"}, "b": {"value": "y"}},
        {"a": {"value": "x"}, "b": {"value": None, "known": False}},
        {"a": {"value": "x"}, "b": {"value": rpc.UNKNOWN, "known": False}},
        {"a": {"value": "x", "secret": True}, "b": {"value": "y"}},
        {"a": {"value": None, "known": False, "secret": True}},
    ],
)
def test_it_is_what_the_sdk_makes_of_them(given: dict[str, dict[str, Any]]) -> None:
    async def both() -> None:
        resources = {key: object.__new__(pulumi.Resource) for key in given}
        here = gathered({key: output(**one, of=resources[key]) for key, one in given.items()})
        there = pulumi.Output.all(**{key: output(**one, of=resources[key]) for key, one in given.items()})
        assert await all_of(here) == await all_of(there)
        assert await here.resources() == set(resources.values())

    asyncio.run(both())


def test_of_nothing_it_is_a_mapping_still() -> None:
    async def nothing() -> None:
        assert await all_of(gathered({})) == ({}, True, False, set())

    asyncio.run(nothing())


def test_it_fails_as_the_first_does_and_leaves_nothing_unawaited() -> None:
    async def failing() -> None:
        raise ValueError("bad")

    async def look() -> None:
        with pytest.raises(ValueError, match="bad"):
            await gathered({"a": output("x"), "b": pulumi.Output.from_input(failing())}).future()

    def collect() -> None:
        # Where the SDK keeps those that failed.
        SETTINGS.outputs.clear()  # pyright: ignore[reportAttributeAccessIssue]
        gc.collect()

    # What other tests have left alone is said now.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        collect()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(look())
        collect()
    assert warned == []


def test_functions_that_want_all_known_wait_for_it() -> None:
    async def look() -> None:
        one = gathered({"a": output("x"), "b": output(None, known=False)})
        seen: list[Any] = []
        assert not await one.apply(seen.append).is_known()
        assert seen == []
        assert await one.apply(lambda value: isinstance(value, Unknown), run_with_unknowns=True).future()

    asyncio.run(look())
