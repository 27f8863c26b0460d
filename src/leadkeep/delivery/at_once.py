"""What a worker does at once for doors that ask: live leads and pings, wired to its lanes."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from leadkeep.clock import Clock
from leadkeep.delivery.listener import Listener
from leadkeep.delivery.live import LiveLeads
from leadkeep.delivery.pings import PingDesk
from leadkeep.delivery.worker import DeliveryWorker
from leadkeep.settings.model import DestinationSettings
from leadkeep.store.base import Store
from leadkeep.walltime import WallTime


class AtOnce:
    """Hears doors and answers them, beside a running `DeliveryWorker`.

    Args:
        run_folder: where doors look for the worker.
        delivery: whose lanes make the attempts.
        settings: of its destinations.
        keep_days: how long pings are kept in the store.
        drain_seconds: on stopping, what is under way may take this long to end.
    """

    def __init__(
        self,
        *,
        run_folder: Path,
        store: Store,
        delivery: DeliveryWorker,
        settings: Mapping[str, DestinationSettings],
        clock: Clock,
        wall: WallTime,
        keep_days: int,
        drain_seconds: float,
    ) -> None:
        reply_max_bytes = {name: chosen.reply_max_bytes for name, chosen in settings.items()}
        self._leads = LiveLeads(
            store,
            delivery.lanes,
            reply_max_bytes=reply_max_bytes,
        )
        self._pings = PingDesk(
            store,
            delivery.lanes,
            reply_max_bytes=reply_max_bytes,
            clock=clock,
            wall=wall,
            keep_days=keep_days,
        )
        self._listener = Listener(run_folder, take_lead=self._leads.ask, take_ping=self._pings.ask)
        self._drain_seconds = drain_seconds
        delivery.listeners.append(self._leads.recorded)

    def wake(self) -> None:
        """Leads were absorbed."""
        self._leads.wake()

    async def open(self) -> None:
        """Begin to hear doors; what they ask is answered once this runs."""
        await self._listener.open()

    async def run(self, stop: asyncio.Event) -> None:
        """Answer doors until told to stop and what is under way has ended.

        Raises:
            StoreUnsafe: the store must not be written any more.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._leads.run(stop, drain_seconds=self._drain_seconds))
                tasks.create_task(self._pings.run(stop, drain_seconds=self._drain_seconds))
                await stop.wait()
                self._listener.close_to_new()
        finally:
            self._listener.hang_up()
