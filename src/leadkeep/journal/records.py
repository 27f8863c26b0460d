"""One record of the journal as bytes: framed, versioned, and read back byte for byte.

A record is a fixed head of 64 bytes and then its parts, one after the other, in the order in which
the head gives their lengths (docs/reference/journal-format.md). Invariant: `decode(encode(record))`
is the record; whatever else the bytes are, decoding raises `JournalDamaged` and nothing else, and
never allocates more than it was given. `read_head` takes and refuses the same bytes.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

from leadkeep.errors import JournalDamaged, UsageError
from leadkeep.models import Record, RecordFlag, RecordKind

RECORD_VERSION = 1
"""Format of a record; a reader refuses one it does not know, and says so."""

RECORD_HEAD = struct.Struct("<IBBH16sQqHHHHHHIII")
"""length, version, kind, flags, lead id, lead number, received at, answer status, lengths of
source, peer, method and detail, reserved, lengths of target, headers and body."""

_HEAD_SIZE = RECORD_HEAD.size
_pack_head = RECORD_HEAD.pack
_unpack_head = RECORD_HEAD.unpack_from
_LENGTH = struct.Struct("<I")
_SHORT_MAX = 0xFFFF
_KINDS: Mapping[int, RecordKind] = {int(kind): kind for kind in RecordKind}
_FLAGS: dict[int, RecordFlag] = {}


class Head(NamedTuple):
    """What is counted of a record: a few fields, read without touching the rest."""

    kind: int
    lead_id: bytes
    received_at_us: int
    answer_status: int
    source: bytes
    """UTF-8."""


def encode_lead(  # noqa: PLR0917 - called once per lead: positional is fastest
    lead_id: bytes,
    lead_number: int,
    received_at_us: int,
    flags: int,
    source: bytes,
    peer: bytes,
    method: bytes,
    target: bytes,
    headers: bytes,
    body: bytes,
    answer_status: int,
) -> bytes:
    """Frame a lead straight from the door's buffers, without building a `Record`.

    Args:
        lead_id: UUIDv7, exactly 16 bytes.
        received_at_us: microseconds since 1970-01-01 UTC.
        source: UTF-8 name; `peer` and `method` likewise.

    Raises:
        UsageError: a field is longer or larger than the format can hold.
    """
    try:
        head = _pack_head(
            _HEAD_SIZE
            + len(source)
            + len(peer)
            + len(method)
            + len(target)
            + len(headers)
            + len(body),
            RECORD_VERSION,
            1,  # RecordKind.LEAD
            flags,
            lead_id,
            lead_number,
            received_at_us,
            answer_status,
            len(source),
            len(peer),
            len(method),
            0,
            0,
            len(target),
            len(headers),
            len(body),
        )
    except struct.error as error:
        raise UsageError(f"a lead does not fit the journal's format: {error}") from error
    return b"".join((head, source, peer, method, target, headers, body))


def encode(record: Record) -> bytes:
    """Frame any record.

    Raises:
        UsageError: a field is longer or larger than the format can hold. An overlong `detail` is
            cut instead: it is our own note, not the sender's bytes.
    """
    source = record.source.encode("utf-8", "replace")
    peer = record.peer.encode("utf-8", "replace")
    method = record.method.encode("utf-8", "replace")
    detail = record.detail.encode("utf-8", "replace")[:_SHORT_MAX]
    parts = (source, peer, method, detail, record.target, record.headers, record.body)
    if len(record.lead_id) != 16:
        raise UsageError("a lead id has 16 bytes")
    try:
        head = _pack_head(
            _HEAD_SIZE + sum(map(len, parts)),
            RECORD_VERSION,
            record.kind,
            record.flags,
            record.lead_id,
            record.lead_number,
            record.received_at_us,
            record.answer_status,
            len(source),
            len(peer),
            len(method),
            len(detail),
            0,
            len(record.target),
            len(record.headers),
            len(record.body),
        )
    except struct.error as error:
        raise UsageError(f"a record does not fit the journal's format: {error}") from error
    return b"".join((head, *parts))


def decode(data: memoryview | bytes, offset: int = 0) -> tuple[Record, int]:
    """Read the record that begins at `offset`; returns it and where the next begins.

    Raises:
        JournalDamaged: no whole record of a known version begins there.
    """
    if offset < 0 or len(data) - offset < _HEAD_SIZE:
        raise JournalDamaged("a record is cut short in its head")
    (
        length,
        version,
        kind,
        flags,
        lead_id,
        lead_number,
        received_at_us,
        answer_status,
        source_length,
        peer_length,
        method_length,
        detail_length,
        _reserved,
        target_length,
        headers_length,
        body_length,
    ) = _unpack_head(data, offset)
    if version != RECORD_VERSION:
        raise JournalDamaged(f"a record has format version {version}, known is {RECORD_VERSION}")
    known_kind = _KINDS.get(kind)
    if known_kind is None:
        raise JournalDamaged(f"a record is of unknown kind {kind}")
    peer_at = offset + _HEAD_SIZE + source_length
    method_at = peer_at + peer_length
    detail_at = method_at + method_length
    target_at = detail_at + detail_length
    headers_at = target_at + target_length
    body_at = headers_at + headers_length
    end = body_at + body_length
    if end != offset + length or end > len(data):
        raise JournalDamaged("the lengths in a record's head do not add up")
    record = Record(
        kind=known_kind,
        lead_id=lead_id,
        lead_number=lead_number,
        received_at_us=received_at_us,
        flags=_FLAGS[flags] if flags in _FLAGS else _flag(flags),
        source=str(data[offset + _HEAD_SIZE : peer_at], "utf-8", "replace"),
        peer=str(data[peer_at:method_at], "utf-8", "replace"),
        method=str(data[method_at:detail_at], "utf-8", "replace"),
        detail=str(data[detail_at:target_at], "utf-8", "replace") if detail_length else "",
        target=bytes(data[target_at:headers_at]),
        headers=bytes(data[headers_at:body_at]),
        body=bytes(data[body_at:end]),
        answer_status=answer_status,
    )
    return record, end


def read_head(data: memoryview | bytes, offset: int = 0) -> tuple[Head, int]:
    """Read only what is counted of the record at `offset`; returns it and where the next begins.

    Takes and refuses exactly what `decode` does, and copies nothing that is not counted.

    Raises:
        JournalDamaged: no whole record of a known version begins there.
    """
    if offset < 0 or len(data) - offset < _HEAD_SIZE:
        raise JournalDamaged("a record is cut short in its head")
    (
        length,
        version,
        kind,
        _,
        lead_id,
        _,
        received_at_us,
        answer_status,
        source,
        peer,
        method,
        detail,
        _,
        target,
        headers,
        body,
    ) = _unpack_head(data, offset)
    if version != RECORD_VERSION:
        raise JournalDamaged(f"a record has format version {version}, known is {RECORD_VERSION}")
    if kind not in _KINDS:
        raise JournalDamaged(f"a record is of unknown kind {kind}")
    end = offset + length
    if length != _HEAD_SIZE + source + peer + method + detail + target + headers + body or (
        end > len(data)
    ):
        raise JournalDamaged("the lengths in a record's head do not add up")
    source_at = offset + _HEAD_SIZE
    name = bytes(data[source_at : source_at + source])
    return Head(kind, lead_id, received_at_us, answer_status, name), end


def framed_length(data: memoryview | bytes, offset: int) -> int | None:
    """The length that the record at `offset` claims, if it is one that can be stepped over."""
    if len(data) - offset < _HEAD_SIZE:
        return None
    length: int = _LENGTH.unpack_from(data, offset)[0]
    return length if _HEAD_SIZE <= length <= len(data) - offset else None


def _flag(flags: int) -> RecordFlag:
    """The flag set of a number, made once: building an IntFlag costs as much as the rest."""
    return _FLAGS.setdefault(flags, RecordFlag(flags))
