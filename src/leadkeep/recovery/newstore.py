"""A store made beside the place of the real one: settled, examined, and only then given its name.

Until then it is `leadkeep.db.new`, which nothing but recovery opens, so that nobody can deliver out
of a store in which leads still count as pending.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from leadkeep.clock import Clock, rfc3339
from leadkeep.errors import JournalError, RecoveryError
from leadkeep.journal.archive import Archive
from leadkeep.journal.base import Damage, Group, JournalReader, SegmentInfo, TornTail
from leadkeep.journal.numbers import BLOCK_NUMBERS
from leadkeep.journal.outcomes import OutcomeLog
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.survey import Survey
from leadkeep.recovery.examination import Examined, OpenStore, examine
from leadkeep.recovery.files import Progress, sync_folder
from leadkeep.recovery.places import Places
from leadkeep.recovery.settling import Settled, settle
from leadkeep.store.base import Store

Absorb = Callable[[Store, Archive, Set[UUID]], Awaitable[int]]
"""Absorbs journals and the given archive into a store, and tells how many leads that were. Of the
segments named, the archive's copy is to be read and not the journal's."""

NUMBERS_KEPT_CLEAR = 1_000 * BLOCK_NUMBERS
"""So many numbers above all that are known are never given after a recovery: whatever a door may
have given that nobody here has heard of. Each of its starts takes a block, and a thousand leads a
second use up no more than the time does."""


class Made(NamedTuple):
    """A new store, complete under its temporary name."""

    settled: Settled
    examined: Examined
    highest_number: int
    """The highest lead number in it."""
    rather_archived: Set[UUID]
    """Segments of which the archive's copy was read, because it holds more than the journal's."""


def files_of(store: Path) -> list[Path]:
    """A store's file, and those that may stand beside it."""
    beside = ("-wal", "-shm", "-journal", ".poisoned")
    return [store, *(store.with_name(store.name + suffix) for suffix in beside)]


def clear_new_store(places: Places) -> None:
    """Remove what a recovery that did not finish has left."""
    for path in files_of(places.new_store):
        path.unlink(missing_ok=True)


async def make_new_store(
    places: Places,
    *,
    archive: Archive,
    journals: Sequence[JournalReader],
    open_store: OpenStore,
    absorb: Absorb,
    reason: str,
    actor: str,
    progress: Progress | None,
) -> Made:
    """Absorb, settle and examine the new store; a copy of an older one may be there already.

    Args:
        open_store: opens a store's file to write, with a clock of `AnotherBoot`; makes it if there
            is none.
        archive: what it is made from, beside the journals; its folder has the outcomes too.
        reason: why deliveries of unknown outcome are held.

    Raises:
        StoreError: it cannot be written.
        JournalError: a journal or the archive cannot be listed.
    """
    rather_archived = await asyncio.to_thread(better_archived, journals, archive)
    places.new_store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with open_store(places.new_store) as store:
        settled = await settle(
            store,
            absorb=lambda: absorb(store, archive, rather_archived),
            outcomes=OutcomeLog(archive.folder / "outcomes"),
            reason=reason,
            actor=actor,
            progress=progress,
        )
        examined = await examine(
            store, Survey(list(map(DiskJournalReader, places.journals)), archive), progress
        )
        highest = await store.highest_lead_number()
        if not await store.checkpoint():
            raise RecoveryError(f"somebody reads {places.new_store}", hint="Try again.")
    if places.new_store.with_name(places.new_store.name + "-wal").exists():
        raise RecoveryError(f"somebody has {places.new_store} open", hint="Try again.")
    return Made(settled, examined, highest, rather_archived)


def put_in_place(places: Places, clock: Clock) -> Path | None:
    """Give the new store its name, durably; nothing happens if that was done already.

    Returns:
        Where that is now which was in its place; None if nothing was.
    """
    if not places.new_store.exists():
        return None
    aside = _move_aside(places, clock)
    places.new_store.rename(places.store)
    sync_folder(places.store.parent)
    return aside


def _move_aside(places: Places, clock: Clock) -> Path | None:
    """What is in the new store's place goes into a folder of its own, the database first.

    Without a database nothing starts here, so a crash in between harms nobody; the next run moves
    the rest. A log that stayed would be taken for the new store's own.
    """
    there = [path for path in files_of(places.store) if path.exists()]
    if not there:
        return None
    stem = f"{places.store.name}.replaced-"
    begun = sorted(places.store.parent.glob(f"{stem}*")) if there[0] != places.store else []
    stamp = rfc3339(clock.now_us()).replace(":", "")
    aside = begun[-1] if begun else places.store.with_name(stem + stamp)
    aside.mkdir(mode=0o700, exist_ok=True)
    sync_folder(aside.parent)
    for path in there:
        path.rename(aside / path.name)
        sync_folder(aside)
        sync_folder(path.parent)
    return aside


def better_archived(journals: Sequence[JournalReader], archive: Archive) -> set[UUID]:
    """Segments that are in a journal and in the archive, and of which that copy holds more."""
    archived = {kept.segment for kept in archive.segments()}
    return {
        info.segment
        for journal in journals
        for info in journal.segments()
        if info.segment in archived
        and _records(archive.read(info.segment)) > _records(journal.read(info, 0))
    }


def _records(entries: Iterable[Group | Damage | TornTail]) -> int:
    """How many records can be read."""
    found = 0
    with contextlib.suppress(JournalError):
        for entry in entries:
            found += len(entry.records) if isinstance(entry, Group) else 0
    return found


class Hiding:
    """A journal's reader that keeps some segments to itself: there is a better copy of them."""

    def __init__(self, reader: JournalReader, hidden: Set[UUID]) -> None:
        self._reader = reader
        self._hidden = hidden

    def segments(self) -> list[SegmentInfo]:
        """Every other segment, oldest first."""
        return [info for info in self._reader.segments() if info.segment not in self._hidden]

    def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
        """As the reader."""
        return self._reader.read(info, offset)

    def refresh(self, info: SegmentInfo) -> SegmentInfo | None:
        """As the reader."""
        return self._reader.refresh(info)
