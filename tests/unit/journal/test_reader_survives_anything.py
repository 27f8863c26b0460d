"""The reader against every cut, every changed byte, and what disks make of unsynced writes."""

import functools
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadkeep.journal.base import Damage, Group, GroupHeads, SegmentInfo, SegmentState, TornTail
from leadkeep.journal.bytesource import ByteSource
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.layout import BLOCK, GROUP_HEADER
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.scan import Scan
from tests.fakes.clock import FakeClock
from tests.unit.journal.journal_parts import (
    Reading,
    abandon,
    encoded,
    read_one,
    sorted_out,
)

SECTOR = 512
SIZES = (40, 4_500, 300, 64)
"""Bodies of the leads 0 to 3; each is a group, and some span several blocks."""


@functools.cache
def _written() -> tuple[UUID, bytes, tuple[int, ...]]:
    """A segment's UUID, its bytes, and where each group begins (and the last one ends)."""
    with tempfile.TemporaryDirectory() as folder:
        clock = FakeClock()
        journal = DiskJournal(Path(folder), segment_bytes=12 * BLOCK, clock=clock)
        chance = random.Random(7)
        offsets = []
        for number, size in enumerate(SIZES):
            position = journal.commit(encoded(number, body=chance.randbytes(size)))
            offsets.append(position.offset)
        abandon(journal)
        reader = DiskJournalReader(Path(folder), clock=clock)
        info = next(info for info in reader.segments() if info.segment == position.segment)
        ends = [group.end for group in read_one(reader, info).groups]
        return position.segment, info.path.read_bytes(), (*offsets, ends[-1])


@contextmanager
def _file(content: bytes) -> Iterator[int]:
    fd = os.memfd_create("segment")
    try:
        os.write(fd, content)
        yield fd
    finally:
        os.close(fd)


def _scan(content: bytes, *, durable: int | None = None, start: int = 0) -> Reading:
    segment, _, _ = _written()
    with _file(content) as fd:
        source = ByteSource(fd, len(content))
        limit = max(len(content), durable or 0)
        scan = Scan(source, segment, limit=limit, durable=durable)
        found = list(scan.groups(start))
        _heads_tell_the_same(found, list(scan.heads(start)))
        return sorted_out(found)


def _heads_tell_the_same(
    groups: Sequence[Group | Damage | TornTail], heads: Sequence[GroupHeads | Damage | TornTail]
) -> None:
    for group, head in zip(groups, heads, strict=True):
        if not isinstance(group, Group):
            assert head == group
            continue
        assert isinstance(head, GroupHeads)
        assert (head.offset, head.end) == (group.offset, group.end)
        assert head.acknowledged is group.acknowledged
        ids = [record.lead_id for record in group.records]
        assert [one.lead_id for one in head.heads] == ids


def _expected(reading: Reading, intact: set[int]) -> None:
    """Exactly the intact groups are read, in order, and what is missing between is named."""
    assert reading.numbers == sorted(intact)
    missing_before_a_valid = [n for n in range(len(SIZES)) if n not in intact and n < max(intact)]
    named = {n for n in missing_before_a_valid for one in reading.damage if _covers(one, n)}
    assert named == set(missing_before_a_valid)


def _covers(damage: Damage, number: int) -> bool:
    _, _, offsets = _written()
    return damage.offset <= offsets[number] < damage.end


def _length(offset: int) -> int:
    """How long the group at `offset` is, without the padding after it."""
    _, content, _ = _written()
    payload_length: int = GROUP_HEADER.unpack_from(content, offset)[5]
    return GROUP_HEADER.size + payload_length


def test_cut_at_every_byte_the_whole_groups_before_it_are_read() -> None:
    _, content, offsets = _written()
    used = content[: offsets[-1]]
    lengths = [_length(offset) for offset in offsets[:-1]]
    for cut in range(len(used)):
        reading = _scan(used[:cut])
        whole = [
            n
            for n, (at, length) in enumerate(zip(offsets[:-1], lengths, strict=True))
            if at + length <= cut
        ]
        assert reading.numbers == whole, cut
        assert [one for one in reading.damage if one.offset] == [], cut


def test_with_any_byte_changed_every_other_group_is_read_and_the_place_is_named() -> None:
    _, content, offsets = _written()
    for at in range(offsets[-1]):
        changed = bytearray(content)
        changed[at] ^= 0x40
        reading = _scan(bytes(changed), durable=offsets[-1])
        hit = max((n for n in range(len(SIZES)) if offsets[n] <= at), default=None)
        if hit is None:
            assert reading.numbers == list(range(len(SIZES)))
            continue
        assert set(range(len(SIZES))) - set(reading.numbers) <= {hit}, at
        if hit not in reading.numbers:
            assert [one.offset for one in reading.damage] == [offsets[hit]], at
            assert reading.torn == [], at


