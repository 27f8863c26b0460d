"""Scenes for tests of backup, restore, verify and rebuild."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.conftest import installation
from tests.integration.cli.installation import Installation
from tests.integration.cli.sink import a_sink
from tests.integration.recovery.scene import Scene

__all__ = ["installation"]


@pytest.fixture
def scene(installation: Installation, tmp_path: Path) -> Iterator[Scene]:
    """An installation that delivers to an application, both real."""
    with a_sink() as sink:
        yield Scene(tmp_path, installation, sink)
