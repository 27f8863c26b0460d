"""Fixtures for tests of deployments."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.deploying.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A place where the application `blue` and Leadkeep run."""
    made = Site(tmp_path)
    try:
        made.start_app("blue")
        made.serve()
        yield made
    finally:
        made.clean_up()
