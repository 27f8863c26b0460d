"""Opening a store on PostgreSQL: reached, its schema looked at, its time asked, before any verb."""

from leadkeep.clock import Clock
from leadkeep.store.engine.hand import OnDecided
from leadkeep.store.engine.session import Session
from leadkeep.store.postgres.clock import DatabaseClock
from leadkeep.store.postgres.links import Links, PostgresReaders, PostgresWriter, Target
from leadkeep.store.postgres.migrations import check_up_to_date, migrate
from leadkeep.store.postgres.store import PostgresStore

_READERS = 2
_WRITERS = 4


async def open_postgres(
    target: Target,
    *,
    clock: Clock | None = None,
    migrates: bool = True,
    read_only: bool = False,
    on_decided: OnDecided | None = None,
) -> PostgresStore:
    """Open a store.

    Args:
        clock: None: the database's own, which all nodes share.
        migrates: bring the schema up to date first.
        read_only: only for looking: nothing is made or migrated.
        on_decided: told what a person has decided, after each transaction and before `apply` goes
            on; must not raise.

    Raises:
        StoreUnavailable: it cannot be reached now, or has to be migrated first.
        StoreUnsafe: it must not be used: its schema is newer, or something else's.
        MigrationFailed: the schema could not be brought up to date.
    """
    if migrates and not read_only:
        await migrate(target)
    shared = DatabaseClock() if clock is None else None
    readers = PostgresReaders(Links(target, shared, size=_READERS, name="reader"))
    writer = None
    if not read_only:
        writer = PostgresWriter(Links(target, shared, size=_WRITERS, name="writer"))
    store = PostgresStore(
        clock or shared or DatabaseClock(), writer=writer, readers=readers, on_decided=on_decided
    )
    try:
        await readers.run(check_up_to_date)
        await readers.look(_nothing)
    except BaseException:
        await store.close()
        raise
    return store


def _nothing(_session: Session) -> None:
    """The transaction's beginning asks the database for its time."""
