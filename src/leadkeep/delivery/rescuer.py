"""Takes deliveries back from workers that are not heard of any more."""

import asyncio
from collections.abc import Callable

import structlog

from leadkeep.delivery import metrics
from leadkeep.errors import StoreUnavailable
from leadkeep.store.base import Store

_log = structlog.get_logger("leadkeep.delivery")


class Rescuer:
    """Looks for leases that ran out, of any worker.

    Args:
        store: where leases are kept.
        every_seconds: how often it looks.
        rescued: called after some were taken back: they are due.
    """

    def __init__(self, store: Store, *, every_seconds: float, rescued: Callable[[], None]) -> None:
        self._store = store
        self._every_seconds = every_seconds
        self._rescued = rescued

    async def run(self) -> None:
        """Look now and then again and again, until cancelled."""
        while True:
            try:
                await self.rescue()
            except StoreUnavailable as error:
                _log.warning("expired leases could not be looked for", error=str(error))
            await asyncio.sleep(self._every_seconds)

    async def rescue(self) -> int:
        """Look once; returns how many were taken back.

        Raises:
            StoreError: the store could not.
        """
        count = await self._store.rescue()
        if count:
            metrics.RESCUED.inc(count)
            _log.warning("took deliveries back from a worker that is not heard of", count=count)
            self._rescued()
        return count
