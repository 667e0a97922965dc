"""An endpoint in this process, so that tests can also reach behind its API."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from local.aws import moto_app

from .support import ACCOUNT, REGION, Aws, Issuers


@pytest.fixture(scope="package")
def issuers() -> Issuers:
    """The issuers whose keys the endpoint can have."""
    return Issuers()


@pytest.fixture(scope="package")
def endpoint(issuers: Issuers) -> Iterator[object]:
    """A running endpoint."""
    before = dict(os.environ)
    moto_app.configure(ACCOUNT)
    from local.aws.endpoint import Endpoint

    running = Endpoint(port=0, account=ACCOUNT, region=REGION, transition=0.01, issuer_keys=issuers.keys_of)
    running.start()
    try:
        yield running
    finally:
        running.stop()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="package")
def operator(endpoint: object) -> Aws:
    """The endpoint's operator."""
    return Aws(endpoint.url)  # type: ignore[attr-defined]
