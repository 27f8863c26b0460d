"""The books that each test of the ledger looks into."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leadkeep.clock import SystemClock
from leadkeep.store.sqlite.store import open_sqlite
from tests.integration.absorber.absorbing_bench import Bench
from tests.integration.recovery.books import Books


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    store = await open_sqlite(tmp_path / "leadkeep.db", clock=SystemClock(), busy_timeout_ms=10_000)
    bench = Bench(tmp_path, store)
    yield Books(bench)
    bench.close()
    await store.close()
