"""One journal file while it is being written: groups appended, then the mark moved.

Invariant: `append` returns only after the group is on stable storage and the mark says so, and a
segment that has seen any I/O error is never appended to again. Blocks are written once.
"""

import contextlib
import errno
import os
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

from leadkeep.journal import layout
from leadkeep.journal.layout import BLOCK, GROUP_HEADER_SIZE, MarkState
from leadkeep.journal.syscalls import Syscalls

_PADDING = bytes(BLOCK)
_BUFFERS_MAX = 1_000
"""One system call takes 1,024 (IOV_MAX)."""
_LOOK_SECONDS = 0.02

Enough = Callable[[int], bool]
"""Asked after each piece of a new segment, with its size so far; may sleep. True: that will do."""


class Writer(NamedTuple):
    """Who writes: what goes into every segment it makes."""

    folder: Path
    number: int
    session: bytes
    """Random, of this opening of the folder: tells a live segment from a dead one beside it."""
    boot: bytes


class Segment:
    """An open segment with room for more groups. Used by one thread at a time."""

    def __init__(
        self, calls: Syscalls, *, path: Path, uuid: UUID, size: int, file_fd: int, mark_fd: int
    ) -> None:
        self.path = path
        self.uuid = uuid
        self.size = size
        self._calls = calls
        self._fd = file_fd
        self._mark_fd = mark_fd
        self._crc = zlib.crc32(uuid.bytes)
        self._end = BLOCK
        self._sequence = 0
        self._looked_at = 0.0

    @property
    def is_empty(self) -> bool:
        """True while no group was ever tried in it."""
        return self._sequence == 0

    @property
    def is_half_full(self) -> bool:
        """True once the next segment will be wanted before long."""
        return 2 * self._end >= self.size

    def has_room(self, payload_length: int) -> bool:
        """Whether a group with this payload fits."""
        return self._end + GROUP_HEADER_SIZE + payload_length <= self.size

    def append(
        self,
        records: Sequence[bytes],
        payload_length: int,
        is_late: Callable[[], bool] = lambda: False,
    ) -> int:
        """Make one group durable and publish it; returns where it begins.

        Args:
            payload_length: bytes of all records together.
            is_late: asked once the group is durable. True: nobody waits for it any more, so it must
                not be published, for published means acknowledged.

        Raises:
            OSError: it is not known to be durable, or late. The caller must poison the segment.
        """
        offset = self._end
        self._sequence += 1
        seed = layout.group_seed(self._crc, offset)
        header = layout.pack_group_header(seed, self._sequence, records, payload_length)
        length = GROUP_HEADER_SIZE + payload_length
        padding = -length % BLOCK
        payload = records if len(records) <= _BUFFERS_MAX else (b"".join(records),)
        # Whole blocks, so that the kernel never has to read the rest of one first.
        group = (header, *payload, _PADDING[:padding])
        written = self._calls.commit_group(self._fd, group, offset)
        if written != length + padding:
            raise OSError(errno.EIO, f"only {written} of {length + padding} bytes were written")
        self._look()
        if is_late():
            raise OSError(errno.ETIMEDOUT, "the disk took too long")
        self._end = offset + length + padding
        self._publish(layout.pack_durable(self._end), layout.MARK_DURABLE_AT)
        return offset

    def poison(self) -> None:
        """Never again: say so in the mark, as far as that is still possible, and close."""
        with contextlib.suppress(OSError):
            # If this fails too, readers go on reading no further than the last good mark.
            self._publish(layout.pack_state(MarkState.POISONED), layout.MARK_STATE_AT)
        self._close()

    def seal(self) -> None:
        """Leave it in good order: it ends at the durable mark."""
        with contextlib.suppress(OSError):
            # Without this word the segment counts as dead once we are gone, and is read by content.
            self._publish(layout.pack_state(MarkState.SEALED), layout.MARK_STATE_AT)
        self._close()

    def discard(self) -> None:
        """Remove a segment that never held anything."""
        self._close()
        with contextlib.suppress(OSError):
            # Left behind, it is an empty dead segment: harmless.
            self.path.unlink()
            self.path.with_name(layout.mark_name(self.uuid)).unlink()

    def _look(self) -> None:
        """Notice that the file has no name any more, unless that was looked at just now.

        Raises:
            OSError: nobody could ever read it.
        """
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            if os.fstat(self._fd).st_nlink == 0:
                raise OSError(errno.ENOENT, "somebody has removed the segment")

    def _publish(self, data: bytes, at: int) -> None:
        if self._calls.write_mark(self._mark_fd, data, at) != len(data):
            raise OSError(errno.EIO, "the mark could not be written")

    def _close(self) -> None:
        for fd in (self._fd, self._mark_fd):
            with contextlib.suppress(OSError):
                # An error here is one of earlier writes; what was acknowledged was synced.
                os.close(fd)
        self._fd = self._mark_fd = -1


