"""Each object made from the settings, with what it needs beside it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog

from leadkeep.clock import Clock, SystemClock
from leadkeep.errors import StoreUnavailable
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.absorber.absorber import Absorber
    from leadkeep.absorber.archivist import Archivist
    from leadkeep.delivery.worker import DeliveryWorker
    from leadkeep.journal.archive import Archive
    from leadkeep.journal.base import JournalWriter
    from leadkeep.journal.doorbell import Doorbell
    from leadkeep.journal.numbers import LeadNumbers
    from leadkeep.journal.reader import DiskJournalReader
    from leadkeep.store.base import Store

log = structlog.get_logger("leadkeep.app")


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


@asynccontextmanager
async def existing_store(settings: Settings) -> AsyncIterator[Store | None]:
    """The store, to look; None if there is none yet, which is no error: no lead has come.

    Raises:
        StoreError: it is there and cannot be used.
    """
    if not settings.store_path.exists():
        yield None
        return
    async with open_store(settings, read_only=True) as store:
        yield store


@asynccontextmanager
async def open_store(
    settings: Settings, *, read_only: bool = False, recover: bool = False
) -> AsyncIterator[Store]:
    """The store, migrated unless `read_only`.

    Args:
        read_only: for looking: nothing is created or migrated.
        recover: bring everything into the database file first; clears a mark of poisoning.

    Raises:
        StoreError: it cannot be used; the hint says what to do.
    """
    from leadkeep.store.sqlite.store import open_sqlite

    if not read_only:
        make_data_folder(settings)
    store = await open_sqlite(
        settings.store_path,
        clock=SystemClock(),
        busy_timeout_ms=settings.store.busy_timeout_ms,
        read_only=read_only,
        recover=recover,
    )
    try:
        yield store
    finally:
        await store.close()


def journal_writers(
    settings: Settings, clock: Clock, *, segment_bytes: int | None = None
) -> list[JournalWriter]:
    """The journals in order of preference; one that cannot be opened now is opened later."""
    from leadkeep.journal.disk import DiskJournal
    from leadkeep.journal.late import LateJournal

    size = segment_bytes or settings.journal.segment_bytes
    return [
        LateJournal(
            folder, partial(DiskJournal, folder, segment_bytes=size, clock=clock), clock=clock
        )
        for folder in settings.journal_folders
    ]


def journal_readers(settings: Settings) -> list[DiskJournalReader]:
    from leadkeep.journal.reader import DiskJournalReader

    return [DiskJournalReader(folder) for folder in settings.journal_folders]


def lead_numbers(settings: Settings, clock: Clock, *, block: int | None = None) -> LeadNumbers:
    from leadkeep.journal.numbers import BLOCK_NUMBERS, LeadNumbers
    from leadkeep.journal.waiting import highest_lead_number

    async def highest_in_store() -> int:
        if not settings.store_path.exists():
            return 0
        async with open_store(settings, read_only=True) as store:
            return await store.highest_lead_number()

    return LeadNumbers(
        settings.data / "lead-numbers",
        clock,
        floors=(
            lambda: highest_lead_number(journal_readers(settings)),
            lambda: asyncio.run(highest_in_store()),
        ),
        block=block or BLOCK_NUMBERS,
    )


def doorbell(settings: Settings) -> Doorbell:
    from leadkeep.journal.doorbell import Doorbell

    return Doorbell(settings.run_folder / "doorbell")


def archive(settings: Settings) -> Archive:
    from leadkeep.journal.archive import Archive

    return Archive(settings.archive_folder, clock=SystemClock())


def make_absorber(settings: Settings, store: Store, *, on_absorbed: Callable[[], None]) -> Absorber:
    from leadkeep.absorber.absorber import Absorber
    from leadkeep.journal.archive import ArchiveReader
    from leadkeep.sources.contact import ContactReader
    from leadkeep.sources.routes import SourceTable

    return Absorber(
        readers=journal_readers(settings),
        store=store,
        sources=SourceTable.of(settings),
        contacts=ContactReader(settings.worker.default_region),
        clock=SystemClock(),
        lock_path=settings.run_folder / "absorber.lock",
        on_absorbed=on_absorbed,
        archive=ArchiveReader(archive(settings)),
    )


def make_archivist(settings: Settings, store: Store, absorber: Absorber) -> Archivist:
    from leadkeep.absorber.archivist import Archivist

    return Archivist(
        readers=journal_readers(settings),
        archive=archive(settings),
        store=store,
        settings=settings.journal,
        clock=SystemClock(),
        troubles=absorber.troubles,
    )


@asynccontextmanager
async def make_delivery(settings: Settings, store: Store) -> AsyncIterator[DeliveryWorker]:
    from leadkeep.delivery.worker import DeliveryWorker
    from leadkeep.destinations.http import HttpDestination
    from leadkeep.journal.outcomes import OutcomeLog

    clock = SystemClock()
    destinations = {
        name: HttpDestination(name, chosen, clock=clock)
        for name, chosen in settings.destinations.items()
    }
    try:
        yield DeliveryWorker(
            store=store,
            destinations=destinations,
            settings=settings.destinations,
            clock=clock,
            lease_ms=int(settings.worker.lease_seconds * 1_000),
            worker=f"{socket.gethostname()}:{os.getpid()}",
            outcome_log=OutcomeLog(settings.archive_folder / "outcomes"),
            drain_seconds=settings.worker.drain_seconds,
        )
    finally:
        for destination in destinations.values():
            await destination.close()


async def adopt_unrouted(settings: Settings, store: Store) -> None:
    """Leads that came while there was no destination go to those that there are now."""
    adopted = 0
    while settings.destinations and (some := await store.adopt_unrouted([*settings.destinations])):
        adopted += some
    if adopted:
        log.info("leads that waited for a destination are on their way", leads=adopted)
