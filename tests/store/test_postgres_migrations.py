"""Migrations of PostgreSQL: each once, whoever starts, and never on somebody else's tables."""

import asyncio

import asyncpg
import pytest

from leadkeep.errors import MigrationFailed, StoreUnavailable, StoreUnsafe
from leadkeep.store.migrations import Migration, migrations_of
from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.migrations import known_migrations, migrate, migration_status
from leadkeep.store.postgres.opening import open_postgres
from tests.fakes.clock import FakeClock
from tests.fakes.postgres import Cluster
from tests.store.builders import a_batch, a_lead
from tests.store.processes import run_together

A_STEP = Migration(9_001, "a_step", "CREATE TABLE one_more (id bigint)")


@pytest.fixture
async def empty(cluster: Cluster) -> Target:
    """A database without any table."""
    return Target(await cluster.new_database(migrated=False))


async def test_nodes_that_start_at_once_run_each_migration_once(empty: Target) -> None:
    said = await asyncio.to_thread(
        run_together, "tests.store.migrator_on_postgres", [(empty.url,)] * 4
    )
    ran = sorted(int(number) for one in said for number in one)
    assert ran == [one.number for one in known_migrations()]
    assert all(one.applied for one in await migration_status(empty))


async def test_what_has_run_does_not_run_again(empty: Target) -> None:
    assert await migrate(empty)
    assert await migrate(empty) == []


async def test_a_migration_that_fails_changes_nothing(empty: Target) -> None:
    broken = Migration(9_001, "broken", "CREATE TABLE one_more (id bigint); SELECT nonsense")
    with pytest.raises(MigrationFailed, match="broken"):
        await migrate(empty, migrations=(broken,))
    assert [one.number for one in await migrate(empty, migrations=(A_STEP,))] == [9_001]


async def test_a_schema_of_a_newer_program_is_refused(empty: Target) -> None:
    await migrate(empty)
    await migrate(empty, migrations=(*known_migrations(), A_STEP))
    with pytest.raises(StoreUnsafe, match="newer"):
        await open_postgres(empty)


async def test_the_program_before_goes_on_with_a_schema_that_it_can_use(
    empty: Target, clock: FakeClock
) -> None:
    await migrate(empty)
    last = known_migrations()[-1].number
    usable = Migration(9_001, "a_step", f"-- Usable by programs since migration {last}.\nSELECT 1")
    await migrate(empty, migrations=(*known_migrations(), usable))
    store = await open_postgres(empty, clock=clock)
    try:
        assert (await store.absorb(a_batch(a_lead()))).absorbed == 1
    finally:
        await store.close()
    with pytest.raises(StoreUnsafe, match="newer"):
        await migrate(empty, migrations=(Migration(1, "long_ago", "SELECT 1"),))


async def test_a_migration_that_was_changed_since_is_refused(empty: Target) -> None:
    await migrate(empty, migrations=(A_STEP,))
    with pytest.raises(StoreUnsafe, match="not the one"):
        await migrate(empty, migrations=(Migration(9_001, "a_step", "SELECT 1"),))


async def test_tables_of_something_else_are_left_alone(empty: Target) -> None:
    connection = await asyncpg.connect(empty.url)
    await connection.execute("CREATE TABLE theirs (id bigint)")
    await connection.close()
    with pytest.raises(StoreUnsafe, match="something else"):
        await migrate(empty)


async def test_a_database_that_cannot_keep_every_text_is_refused(
    cluster: Cluster, empty: Target
) -> None:
    connection = await asyncpg.connect(empty.url)
    await connection.execute("DROP DATABASE IF EXISTS plain")
    await connection.execute("CREATE DATABASE plain ENCODING 'SQL_ASCII' TEMPLATE template0")
    await connection.close()
    with pytest.raises(StoreUnsafe, match="SQL_ASCII"):
        await open_postgres(Target(cluster.url("plain")))


async def test_who_only_looks_migrates_nothing(empty: Target) -> None:
    with pytest.raises(StoreUnavailable, match="older than this program"):
        await open_postgres(empty, read_only=True)
    assert not any(one.applied for one in await migration_status(empty))


def test_both_engines_have_come_to_the_same_number() -> None:
    ours, theirs = migrations_of("postgres"), migrations_of("sqlite")
    assert ours[-1].number == theirs[-1].number
    assert {(one.number, one.name) for one in ours} <= {(one.number, one.name) for one in theirs}
