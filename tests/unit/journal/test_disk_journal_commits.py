"""The disk journal: what `commit` returns is durable and published; trouble moves it on."""

import fcntl
import os
from pathlib import Path

import pytest

from leadkeep.errors import JournalUnavailable, UsageError
from leadkeep.journal import supply as supply_module
from leadkeep.journal.base import SegmentState
from leadkeep.journal.layout import BLOCK
from leadkeep.journal.reader import DiskJournalReader
from tests.fakes.clock import FakeClock
from tests.unit.journal.conftest import OpenJournal
from tests.unit.journal.journal_parts import (
    SEGMENT_BYTES,
    FailingSyscalls,
    encoded,
    files,
    lead,
    read_all,
    read_one,
    segment_of,
    until,
)


def test_a_committed_group_is_read_back_at_once_and_byte_for_byte(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    journal = open_journal()
    position = journal.commit(encoded(1, 2))
    journal.commit(encoded(3))
    reading = read_one(reader, segment_of(reader, position.segment))
    assert [record for group in reading.groups for record in group.records] == [
        lead(1),
        lead(2),
        lead(3),
    ]
    assert [group.offset for group in reading.groups] == [position.offset, 2 * BLOCK]
    assert [group.sequence for group in reading.groups] == [1, 2]
    assert all(group.acknowledged for group in reading.groups)


def test_each_group_begins_at_a_block_of_its_own(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    journal = open_journal()
    offsets = [journal.commit(encoded(1, body=b"b" * size)).offset for size in (1, 3_900, 4_000, 9)]
    assert offsets == [BLOCK, 2 * BLOCK, 3 * BLOCK, 5 * BLOCK]
    assert read_all(reader).numbers == [1, 1, 1, 1]


def test_when_a_segment_is_full_the_spare_takes_over_and_the_old_one_is_sealed(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    journal = open_journal()
    rounds = 3 * SEGMENT_BYTES // BLOCK
    segments = [journal.commit(encoded(number)).segment for number in range(rounds)]
    assert len(set(segments)) == 4
    for gone in set(segments) - {segments[-1]}:
        assert segment_of(reader, gone).state is SegmentState.SEALED
    assert segment_of(reader, segments[-1]).state is SegmentState.LIVE
    assert read_all(reader).numbers == list(range(rounds))


def test_a_spare_stands_ready_and_holds_nothing_a_reader_would_take(
    open_journal: OpenJournal, reader: DiskJournalReader, folder: Path
) -> None:
    open_journal()
    until(lambda: len(files(folder, ".segment")) == 2)
    assert [info.state for info in reader.segments()] == [SegmentState.LIVE] * 2
    assert read_all(reader) == ([], [], [])


def test_a_lead_larger_than_a_segment_gets_one_made_large_enough(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    journal = open_journal()
    journal.commit(encoded(1))
    journal.commit(encoded(2, body=b"x" * (5 * SEGMENT_BYTES)))
    journal.commit(encoded(3))
    reading = read_all(reader)
    assert sorted(reading.numbers) == [1, 2, 3]
    assert max(len(record.body) for g in reading.groups for record in g.records) == (
        5 * SEGMENT_BYTES
    )


def test_a_group_of_nothing_is_refused(open_journal: OpenJournal) -> None:
    with pytest.raises(UsageError):
        open_journal().commit([])


def test_closing_seals_what_was_used_and_removes_what_was_not(
    open_journal: OpenJournal, reader: DiskJournalReader, folder: Path
) -> None:
    journal = open_journal()
    position = journal.commit(encoded(1))
    journal.close()
    journal.close()
    assert [info.segment for info in reader.segments()] == [position.segment]
    assert reader.segments()[0].state is SegmentState.SEALED
    with pytest.raises(JournalUnavailable, match="closed"):
        journal.commit(encoded(2))
    open_journal().close()
    assert len(files(folder, ".segment")) == len(files(folder, ".mark")) == 1


def test_two_writers_take_two_folders_and_a_third_the_one_that_was_left(
    open_journal: OpenJournal, reader: DiskJournalReader, folder: Path
) -> None:
    one, two = open_journal(), open_journal()
    one.commit(encoded(1))
    two.commit(encoded(2))
    one.close()
    three = open_journal()
    three.commit(encoded(3))
    assert sorted(path.name for path in folder.iterdir()) == ["writer-1", "writer-2"]
    assert sorted(read_all(reader).numbers) == [1, 2, 3]


def test_a_reader_looking_at_the_lock_does_not_send_a_writer_elsewhere(
    open_journal: OpenJournal, folder: Path
) -> None:
    open_journal().close()
    fd = os.open(folder / "writer-1" / "lock", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    os.close(fd)
    open_journal()
    assert [path.name for path in folder.iterdir()] == ["writer-1"]


def test_what_a_dead_writer_left_unfinished_is_removed_by_the_next(
    open_journal: OpenJournal, folder: Path
) -> None:
    open_journal().close()
    half_made = folder / "writer-1" / "0001786802449123-half.tmp"
    lone_mark = folder / "writer-1" / "018f2f6e-0000-7000-8000-000000000000.mark"
    for leftover in (half_made, lone_mark):
        leftover.write_bytes(b"x" * 100)
    open_journal()
    assert not half_made.exists()
    assert not lone_mark.exists()


def test_segments_are_named_in_the_order_made_though_the_clock_goes_back(
    open_journal: OpenJournal, reader: DiskJournalReader, clock: FakeClock
) -> None:
    for number in range(3):
        journal = open_journal()
        journal.commit(encoded(number))
        journal.close()
        clock.jump(-86_400)
    assert read_all(reader).numbers == [0, 1, 2]


def test_files_and_folders_are_their_owners_alone(open_journal: OpenJournal, folder: Path) -> None:
    open_journal().commit(encoded(1))
    until(lambda: len(files(folder, ".segment")) == 2)
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


# ------------------------------------------------------------------- trouble


def test_after_a_failed_sync_the_batch_is_acknowledged_from_another_segment(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    calls = FailingSyscalls()
    journal = open_journal(calls)
    first = journal.commit(encoded(1))
    calls.fail_group_syncs = 1
    second = journal.commit(encoded(2))
    later = [journal.commit(encoded(number)) for number in (3, 4)]
    assert second.segment != first.segment
    assert {position.segment for position in later} == {second.segment}

    poisoned = segment_of(reader, first.segment)
    assert poisoned.state is SegmentState.POISONED
    left = read_one(reader, poisoned)
    assert left.numbers == [1, 2]
    assert left.unacknowledged == [2]
    assert read_one(reader, segment_of(reader, second.segment)).unacknowledged == []


@pytest.mark.parametrize("what", ["fail_group_writes", "fail_marks", "short_write"])
def test_any_other_failure_poisons_as_well(
    open_journal: OpenJournal, reader: DiskJournalReader, what: str
) -> None:
    calls = FailingSyscalls()
    journal = open_journal(calls)
    first = journal.commit(encoded(1))
    setattr(calls, what, 1)
    second = journal.commit(encoded(2))
    third = journal.commit(encoded(3))
    assert first.segment != second.segment == third.segment
    assert segment_of(reader, first.segment).state is SegmentState.POISONED
    assert read_one(reader, segment_of(reader, second.segment)).numbers == [2, 3]


def test_a_segment_whose_poison_cannot_be_marked_is_read_no_further_than_before(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    calls = FailingSyscalls()
    journal = open_journal(calls)
    first = journal.commit(encoded(1))
    calls.fail_marks = 2
    journal.commit(encoded(2))
    info = segment_of(reader, first.segment)
    assert info.state is SegmentState.LIVE
    assert read_one(reader, info).numbers == [1]


def test_after_two_failures_it_is_the_next_journals_turn(open_journal: OpenJournal) -> None:
    calls = FailingSyscalls()
    journal = open_journal(calls)
    calls.fail_group_syncs = 2
    with pytest.raises(JournalUnavailable, match="failed twice"):
        journal.commit(encoded(1))


def test_a_storm_of_commits_does_not_hammer_a_full_disk(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = FailingSyscalls()
    calls.disk_full = True
    monkeypatch.setattr(supply_module, "PAUSE_SECONDS", 3_600)
    journal = open_journal(calls)
    for number in range(1_000):
        with pytest.raises(JournalUnavailable):
            journal.commit(encoded(number))
    assert calls.segments_tried == 1


def test_when_space_is_back_it_goes_on_by_itself(
    open_journal: OpenJournal,
    reader: DiskJournalReader,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = FailingSyscalls()
    calls.disk_full = True
    monkeypatch.setattr(supply_module, "PAUSE_SECONDS", 0)
    journal = open_journal(calls)
    with pytest.raises(JournalUnavailable, match="no journal file can be made"):
        journal.commit(encoded(1))
    assert not [path for path in folder.rglob("*") if path.suffix], "nothing half-made is left"
    calls.disk_full = False
    journal.commit(encoded(2))
    assert read_all(reader).numbers == [2]


def test_while_no_new_segment_can_be_made_the_old_one_still_takes_what_fits(
    open_journal: OpenJournal, reader: DiskJournalReader, folder: Path
) -> None:
    calls = FailingSyscalls()
    journal = open_journal(calls)
    until(lambda: len(files(folder, ".segment")) == 2)
    calls.disk_full = True
    with pytest.raises(JournalUnavailable):
        journal.commit(encoded(1, body=b"x" * (2 * SEGMENT_BYTES)))
    journal.commit(encoded(2))
    assert read_all(reader).numbers == [2]


def test_a_segment_that_somebody_removed_is_not_acknowledged_from(
    open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    journal = open_journal()
    position = journal.commit(encoded(1))
    segment_of(reader, position.segment).path.unlink()
    # It is looked at now and then: what was committed since it went is gone with it.
    until(lambda: journal.commit(encoded(2)).segment != position.segment)
    assert read_all(reader).numbers == [2]


def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path, clock: FakeClock) -> None:
    from leadkeep.journal.disk import DiskJournal

    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JournalUnavailable, match="cannot be opened"):
        DiskJournal(tmp_path / "file" / "journal", segment_bytes=SEGMENT_BYTES, clock=clock)
