"""The archive: every absorbed segment, compressed, for as long as it is kept.

A segment leaves the journal only after its copy here is on stable storage and was read back byte
for byte. Invariant: at each moment the whole segment is in the journal or here, or in both.
"""

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO
from uuid import UUID

import msgspec
import structlog
import zstandard

from leadkeep.clock import Clock, SystemClock, rfc3339
from leadkeep.errors import JournalDamaged, JournalUnavailable, NotFound, UsageError
from leadkeep.journal import layout
from leadkeep.journal.archivefile import ArchiveNote, check_copy, pack, read_note, unpack
from leadkeep.journal.base import Damage, Group, GroupHeads, SegmentInfo, SegmentState, TornTail
from leadkeep.journal.bytesource import ByteSource
from leadkeep.journal.scan import Scan
from leadkeep.journal.syscalls import FULL, Syscalls, make_folder
from leadkeep.models import SegmentProgress

_DAY_MS = 86_400_000
_MAY_ONLY_LOOK = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.segment\.zst")
_DAY_NAME = re.compile(r"\d{4}-\d{2}-\d{2}")

log = structlog.get_logger("leadkeep.journal")


class ArchivedSegment(msgspec.Struct, frozen=True):
    """One archived segment, as found in its folder."""

    segment: UUID
    path: Path
    archived_on: str
    """The UTC day on which it was archived, `YYYY-MM-DD`."""
    size: int
    """Bytes it takes here, compressed."""


