"""Migrations run once each, whoever starts first, and fail as a whole."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from leadkeep.errors import MigrationFailed, StoreUnavailable, StoreUnsafe
from leadkeep.store.sqlite.migrations import (
    Migration,
    known_migrations,
    migrate,
    migration_status,
)
from leadkeep.store.sqlite.opening import open_sqlite
from tests.fakes.clock import FakeClock

KNOWN = known_migrations()
NEXT = len(KNOWN) + 1


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(database))
    found: list[tuple[object, ...]] = connection.execute(sql).fetchall()
    connection.close()
    return found


def test_migrations_are_numbered_without_gaps() -> None:
    assert [one.number for one in KNOWN] == list(range(1, NEXT))


def test_each_migration_runs_once_and_is_noted(database: Path) -> None:
    assert [one.number for one in migrate(database)] == list(range(1, NEXT))
    assert migrate(database) == []
    assert [one.applied for one in migration_status(database)] == [True] * len(KNOWN)
    noted = rows(database, "SELECT number, name, length(checksum) FROM schema_migrations")
    assert noted == [(one.number, one.name, 64) for one in KNOWN]


def test_several_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as threads:
        for turn in range(20):
            path = tmp_path / f"{turn}.db"
            ran = list(threads.map(lambda _: migrate(path, busy_timeout_ms=20_000), range(6)))  # noqa: B023 - done before the next turn
            assert sum(len(one) for one in ran) == len(KNOWN)


def test_a_migration_that_fails_changes_nothing(database: Path) -> None:
    migrate(database)
    broken = Migration(NEXT, "broken", "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);")

    with pytest.raises(MigrationFailed, match="broken") as error:
        migrate(database, migrations=[*KNOWN, broken])

    assert error.value.hint
    assert rows(database, "SELECT 1 FROM sqlite_schema WHERE name = 'half'") == []
    assert migrate(database) == []


def test_earlier_migrations_stay_when_a_later_one_fails(database: Path) -> None:
    good = Migration(NEXT, "good", "CREATE TABLE good (a);")
    bad = Migration(NEXT + 1, "bad", "nonsense;")
    with pytest.raises(MigrationFailed):
        migrate(database, migrations=[*KNOWN, good, bad])
    assert rows(database, "SELECT max(number) FROM schema_migrations") == [(NEXT,)]


async def test_a_newer_schema_is_refused(database: Path, clock: FakeClock) -> None:
    migrate(database, migrations=[*KNOWN, Migration(NEXT, "future", "CREATE TABLE future (a);")])
    for read_only in (False, True):
        with pytest.raises(StoreUnsafe, match="newer than this program"):
            await open_sqlite(database, clock=clock, busy_timeout_ms=100, read_only=read_only)


async def test_an_older_schema_is_not_read(database: Path, clock: FakeClock) -> None:
    database.touch()
    for read_only in (False, True):
        with pytest.raises(StoreUnavailable, match="older than this program"):
            await open_sqlite(
                database, clock=clock, busy_timeout_ms=100, migrate=False, read_only=read_only
            )


def test_a_migration_that_was_changed_after_it_ran_is_refused(database: Path) -> None:
    migrate(database)
    changed = Migration(1, KNOWN[0].name, KNOWN[0].sql + "\n-- changed")
    with pytest.raises(StoreUnsafe, match="not the one that was run"):
        migrate(database, migrations=[changed, *KNOWN[1:]])


def test_the_status_of_no_store_is_no_store(database: Path) -> None:
    with pytest.raises(StoreUnavailable, match="no store"):
        migration_status(database)
    assert not database.exists()
