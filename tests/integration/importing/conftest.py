"""An installation with an application behind it, and queues of other systems to import."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.mariadb import Mariadb
from tests.fakes.postgres import Cluster
from tests.integration.cli.conftest import installation
from tests.integration.cli.installation import Installation
from tests.integration.cli.sink import a_sink
from tests.integration.importing.old_queue import OldSqlite
from tests.integration.recovery.scene import Scene

__all__ = ["installation"]


@pytest.fixture
def scene(installation: Installation, tmp_path: Path) -> Iterator[Scene]:
    """An installation that delivers to an application, both real."""
    with a_sink() as sink:
        yield Scene(tmp_path, installation, sink)


@pytest.fixture
def old(tmp_path: Path) -> Iterator[OldSqlite]:
    """The old system's file."""
    made = OldSqlite(tmp_path / "old.db")
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    with Cluster() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    with Mariadb() as server:
        yield server
