"""An endpoint in this process, so that tests can also reach behind its API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.aws import moto_app

from .support import ACCOUNT, REGION, Aws


@pytest.fixture(scope="package")
def endpoint() -> Iterator[object]:
    """A running endpoint."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MOTO_ACCOUNT_ID", "MOTO_IAM_LOAD_MANAGED_POLICIES", "MOTO_PORT"):
            patch.setenv(name, "")  # so that they are as before afterwards
        moto_app.configure(ACCOUNT)
        from local.aws.endpoint import Endpoint

        running = Endpoint(port=0, account=ACCOUNT, region=REGION, transition=0.01)
        running.start()
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="package")
def operator(endpoint: object) -> Aws:
    """The endpoint's operator."""
    return Aws(endpoint.url)  # type: ignore[attr-defined]
