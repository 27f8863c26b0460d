"""Reading a journal folder: every writer's segments, as far as they may be believed.

Only the lock tells whether a writer is alive; only a mark of this boot tells how far it had come.
Invariant: a segment that its writer may still append to is read no further than its durable mark,
and nothing here ever changes a file.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from leadkeep.clock import Clock, SystemClock
from leadkeep.errors import JournalUnavailable
from leadkeep.journal import layout
from leadkeep.journal.base import (
    Damage,
    Group,
    GroupHeads,
    SegmentInfo,
    SegmentState,
    StrayMark,
    TornTail,
    journal_name,
)
from leadkeep.journal.bytesource import ByteSource
from leadkeep.journal.layout import BLOCK, Mark, MarkState
from leadkeep.journal.scan import Scan
from leadkeep.journal.writer_folder import lock_holder

_TORN_TRIES = 16


class DiskJournalReader:
    """A `JournalReader` over all writers' folders of one journal."""

    def __init__(self, folder: Path, *, clock: Clock | None = None, node: str = "") -> None:
        """Look at a journal; the folder need not exist yet.

        Args:
            clock: tells which boot this is.
            node: whose disk it is, where several share a store.
        """
        self.folder = folder
        self._name = journal_name(folder, node)
        self._boot = layout.boot_bytes((clock or SystemClock()).boot_id)
        self._sessions: dict[UUID, bytes | None] = {}

    def segments(self) -> list[SegmentInfo]:
        """Every segment, oldest first.

        Raises:
            JournalUnavailable: the folder exists and cannot be listed now.
        """
        found: list[SegmentInfo] = []
        try:
            for writer in _entries(self.folder):
                if layout.parse_writer_name(writer.name) is not None:
                    found.extend(self._segments_of(writer))
        except OSError as error:
            raise JournalUnavailable(
                f"the journal {self.folder} cannot be listed: {error.strerror or error}"
            ) from error
        known = {info.segment for info in found}
        for gone in self._sessions.keys() - known:
            del self._sessions[gone]
        return sorted(found, key=lambda info: (info.created_at_us, info.path))

    def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
        """Groups from `offset` (0: the first) as far as `info` allows them to be believed.

        A live or sealed segment is read to its durable mark, as `info` has it. Groups of a poisoned
        or dead one that lie behind a trusted mark are not acknowledged; without such a mark all
        count as acknowledged.

        A record that cannot be read inside a whole group is a `Damage` of no length at the group's
        offset, and the group follows with the rest.

        Raises:
            JournalUnavailable: the file cannot be opened now.
        """
        with self._scan(info) as scan:
            yield from scan.groups(offset)

    def heads(self, info: SegmentInfo, offset: int) -> Iterator[GroupHeads | Damage | TornTail]:
        """As `read`, but only what is counted of each record."""
        with self._scan(info) as scan:
            yield from scan.heads(offset)

    def stray_marks(self) -> list[StrayMark]:
        """Marks that tell of segments which held something and are not there.

        Raises:
            JournalUnavailable: the folder exists and cannot be listed now.
        """
        try:
            return [
                stray
                for writer in _entries(self.folder)
                if layout.parse_writer_name(writer.name) is not None
                for stray in _stray_marks(writer)
            ]
        except OSError as error:
            raise JournalUnavailable(
                f"the journal {self.folder} cannot be listed: {error.strerror or error}"
            ) from error

    def refresh(self, info: SegmentInfo) -> SegmentInfo | None:
        """A live segment as it is now, cheaply; None: no longer live, list the folders again.

        A new segment, or another writer's, is found only by listing.
        """
        if info.state is not SegmentState.LIVE:
            return None
        folder = info.path.parent
        mark = _read_mark(folder / layout.mark_name(info.segment), info.segment)
        if mark is None or mark.state is not MarkState.LIVE:
            return None
        if lock_holder(folder) != mark.session:
            return None
        return msgspec.structs.replace(info, durable=mark.durable)

    @contextlib.contextmanager
    def _scan(self, info: SegmentInfo) -> Iterator[Scan]:
        try:
            fd = os.open(info.path, os.O_RDONLY)
        except OSError as error:
            raise JournalUnavailable(
                f"the segment {info.path} cannot be opened: {error.strerror}"
            ) from error
        try:
            size = os.fstat(fd).st_size
            limit = max(size, info.durable or 0)  # A file cut short misses what the mark promises.
            if info.state in {SegmentState.LIVE, SegmentState.SEALED}:
                # Unknown mark of a living writer: nothing may be believed yet.
                limit = info.durable or BLOCK
            source = ByteSource(fd, min(size, limit))
            yield Scan(source, info.segment, limit=limit, durable=info.durable)
        finally:
            os.close(fd)

    def _segments_of(self, folder: Path) -> Iterator[SegmentInfo]:
        # The order is what makes this safe: names, then the lock, then the marks. A name seen
        # before the lock was asked belongs to the session that holds it or to an earlier one, and
        # the mark of an earlier one is final by now.
        names = [(entry, layout.parse_segment_name(entry.name)) for entry in _entries(folder)]
        holder = lock_holder(folder)
        for path, named in names:
            if named is None:
                continue
            created_at_us, segment = named
            mark = _read_mark(folder / layout.mark_name(segment), segment)
            alive = self._is_held(path, segment, mark, holder)
            # A lock does not outlive a boot: what its holder's mark says is of this one.
            trusted = mark if mark is not None and (alive or mark.boot == self._boot) else None
            yield SegmentInfo(
                segment=segment,
                path=path,
                journal=self._name,
                state=_state(trusted, alive=alive),
                durable=trusted.durable if trusted is not None else None,
                created_at_us=created_at_us,
            )

    def _is_held(self, path: Path, segment: UUID, mark: Mark | None, holder: bytes | None) -> bool:
        """Whether the session that made the segment holds the folder's lock now.

        What cannot be told counts as held: then no more is believed than the mark says.
        """
        if holder is None:
            return False
        session = mark.session if mark is not None else self._session_of(path, segment)
        return session in {holder, None} or holder == b""

    def _session_of(self, path: Path, segment: UUID) -> bytes | None:
        """The session in a segment's own header, where its mark does not tell; None: unreadable."""
        if segment not in self._sessions:
            session = None
            try:
                with path.open("rb") as file:
                    header = layout.parse_segment_header(file.read(BLOCK))
                if not isinstance(header, str):
                    session = header.session
            except OSError:
                return None
            self._sessions[segment] = session
        return self._sessions[segment]


