"""Stores to test, one engine after the other, with a clock that the test turns."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from leadkeep.store.base import Store
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.store.sqlite.store import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.postgres import Cluster
from tests.store.engines import ENGINES, Engine, Place, PostgresEngine, SqliteEngine

OpenStore = Callable[[], Awaitable[Store]]
Shell = Callable[[str], Awaitable[None]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server that does not sync: thousands of transactions are about order."""
    with Cluster() as server:
        yield server


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Which engine the conformance tests run on."""
    if request.param == "sqlite":
        return SqliteEngine(tmp_path)
    return PostgresEngine(request.getfixturevalue("cluster"))


@pytest.fixture
async def place(engine: Engine) -> Place:
    """Where the test's store is."""
    return await engine.new_place()


@pytest.fixture
async def open_store(place: Place, clock: FakeClock) -> AsyncIterator[OpenStore]:
    """Opens the test's store once more, as another process would."""
    async with AsyncExitStack() as stack:

        async def open_one() -> Store:
            store = await place.open(clock)
            stack.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    """An empty store."""
    return await open_store()


@pytest.fixture
def shell(place: Place) -> Shell:
    """Runs SQL on the test's store past the program; see `Place.shell`."""
    return place.shell


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
