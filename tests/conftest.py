"""Settings for all tests."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

# The machines that run this have two cores, shared: a slow example says nothing about the code.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

STACKS = Path(__file__).parent / "twin"
"""Whose files deploy whole stacks, each for a minute or more."""

SHARING = ("tests/twin/kubernetes/", "tests/twin/plugins_kubernetes/", "tests/twin/pod_identity/")
"""Folders whose tests share control planes, which are started once and end with the folder's last test."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first, so that at the end no process has to wait long for another."""
    items.sort(key=lambda item: item.path.parent != STACKS)


class FilesAndFolders(LoadFileScheduling):
    """Gives a file to one process, as `--dist loadfile` does, and all files of a folder where they share something."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in SHARING if nodeid.startswith(folder)), super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesAndFolders | None:
    """Take the place of the scheduler that is asked for on the command line."""
    return FilesAndFolders(config, log) if config.getoption("dist") == "loadfile" else None
