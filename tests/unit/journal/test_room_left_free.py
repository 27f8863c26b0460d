"""A journal makes no file that would take the room that absorbing and recording need."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from leadkeep.errors import JournalUnavailable
from leadkeep.journal import supply as supply_module
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.layout import BLOCK
from leadkeep.journal.metrics import SEGMENTS_REFUSED
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.syscalls import PIECE, Data, Syscalls
from tests.fakes.clock import FakeClock
from tests.unit.journal.journal_parts import encoded, files, read_all, until

SIZE = 4 * PIECE
LEAVE = 100 * PIECE


class Cramped(Syscalls):
    """A disk with so much room; what the journal writes is not counted unless it says so."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.taken_by_others = 0
        """At each piece of a new segment, others take so much."""

    def free_bytes(self, fd: int) -> int:
        return self.free

    def write_blank(self, fd: int, data: Data, offset: int) -> int:
        self.free -= self.taken_by_others
        return super().write_blank(fd, data, offset)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supply_module, "PAUSE_SECONDS", 0)


def opened(folder: Path, clock: FakeClock, disk: Cramped) -> DiskJournal:
    return DiskJournal(folder, segment_bytes=SIZE, clock=clock, leave_free=LEAVE, syscalls=disk)


def leave_no_file(folder: Path) -> bool:
    return files(folder, ".segment") == files(folder, ".tmp") == files(folder, ".mark") == []


def test_no_file_is_made_that_leaves_less_and_one_is_once_there_is_room(
    folder: Path, clock: FakeClock, reader: DiskJournalReader
) -> None:
    disk = Cramped(LEAVE + SIZE - 1)
    journal = opened(folder, clock, disk)
    with pytest.raises(JournalUnavailable, match="would be left free on its disk"):
        journal.commit(encoded(1))
    assert leave_no_file(folder)
    disk.free += 1
    journal.commit(encoded(2))
    assert read_all(reader).numbers == [2]
    journal.close()


def test_files_that_are_there_may_be_used_up(
    folder: Path, clock: FakeClock, reader: DiskJournalReader
) -> None:
    disk = Cramped(LEAVE + 2 * SIZE)
    journal = opened(folder, clock, disk)
    disk.free = 0
    taken = 0
    with pytest.raises(JournalUnavailable):
        for number in range(1, 10_000):
            journal.commit(encoded(number))
            taken = number
    assert taken >= SIZE // BLOCK - 1
    assert len(read_all(reader).numbers) == taken
    journal.close()


def test_others_who_take_the_room_meanwhile_are_noticed(folder: Path, clock: FakeClock) -> None:
    disk = Cramped(LEAVE + 2 * SIZE)
    disk.taken_by_others = SIZE
    journal = opened(folder, clock, disk)
    with pytest.raises(JournalUnavailable, match="would be left free"):
        journal.commit(encoded(1))
    assert leave_no_file(folder)
    journal.close()


def test_a_full_disk_is_logged_now_and_then_and_not_at_every_try(
    folder: Path, clock: FakeClock
) -> None:
    refused = SEGMENTS_REFUSED._value.get()
    with capture_logs() as told:
        journal = opened(folder, clock, Cramped(0))
        for _ in range(20):
            journal._supply.prepare()
            until(lambda: journal._supply._worker is None)
        journal.close()
    assert SEGMENTS_REFUSED._value.get() >= refused + 20
    assert [line["event"] for line in told].count("no spare journal file can be made") == 1
