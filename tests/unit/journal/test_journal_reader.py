"""The reader: believes as much as it may, names what is damaged, changes nothing."""

import os
import zlib
from pathlib import Path

import pytest

from leadkeep.errors import JournalUnavailable
from leadkeep.journal import layout
from leadkeep.journal import reader as reader_module
from leadkeep.journal.base import SegmentInfo, SegmentState
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.layout import BLOCK, MarkState
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.segment import Segment
from leadkeep.journal.waiting import highest_lead_number
from leadkeep.journal.writer_folder import lock_holder
from tests.fakes.clock import FakeClock
from tests.unit.journal.conftest import OpenJournal
from tests.unit.journal.journal_parts import (
    FailingSyscalls,
    abandon,
    encoded,
    lead,
    read_all,
    read_one,
    set_mark,
)


def _overwrite(info: SegmentInfo, offset: int, data: bytes) -> None:
    with info.path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def _drop_mark(info: SegmentInfo) -> None:
    info.path.with_name(layout.mark_name(info.segment)).unlink()


@pytest.fixture
def dead(open_journal: OpenJournal, reader: DiskJournalReader) -> SegmentInfo:
    """A segment with the leads 1 to 4, a group each, whose writer was killed."""
    journal = open_journal()
    for number in (1, 2, 3, 4):
        position = journal.commit(encoded(number))
    abandon(journal)
    return next(info for info in reader.segments() if info.segment == position.segment)


def test_a_journal_that_was_never_written_has_no_segments(tmp_path: Path) -> None:
    assert DiskJournalReader(tmp_path / "none").segments() == []


