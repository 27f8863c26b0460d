"""The bytes of a segment and of its mark: headers, checksums and names.

The one place where the on-disk format is written down in code; docs/reference/journal-format.md is
tested equal to it. Invariant: nothing here does I/O, and parsing takes any bytes without raising.
"""

import re
import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

BLOCK = 4096
"""Everything begins at a multiple of this, so that a write never touches acknowledged bytes."""

FORMAT_VERSION = 1

SEGMENT_MAGIC = b"LKSEGMNT"
SEGMENT_HEADER = struct.Struct("<8sHHI16s16sqQI56sI")
"""magic, version, header length, writer, segment, session, created at, size, two reserved, CRC."""

GROUP_MAGIC = b"LKGP"
GROUP_HEADER = struct.Struct("<4sHHQIII24sIII")
"""magic, header length, flags, sequence, count, payload length, key id, nonce, reserved,
header CRC, CRC."""

GROUP_HEADER_SIZE = GROUP_HEADER.size

MARK_MAGIC = b"LKMARK01"
MARK = struct.Struct("<8s16s16s16sQQII")
"""magic, segment, boot, session, durable offset, its complement, state, its complement."""

MARK_DURABLE_AT = 56
"""Where the durable offset and its complement stand: what is rewritten after each commit."""
MARK_STATE_AT = 72

_GROUP_HEAD = struct.Struct("<4sHHQIII24sI")
_MARK_DURABLE = struct.Struct("<QQ")
_MARK_STATE = struct.Struct("<II")
_U32 = struct.Struct("<I")
_MASK_64 = 0xFFFF_FFFF_FFFF_FFFF
_MASK_32 = 0xFFFF_FFFF
_NO_NONCE = bytes(24)

SEGMENT_SUFFIX = ".segment"
MARK_SUFFIX = ".mark"
TEMPORARY_SUFFIX = ".tmp"
_SEGMENT_NAME = re.compile(r"(\d{16,18})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.segment")
_MARK_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.mark")
_WRITER_NAME = re.compile(r"writer-([1-9]\d{0,5})")


class MarkState(IntEnum):
    """What the writer says of its segment."""

    LIVE = 1
    SEALED = 2
    POISONED = 3


class Mark(NamedTuple):
    """A mark that could be read whole."""

    boot: bytes
    session: bytes
    durable: int
    state: MarkState


class SegmentHeader(NamedTuple):
    """A segment's first block."""

    segment: UUID
    session: bytes
    writer: int
    created_at_us: int
    size: int


class GroupHeader(NamedTuple):
    """A group's header whose own checksum holds."""

    header_length: int
    flags: int
    sequence: int
    records: int
    payload_length: int
    key_id: int


