"""Stores to test, one engine after the other, with a clock that the test turns."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from leadkeep.store.base import Store
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.store.sqlite.store import SqliteStore
from tests.fakes.clock import FakeClock

OpenStore = Callable[[], Awaitable[Store]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite"])
def engine(request: pytest.FixtureRequest) -> str:
    """Which engine the conformance tests run on."""
    name: str = request.param
    return name


@pytest.fixture
async def open_store(engine: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[OpenStore]:
    """Opens the test's store once more, as another process would."""
    assert engine == "sqlite"
    async with AsyncExitStack() as stack:

        async def open_one() -> Store:
            store = await open_sqlite(tmp_path / "leadkeep.db", clock=clock, busy_timeout_ms=5_000)
            stack.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    """An empty store."""
    return await open_store()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where a SQLite test keeps its database."""
    return tmp_path / "leadkeep.db"


@pytest.fixture
async def sqlite_store(database: Path, clock: FakeClock) -> AsyncIterator[SqliteStore]:
    """An empty SQLite store, for what only that engine has."""
    store = await open_sqlite(database, clock=clock, busy_timeout_ms=5_000)
    yield store
    await store.close()
