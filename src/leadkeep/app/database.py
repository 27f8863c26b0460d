"""The store's database on PostgreSQL: where it is, how long it may take, and its migrations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from leadkeep.errors import UsageError
from leadkeep.settings.model import IN_STORE, Settings

_FIRST_RANGE = 2 * 10**12
"""Above every number that was made of a time in milliseconds, until 2033."""
_RANGE_NUMBERS = 10**8
_LAST_RANGE = 10**13 - _RANGE_NUMBERS
_NUMBERS_SECONDS = 2.0

if TYPE_CHECKING:
    from uuid import UUID

    from leadkeep.absorber.inboxkeeper import InboxKeeper
    from leadkeep.journal.inbox.wire import Wire
    from leadkeep.journal.inbox.worth import Worth
    from leadkeep.recovery.journals import Book
    from leadkeep.store.base import Store
    from leadkeep.store.migrations import MigrationStatus
    from leadkeep.store.postgres.links import Target
    from leadkeep.store.postgres.listening import Listener


def database(settings: Settings) -> Target:
    """The database that `store.url` names."""
    from leadkeep.store.postgres.links import Target

    its = settings.store
    assert its.url is not None
    return Target(
        str(its.url),
        connect_seconds=its.connect_timeout_ms / 1_000,
        statement_ms=its.statement_timeout_ms,
        lock_ms=its.busy_timeout_ms,
        prepares=its.prepared_statements,
    )


def inbox_wire(settings: Settings, *, stays: bool = True) -> Wire:
    """A connection to the journal in the database.

    Args:
        stays: it is kept from one use to the next.
    """
    from leadkeep.journal.inbox.wire import Wire

    return Wire(database(settings), stays=stays)


def tally_books(settings: Settings) -> list[Book]:
    """The tallies in the database; none where the store is a file."""
    from leadkeep.recovery.inbox_tallies import InboxTallyBook

    if settings.store.url is None:
        return []
    return [InboxTallyBook(inbox_wire(settings, stays=False))]


def inbox_keeper(settings: Settings, store: Store) -> InboxKeeper | None:
    """What keeps the inbox short; None: the store is a file."""
    from leadkeep.absorber.inboxkeeper import InboxKeeper

    return None if settings.store.url is None else InboxKeeper(inbox_wire(settings), store)


def kept_in_inbox(settings: Settings) -> dict[UUID, str]:
    """Segments that stay in the database's inbox for good, and why; none where it is a file.

    Raises:
        JournalUnavailable: the database cannot be asked now.
    """
    from leadkeep.journal.inbox.reader import InboxReader

    if settings.store.url is None:
        return {}
    return InboxReader(inbox_wire(settings, stays=False)).kept()


def commit_worth(settings: Settings) -> Worth | None:
    """What a 200 is worth, by what the database says of itself; None: the store is a file.

    Raises:
        JournalUnavailable: the database cannot be asked now.
    """
    from leadkeep.journal.inbox.worth import worth_of

    if settings.store.url is None:
        return None
    wire = inbox_wire(settings, stays=False)
    try:
        (row,) = wire.rows(
            "what_a_commit_is_worth", seconds=settings.store.connect_timeout_ms / 1_000
        )
    finally:
        wire.close()
    return worth_of(
        row,
        first=settings.journal_places[0] == IN_STORE,
        falls_back=bool(settings.journal_folders),
    )


def first_of_a_range(settings: Settings) -> int:
    """Where the lead numbers of a door begin that knows of none: a range that no other has.

    Raises:
        JournalUnavailable: the database cannot be asked now.
    """
    wire = inbox_wire(settings, stays=False)
    try:
        ((number,),) = wire.rows("inbox_numbers", seconds=_NUMBERS_SECONDS)
    finally:
        wire.close()
    return int(min(_FIRST_RANGE + number * _RANGE_NUMBERS, _LAST_RANGE))


def listener(settings: Settings, on_leads: Callable[[], None]) -> Listener | None:
    """Who hears of other nodes' leads; None: the store is a file, or nothing can be heard."""
    from leadkeep.store.postgres.listening import Listener

    its = settings.store
    url = its.listen_url or (its.url if its.prepared_statements else None)
    if its.url is None or url is None:
        return None
    return Listener(database(settings)._replace(url=str(url)), on_leads)


def migrate_database(settings: Settings) -> Sequence[MigrationStatus]:
    """Bring the database's schema up to date; returns what was run.

    Raises:
        StoreError: it cannot be used.
    """
    from leadkeep.store.postgres.migrations import migrate

    return asyncio.run(migrate(database(settings)))


def database_migrations(settings: Settings) -> Sequence[MigrationStatus]:
    """Which migrations have run on the database, changing nothing.

    Raises:
        StoreError: it cannot be looked at.
    """
    from leadkeep.store.postgres.migrations import migration_status

    return asyncio.run(migration_status(database(settings)))


def refuse_on_database(settings: Settings, what: str, instead: str) -> None:
    """Refuse what only a SQLite file can have done to it.

    Args:
        what: it completes "cannot …".
        instead: what a person does with a database.

    Raises:
        UsageError: the store is on PostgreSQL.
    """
    if settings.store.url is not None:
        raise UsageError(f"a store on PostgreSQL cannot {what}", hint=instead)
