"""The log of outcomes: what became of each attempt, appended beside the archive.

With it the store can be rebuilt without delivering anything twice. No personal data.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from leadkeep.clock import Clock
from leadkeep.journal.lines import DailyLines, DamagedLine
from leadkeep.journal.syscalls import Syscalls

__all__ = ["DamagedLine", "OutcomeLine", "OutcomeLog"]

_LINE_MAX = 64 * 1024


class OutcomeLine(msgspec.Struct, frozen=True, gc=False):
    """What became of one attempt."""

    delivery_id: int
    lead_id: str
    """Of a part of it: `LEADID-PART`. A program that knows no parts finds no such lead, and so
    holds what it cannot tell apart."""
    destination: str
    status: str
    """The delivery's status afterwards."""
    attempt: int
    at_ms: int


class OutcomeLog(DailyLines[OutcomeLine]):
    """Daily files of outcomes in one folder. Used by one thread at a time.

    Args:
        folder: e.g. DATA/archive/outcomes.
        on_full: called when its disk had no room.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        syscalls: Syscalls | None = None,
        on_full: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            folder,
            OutcomeLine,
            called="the log of outcomes",
            hint="Free space on its disk; deliveries go on.",
            longest=_LINE_MAX,
            clock=clock,
            syscalls=syscalls,
            on_full=on_full,
        )
