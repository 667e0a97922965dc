"""Waiting, retrying, giving up; and names."""

from __future__ import annotations

import threading
import time

import pytest
from pulumi.runtime.proto import provider_pb2

from local.plugins.base.calls import Call
from local.plugins.base.errors import Cancelled, NotYet, ProviderError
from local.plugins.base.naming import name_for, random_name
from local.plugins.base.properties import AutoName


def call(timeout: float = 5.0) -> tuple[Call, threading.Event]:
    cancelled = threading.Event()
    return Call(None, timeout, cancelled), cancelled


def test_polling_ends_with_the_answer() -> None:
    answers = iter([NotYet("CREATING"), NotYet("CREATING"), "done"])

    def probe() -> str:
        answer = next(answers)
        if isinstance(answer, NotYet):
            raise answer
        return answer

    assert call()[0].poll("creating it", probe) == "done"


def test_polling_ends_with_the_deadline_and_says_how_things_stood() -> None:
    def probe() -> None:
        raise NotYet("it is CREATING")

    start = time.monotonic()
    with pytest.raises(ProviderError, match=r"creating it: timed out after 0 s \(it is CREATING\)"):
        call(0.3)[0].poll("creating it", probe)
    assert 0.25 < time.monotonic() - start < 3


def test_a_failure_ends_polling_at_once() -> None:
    def probe() -> None:
        raise ProviderError("it is CREATE_FAILED")

    with pytest.raises(ProviderError, match="CREATE_FAILED"):
        call()[0].poll("creating it", probe)


def test_cancelling_ends_a_wait() -> None:
    operation, cancelled = call(60)

    def probe() -> None:
        raise NotYet("it is CREATING")

    threading.Timer(0.2, cancelled.set).start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        operation.poll("creating it", probe)
    assert time.monotonic() - start < 10


def test_retrying_only_what_may_pass() -> None:
    attempts: list[int] = []

    def action() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise KeyError("late")
        return len(attempts)

    assert call()[0].retry(action, lambda error: isinstance(error, KeyError)) == 3
    attempts.clear()
    with pytest.raises(KeyError):
        call()[0].retry(action, lambda error: False)
    assert len(attempts) == 1


def test_retrying_has_an_end() -> None:
    def action() -> None:
        raise KeyError("never")

    with pytest.raises(KeyError):
        call(60)[0].retry(action, lambda error: True, within=0.3)


def check_request(name: str = "app", seed: bytes = b"seed", **autonaming: object) -> provider_pb2.CheckRequest:
    request = provider_pb2.CheckRequest(urn=f"urn:pulumi:s::p::t::{name}", name=name, randomSeed=seed)
    if autonaming:
        request.autonaming.CopyFrom(provider_pb2.CheckRequest.AutonamingOptions(**autonaming))  # type: ignore[arg-type]
    return request


def test_names_follow_the_seed() -> None:
    how = AutoName(64)
    first, second = random_name("app", how, b"a"), random_name("app", how, b"b")
    assert first == random_name("app", how, b"a")
    assert first != second
    assert first.startswith("app-")
    assert len(first) == len("app-") + 7
    assert random_name("app", how, b"") != random_name("app", how, b"")


def test_names_fit() -> None:
    assert len(random_name("x" * 300, AutoName(64), b"a")) == 64
    assert random_name("My App", AutoName(64, "alias/", lambda n: n.replace(" ", "-")), b"a").startswith(
        "alias/My-App-"
    )


def test_the_projects_autonaming_is_obeyed() -> None:
    options = provider_pb2.CheckRequest.AutonamingOptions
    how = AutoName(64)
    assert name_for(check_request(proposed_name="exact", mode=options.ENFORCE), how) == ("exact", None)
    assert name_for(check_request(proposed_name="like-this", mode=options.PROPOSE), how) == ("like-this", None)
    name, reason = name_for(check_request(mode=options.DISABLE), how)
    assert name is None
    assert reason is not None
    assert "give a name" in reason
