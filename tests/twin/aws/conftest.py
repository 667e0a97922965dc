"""A world for the whole session, and a cluster to share."""

from __future__ import annotations

import pytest

from tests.twin.aws.support import World


@pytest.fixture(scope="session")
def world(aws_endpoint: str) -> World:
    """A VPC, subnets and roles on the shared endpoint."""
    return World(aws_endpoint)


@pytest.fixture(scope="session")
def cluster(world: World) -> str:
    """The name of a cluster in API mode that no test may delete."""
    return world.cluster()
