"""Fixtures of the disks' tests."""

from collections.abc import Iterator

import pytest

from tests.faults.installation.rig import Brain


@pytest.fixture
def brain() -> Iterator[Brain]:
    """The destination."""
    made = Brain()
    yield made
    made.shutdown()
    made.server_close()
