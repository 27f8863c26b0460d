"""Numbered migrations: each runs once, in one transaction with the note that it ran.

Several processes may start at once: each takes the write lock before it looks what is left to do.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import apsw

from leadkeep.errors import MigrationFailed, StoreUnavailable, StoreUnsafe
from leadkeep.store.migrations import Migration, MigrationStatus, left_to_do, migrations_of
from leadkeep.store.sqlite.boundary import foreign_errors_mapped
from leadkeep.store.sqlite.connections import (
    SQL,
    Bindings,
    check_library,
    first_row,
    open_reader,
    open_writer,
)
from leadkeep.store.sqlite.poison import PoisonMark

__all__ = ["Migration", "MigrationStatus", "known_migrations", "migrate", "migration_status"]


def known_migrations() -> tuple[Migration, ...]:
    """Every migration that this program knows, in order."""
    return migrations_of("sqlite")


def migrate(
    path: Path, *, busy_timeout_ms: int = 5_000, migrations: Sequence[Migration] | None = None
) -> list[MigrationStatus]:
    """Bring a store's schema up to date, making the store if there is none.

    Args:
        migrations: what to run; None: all that this program knows.

    Returns:
        The migrations that this call ran.

    Raises:
        MigrationFailed: one could not be run; it changed nothing, earlier ones stay.
        StoreUnsafe: the schema is newer than this program, or is not Leadkeep's.
    """
    check_library()
    mark = PoisonMark(path)
    with foreign_errors_mapped(mark):
        connection = open_writer(path, busy_timeout_ms=busy_timeout_ms, create=True)
        try:
            return run_migrations(connection, mark, migrations)
        finally:
            connection.close()


def migration_status(path: Path, *, busy_timeout_ms: int = 5_000) -> list[MigrationStatus]:
    """Which migrations have run on a store, changing nothing.

    Raises:
        StoreUnavailable: there is no store yet.
        StoreUnsafe: the schema is newer than this program, or is not Leadkeep's.
    """
    check_library()
    with foreign_errors_mapped(PoisonMark(path)):
        connection = open_reader(path, busy_timeout_ms=busy_timeout_ms)
        try:
            return status_of(connection)
        finally:
            connection.close()


def status_of(connection: apsw.Connection) -> list[MigrationStatus]:
    """Which migrations have run, on an open connection."""
    known = known_migrations()
    waiting = {migration.number for migration in _left_to_do(connection, known)}
    return [MigrationStatus(one.number, one.name, one.number not in waiting) for one in known]


def check_up_to_date(connection: apsw.Connection) -> None:
    """Refuse a schema that this program would have to migrate first.

    Raises:
        StoreUnavailable: a migration is left to do.
    """
    if any(not one.applied for one in status_of(connection)):
        raise StoreUnavailable(
            "the store's schema is older than this program",
            hint="run `leadkeep migrate`, or restart `leadkeep serve`",
        )


def run_migrations(
    connection: apsw.Connection, mark: PoisonMark, migrations: Sequence[Migration] | None = None
) -> list[MigrationStatus]:
    """Run what is left to do on a writer's connection; see `migrate`."""
    known = known_migrations() if migrations is None else tuple(migrations)
    ran = []
    while _left_to_do(connection, known):
        connection.execute(SQL["begin"])
        try:
            mark.check()
            connection.execute(SQL["create_migrations_table"])
            left = _left_to_do(connection, known)  # another process may have been faster
            if left:
                _run(connection, left[0])
                ran.append(MigrationStatus(left[0].number, left[0].name, applied=True))
            connection.execute(SQL["commit"])
        except BaseException:
            if connection.in_transaction:
                connection.execute(SQL["rollback"])
            raise
    return ran


def _left_to_do(connection: apsw.Connection, known: Sequence[Migration]) -> list[Migration]:
    tables, has_migrations = first_row(connection, "tables") or (0, 0)
    if not has_migrations:
        if tables:
            raise StoreUnsafe(
                "the store's file is a database of something else",
                hint="check the setting store.path",
            )
        return list(known)
    return left_to_do(known, connection.execute(SQL["applied_migrations"]))


def _run(connection: apsw.Connection, migration: Migration) -> None:
    try:
        connection.execute(migration.sql).fetchall()
    except (apsw.SQLError, apsw.ConstraintError, apsw.MismatchError) as error:
        raise MigrationFailed(
            f"migration {migration.number}, {migration.name}, failed: {error}",
            hint="nothing was changed; the program before goes on with this store",
        ) from error
    note: Bindings = {
        "number": migration.number,
        "name": migration.name,
        "checksum": migration.checksum,
        "now_ms": time.time_ns() // 1_000_000,
    }
    connection.execute(SQL["note_migration"], note)
