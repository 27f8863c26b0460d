"""Stores to test, one engine after the other, with a clock that the test turns."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from leadkeep.store.base import Store
from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.opening import open_postgres
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.store.sqlite.store import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.postgres import Cluster

OpenStore = Callable[[], Awaitable[Store]]

ENGINES = ("sqlite", "postgres")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Which engine the conformance tests run on."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server that does not sync: thousands of transactions are about order."""
    with Cluster() as server:
        yield server


@pytest.fixture
async def open_store(
    engine: str, tmp_path: Path, clock: FakeClock, request: pytest.FixtureRequest
) -> AsyncIterator[OpenStore]:
    """Opens the test's store once more, as another process would."""
    url = ""
    if engine == "postgres":
        server: Cluster = request.getfixturevalue("cluster")
        url = await server.new_database()
    async with AsyncExitStack() as stack:

        async def open_one() -> Store:
            store: Store
            if url:
                store = await open_postgres(Target(url), clock=clock, migrates=False)
            else:
                path = tmp_path / "leadkeep.db"
                store = await open_sqlite(path, clock=clock, busy_timeout_ms=5_000)
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
