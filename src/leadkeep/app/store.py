"""Opening the store, and refusing to begin a new one where the old one was lost.

Invariant: a store that is lost is never silently replaced by an empty one. An empty store beside a
full archive would absorb the archive once more, and every lead in it would be delivered again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from leadkeep.clock import SystemClock
from leadkeep.errors import StoreDamaged, StoreUnavailable, StoreUnsafe
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.store.base import Store
    from leadkeep.store.engine.hand import OnDecided
    from leadkeep.store.migrations import MigrationStatus


def make_data_folder(settings: Settings) -> None:
    """Make the folder of the store, where there is none; only its owner may look into it.

    Raises:
        StoreUnavailable: it cannot be made.
    """
    folder = settings.store_path.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder {folder} cannot be made: {error.strerror}",
            hint="Give a folder that this user may write to, with --data or in leadkeep.toml.",
        ) from error


def has_store(settings: Settings) -> bool:
    """Whether there is a store to open: its file, or a database that is named."""
    return settings.store.url is not None or settings.store_path.exists()


@asynccontextmanager
async def open_store(
    settings: Settings,
    *,
    read_only: bool = False,
    recover: bool = False,
    on_full: Callable[[Path], None] = lambda folder: None,
) -> AsyncIterator[Store]:
    """The store, migrated unless `read_only`.

    What a person decides through it is in the log of outcomes before the decision returns.

    Args:
        read_only: for looking: nothing is created or migrated.
        recover: bring everything into the database file first; clears a mark of poisoning.
        on_full: called from any thread, with the store's folder, when its disk has no room.

    Raises:
        StoreError: it cannot be used; the hint says what to do.
    """
    async with AsyncExitStack() as resources:
        on_decided = None
        if not read_only:
            from leadkeep.delivery.decisions import DecisionLog
            from leadkeep.journal.outcomes import OutcomeLog
            from leadkeep.store.occupancy import used

            make_data_folder(settings)
            resources.enter_context(used(settings.run_folder))
            _refuse_to_make_another(settings)
            decisions = DecisionLog(OutcomeLog(settings.archive_folder / "outcomes"))
            resources.push_async_callback(decisions.close)
            on_decided = decisions.write
        store = await _opened(
            settings, read_only=read_only, recover=recover, on_full=on_full, on_decided=on_decided
        )
        resources.push_async_callback(store.close)
        yield store


async def _opened(
    settings: Settings,
    *,
    read_only: bool,
    recover: bool,
    on_full: Callable[[Path], None],
    on_decided: OnDecided | None,
) -> Store:
    if settings.store.url is not None:
        from leadkeep.app.database import database
        from leadkeep.store.postgres.opening import open_postgres

        return await open_postgres(database(settings), read_only=read_only, on_decided=on_decided)
    from leadkeep.store.sqlite.opening import open_sqlite

    return await open_sqlite(
        settings.store_path,
        clock=SystemClock(),
        busy_timeout_ms=settings.store.busy_timeout_ms,
        read_only=read_only,
        recover=recover,
        on_full=partial(on_full, settings.store_path.parent),
        on_decided=on_decided,
    )


@asynccontextmanager
async def existing_store(settings: Settings) -> AsyncIterator[Store | None]:
    """The store, to look; None if there is none yet, which is no error: no lead has come.

    Raises:
        StoreError: it is there and cannot be used.
    """
    if not has_store(settings):
        yield None
        return
    async with open_store(settings, read_only=True) as store:
        yield store


def migrations_left(settings: Settings) -> Sequence[MigrationStatus]:
    """What `migrate_store` would run, changing nothing.

    Raises:
        StoreError: the store cannot be looked at.
    """
    if settings.store.url is not None:
        from leadkeep.app.database import database_migrations

        return [one for one in database_migrations(settings) if not one.applied]
    from leadkeep.store.migrations import MigrationStatus
    from leadkeep.store.sqlite.migrations import known_migrations, migration_status

    if not settings.store_path.exists():
        return [MigrationStatus(one.number, one.name, False) for one in known_migrations()]
    found = migration_status(settings.store_path, busy_timeout_ms=settings.store.busy_timeout_ms)
    return [one for one in found if not one.applied]


def migrate_store(settings: Settings) -> Sequence[MigrationStatus]:
    """Bring the store's schema up to date, making the store if there is none.

    Raises:
        StoreError: it cannot be used.
    """
    from leadkeep.store.occupancy import used
    from leadkeep.store.sqlite.migrations import migrate

    if settings.store.url is not None:
        from leadkeep.app.database import migrate_database

        return migrate_database(settings)
    make_data_folder(settings)
    with used(settings.run_folder):
        _refuse_to_make_another(settings)
        return migrate(settings.store_path, busy_timeout_ms=settings.store.busy_timeout_ms)


class Lost(NamedTuple):
    """A store that was there once and is not."""

    error: StoreUnsafe
    mend: tuple[str, ...]
    """The command that brings it back, in words."""


def why_lost(settings: Settings) -> Lost | None:
    """What is wrong if there is no store although there was one; None: nothing is."""
    from leadkeep.recovery.places import Places

    if settings.store.url is not None:
        return None
    places = Places.of(settings)
    if places.store.exists():
        return None
    if places.restoring.exists():
        error = StoreUnsafe(
            f"a restore into {places.data} was not finished",
            hint="Run the same `leadkeep restore` again: it goes on.",
        )
        return Lost(error, ("restore", "--help"))
    if places.new_store.exists():
        error = StoreUnsafe(
            f"a rebuild of the store {places.store} was not finished",
            hint="Run `leadkeep rebuild` again: it begins anew.",
        )
        return Lost(error, ("rebuild",))
    if places.has_history():
        error = StoreUnsafe(
            f"the store {places.store} is gone, and {places.archive} holds what was in it",
            hint="`leadkeep rebuild` makes it anew; an empty one would deliver every lead again.",
        )
        return Lost(error, ("rebuild",))
    return None


def why_damaged(settings: Settings) -> StoreDamaged | None:
    """What was found wrong with the store's file, after which nothing writes there; else None."""
    from leadkeep.store.sqlite.poison import PoisonMark

    if settings.store.url is not None:
        return None
    try:
        PoisonMark(settings.store_path).check_whole()
    except StoreDamaged as error:
        return error
    return None


def _refuse_to_make_another(settings: Settings) -> None:
    lost = why_lost(settings)
    if lost is not None:
        raise lost.error


async def refuse_if_lost(settings: Settings, store: Store) -> None:
    """Before absorbing: see to it that the store is not an empty one in the place of a lost one.

    Raises:
        StoreUnsafe: it is.
    """
    from leadkeep.recovery.places import Places

    places = Places.of(settings)
    if places.has_history() and not await store.progress():
        if settings.store.url is not None:
            raise StoreUnsafe(
                f"the store {settings.store_name} is empty, and {places.archive} is not",
                hint="Check store.url, or restore the database from its backup; going on would "
                "deliver every lead again.",
            )
        raise StoreUnsafe(
            f"the store {places.store} is empty, and {places.archive} is not",
            hint="`leadkeep rebuild` makes it anew; going on would deliver every lead again.",
        )
