"""A disk that is really full: no answer without durability, and it goes on when space is back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from leadkeep.clock import SystemClock
from leadkeep.errors import JournalUnavailable
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.reader import DiskJournalReader
from tests.faults.rig.volumes import tmpfs
from tests.unit.journal.journal_parts import SEGMENT_BYTES, encoded, read_all, until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    with tmpfs(tmp_path, "disk", 1) as volume:
        yield volume.path


@pytest.mark.root
def test_a_full_disk_refuses_and_a_freed_one_takes_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300 * 1024))
    journal = DiskJournal(
        small_disk / "journal", segment_bytes=2 * SEGMENT_BYTES, clock=SystemClock()
    )
    answered = []
    number = 0
    with pytest.raises(JournalUnavailable):
        for number in range(1, 1_000):
            journal.commit(encoded(number, body=b"x" * 4_000))
            answered.append(number)
    assert answered
    reader = DiskJournalReader(small_disk / "journal")
    assert set(answered) <= set(read_all(reader).numbers)

    ballast.unlink()

    def taken() -> bool:
        try:
            journal.commit(encoded(number, body=b"x" * 4_000))
        except JournalUnavailable:
            return False
        return True

    until(taken)
    assert {*answered, number} <= set(read_all(reader).numbers)
    journal.close()
