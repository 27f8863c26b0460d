"""A commit that takes longer than the journal's deadline is acknowledged to nobody."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.base import SegmentState
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.syscalls import Data, Syscalls
from tests.fakes.clock import FakeClock
from tests.unit.journal.journal_parts import (
    SEGMENT_BYTES,
    encoded,
    files,
    read_all,
    read_one,
    segment_of,
    until,
)

DEADLINE_MS = 750


class SlowDisk(Syscalls):
    """Takes its time with groups and with new segments, by the journal's clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.commit_seconds = 0.0
        self.make_seconds = 0.0
        self.groups_written = 0

    def commit_group(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        self.groups_written += 1
        self._clock.advance(self.commit_seconds)
        return super().commit_group(fd, buffers, offset)

    def write_blank(self, fd: int, data: Data, offset: int) -> int:
        if not offset:
            self._clock.advance(self.make_seconds)
        return super().write_blank(fd, data, offset)


@pytest.fixture
def disk(clock: FakeClock) -> SlowDisk:
    return SlowDisk(clock)


@pytest.fixture
def journal(folder: Path, clock: FakeClock, disk: SlowDisk) -> DiskJournal:
    made = DiskJournal(
        folder,
        segment_bytes=SEGMENT_BYTES,
        clock=clock,
        deadline_ms=DEADLINE_MS,
        syscalls=disk,
    )
    until(lambda: len(files(folder, ".segment")) == 2)
    return made


def test_a_group_that_is_durable_too_late_is_not_acknowledged(
    journal: DiskJournal, disk: SlowDisk, reader: DiskJournalReader
) -> None:
    first = journal.commit(encoded(1))
    disk.commit_seconds = DEADLINE_MS / 1_000
    with pytest.raises(JournalUnavailable, match="took longer than 750 ms"):
        journal.commit(encoded(2))
    disk.commit_seconds = 0
    third = journal.commit(encoded(3))
    late = segment_of(reader, first.segment)
    assert late.state is SegmentState.POISONED
    assert read_one(reader, late).numbers == [1, 2]
    assert read_all(reader).unacknowledged == [2]
    assert third.segment != first.segment
    journal.close()


def test_a_late_group_is_not_tried_again_in_another_segment(
    journal: DiskJournal, disk: SlowDisk
) -> None:
    disk.commit_seconds = 1
    with pytest.raises(JournalUnavailable):
        journal.commit(encoded(1))
    assert disk.groups_written == 1
    journal.close()


def test_a_group_in_time_is_acknowledged(
    journal: DiskJournal, disk: SlowDisk, reader: DiskJournalReader
) -> None:
    disk.commit_seconds = (DEADLINE_MS - 1) / 1_000
    positions = [journal.commit(encoded(number)) for number in range(3)]
    assert len({position.segment for position in positions}) == 1
    assert read_all(reader).unacknowledged == []
    journal.close()


def test_when_the_new_segment_comes_too_late_nothing_is_written_into_it(
    journal: DiskJournal, disk: SlowDisk, reader: DiskJournalReader
) -> None:
    journal.commit(encoded(1))
    disk.make_seconds = 1
    with pytest.raises(JournalUnavailable, match="took longer"):
        # Larger than the spare: one is made for it.
        journal.commit(encoded(2, body=b"x" * 2 * SEGMENT_BYTES))
    assert read_all(reader).numbers == [1]
    disk.make_seconds = 0
    journal.commit(encoded(3))
    assert sorted(read_all(reader).numbers) == [1, 3]
    journal.close()


def test_while_a_disk_is_in_trouble_its_spares_are_small(
    folder: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadkeep.journal.supply.QUICK_BYTES", 2 * SEGMENT_BYTES)
    monkeypatch.setattr("leadkeep.journal.supply.PAUSE_SECONDS", 0)
    disk = SlowDisk(clock)
    journal = DiskJournal(
        folder,
        segment_bytes=4 * SEGMENT_BYTES,
        clock=clock,
        deadline_ms=DEADLINE_MS,
        syscalls=disk,
    )

    def sizes() -> list[int]:
        return sorted(path.stat().st_size for path in files(folder, ".segment"))

    until(lambda: sizes() == [2 * SEGMENT_BYTES, 4 * SEGMENT_BYTES])
    disk.commit_seconds = 1
    with pytest.raises(JournalUnavailable):
        journal.commit(encoded(1))
    with pytest.raises(JournalUnavailable):
        journal.commit(encoded(2))  # In the spare, after which a new one is made.
    until(lambda: sizes() == [2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES, 4 * SEGMENT_BYTES])
    journal.close()


def test_without_a_deadline_nothing_is_late(
    folder: Path, clock: FakeClock, reader: DiskJournalReader
) -> None:
    disk = SlowDisk(clock)
    disk.commit_seconds = 3_600
    journal = DiskJournal(folder, segment_bytes=SEGMENT_BYTES, clock=clock, syscalls=disk)
    journal.commit(encoded(1))
    assert read_all(reader).unacknowledged == []
    journal.close()
