"""The journals' side of the ledger: every segment there is or was, counted once.

Looked at after the store, and in an order in which nothing can slip through: a segment leaves its
journal only when its tally is written, and the archive only later. So journals come first, then the
archive, then the tallies.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol
from uuid import UUID

import msgspec

from leadkeep.errors import JournalDamaged, JournalError, JournalUnavailable, NotFound
from leadkeep.journal.archive import Archive, ArchivedSegment
from leadkeep.journal.base import CountingReader, SegmentInfo, SegmentState, StrayMark
from leadkeep.journal.lines import DamagedLine
from leadkeep.models import SegmentProgress
from leadkeep.recovery.tallies import Tallies
from leadkeep.recovery.tally import Entries, SegmentCount, Tally


class Account(msgspec.Struct, frozen=True):
    """One segment, from its bytes or from its tally."""

    segment: UUID
    path: str
    """Where its bytes are; empty: nowhere any more."""
    archived: bool
    """It has left its journal, so a store has had all of it."""
    position: int | None
    """How far the store has absorbed it; None: all that was counted is absorbed."""
    counted: SegmentCount | Tally
    entries: Callable[[], Entries] | None
    """Reads it again; None: its bytes are gone."""


class Book(Protocol):
    """Tallies of segments whose bytes may be gone."""

    def all(self) -> Tallies:
        """Every tally; raises `JournalError` if they cannot be read now."""


class JournalSide(msgspec.Struct):
    """What was found."""

    accounts: dict[UUID, Account] = {}
    strays: list[StrayMark] = []
    cannot_look: list[str] = []
    """Folders that cannot be listed, in words."""
    unreadable: dict[UUID, str] = {}
    """Segments whose bytes are there and cannot be read at all, and why."""
    damaged_tallies: tuple[DamagedLine, ...] = ()


class Journals:
    """Where segments are looked for. Blocks on the disk.

    Args:
        readers: one for each journal.
        archive: where absorbed segments are.
        books: the tallies.
    """

    def __init__(
        self, readers: Sequence[CountingReader], archive: Archive, books: Sequence[Book]
    ) -> None:
        self._readers = tuple(readers)
        self._archive = archive
        self._books = tuple(books)

    def counted(self, progress: Mapping[UUID, SegmentProgress]) -> JournalSide:
        """Count every segment.

        Args:
            progress: how far the store had each one, before this is called.
        """
        side = JournalSide()
        for reader in self._readers:
            self._count_journal(reader, progress, side)
        archived = self._archived(side)
        self._take_tallies(archived, side)
        for segment, kept in archived.items():
            if segment not in side.accounts:
                self._count_archived(kept, _position(segment, progress), side)
        if any(segment not in side.accounts for segment in progress):
            # Counted, written and removed from the archive since we asked for the tallies.
            self._take_tallies(archived, side)
        return side

    def recounted(self, account: Account, position: int) -> Account:
        """A tallied segment counted once more, from its archived bytes.

        Args:
            position: how far the store has absorbed it.

        Raises:
            JournalError: its bytes cannot be read.
            NotFound: they are gone.
        """
        assert account.entries is not None
        count = SegmentCount(account.entries(), position)
        return msgspec.structs.replace(account, position=position, counted=count)

    def tallied(self, segment: UUID) -> Account | None:
        """A segment by its tally; None: it has none."""
        side = JournalSide()
        self._take_tallies(self._archived(side), side)
        return side.accounts.get(segment)

    def _count_journal(
        self, reader: CountingReader, progress: Mapping[UUID, SegmentProgress], side: JournalSide
    ) -> None:
        try:
            infos = reader.segments()
            side.strays += reader.stray_marks()
        except JournalError as error:
            side.cannot_look.append(str(error))
            return
        for info in infos:
            position = _position(info.segment, progress)
            entries = partial(reader.heads, _believed(info, position), 0)
            try:
                count = SegmentCount(entries(), position)
            except JournalUnavailable as error:
                # Gone: archived since it was listed, or a spare that never held anything.
                if info.path.exists():
                    side.unreadable[info.segment] = str(error)
                continue
            side.accounts[info.segment] = Account(
                info.segment, str(info.path), False, position, count, entries
            )

    def _archived(self, side: JournalSide) -> dict[UUID, ArchivedSegment]:
        try:
            return {kept.segment: kept for kept in self._archive.segments()}
        except JournalError as error:
            side.cannot_look.append(str(error))
            return {}

    def _take_tallies(self, archived: Mapping[UUID, ArchivedSegment], side: JournalSide) -> None:
        found: dict[UUID, Tally] = {}
        damaged: list[DamagedLine] = []
        for book in self._books:
            try:
                tallies = book.all()
            except JournalError as error:
                side.cannot_look.append(str(error))
                continue
            found |= tallies.found
            damaged += tallies.damaged
        side.damaged_tallies = tuple(damaged)
        for segment, tally in found.items():
            if segment not in side.accounts:
                kept = archived.get(segment)
                entries = None if kept is None else partial(self._archive.heads, segment)
                path = "" if kept is None else str(kept.path)
                side.accounts[segment] = Account(segment, path, True, None, tally, entries)

    def _count_archived(self, kept: ArchivedSegment, position: int, side: JournalSide) -> None:
        entries = partial(self._archive.heads, kept.segment)
        try:
            count = SegmentCount(entries(), position)
        except NotFound:
            return
        except (JournalDamaged, JournalUnavailable) as error:
            side.unreadable[kept.segment] = f"{kept.path}: {error}"
            return
        side.accounts[kept.segment] = Account(
            kept.segment, str(kept.path), True, position, count, entries
        )


def _position(segment: UUID, progress: Mapping[UUID, SegmentProgress]) -> int:
    known = progress.get(segment)
    return 0 if known is None else known.offset


def _believed(info: SegmentInfo, position: int) -> SegmentInfo:
    """A segment to be read at least as far as the store has it: that much was durable for sure."""
    if info.state in {SegmentState.LIVE, SegmentState.SEALED} and (info.durable or 0) < position:
        return msgspec.structs.replace(info, durable=position)
    return info
