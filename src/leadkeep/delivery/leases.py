"""The claims that this worker holds, and the heartbeat that keeps them its own.

A claim is held from the moment the store gave it until its outcome is recorded or it is released.
One that the store reports lost is tried no more if its try has not begun; if it has, it is let
finish, and the store's fence decides what the outcome counts.
"""

import asyncio
from collections.abc import Iterable

import structlog

from leadkeep.delivery import metrics
from leadkeep.errors import StoreUnavailable
from leadkeep.models import Claim
from leadkeep.store.base import Store

RENEWED_AT_ONCE = 500
"""Leases per call, so that each write transaction stays short."""

_log = structlog.get_logger("leadkeep.delivery")

_Key = tuple[int, int]


class Leases:
    """What is held now.

    Args:
        store: where leases are kept.
        lease_ms: how long one lasts after it was given or renewed.
    """

    def __init__(self, store: Store, *, lease_ms: int) -> None:
        self._store = store
        self._lease_ms = lease_ms
        self._held: dict[_Key, Claim] = {}
        self._lost: set[_Key] = set()

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, claims: Iterable[Claim]) -> None:
        """Begin to keep these alive."""
        for claim in claims:
            self._held[claim.delivery_id, claim.fence] = claim

    def let_go(self, claim: Claim) -> None:
        """Its outcome is recorded, or it was released."""
        key = (claim.delivery_id, claim.fence)
        self._held.pop(key, None)
        self._lost.discard(key)

    def is_lost(self, claim: Claim) -> bool:
        """True if the store has said that the lease is no longer ours."""
        return bool(self._lost) and (claim.delivery_id, claim.fence) in self._lost

    async def keep(self) -> None:
        """Renew what is held, three times in a lease's life, until cancelled."""
        interval = self._lease_ms / 3000
        while True:
            await asyncio.sleep(interval)
            try:
                await self.renew()
            except StoreUnavailable as error:
                # Leases may run out meanwhile. Then others deliver, and the fence sorts it out.
                _log.warning("leases could not be renewed", error=str(error), held=len(self))

    async def renew(self) -> None:
        """Renew everything held once.

        Raises:
            StoreError: the store could not.
        """
        claims = [claim for key, claim in self._held.items() if key not in self._lost]
        for start in range(0, len(claims), RENEWED_AT_ONCE):
            part = claims[start : start + RENEWED_AT_ONCE]
            lost = await self._store.renew(part, lease_ms=self._lease_ms)
            # What was recorded while we asked is not ours any more either, and that is no loss.
            keys = {(claim.delivery_id, claim.fence) for claim in lost} & self._held.keys()
            if keys:
                self._lost |= keys
                metrics.LEASES_LOST.inc(len(keys))
                _log.warning("leases were lost", count=len(keys))
