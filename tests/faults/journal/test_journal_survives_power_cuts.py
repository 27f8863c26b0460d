"""Power cuts, simulated at every system call: only what was synced is left.

With controls that must lose: a writer that answers before it syncs, one that never syncs, one that
goes on after an I/O error, and a reader that goes past the durable mark.
"""

import errno
import itertools
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from leadkeep.journal.base import SegmentState
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.segment import Segment
from tests.fakes.clock import FakeClock
from tests.faults.journal.power_cut import VolatileDisk
from tests.unit.journal.journal_parts import (
    SEGMENT_BYTES,
    Reading,
    encoded,
    read_all,
    read_one,
    sorted_out,
)

ROUNDS = 40


class Lab:
    """A journal on a volatile disk, what it has answered, and cuts of its power."""

    def __init__(self, tmp_path: Path, disk: VolatileDisk) -> None:
        self.clock = FakeClock()
        self.disk = disk
        self.folder = tmp_path / "journal"
        self.answered: list[int] = []
        self._images = tmp_path / "images"
        self._images.mkdir()
        self._count = itertools.count()

    def run(self, rounds: int = ROUNDS) -> None:
        """Commit numbered leads, in groups of different sizes, through several segments."""
        chance = random.Random(1)
        journal = DiskJournal(
            self.folder, segment_bytes=SEGMENT_BYTES, clock=self.clock, syscalls=self.disk
        )
        numbers = itertools.count(1)
        for _ in range(rounds):
            group = [next(numbers) for _ in range(chance.randint(1, 5))]
            journal.commit(encoded(*group, body=chance.randbytes(chance.choice([10, 3_000]))))
            self.answered += group
        journal.close()

    def after_a_cut(self, chance: random.Random | None = None) -> Reading:
        """What is read at the next boot if the power goes now."""
        image = self.disk.cut_power(self._images / str(next(self._count)), chance)
        clock = FakeClock()
        clock.reboot()
        return read_all(DiskJournalReader(image, clock=clock))

    def check(self, chance: random.Random | None = None) -> None:
        """Cut the power now: every answered lead must be there, once, and nothing damaged."""
        answered = set(self.answered)
        reading = self.after_a_cut(chance)
        lost = answered - set(reading.numbers)
        assert not lost, f"{len(lost)} answered leads are lost"
        assert len(reading.numbers) == len(set(reading.numbers))
        assert reading.damage == []


class CutEverywhere(VolatileDisk):
    """Cuts the power (in an image) before and after each write and sync of a group."""

    def __init__(self) -> None:
        super().__init__()
        self.at_each_step: Callable[[], None] = lambda: None
        self.steps = 0

    def _step(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # The spare is being made: the cuts of the other thread fall into that as well.
        self.steps += 1
        self.at_each_step()

    def write_group(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        written = super().write_group(fd, buffers, offset)
        self._step()
        return written

    def sync_group(self, fd: int) -> None:
        super().sync_group(fd)
        self._step()

    def write_mark(self, fd: int, data: bytes, offset: int) -> int:
        written = super().write_mark(fd, data, offset)
        self._step()
        return written

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self._step()


class NeverSyncs(VolatileDisk):
    """Control: the page cache is taken for the disk."""

    def sync_group(self, fd: int) -> None:
        pass


class AnswersBeforeItSyncs(CutEverywhere):
    """Control: each group is synced only when the next one has been written."""

    def __init__(self) -> None:
        super().__init__()
        self._last = -1

    def write_group(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        if self._last == fd:
            VolatileDisk.sync_group(self, fd)
        self._last = fd
        return VolatileDisk.write_group(self, fd, buffers, offset)

    def sync_group(self, fd: int) -> None:
        pass


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_cut_at_any_step_loses_nothing_that_was_answered(
    tmp_path: Path, seed: int | None
) -> None:
    disk = CutEverywhere()
    lab = Lab(tmp_path, disk)
    chance = None if seed is None else random.Random(seed)
    disk.at_each_step = lambda: lab.check(chance)
    lab.run()
    lab.check(chance)
    assert disk.steps > 3 * ROUNDS


class WatchesNames(VolatileDisk):
    """Notes for each file that gets its name whether all of it was on the disk by then."""

    def __init__(self) -> None:
        super().__init__()
        self.named: list[bool] = []

    def rename(self, source: Path, target: Path) -> None:
        self.named.append(self.is_all_durable(source))
        super().rename(source, target)


def test_a_segment_gets_its_name_only_when_all_of_it_is_on_the_disk(tmp_path: Path) -> None:
    disk = WatchesNames()
    Lab(tmp_path, disk).run()
    assert len(disk.named) > 2
    assert all(disk.named)


@pytest.mark.parametrize("control", [NeverSyncs, AnswersBeforeItSyncs])
def test_control_answering_before_the_sync_is_caught(
    tmp_path: Path, control: type[VolatileDisk]
) -> None:
    lab = Lab(tmp_path, control())
    lab.run()
    with pytest.raises(AssertionError, match="answered leads are lost"):
        lab.check()


def test_what_a_reader_has_taken_from_a_live_segment_is_there_after_a_cut(tmp_path: Path) -> None:
    disk = CutEverywhere()
    lab = Lab(tmp_path, disk)
    reader = DiskJournalReader(lab.folder, clock=lab.clock)
    disk.at_each_step = lambda: _check_absorbed(lab, read_all(reader))
    lab.run()
    assert disk.steps > 3 * ROUNDS


def test_control_a_reader_that_goes_past_the_durable_mark_is_caught(tmp_path: Path) -> None:
    disk = CutEverywhere()
    lab = Lab(tmp_path, disk)
    reader = DiskJournalReader(lab.folder, clock=lab.clock)

    def read_past_the_mark() -> None:
        found = [
            read_one(reader, msgspec.structs.replace(info, state=SegmentState.DEAD, durable=None))
            for info in reader.segments()
        ]
        _check_absorbed(lab, sorted_out(group for reading in found for group in reading.groups))

    disk.at_each_step = read_past_the_mark
    with pytest.raises(AssertionError, match="was absorbed and is gone"):
        lab.run()


def _check_absorbed(lab: Lab, absorbed: Reading) -> None:
    gone = set(absorbed.numbers) - set(lab.after_a_cut().numbers)
    assert not gone, f"{len(gone)} leads: what was absorbed and is gone"


class FailsOnceAndLies(VolatileDisk):
    """One sync fails; every later sync of that file succeeds and reaches nothing."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def sync_group(self, fd: int) -> None:
        self._left -= 1
        if self._left == 0:
            self.lose_writes_from_now_on(fd)
            raise OSError(errno.EIO, "injected")
        super().sync_group(fd)


@pytest.mark.parametrize("at", [1, 2, 9, 25])
def test_a_transient_error_and_then_a_cut_loses_nothing_that_was_answered(
    tmp_path: Path, at: int
) -> None:
    lab = Lab(tmp_path, FailsOnceAndLies(at))
    lab.run()
    lab.check()


def test_control_going_on_in_the_same_segment_after_an_error_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, FailsOnceAndLies(9))
    append = Segment.append

    def obstinate(
        segment: Segment, records: Sequence[bytes], length: int, is_late: Callable[[], bool]
    ) -> int:
        try:
            return append(segment, records, length, is_late)
        except OSError:
            return append(segment, records, length, is_late)

    monkeypatch.setattr(Segment, "append", obstinate)
    lab.run()
    with pytest.raises(AssertionError, match="answered leads are lost"):
        lab.check()
