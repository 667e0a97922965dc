"""One twin for all tests of pod identity, with two clusters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.twin.pod_identity.support import TestCluster, Twin


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """A twin where associations are effective at once, with clusters ``main`` and ``other``."""
    running = Twin(tmp_path_factory.mktemp("twin"), propagation=0)
    running.begin_cluster("main")
    running.begin_cluster("other")
    yield running
    log = running.stop()
    assert "Traceback" not in log, log


@pytest.fixture(scope="session")
def cluster(twin: Twin) -> TestCluster:
    """A cluster whose agent runs."""
    found = twin.cluster("main", nodes=1)
    found.run_agent()
    return found


@pytest.fixture(scope="session")
def other_cluster(twin: Twin) -> TestCluster:
    """Another cluster, without nodes and agent."""
    return twin.cluster("other", nodes=0)