def test_a_killed_writers_segment_is_dead_and_whole(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    assert dead.state is SegmentState.DEAD
    reading = read_one(reader, dead)
    assert reading.numbers == [1, 2, 3, 4]
    assert (reading.damage, reading.torn, reading.unacknowledged) == ([], [], [])


def test_a_segment_of_an_earlier_session_is_dead_beside_a_living_one(
    dead: SegmentInfo, reader: DiskJournalReader, open_journal: OpenJournal
) -> None:
    journal = open_journal()
    journal.commit(encoded(5))
    states = {info.segment: info.state for info in reader.segments()}
    assert states[dead.segment] is SegmentState.DEAD
    assert list(states.values()).count(SegmentState.LIVE) >= 1
    assert read_all(reader).numbers == [1, 2, 3, 4, 5]


def test_reading_goes_on_from_any_position(dead: SegmentInfo, reader: DiskJournalReader) -> None:
    offsets = [group.offset for group in read_one(reader, dead).groups]
    for index, offset in enumerate(offsets):
        numbers = [
            record.lead_number % 10
            for group in reader.read(dead, offset)
            for record in getattr(group, "records", ())
        ]
        assert numbers == [1, 2, 3, 4][index:]


def test_a_live_segment_is_read_no_further_than_its_mark(
    open_journal: OpenJournal, reader: DiskJournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal()
    position = journal.commit(encoded(1))
    # The write of a group that has been made but is not yet durable: no mark follows it.
    monkeypatch.setattr(Segment, "_publish", lambda *_: None)
    journal.commit(encoded(2))
    info = next(info for info in reader.segments() if info.segment == position.segment)
    assert info.state is SegmentState.LIVE
    assert read_one(reader, info).numbers == [1]


def test_a_live_segment_without_a_readable_mark_is_not_believed_at_all(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    journal = open_journal()
    position = journal.commit(encoded(1))
    info = next(info for info in reader.segments() if info.segment == position.segment)
    for damage in (b"", b"\xff" * 80):
        info.path.with_name(layout.mark_name(info.segment)).write_bytes(damage)
        now = next(one for one in reader.segments() if one.segment == position.segment)
        assert (now.state, now.durable) == (SegmentState.LIVE, None)
        assert read_one(reader, now) == ([], [], [])


def test_a_writer_that_comes_while_the_folder_is_looked_at_is_never_taken_for_dead(
    open_journal: OpenJournal, reader: DiskJournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_journal()
    first.commit(encoded(1))
    successors: list[DiskJournal] = []

    def change_of_writers(folder: Path) -> bytes | None:
        holder = lock_holder(folder)
        abandon(first)
        successors.append(open_journal())
        successors[0].commit(encoded(2))
        return holder

    monkeypatch.setattr(reader_module, "lock_holder", change_of_writers)
    found = reader.segments()
    monkeypatch.undo()
    live = {info.segment for info in reader.segments() if info.state is SegmentState.LIVE}
    assert live
    assert not {info.segment for info in found if info.state is SegmentState.DEAD} & live


def test_what_a_writer_commits_while_the_folder_is_looked_at_stays_acknowledged(
    open_journal: OpenJournal, reader: DiskJournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal()
    position = journal.commit(encoded(1))

    def last_words(folder: Path) -> bytes | None:
        journal.commit(encoded(2))
        abandon(journal)
        return lock_holder(folder)

    monkeypatch.setattr(reader_module, "lock_holder", last_words)
    (info,) = [one for one in reader.segments() if one.segment == position.segment]
    reading = read_one(reader, info)
    assert reading.numbers == [1, 2]
    assert reading.unacknowledged == []


def test_refresh_follows_a_living_writer_and_ends_with_it(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    journal = open_journal()
    position = journal.commit(encoded(1))
    info = next(info for info in reader.segments() if info.segment == position.segment)
    journal.commit(encoded(2))
    fresh = reader.refresh(info)
    assert fresh is not None
    assert read_one(reader, fresh).numbers == [1, 2]
    abandon(journal)
    assert reader.refresh(info) is None
    assert reader.refresh(reader.segments()[0]) is None


def test_groups_past_a_mark_of_this_boot_are_known_to_be_unacknowledged(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    set_mark(dead, durable=3 * BLOCK)
    assert read_all(reader).unacknowledged == [3, 4]


@pytest.mark.parametrize(
    ("at", "torn"), [(layout.MARK_DURABLE_AT, b"\0\x20"), (layout.MARK_STATE_AT, b"\2")]
)
def test_a_torn_mark_says_nothing_and_all_counts_as_acknowledged(
    dead: SegmentInfo, reader: DiskJournalReader, at: int, torn: bytes
) -> None:
    path = dead.path.with_name(layout.mark_name(dead.segment))
    mark = bytearray(path.read_bytes())
    mark[at : at + len(torn)] = torn
    path.write_bytes(mark)
    (info,) = [one for one in reader.segments() if one.segment == dead.segment]
    assert (info.state, info.durable) == (SegmentState.DEAD, None)
    assert read_one(reader, info).numbers == [1, 2, 3, 4]
    assert read_one(reader, info).unacknowledged == []


@pytest.mark.parametrize("state", list(MarkState))
def test_a_mark_of_another_boot_says_nothing_and_all_counts_as_acknowledged(
    dead: SegmentInfo, reader: DiskJournalReader, clock: FakeClock, folder: Path, state: MarkState
) -> None:
    set_mark(dead, durable=2 * BLOCK, state=state)
    clock.reboot()
    later = DiskJournalReader(folder, clock=clock)
    assert [info.state for info in later.segments()] == [SegmentState.DEAD]
    reading = read_all(later)
    assert reading.numbers == [1, 2, 3, 4]
    assert reading.unacknowledged == []


def test_without_a_mark_all_counts_as_acknowledged(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    _drop_mark(dead)
    reading = read_all(reader)
    assert reading.numbers == [1, 2, 3, 4]
    assert reading.unacknowledged == []


def test_a_sealed_segment_ends_at_its_mark(dead: SegmentInfo, reader: DiskJournalReader) -> None:
    set_mark(dead, durable=3 * BLOCK, state=MarkState.SEALED)
    assert read_all(reader).numbers == [1, 2]


def test_a_bad_group_with_valid_later_ones_is_damage_and_the_rest_intact(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    _overwrite(dead, 2 * BLOCK + 200, b"\0\0\0")
    reading = read_all(reader)
    assert reading.numbers == [1, 3, 4]
    assert [(one.offset, one.end) for one in reading.damage] == [(2 * BLOCK, 3 * BLOCK)]
    assert "checksum" in reading.damage[0].reason


def test_a_whole_block_of_zeros_before_valid_groups_is_damage(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    _overwrite(dead, 2 * BLOCK, bytes(2 * BLOCK))
    reading = read_all(reader)
    assert reading.numbers == [1, 4]
    assert [(one.offset, one.end) for one in reading.damage] == [(2 * BLOCK, 4 * BLOCK)]
    assert reading.damage[0].records == 2, "by the sequences of the groups around it"


def test_damage_tells_how_many_records_stood_there_as_far_as_headers_hold(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    journal = open_journal()
    for numbers in ((1,), (2, 3), (4, 5, 6), (7,)):
        journal.commit(encoded(*numbers))
    abandon(journal)
    (info,) = [one for one in reader.segments() if one.durable != BLOCK]
    _overwrite(info, 2 * BLOCK + 100, b"\xff")
    assert [one.records for one in read_all(reader).damage] == [2]
    _overwrite(info, 3 * BLOCK + 100, b"\xff")
    assert [one.records for one in read_all(reader).damage] == [5]
    _overwrite(info, 3 * BLOCK, b"\xff")
    assert [one.records for one in read_all(reader).damage] == [3]
    _overwrite(info, 0, b"\xff")
    assert [one.records for one in read_all(reader).damage] == [0, 3]


def test_a_bad_last_group_is_damage_if_the_mark_says_it_was_durable(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    _overwrite(dead, 4 * BLOCK, b"\0" * 70)
    reading = read_all(reader)
    assert reading.numbers == [1, 2, 3]
    assert [(one.offset, one.end) for one in reading.damage] == [(4 * BLOCK, 5 * BLOCK)]
    assert reading.torn == []


def test_a_bad_last_group_without_a_mark_is_a_torn_tail(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    _drop_mark(dead)
    _overwrite(dead, 4 * BLOCK, b"\0" * 70)
    reading = read_all(reader)
    assert reading.numbers == [1, 2, 3]
    assert reading.damage == []
    assert [tail.offset for tail in reading.torn] == [4 * BLOCK]


def test_damage_before_the_mark_and_garbage_after_it_are_told_apart(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    _overwrite(dead, 4 * BLOCK, os.urandom(3 * BLOCK))
    reading = read_all(reader)
    assert [(one.offset, one.end) for one in reading.damage] == [(4 * BLOCK, 5 * BLOCK)]
    assert [tail.offset for tail in reading.torn] == [5 * BLOCK]


def test_a_segment_cut_to_a_part_of_itself_is_damage_up_to_the_mark(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    os.truncate(dead.path, 3 * BLOCK)
    reading = read_all(reader)
    assert reading.numbers == [1, 2]
    assert [(one.offset, one.end) for one in reading.damage] == [(3 * BLOCK, 5 * BLOCK)]


def test_a_damaged_segment_header_is_told_and_the_groups_are_read(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    _overwrite(dead, 0, b"garbage!")
    reading = read_all(reader)
    assert reading.numbers == [1, 2, 3, 4]
    assert [(one.offset, one.end) for one in reading.damage] == [(0, BLOCK)]


def test_a_newer_format_is_named(dead: SegmentInfo, reader: DiskJournalReader) -> None:
    header = layout.SEGMENT_HEADER.unpack(dead.path.read_bytes()[: layout.SEGMENT_HEADER.size])
    changed = bytearray(layout.SEGMENT_HEADER.pack(header[0], 2, *header[2:]))
    changed[-4:] = zlib.crc32(bytes(changed[:-4])).to_bytes(4, "little")
    _overwrite(dead, 0, bytes(changed))
    assert "format version 2" in read_all(reader).damage[0].reason


def test_a_group_copied_from_elsewhere_is_not_believed(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    content = dead.path.read_bytes()
    _overwrite(dead, 5 * BLOCK, content[BLOCK : 2 * BLOCK])
    reading = read_all(reader)
    assert reading.numbers == [1, 2, 3, 4]
    assert [tail.offset for tail in reading.torn] == [5 * BLOCK]


def test_a_record_that_cannot_be_read_is_named_and_its_group_goes_on(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    bad = bytearray(encoded(2)[0])
    bad[4] = 9
    journal = open_journal()
    journal.commit([*encoded(1), bytes(bad), *encoded(3)])
    reading = read_all(reader)
    assert reading.numbers == [1, 3]
    assert [(one.offset, one.end) for one in reading.damage] == [(BLOCK, BLOCK)]
    assert "record 2 of 3 cannot be read: a record has format version 9" in (
        reading.damage[0].reason
    )


def test_a_record_with_an_impossible_length_ends_its_group_and_says_so(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    bad = bytearray(encoded(2)[0])
    bad[0:4] = b"\xff\xff\xff\xff"
    journal = open_journal()
    journal.commit([*encoded(1), bytes(bad), *encoded(3)])
    journal.commit(encoded(4))
    reading = read_all(reader)
    assert reading.numbers == [1, 4]
    assert "record 2 of 3" in reading.damage[0].reason
    assert "3 records; 2 were found" in reading.damage[1].reason
    assert [one.records for one in reading.damage] == [1, 1]


def test_bytes_that_imitate_group_headers_cost_no_more_than_other_bytes(
    open_journal: OpenJournal, reader: DiskJournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = layout.pack_group_header(0, 1, [b""], 0).ljust(BLOCK, b"\0")
    journal = open_journal(segment_bytes=4 * 1024**2)
    before_the_body = layout.GROUP_HEADER_SIZE + len(encoded(1, body=b"")[0])
    journal.commit(encoded(1, body=bytes(BLOCK - before_the_body) + fake * 500))
    position = journal.commit(encoded(2))
    abandon(journal)
    info = next(info for info in reader.segments() if info.segment == position.segment)
    _overwrite(info, BLOCK + 70, b"????")
    checked = 0
    holds = layout.group_checksum_holds

    def counting(group: bytes, seed: int) -> bool:
        nonlocal checked
        checked += 1
        return holds(group, seed)

    monkeypatch.setattr(layout, "group_checksum_holds", counting)
    reading = read_one(reader, info)
    assert reading.numbers == [2]
    # The damaged group once, and the whole one when it is found and when it is read.
    assert checked == 3


def test_a_block_that_the_disk_cannot_read_is_damage_and_the_rest_intact(
    dead: SegmentInfo, reader: DiskJournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread

    def failing(fd: int, length: int, offset: int) -> bytes:
        if length > 80 and offset < 3 * BLOCK and offset + length > 2 * BLOCK:
            raise OSError(5, "Input/output error")
        if 2 * BLOCK <= offset < 3 * BLOCK:
            raise OSError(5, "Input/output error")
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", failing)
    reading = read_one(reader, dead)
    assert reading.numbers == [1, 3, 4]
    assert "Input/output error" in reading.damage[0].reason


def test_a_segment_that_is_gone_is_unavailable_not_damaged(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    dead.path.unlink()
    with pytest.raises(JournalUnavailable):
        read_one(reader, dead)


def test_reading_changes_nothing(dead: SegmentInfo, reader: DiskJournalReader) -> None:
    _overwrite(dead, 3 * BLOCK, b"\0" * 100)
    before = (dead.path.read_bytes(), dead.path.stat().st_mtime_ns)
    read_all(reader)
    assert (dead.path.read_bytes(), dead.path.stat().st_mtime_ns) == before


def test_strange_files_in_the_folders_are_left_alone(
    dead: SegmentInfo, reader: DiskJournalReader, folder: Path
) -> None:
    (folder / "writer-1" / "notes.txt").write_text("mine")
    (folder / "writer-x").mkdir()
    (folder / "writer-7").write_text("a file")
    (folder / "lost+found").mkdir()
    assert [info.segment for info in reader.segments()] == [dead.segment]


def test_the_highest_lead_number_is_a_floor_for_new_ones(
    dead: SegmentInfo, reader: DiskJournalReader
) -> None:
    assert highest_lead_number([reader]) == lead(4).lead_number


def test_the_group_that_poisoned_a_segment_is_read_even_after_its_writer_has_gone(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    calls = FailingSyscalls()
    journal = open_journal(calls)
    journal.commit(encoded(1))
    calls.fail_group_syncs = 1
    journal.commit(encoded(2))
    abandon(journal)
    reading = read_all(reader)
    assert sorted(reading.numbers) == [1, 2, 2]
    assert reading.unacknowledged == [2]
