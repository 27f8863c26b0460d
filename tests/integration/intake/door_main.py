"""A door in a process of its own, for tests that kill it or replace it.

python door_main.py FOLDER LISTEN_FD READY_FD [answer-early | slow-commit …]
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from leadkeep.clock import SystemClock
from leadkeep.intake.committer import Committer
from leadkeep.intake.server import Door
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.numbers import LeadNumbers
from leadkeep.models import Position
from leadkeep.settings.model import IntakeSettings, Settings
from leadkeep.sources.routes import SourceTable


class SlowJournal(DiskJournal):
    """Takes its time before each commit, so that a kill falls between request and durability."""

    def commit(self, records: Sequence[bytes]) -> Position:
        time.sleep(0.02)
        return super().commit(records)


def answer_early() -> None:
    """The fault that the kill test must catch: answers are given before the commit."""
    place = Committer._place

    def place_and_settle(self, batch):  # type: ignore[no-untyped-def]  # a fault, not a design
        place(self, batch)
        items, batch.items = batch.items, []
        self._settle(items, True)

    Committer._place = place_and_settle  # type: ignore[method-assign]  # as above


async def serve(folder: Path, listener: socket.socket, ready: int, faults: list[str]) -> None:
    if "answer-early" in faults:
        answer_early()
    clock = SystemClock()
    kind = SlowJournal if "slow-commit" in faults else DiskJournal
    settings = Settings(data=folder, intake=IntakeSettings(lame_duck_seconds=0.5))
    door = Door(
        settings=settings,
        journals=[kind(folder / "journal", segment_bytes=32 * 1024**2, clock=clock)],
        numbers=LeadNumbers(folder / "numbers", clock),
        sources=SourceTable.of(settings),
        clock=clock,
        doorbell=None,
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def say_ready() -> None:
        os.write(ready, b"1")

    await door.run([listener], stop, say_ready)


if __name__ == "__main__":
    uvloop.run(
        serve(
            Path(sys.argv[1]),
            socket.socket(fileno=int(sys.argv[2])),
            int(sys.argv[3]),
            sys.argv[4:],
        )
    )
