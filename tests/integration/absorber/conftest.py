"""The bench that each test of absorbing works at."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leadkeep.clock import SystemClock
from leadkeep.store.sqlite.opening import open_sqlite
from tests.integration.absorber.absorbing_bench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await open_sqlite(tmp_path / "leadkeep.db", clock=SystemClock(), busy_timeout_ms=10_000)
    bench = Bench(tmp_path, store)
    yield bench
    bench.close()
    await store.close()