def round_up(length: int) -> int:
    """The next multiple of the block size."""
    return -(-length // BLOCK) * BLOCK


def boot_bytes(boot_id: str) -> bytes:
    """A boot id of any form as 16 bytes."""
    return sha256(boot_id.encode()).digest()[:16]


def group_seed(segment_crc: int, offset: int) -> int:
    """What both checksums of a group start from: CRC-32 of segment UUID and offset (8 bytes).

    Args:
        segment_crc: `zlib.crc32` of the segment's 16 UUID bytes.
    """
    return zlib.crc32(offset.to_bytes(8, "little"), segment_crc)


def pack_group_header(seed: int, sequence: int, records: Sequence[bytes], length: int) -> bytes:
    """The 64 bytes before a group's payload.

    Args:
        length: of all records together, which are the payload.
    """
    head = _GROUP_HEAD.pack(
        GROUP_MAGIC, GROUP_HEADER_SIZE, 0, sequence, len(records), length, 0, _NO_NONCE, 0
    )
    head += _U32.pack(zlib.crc32(head, seed))
    crc = zlib.crc32(head, seed)
    # One by one: given more than 5 KiB, zlib lets go of the interpreter, and to get it back from a
    # busy loop takes longer than all of these.
    for record in records:
        crc = zlib.crc32(record, crc)
    return head + _U32.pack(crc)


def parse_group_header(data: bytes | memoryview, offset: int, seed: int) -> GroupHeader | None:
    """The header at `offset` of `data` if its own checksum holds."""
    if len(data) - offset < GROUP_HEADER_SIZE or data[offset : offset + 4] != GROUP_MAGIC:
        return None
    _, length, flags, sequence, count, payload, key, _, _, crc, _ = GROUP_HEADER.unpack_from(
        data, offset
    )
    if zlib.crc32(data[offset : offset + 56], seed) != crc:
        return None
    if not GROUP_HEADER_SIZE <= length <= BLOCK:
        return None
    return GroupHeader(length, flags, sequence, count, payload, key)


def group_checksum_holds(group: bytes | memoryview, seed: int) -> bool:
    """Whether header and payload (all of `group`) are the bytes that were written."""
    expected: int = _U32.unpack_from(group, 60)[0]
    crc = zlib.crc32(group[:60], seed)
    return zlib.crc32(group[GROUP_HEADER_SIZE:], crc) == expected


def pack_segment_header(header: SegmentHeader) -> bytes:
    """A segment's first block."""
    content = SEGMENT_HEADER.pack(
        SEGMENT_MAGIC,
        FORMAT_VERSION,
        SEGMENT_HEADER.size,
        header.writer,
        header.segment.bytes,
        header.session,
        header.created_at_us,
        header.size,
        0,
        b"",
        0,
    )[:-4]
    return (content + _U32.pack(zlib.crc32(content))).ljust(BLOCK, b"\0")


def parse_segment_header(block: bytes) -> SegmentHeader | str:
    """A segment's header, or why it is none."""
    if len(block) < SEGMENT_HEADER.size:
        return "the segment header is cut short"
    magic, version, _, writer, segment, session, created, size, _, _, crc = (
        SEGMENT_HEADER.unpack_from(block)
    )
    if magic != SEGMENT_MAGIC or zlib.crc32(block[: SEGMENT_HEADER.size - 4]) != crc:
        return "the segment header is damaged"
    if version != FORMAT_VERSION:
        return f"the segment has format version {version}, known is {FORMAT_VERSION}"
    return SegmentHeader(UUID(bytes=segment), session, writer, created, size)


def pack_mark(segment: UUID, boot: bytes, session: bytes, durable: int, state: MarkState) -> bytes:
    """A whole mark."""
    return MARK.pack(
        MARK_MAGIC,
        segment.bytes,
        boot,
        session,
        durable,
        durable ^ _MASK_64,
        state,
        state ^ _MASK_32,
    )


def pack_durable(durable: int) -> bytes:
    """The 16 bytes at `MARK_DURABLE_AT`."""
    return _MARK_DURABLE.pack(durable, durable ^ _MASK_64)


def pack_state(state: MarkState) -> bytes:
    """The 8 bytes at `MARK_STATE_AT`."""
    return _MARK_STATE.pack(state, state ^ _MASK_32)


def parse_mark(data: bytes, segment: UUID) -> Mark | None:
    """The mark of `segment`; None if it is torn, damaged or another's."""
    if len(data) < MARK.size:
        return None
    magic, uuid, boot, session, durable, durable_not, state, state_not = MARK.unpack_from(data)
    if magic != MARK_MAGIC or uuid != segment.bytes:
        return None
    if durable ^ _MASK_64 != durable_not or durable % BLOCK or durable < BLOCK:
        return None
    if state ^ _MASK_32 != state_not or state not in MarkState.__members__.values():
        return None
    return Mark(boot, session, durable, MarkState(state))


def segment_name(created_at_us: int, segment: UUID) -> str:
    """File name of a segment; names of one writer sort by age."""
    return f"{created_at_us:016d}-{segment}{SEGMENT_SUFFIX}"


def parse_segment_name(name: str) -> tuple[int, UUID] | None:
    """Creation time (µs since 1970) and UUID in a segment's file name."""
    found = _SEGMENT_NAME.fullmatch(name)
    return (int(found[1]), UUID(found[2])) if found else None


def mark_name(segment: UUID) -> str:
    """File name of a segment's mark."""
    return f"{segment}{MARK_SUFFIX}"


def parse_mark_name(name: str) -> UUID | None:
    """The segment in a mark's file name; None if it is none."""
    found = _MARK_NAME.fullmatch(name)
    return UUID(found[1]) if found else None


def writer_name(number: int) -> str:
    """Folder name of a writer."""
    return f"writer-{number}"


def parse_writer_name(name: str) -> int | None:
    """The number of a writer's folder; None if it is none."""
    found = _WRITER_NAME.fullmatch(name)
    return int(found[1]) if found else None