@given(st.data())
def test_a_changed_byte_is_never_taken_for_what_was_written(data: st.DataObject) -> None:
    _, content, offsets = _written()
    original = {group.offset: group for group in _scan(content).groups}
    at = data.draw(st.integers(0, offsets[-1] - 1))
    changed = bytearray(content)
    changed[at] = data.draw(st.integers(0, 255))
    for group in _scan(bytes(changed)).groups:
        assert group == original[group.offset]


@given(
    last=st.integers(1, len(SIZES)),
    sector=st.sampled_from([SECTOR, BLOCK]),
    data=st.data(),
)
def test_whatever_part_of_the_last_unsynced_write_arrived_the_synced_ones_are_whole(
    last: int, sector: int, data: st.DataObject
) -> None:
    """Sectors of one unsynced group reach the disk in any order, or not, or hold old bytes."""
    _, content, offsets = _written()
    begin, end = offsets[last - 1], offsets[last]
    image = bytearray(content[:begin]) + bytearray(len(content) - begin)
    choices = st.sampled_from(["written", "zero", "stale"])
    for at in range(begin, end, sector):
        choice = data.draw(choices)
        if choice == "written":
            image[at : at + sector] = content[at : at + sector]
        elif choice == "stale":
            image[at : at + sector] = content[BLOCK : BLOCK + sector]
    length = _length(begin)
    arrived = image[begin : begin + length] == content[begin : begin + length]
    reading = _scan(bytes(image))
    assert reading.numbers == list(range(last if arrived else last - 1))
    assert reading.damage == [], "nobody was told 2xx for it"
    if not arrived and any(image[begin:]):
        assert [tail.offset for tail in reading.torn] == [begin]


@given(lost=st.sets(st.integers(0, len(SIZES) - 1), max_size=len(SIZES) - 1), data=st.data())
def test_acknowledged_groups_that_a_disk_lost_are_named_and_the_others_read(
    lost: set[int], data: st.DataObject
) -> None:
    _, content, offsets = _written()
    image = bytearray(content)
    for number in lost:
        # Its first sector at least: the padding at the end of a group holds nothing to lose.
        length = data.draw(st.sampled_from([SECTOR, BLOCK]))
        image[offsets[number] : offsets[number] + length] = bytes(length)
    intact = set(range(len(SIZES))) - lost
    _expected(_scan(bytes(image)), intact)
    with_mark = _scan(bytes(image), durable=offsets[-1])
    assert all(any(_covers(one, n) for one in with_mark.damage) for n in lost)


@given(
    last=st.integers(1, len(SIZES)),
    garbage=st.binary(min_size=1, max_size=3 * BLOCK),
    gap=st.integers(0, BLOCK),
)
def test_a_garbage_tail_costs_no_group_before_it(last: int, garbage: bytes, gap: int) -> None:
    _, content, offsets = _written()
    image = content[: offsets[last]] + bytes(gap) + garbage
    reading = _scan(image)
    assert reading.numbers == list(range(last))
    assert reading.damage == []
    assert bool(reading.torn) == any(garbage)


@given(
    content=st.lists(
        st.one_of(
            st.binary(max_size=3 * BLOCK),
            st.integers(0, len(SIZES) - 1).map(
                lambda n: _written()[1][_written()[2][n] : _written()[2][n + 1]]
            ),
            st.integers(1, 2).map(lambda blocks: bytes(blocks * BLOCK)),
        ),
        max_size=8,
    ).map(b"".join),
    durable=st.one_of(st.none(), st.integers(1, 2**50).map(lambda blocks: blocks * BLOCK)),
    start=st.integers(0, 30_000),
)
@settings(deadline=None)
def test_arbitrary_bytes_are_read_to_an_end_without_an_error(
    content: bytes, durable: int | None, start: int
) -> None:
    reading = _scan(content, durable=durable, start=start)
    offsets = [group.offset for group in reading.groups]
    assert offsets == sorted(set(offsets))
    assert all(offset >= start for offset in offsets)


@pytest.mark.parametrize("state", [SegmentState.LIVE, SegmentState.SEALED])
@given(blocks=st.integers(1, 12))
def test_a_living_or_sealed_segment_never_gives_anything_past_its_mark(
    state: SegmentState, blocks: int
) -> None:
    segment, content, offsets = _written()
    durable = blocks * BLOCK
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        info = SegmentInfo(
            segment=segment,
            path=Path(file.name),
            journal="journal",
            state=state,
            durable=durable,
            created_at_us=0,
        )
        reading = read_one(DiskJournalReader(Path(file.name).parent), info)
    assert all(group.end <= durable for group in reading.groups)
    assert reading.numbers == [n for n in range(len(SIZES)) if offsets[n + 1] <= durable]
