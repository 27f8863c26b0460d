"""A journal whose disk is not there yet."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.late import TRY_AGAIN_MS, LateJournal
from leadkeep.models import Position
from tests.fakes.clock import FakeClock

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
