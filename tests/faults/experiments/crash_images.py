"""Crash images: a recorded run of journal and archive, cut after every flush, torn and reordered.

Where `power_cuts` cuts a whole installation at some moments, this one takes all the states that the
disk went through, and of what was not flushed any sectors in any order.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

from leadkeep.clock import SystemClock
from leadkeep.errors import JournalError
from leadkeep.journal import syscalls
from leadkeep.journal.archive import Archive
from leadkeep.journal.archivereader import ArchiveReader
from leadkeep.journal.base import Group, SegmentState
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.records import encode
from leadkeep.models import Record
from tests.fakes.clock import FakeClock
from tests.faults.journal.committing_child import numbered
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.faulty_disk import FaultyDisk, faulty_disk, why_not_here
from tests.unit.journal.journal_parts import number_of

DISK_BYTES = 48 * 1024**2
SEGMENT_BYTES = 256 * 1024
GROUPS = 120
ARCHIVED_EVERY = 20

Answered = list[tuple[int, int]]
"""Leads' numbers, and how many flushes the disk had done when each was answered."""


def cut_everywhere(folder: Path, seed: int, *, images: int, careless: bool = False) -> Findings:
    """Record a run, then look at images of it.

    Args:
        images: how many; boundaries are taken in turn, so that a few hundred cover all of them.
        careless: commits are not synced.
    """
    chance = random.Random(seed)
    with faulty_disk(folder / "disk", DISK_BYTES) as disk:
        disk.record()
        with _unsynced() if careless else contextlib.nullcontext():
            answered = _run(disk, chance)
        boundaries = disk.boundaries()
        found = Findings(rounds=1, faults=images, posted=len(answered), answered=len(answered))
        for image in range(images):
            boundary = (seed + image) % (boundaries + 1)
            disk.become(boundary, chance.randrange(2**32))
            _judge(disk, [n for n, flushes in answered if flushes <= boundary], found)
        return found


def _run(disk: FaultyDisk, chance: random.Random) -> Answered:
    """Commit groups, and move full segments to the archive now and then."""
    clock = SystemClock()
    answered: Answered = []
    journal = DiskJournal(disk.mounted / "journal", segment_bytes=SEGMENT_BYTES, clock=clock)
    archive = Archive(disk.mounted / "archive")
    number = 1
    for group in range(GROUPS):
        numbers = range(number, number + chance.randint(1, 20))
        journal.commit([encode(numbered(one)) for one in numbers])
        # Counted after the answer: a lead may be durable earlier than this says, never later.
        flushes = disk.boundaries()
        answered += [(one, flushes) for one in numbers]
        number = numbers[-1] + 1
        if group % ARCHIVED_EVERY == 0:
            for info in DiskJournalReader(disk.mounted / "journal").segments():
                if info.state is not SegmentState.LIVE:
                    archive.keep(info)
    journal.close()
    return answered


@contextlib.contextmanager
def _unsynced() -> Iterator[None]:
    commit: Callable[..., int] = syscalls.Syscalls.write_group
    with (
        patch.object(syscalls.Syscalls, "commit_group", commit),
        patch.object(syscalls.SyncedWrites, "commit_group", commit),
    ):
        yield


def _judge(disk: FaultyDisk, expected: list[int], found: Findings) -> None:
    """Everything answered before the cut is in the journal or in the archive, byte for byte."""
    records = list(_records(disk))
    numbers = {number_of(record) for record in records}
    found.lost += len(set(expected) - numbers)
    found.changed += sum(record != numbered(number_of(record)) for record in records)


def _records(disk: FaultyDisk) -> Iterator[Record]:
    # Another boot: no mark may be believed.
    journal = DiskJournalReader(disk.mounted / "journal", clock=FakeClock(boot_id="after the cut"))
    archive = ArchiveReader(Archive(disk.mounted / "archive"))
    for reader in (journal, archive):
        for info in reader.segments():
            # A copy that was under way when the power went has no name yet, or is not whole: then
            # the segment is still in the journal.
            with contextlib.suppress(JournalError):
                for entry in reader.read(info, 0):
                    if isinstance(entry, Group):
                        yield from entry.records


EXPERIMENT = Experiment(
    name="crash-images",
    claim="Whatever state a power cut leaves the disk in, with writes torn and reordered, the "
    "journal opens and has every lead that was answered before.",
    fault="images",
    run=partial(cut_everywhere, images=100),
    short=partial(cut_everywhere, images=40),
    controls=(
        Control("commits are not synced", partial(cut_everywhere, images=20, careless=True)),
    ),
    why_not_here=why_not_here,
    long_rounds=100,
)
