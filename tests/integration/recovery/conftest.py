"""Scenes for tests of backup, restore, verify and rebuild; books for those of the ledger."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from leadkeep.clock import SystemClock
from leadkeep.store.sqlite.opening import open_sqlite
from tests.integration.absorber.absorbing_bench import Bench
from tests.integration.cli.conftest import installation
from tests.integration.cli.installation import Installation
from tests.integration.cli.sink import a_sink
from tests.integration.recovery.books import Books
from tests.integration.recovery.scene import Scene

__all__ = ["installation"]


@pytest.fixture
def scene(installation: Installation, tmp_path: Path) -> Iterator[Scene]:
    """An installation that delivers to an application, both real."""
    with a_sink() as sink:
        yield Scene(tmp_path, installation, sink)


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    store = await open_sqlite(tmp_path / "leadkeep.db", clock=SystemClock(), busy_timeout_ms=10_000)
    bench = Bench(tmp_path, store)
    yield Books(bench)
    bench.close()
    await store.close()