def _state(mark: Mark | None, *, alive: bool) -> SegmentState:
    """The state of a segment with this trusted mark, whose writer is alive or not."""
    if mark is not None and mark.state is not MarkState.LIVE:
        return SegmentState.SEALED if mark.state is MarkState.SEALED else SegmentState.POISONED
    return SegmentState.LIVE if alive else SegmentState.DEAD


def _stray_marks(folder: Path) -> Iterator[StrayMark]:
    # Listed twice: a name that changes while a folder is listed may be seen in neither form.
    marks = {layout.parse_mark_name(entry.name): entry for entry in _entries(folder)}
    for _ in range(2):
        for entry in _entries(folder):
            named = layout.parse_segment_name(entry.name)
            if named is not None:
                marks.pop(named[1], None)
    for segment, path in marks.items():
        mark = None if segment is None else _read_mark(path, segment)
        if mark is not None and segment is not None and mark.durable > BLOCK:
            yield StrayMark(segment, path, mark.durable)


def _entries(folder: Path) -> list[Path]:
    """What a folder holds, by name; nothing if it is not there."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read_mark(path: Path, segment: UUID) -> Mark | None:
    """A segment's mark; None if there is none that can be believed."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        for _ in range(_TORN_TRIES):
            mark = layout.parse_mark(os.pread(fd, layout.MARK.size, 0), segment)
            if mark is not None:
                return mark
    except OSError:
        return None
    finally:
        os.close(fd)
    return None
