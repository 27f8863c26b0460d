"""Which segments there are, how far each is absorbed, and which of them have news.

Listing folders is for when something changed; while only a live segment grows, its durable mark is
all that is looked at.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from leadkeep.absorber.reading import nothing_yet
from leadkeep.errors import JournalError
from leadkeep.journal.base import JournalReader, SegmentInfo, SegmentState, is_elsewhere
from leadkeep.models import SegmentProgress


class OpenSegment(msgspec.Struct, eq=False):
    """A segment that is not wholly absorbed."""

    reader: JournalReader
    info: SegmentInfo
    progress: SegmentProgress
    read_to: int | None = None
    """The durable mark up to which all was read; None: never read."""
    retry_at_ms: int = 0
    """Boot time before which it is left alone, after something went wrong with it."""
    doubts: dict[int, int] = {}
    """Offset of a damage → how often it was met."""
    in_doubt: bool = False
    """Reading it ended at damage that is not believed yet."""
    failures: int = 0
    """How often in a row it could not be read."""

    @property
    def has_news(self) -> bool:
        """There is something to read, or to finish."""
        return self.info.state is not SegmentState.LIVE or self.info.durable != self.read_to


class Segments:
    """Every open segment of some journals. `look` and `list_folders` do I/O and belong in a thread.

    Args:
        readers: one for each journal.
        archive: looked at only after `believe`: what is in it was absorbed, unless the store has
            been set back since.
        node: this machine, among those that share the store; empty: none does.
    """

    def __init__(
        self,
        readers: Sequence[JournalReader],
        archive: JournalReader | None = None,
        node: str = "",
    ) -> None:
        self._node = node
        self._readers = tuple(readers)
        self._archive = archive
        self._archive_is_due = archive is not None
        self._known: Mapping[UUID, SegmentProgress] = {}
        self._open: dict[UUID, OpenSegment] = {}
        self._finished: set[UUID] = set()

    def __len__(self) -> int:
        return len(self._open)

    def with_news(self) -> list[OpenSegment]:
        """Those that have something to read or to finish, oldest first."""
        news = [segment for segment in self._open.values() if segment.has_news]
        return sorted(news, key=lambda segment: segment.info.created_at_us)

    def believe(self, known: Mapping[UUID, SegmentProgress]) -> None:
        """Take the store's word on how far each segment is absorbed."""
        self._known = known
        self._finished = {uuid for uuid, progress in known.items() if progress.finished}
        self._archive_is_due = self._archive is not None
        for uuid, segment in list(self._open.items()):
            if uuid in self._finished:
                del self._open[uuid]
            else:
                segment.progress = known.get(uuid) or nothing_yet(segment.info)
                segment.read_to = None

    def moved(self, segment: OpenSegment) -> None:
        """Note that a segment's batch is in the store."""
        if segment.progress.finished:
            self._finished.add(segment.info.segment)
            self._open.pop(segment.info.segment, None)

    def list_folders(self) -> list[JournalError]:
        """Look at the folders: new segments, writers that went, segments that went.

        Returns:
            Why some journals could not be listed; what is known of their segments stays.
        """
        found: dict[UUID, OpenSegment] = {}
        failures: list[JournalError] = []
        for reader in self._due():
            try:
                infos = reader.segments()
            except JournalError as error:
                failures.append(error)
                self._keep(reader, found)
                continue
            if reader is self._archive:
                self._archive_is_due = False
            for info in infos:
                # One that is being moved into the archive is in both; the journal's comes first.
                if info.segment not in self._finished and info.segment not in found:
                    found[info.segment] = self._opened(reader, info)
        if self._archive is not None and not self._archive_is_due:
            self._keep(self._archive, found)
        self._open = found
        return failures

    def missing(self) -> list[SegmentProgress]:
        """What the store has begun and no folder has: a disk that is not mounted, or was lost."""
        return [
            progress
            for uuid, progress in self._known.items()
            if not progress.finished
            and uuid not in self._open
            and uuid not in self._finished
            and not is_elsewhere(progress.journal, self._node)
        ]

    def look(self) -> bool:
        """Read the live segments' marks; False if that is not enough and `list_folders` must."""
        enough = False
        for segment in self._open.values():
            if segment.info.state is SegmentState.LIVE:
                info = segment.reader.refresh(segment.info)
                if info is None:
                    return False
                segment.info = info
            enough = enough or segment.has_news
        return enough

    def close(self) -> None:
        """Let go of connections, where readers have any."""
        for reader in self._readers:
            close = getattr(reader, "close", None)
            if close is not None:
                close()

    def _due(self) -> list[JournalReader]:
        """The readers to list now, the archive's last."""
        archive = [self._archive] if self._archive is not None and self._archive_is_due else []
        return [*self._readers, *archive]

    def _keep(self, reader: JournalReader, found: dict[UUID, OpenSegment]) -> None:
        """Go on with what is known of a reader's segments."""
        for uuid, segment in self._open.items():
            if segment.reader is reader:
                found.setdefault(uuid, segment)

    def _opened(self, reader: JournalReader, info: SegmentInfo) -> OpenSegment:
        known = self._open.get(info.segment)
        if known is None:
            progress = self._known.get(info.segment) or nothing_yet(info)
            return OpenSegment(reader=reader, info=info, progress=progress)
        if info.state is not known.info.state:
            known.read_to = None
        known.reader, known.info = reader, info
        return known
