"""Hearing at once of leads that another node has absorbed.

Invariant: nothing depends on it. Who hears nothing, because the connection is lost or a pooler lies
in between, looks by itself after a while.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from leadkeep.store.postgres.boundary import FOREIGN
from leadkeep.store.postgres.hosts import is_outdated
from leadkeep.store.postgres.links import Target

CHANNEL = "leadkeep"
_PULSE_SECONDS = 30.0
"""So often the connection is tried; a server that is gone says nothing."""
_LONGEST_PAUSE_SECONDS = 30.0

log = structlog.get_logger("leadkeep.store")


class Listener:
    """Calls somebody whenever any node has absorbed leads, until told to stop.

    Args:
        target: the database itself, without a pooler of transactions in between.
        on_leads: called on this loop; must not block.
    """

    def __init__(self, target: Target, on_leads: Callable[[], None]) -> None:
        self._target = target
        self._on_leads = on_leads
        self.listens = asyncio.Event()
        """Set while leads are heard of."""

    async def run(self, stop: asyncio.Event) -> None:
        """Listen, again and again, until `stop` is set."""
        stopping = asyncio.ensure_future(stop.wait())
        pause = 1.0
        try:
            while not stop.is_set():
                try:
                    await self._listen(stopping)
                    pause = 1.0
                except FOREIGN as error:
                    log.warning(
                        "leads of other nodes are not heard of at once; they are looked for",
                        error=type(error).__name__,
                        again_in_seconds=pause,
                    )
                    await asyncio.wait([stopping], timeout=pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        finally:
            stopping.cancel()

    async def _listen(self, stopping: asyncio.Future[Any]) -> None:
        """Until the connection is lost, which raises, or of no more use, or `stopping` is done."""
        connection = await self._target.connect()
        lost = asyncio.Event()
        losing = asyncio.ensure_future(lost.wait())
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._heard)
            self.listens.set()
            self._on_leads()  # who knows what came while nobody listened
            while not stopping.done() and not is_outdated(connection):
                await asyncio.wait(
                    [stopping, losing],
                    timeout=_PULSE_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                await connection.execute("SELECT 1", timeout=self._target.connect_seconds)
        finally:
            losing.cancel()
            self.listens.clear()
            connection.terminate()

    def _heard(
        self, _connection: asyncpg.Connection, _process: int, _channel: str, _said: str
    ) -> None:
        self._on_leads()
