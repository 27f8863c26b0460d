"""Whoever needs a new journal file waits for a small piece of work, however slow the disk."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadkeep.journal import supply as supply_module
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.layout import BLOCK
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.supply import QUICK_BYTES, SegmentSupply
from leadkeep.journal.syscalls import PIECE, Data, Syscalls
from leadkeep.models import Position
from tests.unit.journal.conftest import OpenJournal
from tests.unit.journal.journal_parts import encoded, files, read_all, segment_of, until

LARGE = 8 * QUICK_BYTES
QUICK_PIECES = QUICK_BYTES // PIECE
BODY = b"x" * (QUICK_BYTES - 64 * 1024)
"""Two groups with this never fit a quick segment."""


class SlowDisk(Syscalls):
    """Fills a new segment only as far as it is allowed to, piece by piece."""

    def __init__(self) -> None:
        self.allowed = threading.Semaphore(0)
        self.begun = 0

    def write_blank(self, fd: int, data: Data, offset: int) -> int:
        if offset:
            self.begun += 1
            assert self.allowed.acquire(timeout=30)
        return super().write_blank(fd, data, offset)

    def allow(self, pieces: int) -> None:
        """Let so many more pieces be written."""
        self.allowed.release(pieces)


@pytest.fixture
def disk() -> Iterator[SlowDisk]:
    slow = SlowDisk()
    yield slow
    slow.allow(10_000)


@pytest.fixture
def journal(disk: SlowDisk, open_journal: OpenJournal) -> DiskJournal:
    """One whose spare is begun and hangs after five pieces."""
    disk.allow(QUICK_PIECES + 5)
    journal = open_journal(disk, segment_bytes=LARGE)
    until(lambda: disk.begun == QUICK_PIECES + 6)
    return journal


class Committing:
    """A commit in a thread of its own."""

    def __init__(self, journal: DiskJournal, *numbers: int) -> None:
        self.position: Position | None = None
        self._journal, self._numbers = journal, numbers
        self._thread = threading.Thread(target=self._commit)
        self._thread.start()

    def _commit(self) -> None:
        self.position = self._journal.commit(encoded(*self._numbers, body=BODY))

    def ended(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()


def one_more_piece_is_enough(journal: DiskJournal, disk: SlowDisk, seconds: float) -> bool:
    """Use up the open segment; does a commit get its new one when the disk writes one piece?"""
    journal.commit(encoded(1, body=BODY))
    waiting = Committing(journal, 2)
    until(lambda: journal._supply._needed > 0)
    disk.allow(1)
    enough = waiting.ended(seconds)
    disk.allow(10_000)
    assert waiting.ended(10)
    return enough


def test_a_spare_that_is_wanted_early_is_cut_short_at_what_there_is(
    journal: DiskJournal, disk: SlowDisk, reader: DiskJournalReader
) -> None:
    assert one_more_piece_is_enough(journal, disk, 10)
    assert journal._segment is not None
    size = journal._segment.size
    assert size == journal._segment.path.stat().st_size == BLOCK + 6 * PIECE
    assert sorted(read_all(reader).numbers) == [1, 2]
    position = journal.commit(encoded(3))
    assert segment_of(reader, position.segment).path == journal._segment.path


@pytest.fixture
def _whole_files_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SegmentSupply, "_will_do", lambda supply, filled: False)


@pytest.mark.usefixtures("_whole_files_only")
def test_control_without_the_cut_the_whole_file_is_waited_for(
    disk: SlowDisk, journal: DiskJournal
) -> None:
    assert not one_more_piece_is_enough(journal, disk, 0.3)


def test_a_group_that_is_larger_is_waited_for_until_it_fits(
    journal: DiskJournal, disk: SlowDisk, reader: DiskJournalReader
) -> None:
    journal.commit(encoded(1, body=BODY))
    waiting = Committing(journal, 2, 3, 4)
    until(lambda: journal._supply._needed > 2 * QUICK_BYTES)
    disk.allow(10_000)
    assert waiting.ended(10)
    assert sorted(read_all(reader).numbers) == [1, 2, 3, 4]


def test_once_the_open_segment_is_half_full_its_successor_is_made_without_pauses(
    open_journal: OpenJournal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply_module, "BREATH_SECONDS", 3_600)
    journal = open_journal(segment_bytes=LARGE)
    until(lambda: len(files(folder, ".tmp")) == 1)
    journal.commit(encoded(1))
    assert len(files(folder, ".segment")) == 1
    journal.commit(encoded(2, body=b"x" * (QUICK_BYTES // 2)))
    until(lambda: len(files(folder, ".segment")) == 2)
    assert files(folder, ".segment")[-1].stat().st_size == LARGE


def test_a_first_segment_is_small_so_that_a_slow_disk_opens_soon(
    open_journal: OpenJournal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply_module, "BREATH_SECONDS", 3_600)
    open_journal(segment_bytes=LARGE)
    assert [path.stat().st_size for path in files(folder, ".segment")] == [QUICK_BYTES]


def test_closing_does_not_wait_for_the_rest_of_a_spare(
    open_journal: OpenJournal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply_module, "BREATH_SECONDS", 3_600)
    journal = open_journal(segment_bytes=LARGE)
    until(lambda: len(files(folder, ".tmp")) == 1)
    journal.close()
    assert files(folder, ".segment") == files(folder, ".tmp") == []
