"""Backup, restore, verify and rebuild, wired for an installation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from leadkeep.app.database import refuse_on_database
from leadkeep.app.journals import journal_readers, this_node
from leadkeep.app.parts import make_absorber
from leadkeep.clock import Clock, SystemClock
from leadkeep.errors import RecoveryError, StoreUnavailable
from leadkeep.recovery.places import Places
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.journal.archive import Archive
    from leadkeep.recovery.backup import BackedUp
    from leadkeep.recovery.examination import Examined, OpenStore
    from leadkeep.recovery.files import Progress
    from leadkeep.recovery.manifest import Manifest
    from leadkeep.recovery.newstore import Absorb
    from leadkeep.recovery.rebuild import Rebuild
    from leadkeep.recovery.restore import Restore
    from leadkeep.store.base import Store


async def back_up(
    settings: Settings,
    directory: Path,
    *,
    since: Path | None = None,
    progress: Progress | None = None,
) -> BackedUp:
    """Make a backup of a running or resting installation; see `Backup.make`."""
    from leadkeep.recovery.backup import Backup

    refuse_on_database(
        settings,
        "be backed up with its journals by this command",
        "Back the database up with pg_basebackup and its WAL; journals and archive are in "
        f"{settings.data}.",
    )
    backup = Backup(
        Places.of(settings),
        journals=journal_readers(settings),
        open_store=_opener(settings, read_only=True),
        clock=SystemClock(),
        since=since,
        progress=progress,
    )
    return await backup.make(directory)


async def verify(settings: Settings, progress: Progress | None = None) -> Examined:
    """Compare every lead of journals and archive with the store; see `examine`.

    Raises:
        StoreError: there was a store, and it is gone or cannot be read.
    """
    from leadkeep.app.store import existing_store, why_lost
    from leadkeep.journal.archive import Archive
    from leadkeep.journal.survey import Survey
    from leadkeep.recovery.examination import examine

    lost = why_lost(settings)
    if lost is not None:
        raise lost.error
    survey = Survey(journal_readers(settings), Archive(settings.archive_folder))
    async with existing_store(settings) as store:
        return await examine(store, survey, progress, node=this_node(settings))


async def verify_backup(
    settings: Settings, directory: Path, progress: Progress | None = None
) -> tuple[Manifest, Examined]:
    """Compare a backup with its manifest, and its leads with its store.

    Raises:
        NotFound, RecoveryError: it is no backup; BackupDamaged: its manifest is not whole.
    """
    from leadkeep.recovery.examination import examine_backup
    from leadkeep.recovery.manifest import read_manifest

    manifest = await asyncio.to_thread(read_manifest, directory)
    try:
        found = await examine_backup(
            directory, manifest, _opener(settings, read_only=True), progress
        )
    except StoreUnavailable as error:
        raise RecoveryError(
            f"the leads in {directory} cannot be compared: {error}",
            hint="Its files are whole. If it is of an older version, restoring it brings it up "
            "to date.",
        ) from error
    return manifest, found


def restoring(settings: Settings, directory: Path, progress: Progress | None = None) -> Restore:
    """A restore of a backup to where the settings say."""
    from leadkeep.recovery.restore import Restore

    refuse_on_database(
        settings,
        "be restored by this command",
        "Restore the database from its base backup and WAL, then start the worker: it absorbs "
        "what the database lacks.",
    )
    return Restore(
        directory,
        Places.of(settings),
        journals=journal_readers(settings),
        open_store=_opener(settings, read_only=False),
        absorb=_absorb(settings, progress),
        clock=SystemClock(),
        progress=progress,
    )


def rebuilding(settings: Settings, progress: Progress | None = None) -> Rebuild:
    """A rebuild of the store that the settings name."""
    from leadkeep.recovery.rebuild import Rebuild

    refuse_on_database(
        settings,
        "be rebuilt by this command",
        "Restore the database from its base backup and WAL.",
    )
    return Rebuild(
        Places.of(settings),
        journals=journal_readers(settings),
        open_store=_opener(settings, read_only=False),
        look=_opener(settings, read_only=True),
        absorb=_absorb(settings, progress),
        clock=SystemClock(),
        progress=progress,
    )


def _absorb(settings: Settings, progress: Progress | None) -> Absorb:
    """Absorbs journals and an archive into whatever store is given."""
    from leadkeep.recovery.newstore import Hiding

    async def absorb(store: Store, archive: Archive, hidden: Set[UUID]) -> int:
        def tell() -> None:
            if progress is not None:
                progress("absorbing leads", absorber.totals.leads, 0)

        readers = [Hiding(reader, hidden) for reader in journal_readers(settings)]
        absorber = make_absorber(
            settings, store, on_absorbed=tell, readers=readers, archived=archive
        )
        try:
            return (await absorber.absorb_available()).leads
        finally:
            absorber.close()

    return absorb


def _opener(settings: Settings, *, read_only: bool) -> OpenStore:
    """Opens a store's file, wherever it is."""
    from leadkeep.recovery.settling import AnotherBoot
    from leadkeep.store.sqlite.opening import open_sqlite

    @asynccontextmanager
    async def opened(path: Path) -> AsyncIterator[Store]:
        clock: Clock = SystemClock() if read_only else AnotherBoot()
        store = await open_sqlite(
            path,
            clock=clock,
            busy_timeout_ms=settings.store.busy_timeout_ms,
            read_only=read_only,
        )
        try:
            yield store
        finally:
            await store.close()

    return opened
