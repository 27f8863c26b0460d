"""Opening a store on SQLite: library, schema and poisoning are looked at before any verb."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import apsw

from leadkeep.clock import Clock
from leadkeep.errors import StoreFull
from leadkeep.store.engine.hand import OnDecided
from leadkeep.store.sqlite import keeping
from leadkeep.store.sqlite.boundary import foreign_errors_mapped
from leadkeep.store.sqlite.connections import check_library, open_reader, open_writer
from leadkeep.store.sqlite.migrations import check_up_to_date, run_migrations
from leadkeep.store.sqlite.poison import PoisonMark
from leadkeep.store.sqlite.store import SqliteStore
from leadkeep.store.sqlite.threads import SqliteReaders, SqliteWriter

_READERS = 2


async def open_sqlite(
    path: Path,
    *,
    clock: Clock,
    busy_timeout_ms: int,
    migrate: bool = True,
    read_only: bool = False,
    recover: bool = False,
    on_full: Callable[[], None] = lambda: None,
    on_decided: OnDecided | None = None,
) -> SqliteStore:
    """Open a store.

    Args:
        path: the database file; made if there is none, unless `read_only`.
        busy_timeout_ms: how long a write waits for another process's.
        migrate: bring the schema up to date first.
        read_only: only for looking: nothing is made or migrated.
        recover: first bring everything committed into the database file, which clears a mark of
            poisoning; for the worker, at its start.
        on_full: called, from any thread, when the disk has no room.
        on_decided: told what a person has decided, after each transaction and before `apply` goes
            on; must not raise.

    Raises:
        StoreUnavailable: it cannot be opened now, or there is none to read.
        StoreUnsafe: it must not be used: library, schema, or poisoned and not recovered.
        MigrationFailed: the schema could not be brought up to date.
    """
    try:
        return await asyncio.to_thread(
            _open,
            path,
            clock,
            busy_timeout_ms,
            migrate=migrate,
            read_only=read_only,
            recover=recover,
            on_full=on_full,
            on_decided=on_decided,
        )
    except StoreFull:
        on_full()
        raise


def _open(
    path: Path,
    clock: Clock,
    busy_timeout_ms: int,
    *,
    migrate: bool,
    read_only: bool,
    recover: bool,
    on_full: Callable[[], None],
    on_decided: OnDecided | None,
) -> SqliteStore:
    check_library()
    mark = PoisonMark(path)
    connections: list[apsw.Connection] = []
    try:
        with foreign_errors_mapped(mark):
            if not read_only:
                writer = open_writer(path, busy_timeout_ms=busy_timeout_ms, create=migrate)
                connections.append(writer)
                if recover:
                    keeping.recover(writer, mark, busy_timeout_ms=busy_timeout_ms)
                if migrate:
                    run_migrations(writer, mark)
            for _ in range(_READERS):
                connections.append(open_reader(path, busy_timeout_ms=busy_timeout_ms))
            check_up_to_date(connections[-1])
    except BaseException:
        for connection in connections:
            connection.close(True)
        raise
    return SqliteStore(
        path,
        clock,
        writer=None if read_only else SqliteWriter(connections[0], mark, on_full=on_full),
        readers=SqliteReaders(connections[-_READERS:], mark),
        mark=mark,
        busy_timeout_ms=busy_timeout_ms,
        on_decided=on_decided,
    )
