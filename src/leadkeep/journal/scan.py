"""Judging a segment's bytes: which groups are whole, what is damaged, where it simply ends.

Invariant: takes any bytes; it never raises, always comes to an end, and yields a group only if both
of its checksums hold for exactly this segment and offset. Offsets yielded only grow.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar
from uuid import UUID

from leadkeep.errors import JournalDamaged
from leadkeep.journal import layout
from leadkeep.journal.base import Damage, Group, GroupHeads, TornTail
from leadkeep.journal.bytesource import WINDOW, Bytes
from leadkeep.journal.layout import BLOCK, GROUP_HEADER_SIZE, GroupHeader
from leadkeep.journal.records import decode, framed_length, read_head

_ZEROS = bytes(WINDOW)

_T = TypeVar("_T")


class _Whole(NamedTuple):
    """A group whose checksums hold."""

    offset: int
    end: int
    header: GroupHeader
    payload: memoryview
    acknowledged: bool


class Scan:
    """One reading of one segment."""

    def __init__(self, source: Bytes, segment: UUID, *, limit: int, durable: int | None) -> None:
        """Prepare to read.

        Args:
            limit: no group that ends after this offset is believed.
            durable: everything before this offset was acknowledged, nothing after it; None if that
                is not known, and then every group counts as acknowledged.
        """
        self._source = source
        self._crc = zlib.crc32(segment.bytes)
        self._limit = limit
        self._durable = durable

    def groups(self, start: int) -> Iterator[Group | Damage | TornTail]:
        """What stands from `start` on (0: the beginning, with the segment's header).

        The damage of a single record ends where its group begins, so that a reader who goes on
        from there still gets the group's other records.
        """
        for found in self._whole(start):
            if not isinstance(found, _Whole):
                yield found
                continue
            records, faults = _opened(found, decode)
            yield from faults
            yield Group(
                offset=found.offset,
                end=found.end,
                sequence=found.header.sequence,
                records=records,
                acknowledged=found.acknowledged,
            )

    def heads(self, start: int) -> Iterator[GroupHeads | Damage | TornTail]:
        """As `groups`, but only what is counted of each record."""
        for found in self._whole(start):
            if not isinstance(found, _Whole):
                yield found
                continue
            heads, faults = _opened(found, read_head)
            yield from faults
            yield GroupHeads(found.offset, found.end, heads, found.acknowledged)

    def _whole(self, start: int) -> Iterator[_Whole | Damage | TornTail]:
        if start < BLOCK:
            reason = self._header_fault()
            if reason:
                # Of the header: the groups behind it are judged by themselves.
                yield Damage(offset=0, end=BLOCK, reason=reason, records=0)
        position = max(BLOCK, layout.round_up(start))
        sequence = 0 if start < BLOCK else None
        while position < self._limit:
            found = self._group_at(position)
            if isinstance(found, str):
                following = self._next_valid(position + BLOCK)
                yield from self._missing(position, following, found, sequence)
                if following is None:
                    return
                position = following
            else:
                header, payload = found
                end = position + layout.round_up(header.header_length + header.payload_length)
                yield self._judged(position, end, header, payload)
                position, sequence = end, header.sequence

    def _header_fault(self) -> str:
        header = layout.parse_segment_header(bytes(self._source.piece(0, BLOCK)))
        if isinstance(header, str):
            return self._source.error or header
        if zlib.crc32(header.segment.bytes) != self._crc:
            return "the segment header is another segment's"
        return ""

    def _group_at(self, offset: int) -> tuple[GroupHeader, memoryview] | str:
        """The group that begins at `offset`, or why there is none."""
        header = self._header_at(offset)
        if header is None:
            return self._unreadable() or "no group begins here"
        length = header.header_length + header.payload_length
        if offset + length > self._limit:
            return "the group runs past the end"
        group = self._source.piece(offset, length)
        if len(group) < length:
            return self._unreadable() or "the group is cut short"
        if not layout.group_checksum_holds(group, layout.group_seed(self._crc, offset)):
            return "the group's checksum does not hold"
        return header, group[header.header_length :]

    def _header_at(self, offset: int) -> GroupHeader | None:
        seed = layout.group_seed(self._crc, offset)
        return layout.parse_group_header(self._source.piece(offset, GROUP_HEADER_SIZE), 0, seed)

    def _unreadable(self) -> str:
        return f"it cannot be read: {self._source.error}" if self._source.error else ""

    def _next_valid(self, offset: int) -> int | None:
        """Where the next whole group begins, at or after `offset`."""
        end = min(self._limit, self._source.size)
        while offset < end:
            chunk_end = offset + min(WINDOW, layout.round_up(end - offset))
            if not self._is_zero(offset, min(chunk_end, end)):
                for at in range(offset, chunk_end, BLOCK):
                    if not isinstance(self._group_at(at), str):
                        return at
            offset = chunk_end
        return None

    def _is_zero(self, offset: int, end: int) -> bool:
        """Whether these bytes, at most a window, were read and are all zero."""
        chunk = self._source.piece(offset, end - offset)
        return len(chunk) == end - offset and chunk == _ZEROS[: len(chunk)]

    def _is_blank(self, offset: int) -> bool:
        """Whether nothing was ever written from `offset` to the end."""
        end = min(self._limit, self._source.size)
        return all(self._is_zero(at, min(at + WINDOW, end)) for at in range(offset, end, WINDOW))

    def _missing(
        self, position: int, following: int | None, reason: str, sequence: int | None
    ) -> Iterator[Damage | TornTail]:
        """What to say of bytes at `position` that are no group.

        Args:
            sequence: of the group before them; None: not known.
        """
        if following is not None:
            # A group is written only after the one before it is durable: this one was.
            told = self._records_told(position, following)
            after = self._header_at(following)
            if after is not None and sequence is not None:
                told = max(told, after.sequence - sequence - 1)
            yield Damage(offset=position, end=following, reason=reason, records=told)
            return
        durable = min(self._durable or 0, self._limit)
        if position < durable:
            told = self._records_told(position, durable)
            yield Damage(offset=position, end=durable, reason=reason, records=told)
            position = durable
        if not self._is_blank(position):
            yield TornTail(offset=position)

    def _judged(
        self, offset: int, end: int, header: GroupHeader, payload: memoryview
    ) -> _Whole | Damage:
        if header.key_id or header.flags:
            reason = (
                "the group is written in a way this version cannot read "
                f"(key {header.key_id}, flags {header.flags})"
            )
            return Damage(offset=offset, end=end, reason=reason, records=header.records)
        acknowledged = self._durable is None or end <= self._durable
        return _Whole(offset, end, header, payload, acknowledged)

    def _records_told(self, position: int, end: int) -> int:
        """How many records stood between two offsets, at least, by the headers that still hold."""
        told = 0
        while position < end:
            header = self._header_at(position)
            if header is None:
                return told + 1
            told += header.records
            position += layout.round_up(header.header_length + header.payload_length)
        return told


def _opened(
    group: _Whole, read: Callable[[memoryview, int], tuple[_T, int]]
) -> tuple[tuple[_T, ...], list[Damage]]:
    """The records that can be read, and what is wrong with each that cannot."""
    payload, count, offset = group.payload, group.header.records, group.offset
    records: list[_T] = []
    faults: list[Damage] = []
    at = 0
    number = 0
    while at < len(payload):
        number += 1
        try:
            record, at = read(payload, at)
            records.append(record)
        except JournalDamaged as error:
            reason = f"record {number} of {count} cannot be read: {error}"
            faults.append(Damage(offset=offset, end=offset, reason=reason))
            length = framed_length(payload, at)
            if length is None:
                break
            at += length
    if number != count:
        reason = f"the group says it has {count} records; {number} were found"
        faults.append(Damage(offset, offset, reason, records=max(count - number, 1)))
    return tuple(records), faults