def create_segment(
    calls: Syscalls,
    writer: Writer,
    created_at_us: int,
    size: int,
    *,
    enough: Enough = lambda size: False,
    leave_free: int = 0,
) -> Segment:
    """Make a new segment: zero-filled with real writes, synced, renamed, folder synced.

    Not fallocated: converting unwritten extents under an I/O error can take later acknowledged
    writes with it.

    Args:
        size: bytes, a multiple of the block size.
        enough: may end the filling early: the segment is then as large as what was filled.
        leave_free: bytes of the volume that it must not take.

    Raises:
        OSError: it could not be made; nothing is left of it.
    """
    uuid = uuid4()
    path = writer.folder / layout.segment_name(created_at_us, uuid)
    mark_path = writer.folder / layout.mark_name(uuid)
    temporary = path.with_suffix(layout.TEMPORARY_SUFFIX)
    header = layout.SegmentHeader(uuid, writer.session, writer.number, created_at_us, size)

    def will_do(filled: int) -> bool:
        # Each time: others, too, write to this disk.
        return enough(filled) or _check_room(calls, fd, size - filled, leave_free)

    with contextlib.ExitStack() as undo:
        fd = _new_file(temporary, undo)
        _check_room(calls, fd, size, leave_free)
        calls.write_blank(fd, layout.pack_segment_header(header), 0)
        filled = _fill(calls, fd, temporary, size, will_do)
        if filled < size:
            size = filled
            calls.write_blank(fd, layout.pack_segment_header(header._replace(size=size)), 0)
        calls.sync_file(fd)
        mark_fd = _new_file(mark_path, undo)
        mark = layout.pack_mark(uuid, writer.boot, writer.session, BLOCK, MarkState.LIVE)
        if calls.write_mark(mark_fd, mark, 0) != len(mark):
            raise OSError(errno.ENOSPC, "the mark could not be written")
        undo.callback(path.unlink, missing_ok=True)
        calls.rename(temporary, path)
        calls.sync_folder(writer.folder)
        undo.pop_all()
    return Segment(calls, path=path, uuid=uuid, size=size, file_fd=fd, mark_fd=mark_fd)


def _new_file(path: Path, undo: contextlib.ExitStack) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    undo.callback(path.unlink, missing_ok=True)
    undo.callback(os.close, fd)
    return fd


def _fill(calls: Syscalls, fd: int, path: Path, size: int, enough: Enough) -> int:
    """Write zeros behind the header, past the page cache where that is possible.

    Returns where they end.

    Left to one sync at the end, the whole file would keep the disk busy for tens of milliseconds,
    and every commit waiting with it. Through the page cache each piece would keep a processor busy
    instead, which commits want as well.
    """
    zeros = calls.zeros
    with calls.unbuffered(path) as direct:
        for offset in range(BLOCK, size, len(zeros)):
            piece = zeros[: size - offset]
            if direct is not None:
                written = calls.write_blank(direct, piece, offset)
            else:
                written = calls.write_blank(fd, piece, offset)
                calls.write_back_soon(fd, offset, written)
            if written != len(piece):
                raise OSError(errno.ENOSPC, "the disk took only a part of a new segment")
            filled = offset + written
            if filled < size and enough(filled):
                return filled
    return size


def _check_room(calls: Syscalls, fd: int, more: int, leave_free: int) -> bool:
    """Refuse to write so many more bytes if that would take what must stay free; else False.

    Raises:
        OSError: it would.
    """
    if leave_free and calls.free_bytes(fd) - more < leave_free:
        raise OSError(
            errno.ENOSPC, f"less than {leave_free:,} bytes would be left free on its disk"
        )
    return False
