"""Sees to it that each archived segment has its tally, written before anything can be removed."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from uuid import UUID

import structlog

from leadkeep.errors import JournalDamaged, NotFound
from leadkeep.journal.archive import Archive, ArchivedSegment
from leadkeep.journal.base import CountingReader, SegmentInfo
from leadkeep.models import SegmentProgress
from leadkeep.recovery.examining import StoredLeads, tally_of
from leadkeep.recovery.tallies import TallyBook

_log = structlog.get_logger("leadkeep.recovery")


class TallyKeeper:
    """Counts segments on their way into the archive, and those that are there uncounted.

    Args:
        archive: whose segments are counted.
        store: tells which leads are stored under another segment.
        book: where tallies are written.
    """

    def __init__(self, archive: Archive, store: StoredLeads, book: TallyBook) -> None:
        self._archive = archive
        self._store = store
        self._book = book
        self._known: set[UUID] | None = None
        self._unreadable: set[UUID] = set()

    async def count(self, reader: CountingReader, info: SegmentInfo) -> str:
        """Write the tally of a segment that is about to be archived, unless there is one.

        Returns:
            Why it must stay in its journal instead; empty: its tally is on stable storage.

        Raises:
            JournalError: it cannot be read, or its tally cannot be written.
            StoreError: the store cannot be read.
        """
        known = await self._all_known()
        if info.segment in known:
            return ""
        entries = partial(reader.heads, info, 0)
        tally, missing = await tally_of(entries, info.segment, info.journal, self._store)
        if tally.damage:
            return f"damaged at offset {tally.damage[0].offset}: {tally.damage[0].reason}"
        if missing:
            return f"{missing} of its leads are not in the store"
        await asyncio.to_thread(self._book.write, tally)
        known.add(info.segment)
        return ""

    async def count_archived(
        self, kept: Iterable[ArchivedSegment], progress: Mapping[UUID, SegmentProgress]
    ) -> None:
        """Write the tallies of archived segments that have none: of an earlier version, or damaged.

        Args:
            progress: only what the store has absorbed to its end is counted.

        Raises:
            JournalUnavailable: a tally cannot be written.
            StoreError: the store cannot be read.
        """
        known = await self._all_known()
        for one in kept:
            absorbed = progress.get(one.segment)
            if one.segment in known | self._unreadable or absorbed is None or not absorbed.finished:
                continue
            try:
                entries = partial(self._archive.heads, one.segment)
                journal = absorbed.journal
                tally, _ = await tally_of(entries, one.segment, journal, self._store)
            except (JournalDamaged, NotFound) as error:
                self._unreadable.add(one.segment)
                _log.error(
                    "an archived segment has no tally and cannot be counted",
                    path=str(one.path),
                    error=str(error),
                )
                continue
            await asyncio.to_thread(self._book.write, tally)
            known.add(one.segment)

    async def has(self, segment: UUID) -> bool:
        """Whether a segment's tally is on stable storage."""
        return segment in await self._all_known()

    async def _all_known(self) -> set[UUID]:
        if self._known is None:
            self._known = set((await asyncio.to_thread(self._book.all)).found)
        return self._known
