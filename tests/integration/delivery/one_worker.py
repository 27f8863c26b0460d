"""A worker as a process of its own, for tests to kill: DATABASE URL LEASE_MS."""

import asyncio
import sys
from pathlib import Path

from leadkeep.clock import SystemClock
from leadkeep.delivery.worker import DeliveryWorker
from leadkeep.destinations.http import HttpDestination
from leadkeep.settings.model import DestinationSettings
from leadkeep.store.sqlite.opening import open_sqlite


async def main(database: str, url: str, lease_ms: str) -> None:
    clock = SystemClock()
    settings = DestinationSettings(url=url, concurrency=4)
    worker = DeliveryWorker(
        store=await open_sqlite(Path(database), clock=clock, busy_timeout_ms=60_000),
        destinations={"brain": HttpDestination("brain", settings, clock=clock)},
        settings={"brain": settings},
        clock=clock,
        lease_ms=int(lease_ms),
        worker="to be killed",
    )
    await worker.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
