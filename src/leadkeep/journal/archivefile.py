"""One archived segment as a file: a note, then the segment's used bytes compressed.

The note stands in a skippable frame, so that `zstd -d` gives the segment's bytes and nothing else.
"""

import os
import struct
from collections.abc import Iterator
from uuid import UUID

import msgspec
import zstandard

from leadkeep.errors import JournalDamaged
from leadkeep.journal.base import SegmentInfo, SegmentState
from leadkeep.journal.layout import BLOCK
from leadkeep.models import SegmentProgress

_CHUNK = 1024**2
_ZEROS = bytes(_CHUNK)
_SKIPPABLE_MAGIC = 0x184D2A50
_SKIPPABLE = struct.Struct("<II")
_NOTE_MAX = 64 * 1024
_LEVEL = 3


class ArchiveNote(msgspec.Struct, frozen=True):
    """What was known of a segment when it was archived."""

    segment: UUID
    journal: str
    state: SegmentState
    durable: int | None
    created_at_us: int
    size: int
    """Bytes of the whole segment file."""
    used: int
    """Bytes of it that are kept; the rest is zeros."""
    progress: SegmentProgress | None = None
    damaged: bool = False
    """It holds acknowledged bytes that cannot be read: it never leaves the archive."""

    @classmethod
    def of(cls, info: SegmentInfo, fd: int, progress: SegmentProgress | None) -> "ArchiveNote":
        """The note for a segment as found in its journal, open at `fd`."""
        return cls(
            size=os.fstat(fd).st_size,
            used=used_bytes(fd),
            segment=info.segment,
            journal=info.journal,
            state=info.state,
            durable=info.durable,
            created_at_us=info.created_at_us,
            progress=progress,
        )

    @classmethod
    def so_far(cls, info: SegmentInfo, fd: int) -> "ArchiveNote":
        """The note for what is durable of a segment that is still written to, open at `fd`."""
        assert info.durable is not None
        return cls(
            size=os.fstat(fd).st_size,
            used=info.durable,
            segment=info.segment,
            journal=info.journal,
            state=SegmentState.SEALED,
            durable=info.durable,
            created_at_us=info.created_at_us,
        )


def used_bytes(fd: int) -> int:
    """How much of a segment file holds anything: up to the last block that is not all zero."""
    end = os.fstat(fd).st_size
    while end > BLOCK:
        start = max(0, (end - 1) // _CHUNK * _CHUNK)
        chunk = os.pread(fd, end - start, start)
        if chunk != _ZEROS[: len(chunk)]:
            while end - start > BLOCK and not any(chunk[end - start - BLOCK : end - start]):
                end -= BLOCK
            return end
        end = start
    return end


def pack(source: int, target: int, note: ArchiveNote) -> None:
    """Write note and compressed segment to an empty file.

    Raises:
        OSError, zstandard.ZstdError: it could not be read, compressed or written.
    """
    note_bytes = msgspec.json.encode(note)
    with os.fdopen(os.dup(target), "wb") as file:
        file.write(_SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(note_bytes)) + note_bytes)
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        with compressor.stream_writer(file, size=note.used, closefd=False) as writer:
            for chunk in _chunks(source, note.used):
                writer.write(chunk)


def read_note(fd: int) -> ArchiveNote:
    """The note of an archived segment.

    Raises:
        JournalDamaged: there is none that can be read.
    """
    try:
        return msgspec.json.decode(_note_bytes(fd), type=ArchiveNote)
    except (OSError, msgspec.DecodeError) as error:
        raise JournalDamaged("an archived segment's note cannot be read") from error


def unpack(fd: int, target: int) -> ArchiveNote:
    """Make the segment's file again, in an empty file; returns its note.

    Raises:
        JournalDamaged: it cannot be decompressed whole.
        OSError: it cannot be written.
    """
    note = read_note(fd)
    length = 0
    for chunk in _decompressed(fd):
        at = 0
        while at < len(chunk):
            at += os.write(target, chunk[at:])
        length += len(chunk)
    if length != note.used:
        raise JournalDamaged("an archived segment is cut short")
    os.ftruncate(target, note.size)
    return note


def check_copy(source: int, copy: int, *, whole: bool = True) -> None:
    """Compare an archived segment with the segment itself, byte for byte.

    Args:
        whole: the copy must hold all of it.

    Raises:
        JournalDamaged: they differ.
        OSError: the segment cannot be read.
    """
    # Synced before, so this drops it from memory: what is compared comes from the disk.
    os.posix_fadvise(copy, 0, 0, os.POSIX_FADV_DONTNEED)
    note = read_note(copy)
    offset = 0
    for chunk in _decompressed(copy):
        if os.pread(source, len(chunk), offset) != chunk:
            raise JournalDamaged("the archived copy differs from its segment")
        offset += len(chunk)
    if offset != note.used or (whole and offset != used_bytes(source)):
        raise JournalDamaged("the archived copy is not as long as its segment")


def _note_bytes(fd: int) -> bytes:
    head = os.pread(fd, _SKIPPABLE.size, 0)
    if len(head) < _SKIPPABLE.size:
        raise JournalDamaged("an archived segment is cut short")
    magic, length = _SKIPPABLE.unpack(head)
    if magic != _SKIPPABLE_MAGIC or length > _NOTE_MAX:
        raise JournalDamaged("a file in the archive is no archived segment")
    return os.pread(fd, length, _SKIPPABLE.size)


def _decompressed(fd: int) -> Iterator[bytes]:
    start = _SKIPPABLE.size + len(_note_bytes(fd))
    try:
        with os.fdopen(os.dup(fd), "rb") as file:
            file.seek(start)
            with zstandard.ZstdDecompressor().stream_reader(file, closefd=False) as reader:
                while chunk := reader.read(_CHUNK):
                    yield chunk
    except zstandard.ZstdError as error:
        raise JournalDamaged(f"an archived segment cannot be decompressed: {error}") from error


def _chunks(fd: int, end: int) -> Iterator[bytes]:
    offset = 0
    while offset < end:
        chunk = os.pread(fd, min(_CHUNK, end - offset), offset)
        if not chunk:
            raise OSError("the segment became shorter while it was copied")
        yield chunk
        offset += len(chunk)