class Archive:
    """The archive folder of one installation. Used by one process at a time (the absorber)."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        syscalls: Syscalls | None = None,
        on_full: Callable[[], None] = lambda: None,
    ) -> None:
        """Open an archive; the folder is made with the first segment.

        Args:
            folder: e.g. DATA/archive; segments stand in `segments/YYYY-MM-DD/` below it.
            clock: dates what is archived.
            syscalls: for tests.
            on_full: called when its disk had no room.
        """
        self._on_full = on_full
        self.folder = folder
        self._segments = folder / "segments"
        self._clock = clock or SystemClock()
        self._calls = syscalls or Syscalls()

    def keep(self, info: SegmentInfo, progress: SegmentProgress | None = None) -> Path:
        """Move an absorbed segment here: copy, sync, read back, and only then remove it.

        May be repeated after a crash at any point; a copy that is here already is kept if it is
        the same.

        Args:
            progress: the counts to note beside it, if known.

        Raises:
            UsageError: its writer may still append to it.
            JournalUnavailable: it cannot be copied now; the segment stays where it is.
            JournalDamaged: the copy read back differs; the segment stays where it is.
        """
        if info.state is SegmentState.LIVE:
            raise UsageError(f"segment {info.segment} is still being written")
        try:
            kept = self._kept_already(info)
            if kept is None:
                kept = self._copy(
                    info, lambda source: ArchiveNote.of(info, source, progress), whole=True
                )
            info.path.unlink(missing_ok=True)
            info.path.with_name(layout.mark_name(info.segment)).unlink(missing_ok=True)
        except (OSError, zstandard.ZstdError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                self._on_full()
            raise JournalUnavailable(
                f"segment {info.segment} cannot be archived: {error}",
                hint="Free space on the archive's disk; the segment stays in the journal.",
            ) from error
        return kept

    def copy(self, info: SegmentInfo, *, damaged: bool = False) -> Path | None:
        """Copy a segment here as far as it may be believed; it stays in its journal.

        What a living writer adds meanwhile is not in the copy, which counts as left in good order.

        Args:
            damaged: it holds acknowledged bytes that cannot be read.

        Returns:
            None if it has left the journal since it was listed.

        Raises:
            JournalUnavailable: it cannot be copied now.
            JournalDamaged: the copy read back differs.
        """
        whole = info.state is not SegmentState.LIVE or info.durable is None

        def note(source: int) -> ArchiveNote:
            taken = (
                ArchiveNote.of(info, source, None) if whole else ArchiveNote.so_far(info, source)
            )
            return msgspec.structs.replace(taken, damaged=damaged)

        try:
            return self._copy(info, note, whole=whole)
        except FileNotFoundError:
            return None
        except (OSError, zstandard.ZstdError) as error:
            raise JournalUnavailable(
                f"segment {info.segment} cannot be copied: {error}",
                hint=f"Check both disks and the room in {self.folder}.",
            ) from error

    def segments(self) -> list[ArchivedSegment]:
        """Every archived segment, the longest archived first.

        Raises:
            JournalUnavailable: the folder cannot be listed now.
        """
        found = []
        try:
            for day in _entries(self._segments):
                if not _DAY_NAME.fullmatch(day.name):
                    continue
                for path in _entries(day):
                    named = _NAME.fullmatch(path.name)
                    if named:
                        size = path.stat().st_size
                        found.append(ArchivedSegment(UUID(named[1]), path, day.name, size))
        except OSError as error:
            raise JournalUnavailable(f"the archive {self.folder} cannot be listed: {error}") from (
                error
            )
        return found

    def note(self, segment: UUID) -> ArchiveNote:
        """What was known of a segment when it was archived: its state and its counts.

        Raises:
            NotFound: it is not here.
            JournalDamaged: the file is not a whole archived segment.
        """
        with self._open(segment) as fd:
            return read_note(fd)

    def read(self, segment: UUID, offset: int = 0) -> Iterator[Group | Damage | TornTail]:
        """Groups of an archived segment from `offset`, judged as they were when it was archived.

        Raises:
            NotFound: it is not here.
            JournalDamaged: the copy cannot be decompressed.
        """
        with self._scan(segment) as scan:
            yield from scan.groups(offset)

    def heads(self, segment: UUID, offset: int = 0) -> Iterator[GroupHeads | Damage | TornTail]:
        """As `read`, but only what is counted of each record."""
        with self._scan(segment) as scan:
            yield from scan.heads(offset)

    def candidates(self, now_ms: int, *, days: int, max_bytes: int) -> list[ArchivedSegment]:
        """What is older than `days`, and the oldest beyond `max_bytes`: may go, if nobody needs it.

        The caller removes one only when a store checkpoint covers it and all its leads are settled.
        """
        found = self.segments()
        oldest_kept = rfc3339((now_ms - days * _DAY_MS) * 1_000)[:10]
        excess = sum(kept.size for kept in found) - max_bytes
        chosen = []
        for kept in found:
            if kept.archived_on < oldest_kept or excess > 0:
                chosen.append(kept)
                excess -= kept.size
        return chosen

    def remove(self, segment: UUID) -> None:
        """Remove a segment from the archive for good; nothing happens if it is not there.

        Raises:
            JournalUnavailable: it cannot be removed now.
        """
        path = self._find(segment)
        if path is None:
            return
        try:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                # Not empty yet: another segment of that day remains.
                path.parent.rmdir()
        except OSError as error:
            raise JournalUnavailable(f"{path} cannot be removed: {error.strerror}") from error

    def _copy(self, info: SegmentInfo, note: Callable[[int], ArchiveNote], *, whole: bool) -> Path:
        day = self._segments / rfc3339(self._clock.now_us())[:10]
        make_folder(self._calls, day)
        path = day / f"{info.segment}.segment.zst"
        temporary = path.with_suffix(layout.TEMPORARY_SUFFIX)
        source = os.open(info.path, os.O_RDONLY)
        try:
            target = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                pack(source, target, note(source))
                self._calls.sync_file(target)
                check_copy(source, target, whole=whole)
            finally:
                os.close(target)
            self._calls.rename(temporary, path)
            self._calls.sync_folder(day)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(source)
        return path

    def _kept_already(self, info: SegmentInfo) -> Path | None:
        """The copy that a crash left beside the segment, if it is whole."""
        path = self._find(info.segment)
        if path is None:
            return None
        if not info.path.exists():
            return path
        source = os.open(info.path, os.O_RDONLY)
        try:
            with self._open(info.segment) as copy:
                check_copy(source, copy)
                os.fsync(copy)
            self._calls.sync_folder(path.parent)
        except JournalDamaged:
            log.warning("an archived copy differs and is made anew", segment=str(info.segment))
            return None
        finally:
            os.close(source)
        return path

    @contextlib.contextmanager
    def _scan(self, segment: UUID) -> Iterator[Scan]:
        with self._open(segment) as fd, self._unpacked(fd) as (content, note):
            limit = max(note.size, note.durable or 0)
            if note.state is SegmentState.SEALED and note.durable is not None:
                limit = note.durable
            source = ByteSource(content, note.size)
            yield Scan(source, segment, limit=limit, durable=note.durable)

    @contextlib.contextmanager
    def _unpacked(self, fd: int) -> Iterator[tuple[int, ArchiveNote]]:
        """The segment's file as it was, in a file that vanishes afterwards, and its note."""
        with self._room_to_unpack() as file:
            try:
                note = unpack(fd, file.fileno())
            except OSError as error:
                raise JournalUnavailable(f"no room to unpack in {self.folder}: {error}") from error
            yield file.fileno(), note

    def _room_to_unpack(self) -> IO[bytes]:
        """Beside the archive, whose disk has room; where the system has it if that is read-only."""
        try:
            return tempfile.TemporaryFile(dir=self.folder)
        except OSError:
            pass
        try:
            return tempfile.TemporaryFile()
        except OSError as error:
            raise JournalUnavailable(f"no room to unpack in {self.folder}: {error}") from error

    def _find(self, segment: UUID) -> Path | None:
        try:
            days = [day for day in _entries(self._segments) if _DAY_NAME.fullmatch(day.name)]
        except OSError as error:
            raise JournalUnavailable(f"the archive {self.folder} cannot be listed: {error}") from (
                error
            )
        paths = (day / f"{segment}.segment.zst" for day in days)
        return next((path for path in paths if path.exists()), None)

    @contextlib.contextmanager
    def _open(self, segment: UUID) -> Iterator[int]:
        path = self._find(segment)
        if path is None:
            raise NotFound(f"segment {segment} is not in the archive {self.folder}")
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise JournalUnavailable(f"{path} cannot be opened: {error.strerror}") from error
        try:
            yield fd
        finally:
            os.close(fd)


def _entries(folder: Path) -> Iterable[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
