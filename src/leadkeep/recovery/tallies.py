"""The tallies of archived segments, on disk beside the archive: they outlive the segments.

One line for each segment, written before it leaves its journal and never removed.
"""

from pathlib import Path
from uuid import UUID

import msgspec

from leadkeep.clock import Clock
from leadkeep.journal.lines import DailyLines, DamagedLine
from leadkeep.journal.syscalls import Syscalls
from leadkeep.recovery.tally import Tally

_LINE_MAX = 256 * 1024**2
"""A segment of millions of leads that were all stored elsewhere still fits."""


class Tallies(msgspec.Struct, frozen=True):
    """Every tally that can be read."""

    found: dict[UUID, Tally]
    damaged: tuple[DamagedLine, ...]
    """Lines that cannot be believed. One that has no end is not among them: it belongs to a
    segment that is still in its journal."""


class TallyBook(DailyLines[Tally]):
    """Daily files of tallies in one folder. Used by one thread at a time.

    Args:
        archive: the archive's folder; tallies stand in `tallies` below it.
    """

    def __init__(
        self, archive: Path, *, clock: Clock | None = None, syscalls: Syscalls | None = None
    ) -> None:
        super().__init__(
            archive / "tallies",
            Tally,
            called="the tallies in",
            hint="Free space on its disk; segments stay in their journal until then.",
            longest=_LINE_MAX,
            clock=clock,
            syscalls=syscalls,
        )

    def write(self, tally: Tally) -> None:
        """Write one tally to stable storage.

        Raises:
            JournalUnavailable: it may not be there.
        """
        self.append([tally])
        self.sync()

    def all(self) -> Tallies:
        """Every tally; of a segment that was counted twice, the later one.

        Raises:
            JournalUnavailable: a file cannot be read now.
        """
        found: dict[UUID, Tally] = {}
        damaged = []
        for line in self.read():
            if isinstance(line, Tally):
                found[line.segment] = line
            elif not line.torn:
                damaged.append(line)
        return Tallies(found, tuple(damaged))
