"""What is looked at now and then: copies whose original is settled, consent that runs out."""

import asyncio

import structlog

from leadkeep.clock import Clock
from leadkeep.delivery import metrics
from leadkeep.errors import StoreUnavailable
from leadkeep.models import CERTIFICATE_NEAR_MS
from leadkeep.store.base import Store

COPIES_SECONDS = 5.0
CERTIFICATES_SECONDS = 60.0

_log = structlog.get_logger("leadkeep.delivery")


class Upkeep:
    """Looks after what no outcome and no person brings up by itself.

    Args:
        store: the queue.
        clock: certificates end by wall time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._warned_of = 0

    async def run(self) -> None:
        """Look now and then again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        certificates_due = loop.time()
        while True:
            try:
                await self.settle_copies()
                if loop.time() >= certificates_due:
                    certificates_due = loop.time() + CERTIFICATES_SECONDS
                    await self.look_at_certificates()
            except StoreUnavailable as error:
                _log.warning("copies and certificates could not be looked at", error=str(error))
            await asyncio.sleep(COPIES_SECONDS)

    async def settle_copies(self) -> None:
        """Look once what became of the originals of copies.

        Raises:
            StoreError: the store could not.
        """
        settled = await self._store.settle_copies()
        if settled.cancelled:
            metrics.COPIES_SETTLED.inc(settled.cancelled)
            _log.info("copies of delivered leads were settled", deliveries=settled.cancelled)
        if settled.shown:
            _log.warning("copies whose original was stopped wait for a person", leads=settled.shown)

    async def look_at_certificates(self) -> None:
        """Look once whose certificate of consent runs out while it waits; says so when more do.

        Raises:
            StoreError: the store could not.
        """
        now_ms = self._clock.now_us() // 1_000
        at_stake = await self._store.certificates_at_stake(
            now_ms=now_ms, before_ms=now_ms + CERTIFICATE_NEAR_MS
        )
        metrics.CERTIFICATES_NEAR.set(at_stake.leads)
        if at_stake.leads > self._warned_of and at_stake.first_at_ms is not None:
            _log.warning(
                "certificates of consent run out while their leads wait",
                leads=at_stake.leads,
                first_in_minutes=(at_stake.first_at_ms - now_ms) // 60_000,
                hint="`leadkeep leads list --certificate-within 12h` lists them",
            )
        self._warned_of = at_stake.leads
