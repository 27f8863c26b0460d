"""An import from another system's queue, wired for an installation."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from leadkeep.app.journals import doorbell, journal_writers, lead_numbers
from leadkeep.app.parts import make_absorber
from leadkeep.app.store import (
    existing_store,
    make_data_folder,
    open_store,
    refuse_if_lost,
    why_lost,
)
from leadkeep.clock import SystemClock
from leadkeep.errors import NotFound
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.recovery.importing.address import Address
    from leadkeep.recovery.importing.reading import Reading, Wishes
    from leadkeep.recovery.importing.survey import Survey
    from leadkeep.recovery.importing.table import QueueTable
    from leadkeep.recovery.importing.taking import Import, Known, Progress, Take, Taken

TURN_SECONDS = 60.0
"""How long an import waits for another absorber."""
NUMBERS = 2_000
SEGMENT_BYTES = 16 * 1024**2


class Errand(NamedTuple):
    """What shall be imported, from where."""

    address: Address
    table: str
    columns: Mapping[str, str]
    """Ours → theirs, where they are called otherwise."""
    wishes: Wishes


def queue_address(given: str) -> Address:
    """Where `--from` points.

    Raises:
        UsageError: nowhere.
    """
    from leadkeep.recovery.importing.address import parse_address

    return parse_address(given, os.environ)


def check_wishes(settings: Settings, wishes: Wishes) -> None:
    """See to it that what rows are mapped to is configured.

    Raises:
        NotFound: it is not.
    """
    from leadkeep.sources.routes import SourceTable

    sources = SourceTable.of(settings)
    for name in wishes.sources.values():
        if not sources.knows(name):
            known = ", ".join(sorted(settings.sources)) or "default"
            raise NotFound(f"no source is called {name!r}", hint=f"Configured are: {known}.")
    if wishes.destination and wishes.destination not in settings.destinations:
        known = ", ".join(sorted(settings.destinations)) or "none"
        raise NotFound(
            f"no destination is called {wishes.destination!r}", hint=f"Configured are: {known}."
        )


async def survey_queue(
    settings: Settings,
    errand: Errand,
    progress: Progress | None = None,
) -> Survey:
    """What an import would do; changes nothing.

    Raises:
        QueueUnreadable: the queue cannot be read.
        StoreError: the store cannot be read, or is gone.
    """
    from leadkeep.recovery.examining import NoStore

    lost = why_lost(settings)
    if lost is not None:
        raise lost.error
    async with opened_queue(errand) as queue, existing_store(settings) as store:
        return await _import(settings, queue, errand.wishes, store or NoStore(), progress).survey()


async def import_queue(
    settings: Settings,
    errand: Errand,
    *,
    total: int,
    stop: asyncio.Event,
    progress: Progress | None = None,
) -> Taken:
    """Take every row that is not here yet.

    Args:
        total: how many that are, for the progress.
        stop: set to end it soon; run again, it goes on.

    Raises:
        QueueUnreadable: the queue cannot be read.
        JournalUnavailable: no journal takes them.
        StoreError: the store cannot be used.
        AlreadyRunning: another process has been absorbing for longer than we wait.
    """
    make_data_folder(settings)
    async with opened_queue(errand) as queue, open_store(settings) as store:
        await refuse_if_lost(settings, store)
        absorber = make_absorber(settings, store, on_absorbed=lambda: None)

        async def absorb() -> None:
            await absorber.absorb_available(wait_seconds=TURN_SECONDS)

        try:
            # What an earlier run has made durable and nobody has absorbed yet is known afterwards.
            await absorb()
            work = _import(settings, queue, errand.wishes, store, progress)
            async with _open_door(settings) as take:
                done = await work.run(total=total, take=take, absorb=absorb, stop=stop)
            # Now that its journal is closed, all of it.
            await absorb()
            return done
        finally:
            absorber.close()


@asynccontextmanager
async def opened_queue(errand: Errand) -> AsyncIterator[QueueTable]:
    """The table, to read.

    Raises:
        QueueUnreadable: it cannot be.
    """
    queue: QueueTable
    address, table, columns, _ = errand
    match address.engine:
        case "postgresql":
            from leadkeep.recovery.importing.postgres import PostgresQueue

            queue = await PostgresQueue.open(address, table, columns)
        case "mysql":
            from leadkeep.recovery.importing.mysql import MysqlQueue

            queue = await MysqlQueue.open(address, table, columns)
        case _:
            from leadkeep.recovery.importing.sqlite import SqliteQueue

            queue = await SqliteQueue.open(address, table, columns)
    try:
        yield queue
    finally:
        await queue.close()


def _import(
    settings: Settings,
    queue: QueueTable,
    wishes: Wishes,
    known: Known,
    progress: Progress | None,
) -> Import:
    from leadkeep.recovery.importing.taking import Import
    from leadkeep.sources.routes import SourceTable

    return Import(
        queue,
        wishes,
        known,
        SystemClock(),
        knows_source=SourceTable.of(settings).knows,
        progress=progress,
    )


@asynccontextmanager
async def _open_door(settings: Settings) -> AsyncIterator[Take]:
    from leadkeep.intake.bringing import Arrival, ImportDoor

    clock = SystemClock()

    def opened() -> ImportDoor:
        return ImportDoor(
            journals=journal_writers(
                settings, clock, segment_bytes=min(settings.journal.segment_bytes, SEGMENT_BYTES)
            ),
            numbers=lead_numbers(settings, clock, block=NUMBERS),
            ring=doorbell(settings).ring,
        )

    # Opening and closing wait for the disk: not in the loop's thread.
    door = await asyncio.to_thread(opened)

    async def take(rows: Sequence[tuple[Reading, str, bytes]]) -> None:
        arrivals = [
            Arrival(
                lead_id=found.lead_id,
                received_at_us=found.received_at_us,
                source=found.source,
                content_type=kind,
                body=body,
                origin=found.origin,
            )
            for found, kind, body in rows
        ]
        await asyncio.to_thread(door.take, arrivals)

    try:
        yield take
    finally:
        await asyncio.to_thread(door.close)
