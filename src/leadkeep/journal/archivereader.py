"""The archive as a `JournalReader`: for a store whose position lies in it."""

from collections.abc import Iterator
from uuid import UUID

import structlog

from leadkeep.errors import JournalDamaged, NotFound
from leadkeep.journal.archive import Archive, ArchivedSegment
from leadkeep.journal.base import Damage, Group, GroupHeads, SegmentInfo, TornTail

_log = structlog.get_logger("leadkeep.journal")


class ArchiveReader:
    """Segments of the archive, none of them live."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._infos: dict[UUID, SegmentInfo] = {}

    def segments(self) -> list[SegmentInfo]:
        """Every archived segment whose note can be read, oldest first.

        Raises:
            JournalUnavailable: the archive cannot be listed now.
        """
        infos = {}
        for kept in self._archive.segments():
            info = self._infos.get(kept.segment) or self._info_of(kept)
            if info is not None:
                infos[kept.segment] = info
        self._infos = infos
        return sorted(infos.values(), key=lambda info: (info.created_at_us, info.path))

    def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
        """Groups from `offset`; errors as `Archive.read`."""
        return self._archive.read(info.segment, offset)

    def heads(self, info: SegmentInfo, offset: int) -> Iterator[GroupHeads | Damage | TornTail]:
        """As `read`, but only what is counted of each record."""
        return self._archive.heads(info.segment, offset)

    def refresh(self, info: SegmentInfo) -> SegmentInfo | None:
        """None: nothing in the archive is live."""
        return None

    def _info_of(self, kept: ArchivedSegment) -> SegmentInfo | None:
        try:
            note = self._archive.note(kept.segment)
        except (JournalDamaged, NotFound) as error:
            _log.error("an archived segment cannot be read", path=str(kept.path), error=str(error))
            return None
        return SegmentInfo(
            segment=kept.segment,
            path=kept.path,
            journal=note.journal,
            state=note.state,
            durable=note.durable,
            created_at_us=note.created_at_us,
        )
