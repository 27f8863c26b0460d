"""Fixtures and rules of all tests that break something."""

import os
from collections.abc import Iterator

import pytest

from tests.faults.rig.brain import Brain


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Mounts, other people's limits and frozen disks are for root alone."""
    if item.get_closest_marker("root") is not None and os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def brain() -> Iterator[Brain]:
    """The destination."""
    with Brain() as made:
        yield made
