"""A process that commits numbered leads, says which ones were answered, and dies where it is told.

Run as a program: FOLDER POINT GROUP. It kills itself (SIGKILL) at the named point of its GROUPth
group; with the point `never` it makes the system calls that it would make in earnest, and somebody
else has to kill it. Each answered number is a line on stdout.
"""

import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from leadkeep.clock import SystemClock
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.layout import MARK_DURABLE_AT
from leadkeep.journal.records import encode
from leadkeep.journal.syscalls import Syscalls
from leadkeep.models import Record
from tests.unit.journal.journal_parts import SEGMENT_BYTES, lead

POINTS = (
    "before the write",
    "half way through the write",
    "after the write, before the sync",
    "after the sync, before the mark",
    "after the mark, before the answer",
    "after the answer",
)


def numbered(number: int) -> Record:
    """A lead whose body is told by its number alone, of a size that varies."""
    chance = random.Random(number)
    return lead(number, chance.randbytes(chance.choice([1, 50, 500, 5_000])))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


class DyingSyscalls(Syscalls):
    """The real system calls, until the named point of one group."""

    def __init__(self, point: str, group: int) -> None:
        self._point = point
        self._left = group

    def reached(self, point: str) -> bool:
        """Whether this is where to die."""
        return self._left == 0 and self._point == point

    def write_group(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        self._left -= 1
        if self.reached("before the write"):
            _die()
        if self.reached("half way through the write"):
            data = b"".join(buffers[:2])  # Header and payload, without the padding.
            os.pwrite(fd, data[: len(data) // 2], offset)
            _die()
        written = super().write_group(fd, buffers, offset)
        if self.reached("after the write, before the sync"):
            _die()
        return written

    def sync_group(self, fd: int) -> None:
        super().sync_group(fd)
        if self.reached("after the sync, before the mark"):
            _die()

    def write_mark(self, fd: int, data: bytes, offset: int) -> int:
        written = super().write_mark(fd, data, offset)
        if offset == MARK_DURABLE_AT and self.reached("after the mark, before the answer"):
            _die()
        return written


def main() -> None:
    """Commit for ever, in groups of one to twenty leads."""
    folder, point, group = sys.argv[1:]
    calls = DyingSyscalls(point, int(group)) if point != "never" else None
    journal = DiskJournal(
        Path(folder), segment_bytes=SEGMENT_BYTES, clock=SystemClock(), syscalls=calls
    )
    chance = random.Random(int(group))
    number = 1
    while True:
        numbers = range(number, number + chance.randint(1, 20))
        journal.commit([encode(numbered(one)) for one in numbers])
        os.write(1, "".join(f"{one}\n" for one in numbers).encode())
        if calls is not None and calls.reached("after the answer"):
            _die()
        number = numbers[-1] + 1


if __name__ == "__main__":
    main()
