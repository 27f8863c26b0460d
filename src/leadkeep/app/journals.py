"""The journals made from the settings: who writes to them, who reads them, who absorbs them."""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from leadkeep.app.store import has_store, open_store
from leadkeep.clock import Clock
from leadkeep.errors import JournalUnavailable
from leadkeep.settings.model import Settings

if TYPE_CHECKING:
    from leadkeep.journal.base import CountingReader, JournalReader, JournalWriter
    from leadkeep.journal.doorbell import Doorbell
    from leadkeep.journal.numbers import LeadNumbers
    from leadkeep.journal.reader import DiskJournalReader


def journal_writers(
    settings: Settings,
    clock: Clock,
    *,
    segment_bytes: int | None = None,
    deadline_ms: int | None = None,
    wait_seconds: float | None = None,
) -> list[JournalWriter]:
    """The journals in order of preference; one that cannot be opened now is opened later.

    Args:
        segment_bytes: size of their files; None: as set.
        deadline_ms: a commit that takes longer is not acknowledged; None: none is too long.
        wait_seconds: how long to wait for each to be opened; None: for ever.
    """
    from leadkeep.disks.room import left_free
    from leadkeep.journal.disk import DiskJournal
    from leadkeep.journal.late import LateJournal

    def in_store() -> JournalWriter:
        from leadkeep.app.database import inbox_wire
        from leadkeep.journal.inbox.writer import InboxJournal

        patience_ms = settings.journal.deadline_ms if deadline_ms is None else deadline_ms
        return InboxJournal(inbox_wire(settings), clock=clock, deadline_ms=patience_ms)

    def opened(folder: Path) -> DiskJournal:
        try:
            # Asked when it is opened: only then is its disk sure to be there.
            leave_free = left_free(settings, folder)
        except OSError as error:
            raise JournalUnavailable(
                f"the journal {folder} cannot be opened: {error.strerror}",
                hint="Check that its folder and the data folder can be read.",
            ) from error
        return DiskJournal(
            folder,
            segment_bytes=segment_bytes or settings.journal.segment_bytes,
            clock=clock,
            deadline_ms=deadline_ms,
            leave_free=leave_free,
        )

    return [
        LateJournal(place, partial(opened, place), clock=clock, wait_seconds=wait_seconds)
        if isinstance(place, Path)
        else in_store()
        for place in settings.journal_places
    ]


def disk_readers(settings: Settings) -> list[DiskJournalReader]:
    """One for each journal on a disk of this machine."""
    from leadkeep.journal.reader import DiskJournalReader

    node = this_node(settings)
    return [DiskJournalReader(folder, node=node) for folder in settings.journal_folders]


def this_node(settings: Settings) -> str:
    """The name of this machine among those that share the store; empty: none does."""
    return "" if settings.store.url is None else socket.gethostname()


def journal_readers(settings: Settings) -> list[CountingReader]:
    """One for each journal that can be read from here, for those who only look."""
    if settings.store.url is None:
        return [*disk_readers(settings)]
    return [_inbox_reader(settings), *disk_readers(settings)]


def _inbox_reader(settings: Settings, *, absorber: str = "") -> CountingReader:
    """Reads the inbox in the database, whether or not this node's door writes to it.

    Args:
        absorber: the name under which this process absorbs; empty: it only looks, and hangs up.
    """
    from leadkeep.app.database import inbox_wire
    from leadkeep.journal.inbox.reader import InboxReader

    return InboxReader(inbox_wire(settings, stays=bool(absorber)), absorber=absorber)


def absorbed_readers(settings: Settings) -> list[JournalReader]:
    """One for each journal that this process absorbs."""
    if settings.store.url is None:
        return [*disk_readers(settings)]
    name = f"{socket.gethostname()}:{os.getpid()}"
    return [_inbox_reader(settings, absorber=name), *disk_readers(settings)]


def lead_numbers(
    settings: Settings,
    clock: Clock,
    *,
    block: int | None = None,
    wait_seconds: float | None = None,
) -> LeadNumbers:
    from leadkeep.journal.numbers import BLOCK_NUMBERS, LeadNumbers
    from leadkeep.journal.waiting import highest_lead_number

    async def highest_in_store() -> int:
        if not has_store(settings):
            return 0
        async with open_store(settings, read_only=True) as store:
            return await store.highest_lead_number()

    def first_of_a_range() -> int:
        from leadkeep.app.database import first_of_a_range

        return first_of_a_range(settings)

    return LeadNumbers(
        settings.data / "lead-numbers",
        clock,
        floors=(
            lambda: highest_lead_number(disk_readers(settings)),
            # Doors that share a database must not all begin behind the highest that it knows.
            (lambda: asyncio.run(highest_in_store()))
            if settings.store.url is None
            else first_of_a_range,
        ),
        block=block or BLOCK_NUMBERS,
        wait_seconds=wait_seconds,
    )


def doorbell(settings: Settings) -> Doorbell:
    from leadkeep.journal.doorbell import Doorbell

    return Doorbell(settings.run_folder / "doorbell")
