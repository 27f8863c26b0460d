"""Fixtures for tests of commands."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.installation import Installation


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An empty data folder; commands run in a folder without a configuration file."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("LEADKEEP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LEADKEEP_WORKER__BALLAST_BYTES", "0")
    return Installation(tmp_path)


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A terminal in New York."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()
