"""A destination, and an installation whose vendor waits for its answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.live.rig import Brain, Served, a_brain


@pytest.fixture
def brain() -> Iterator[Brain]:
    with a_brain() as running:
        yield running


@pytest.fixture
def served(tmp_path: Path, brain: Brain) -> Iterator[Served]:
    """Configured, not started; stopped at the end."""
    made = Served(tmp_path, brain)
    try:
        yield made
    finally:
        brain.may_answer.set()
        made.stop()
