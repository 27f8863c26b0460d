"""The store's database on PostgreSQL: where it is, how long it may take, and its migrations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from leadkeep.errors import UsageError
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
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
