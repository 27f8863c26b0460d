"""A journal whose disk is not there yet."""

import threading
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.late import TRY_AGAIN_MS, LateJournal
from leadkeep.models import Position
from tests.fakes.clock import FakeClock
from tests.unit.journal.journal_parts import until

PLACE = Position(segment=UUID(int=7), offset=4096)


class Disk:
    """Where the journal shall be; `mounted` says whether it can be opened."""

    def __init__(self) -> None:
        self.mounted = False
        self.asked = 0
        self.name = "disk"

    def open(self) -> "Disk":
        self.asked += 1
        if not self.mounted:
            raise JournalUnavailable("the disk is not there")
        return self

    def commit(self, records: Sequence[bytes]) -> Position:
        return PLACE

    def close(self) -> None:
        self.mounted = False


def test_it_refuses_while_the_disk_is_missing_and_takes_leads_once_it_is_there() -> None:
    disk, clock = Disk(), FakeClock()
    journal = LateJournal(Path("/mnt/second"), disk.open, clock=clock)
    with pytest.raises(JournalUnavailable, match="not there"):
        journal.commit([b"lead"])
    disk.mounted = True
    clock.advance(TRY_AGAIN_MS / 1_000)
    assert journal.commit([b"lead"]) == PLACE


def test_a_storm_of_commits_does_not_hammer_a_missing_disk() -> None:
    disk, clock = Disk(), FakeClock()
    journal = LateJournal(Path("/mnt/second"), disk.open, clock=clock)
    for _ in range(100):
        with pytest.raises(JournalUnavailable):
            journal.commit([b"lead"])
    assert disk.asked == 1


def test_closing_closes_what_was_opened_and_nothing_else() -> None:
    disk, clock = Disk(), FakeClock()
    LateJournal(Path("/mnt/second"), disk.open, clock=clock).close()
    disk.mounted = True
    journal = LateJournal(Path("/mnt/second"), disk.open, clock=clock)
    journal.close()
    assert not disk.mounted


class HangingDisk(Disk):
    """Opening it waits until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.mounted = True
        self.goes_on = threading.Event()
        self.closed = False

    def open(self) -> "Disk":
        assert self.goes_on.wait(10)
        return super().open()

    def close(self) -> None:
        self.closed = True


def test_a_disk_that_hangs_while_it_is_opened_is_used_once_it_answers() -> None:
    disk = HangingDisk()
    journal = LateJournal(Path("/mnt/second"), disk.open, clock=FakeClock(), wait_seconds=0)
    places: list[Position] = []
    committing = threading.Thread(target=lambda: places.append(journal.commit([b"lead"])))
    committing.start()
    committing.join(0.1)
    assert places == []
    disk.goes_on.set()
    committing.join(10)
    assert places == [PLACE]
    assert disk.asked == 1


def test_what_is_opened_after_closing_is_closed() -> None:
    disk = HangingDisk()
    journal = LateJournal(Path("/mnt/second"), disk.open, clock=FakeClock(), wait_seconds=0)
    journal.close()
    assert not disk.closed
    disk.goes_on.set()
    until(lambda: disk.closed)
