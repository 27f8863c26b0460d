"""Looking over all journals and the archive: every segment once, and what is in it.

For people's commands. Changes nothing; a segment that the absorber archives meanwhile is found in
the archive.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from leadkeep.errors import JournalError, JournalUnavailable, NotFound
from leadkeep.journal.archive import Archive
from leadkeep.journal.archivereader import ArchiveReader
from leadkeep.journal.base import Damage, Group, JournalReader, SegmentInfo, TornTail


class Content(msgspec.Struct):
    """What reading one segment to its end has found."""

    groups: int = 0
    records: int = 0
    unacknowledged: int = 0
    """Records that are known to have been acknowledged to nobody."""
    end: int = 0
    damage: list[Damage] = msgspec.field(default_factory=list)
    torn: int | None = None
    """Where the last write of a dead writer was cut short."""
    error: str = ""
    """Why the segment could not be read to its end."""


class Place(msgspec.Struct, frozen=True):
    """A segment and where it is."""

    info: SegmentInfo
    journal: JournalReader | None
    """Who reads it there; None: it is in the archive."""

    @property
    def archived(self) -> bool:
        """It has left its journal."""
        return self.journal is None


class Survey:
    """All segments of one installation.

    Args:
        journals: who reads each of them.
        archive: the archive.
    """

    def __init__(self, journals: Sequence[JournalReader], archive: Archive) -> None:
        self._journals = tuple(journals)
        self._archive = archive

    def places(self, *, archive: bool) -> Iterator[Place]:
        """Every segment, the journals' first; one that is in both places only once.

        Raises:
            JournalUnavailable: a folder cannot be listed.
        """
        seen: set[UUID] = set()
        for journal in self._journals:
            for info in journal.segments():
                if info.segment not in seen:
                    seen.add(info.segment)
                    yield Place(info, journal)
        if archive:
            for info in ArchiveReader(self._archive).segments():
                if info.segment not in seen:
                    yield Place(info, None)

    def unreadable(self) -> list[Path]:
        """Files in the archive that `places` leaves out because their notes are damaged."""
        readable = {info.segment for info in ArchiveReader(self._archive).segments()}
        return [kept.path for kept in self._archive.segments() if kept.segment not in readable]

    def entries(self, place: Place) -> Iterator[Group | Damage | TornTail]:
        """What a segment holds.

        Raises:
            JournalError: it cannot be read.
        """
        if place.journal is not None:
            try:
                yield from place.journal.read(place.info, 0)
            except JournalUnavailable:
                if place.info.path.exists():
                    raise
            else:
                return
            # It has left the journal since it was listed: archived, or a spare that held nothing.
            with contextlib.suppress(NotFound):
                yield from self._archive.read(place.info.segment)
            return
        yield from self._archive.read(place.info.segment)

    def content(self, place: Place) -> Content:
        """Read a segment to its end. Never raises: what is wrong is part of what is found."""
        content = Content()
        try:
            for entry in self.entries(place):
                _count(content, entry)
        except JournalError as error:
            content.error = str(error)
        return content


def _count(content: Content, entry: Group | Damage | TornTail) -> None:
    if isinstance(entry, Group):
        content.groups += 1
        content.records += len(entry.records)
        content.unacknowledged += 0 if entry.acknowledged else len(entry.records)
        content.end = entry.end
    elif isinstance(entry, Damage):
        content.damage.append(entry)
        content.end = max(content.end, entry.end)
    else:
        content.torn = entry.offset
