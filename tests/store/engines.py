"""The engines that every test of the protocol runs on, each with places for stores of its own."""

import tempfile
from pathlib import Path
from typing import Protocol

import apsw
import asyncpg

from leadkeep.clock import Clock
from leadkeep.store.base import Store
from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.opening import open_postgres
from leadkeep.store.sqlite.opening import open_sqlite
from tests.fakes.postgres import Cluster

ENGINES = ("sqlite", "postgres")

IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Thousands of transactions are about order, not about disks."""


class Refused(Exception):
    """The database itself refused a statement."""


class Place(Protocol):
    """Where one store is."""

    async def open(self, clock: Clock) -> Store:
        """Open it, as one more process would."""

    async def shell(self, sql: str) -> None:
        """What somebody does to it past the program.

        Raises:
            Refused: a constraint or a trigger does not allow it.
        """


class Engine(Protocol):
    """One engine."""

    name: str

    async def new_place(self) -> Place:
        """Where no store is yet."""


class SqlitePlace:
    """A database file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def open(self, clock: Clock) -> Store:
        """Open it; made if there is none."""
        return await open_sqlite(self.path, clock=clock, busy_timeout_ms=5_000)

    async def shell(self, sql: str) -> None:
        """Run statements on a connection of their own."""
        connection = apsw.Connection(str(self.path))
        try:
            connection.execute(sql).fetchall()
        except apsw.ConstraintError as error:
            raise Refused(str(error)) from error
        finally:
            connection.close()


class SqliteEngine:
    """Files in folders that go with the engine."""

    name = "sqlite"

    def __init__(self, folder: Path | None = None) -> None:
        self._memory = tempfile.TemporaryDirectory(dir=IN_MEMORY) if folder is None else None
        self._folder = Path(self._memory.name) if self._memory else folder
        self._made = 0

    async def new_place(self) -> SqlitePlace:
        """Another file."""
        self._made += 1
        assert self._folder is not None
        name = "leadkeep.db" if self._made == 1 else f"leadkeep-{self._made}.db"
        return SqlitePlace(self._folder / name)

    def close(self) -> None:
        """Take the files away."""
        if self._memory is not None:
            self._memory.cleanup()


class PostgresPlace:
    """A database of a private server."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self, clock: Clock) -> Store:
        """Open it; its schema is there."""
        return await open_postgres(Target(self.url), clock=clock, migrates=False)

    async def shell(self, sql: str) -> None:
        """Run statements on a connection of their own."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(sql)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise Refused(str(error)) from error
        finally:
            await connection.close()


class PostgresEngine:
    """Databases of one server."""

    name = "postgres"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def new_place(self) -> PostgresPlace:
        """Another database, migrated."""
        return PostgresPlace(await self._cluster.new_database())
