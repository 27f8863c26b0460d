"""The same door with a journal that keeps nothing: what durability costs is the difference.

`python -m benchmarks.volatile_door PORT FOLDER`
"""

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import uvloop

from leadkeep.clock import SystemClock
from leadkeep.intake.server import Door
from leadkeep.journal.numbers import LeadNumbers
from leadkeep.models import Position
from leadkeep.settings.load import load
from leadkeep.sources.routes import SourceTable

NOWHERE = Position(segment=UUID(int=0), offset=0)


class VolatileJournal:
    """Says "durable" and forgets."""

    name = "nowhere"

    def commit(self, records: Sequence[bytes]) -> Position:
        """Do nothing, at once."""
        return NOWHERE

    def close(self) -> None:
        """Nothing is open."""


async def main(port: int, folder: Path) -> None:
    """Serve until SIGTERM."""
    settings = load(
        config=None,
        environ={},
        flags={"intake.listen": (f"127.0.0.1:{port}",), "data": str(folder)},
        cwd=folder,
    )
    clock = SystemClock()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    door = Door(
        settings=settings,
        journals=[VolatileJournal()],
        numbers=LeadNumbers(folder / "lead-numbers", clock),
        sources=SourceTable.of(settings),
        clock=clock,
        doorbell=None,
    )
    await door.run([socket.create_server(("127.0.0.1", port), backlog=4_096)], stop, lambda: None)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2])))
