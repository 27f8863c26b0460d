"""Numbered migrations on PostgreSQL: each runs once, in one transaction with the note that it ran.

Several nodes may start at once: each takes an advisory lock before it looks what is left to do.
While they are upgraded one after the other, the older program goes on with the newer schema where
the migration says that it can.
"""

import asyncpg

from leadkeep.errors import MigrationFailed, StoreUnavailable, StoreUnsafe
from leadkeep.store.migrations import Migration, MigrationStatus, left_to_do, migrations_of
from leadkeep.store.postgres.boundary import foreign_errors_mapped, is_lost
from leadkeep.store.postgres.links import Target

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('leadkeep migrations'))"
_BEGIN = (
    "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {lock_ms}; "
    "SET LOCAL idle_in_transaction_session_timeout = 0"
)
_LOCK_MS = 600_000
"""Another node may be in the middle of a long migration."""
_HAS_MIGRATIONS = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_TABLES = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
_CREATE = """CREATE TABLE schema_migrations (
  number       integer     PRIMARY KEY,
  name         text        NOT NULL,
  checksum     text        NOT NULL,
  usable_since integer     NOT NULL,
  applied_at   timestamptz NOT NULL DEFAULT now()
)"""
_APPLIED = "SELECT number, name, checksum, usable_since FROM schema_migrations ORDER BY number"
_NOTE = (
    "INSERT INTO schema_migrations (number, name, checksum, usable_since) VALUES ($1, $2, $3, $4)"
)


def known_migrations() -> tuple[Migration, ...]:
    """Every migration that this program knows, in order."""
    return migrations_of("postgres")


async def migrate(
    target: Target, *, migrations: tuple[Migration, ...] | None = None
) -> list[MigrationStatus]:
    """Bring a store's schema up to date.

    Args:
        migrations: what to run; None: all that this program knows.

    Returns:
        The migrations that this call ran.

    Raises:
        MigrationFailed: one could not be run; it changed nothing, earlier ones stay.
        StoreUnsafe: the schema is newer than this program, or is not Leadkeep's.
    """
    known = known_migrations() if migrations is None else migrations
    with foreign_errors_mapped():
        connection = await target.connect()
        try:
            await _check_encoding(connection)
            ran = []
            while (step := await _one_step(connection, known)) is not None:
                ran.append(step)
            return ran
        finally:
            connection.terminate()


async def migration_status(target: Target) -> list[MigrationStatus]:
    """Which migrations have run on a store, changing nothing.

    Raises:
        StoreUnsafe: the schema is newer than this program, or is not Leadkeep's.
    """
    with foreign_errors_mapped():
        connection = await target.connect()
        try:
            return await status_of(connection)
        finally:
            connection.terminate()


async def status_of(connection: asyncpg.Connection) -> list[MigrationStatus]:
    """Which migrations have run, on an open connection."""
    known = known_migrations()
    waiting = {migration.number for migration in await _left(connection, known)}
    return [MigrationStatus(one.number, one.name, one.number not in waiting) for one in known]


async def check_up_to_date(connection: asyncpg.Connection) -> None:
    """Refuse a schema that this program would have to migrate first.

    Raises:
        StoreUnavailable: a migration is left to do.
        StoreUnsafe: the database cannot keep every text.
    """
    await _check_encoding(connection)
    if any(not one.applied for one in await status_of(connection)):
        raise StoreUnavailable(
            "the store's schema is older than this program",
            hint="run `leadkeep migrate`, or restart `leadkeep serve`",
        )


async def _check_encoding(connection: asyncpg.Connection) -> None:
    """Refuse a database that cannot keep every text."""
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise StoreUnsafe(
            f"the database has the encoding {encoding}: it cannot keep every text",
            hint="make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )


async def _one_step(
    connection: asyncpg.Connection, known: tuple[Migration, ...]
) -> MigrationStatus | None:
    """Run the next migration that is left to do; None: there is none."""
    if not await _left(connection, known):
        return None
    await connection.execute(_BEGIN.format(lock_ms=_LOCK_MS))
    try:
        await connection.execute(_LOCK, timeout=_LOCK_MS / 1_000)
        left = await _left(connection, known)  # another node may have been faster
        if left:
            await _run(connection, left[0])
        await connection.execute("COMMIT")
    except BaseException as error:
        if not connection.is_closed() and not is_lost(error):
            await connection.execute("ROLLBACK")
        raise
    if not left:
        return None
    return MigrationStatus(left[0].number, left[0].name, applied=True)


async def _left(connection: asyncpg.Connection, known: tuple[Migration, ...]) -> list[Migration]:
    if not await connection.fetchval(_HAS_MIGRATIONS):
        if await connection.fetchval(_TABLES):
            raise StoreUnsafe(
                "the database has tables of something else",
                hint="give Leadkeep a database of its own in the setting store.url",
            )
        return list(known)
    rows = await connection.fetch(_APPLIED)
    last = max(migration.number for migration in known)
    numbers = {migration.number for migration in known}
    concerning = [row for row in rows if row[0] in numbers or row[3] > last]
    return left_to_do(known, [(row[0], row[1], row[2]) for row in concerning])


async def _run(connection: asyncpg.Connection, migration: Migration) -> None:
    if not await connection.fetchval(_HAS_MIGRATIONS):
        await connection.execute(_CREATE)
    try:
        await connection.execute(migration.sql, timeout=_LOCK_MS / 1_000)
    except (asyncpg.SyntaxOrAccessError, asyncpg.IntegrityConstraintViolationError) as error:
        raise MigrationFailed(
            f"migration {migration.number}, {migration.name}, failed: {error}",
            hint="nothing was changed; the program before goes on with this store",
        ) from error
    note = (migration.number, migration.name, migration.checksum, migration.usable_since)
    await connection.execute(_NOTE, *note)
