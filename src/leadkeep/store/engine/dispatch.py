"""The verbs of a worker that delivers: claim, record, release, renew, rescue."""

from collections.abc import Sequence
from functools import partial

from leadkeep.models import Claim, CopiesSettled, Outcome, Rate, Recorded
from leadkeep.store.engine.hand import Hand
from leadkeep.store.transactions import delivering, operating, settling_copies


class Dispatch(Hand):
    """Leases go out and outcomes come in, each call one transaction."""

    async def claim(
        self,
        destination: str,
        *,
        limit: int,
        lease_ms: int,
        longest_wait_ms: int,
        worker: str,
        among: Sequence[int] | None = None,
        steady_since_ms: int | None = None,
        probe: int | None = None,
        rates: Sequence[Rate] = (),
        deployment: int | None = None,
    ) -> list[Claim]:
        """Lease up to `limit` due deliveries, oldest due first; see `Store.claim`."""
        return await self._writer.transact(
            partial(
                delivering.claim,
                destination=destination,
                limit=limit,
                lease_ms=lease_ms,
                longest_wait_ms=longest_wait_ms,
                worker=worker,
                clock=self._clock,
                among=among,
                steady_since_ms=steady_since_ms,
                probe=probe,
                rates=rates,
                deployment=deployment,
            )
        )

    async def record(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        """Record attempts and move their deliveries; see `Store.record`."""
        return await self._writer.transact(
            partial(delivering.record, outcomes=outcomes, now_ms=self._now_ms)
        )

    async def release(self, claims: Sequence[Claim]) -> int:
        """Return leases without having tried; returns how many were still ours."""
        return await self._writer.transact(
            partial(delivering.release, claims=claims, now_ms=self._now_ms)
        )

    async def renew(self, claims: Sequence[Claim], *, lease_ms: int) -> list[Claim]:
        """Prolong leases; returns the claims that are no longer ours."""
        return await self._writer.transact(
            partial(delivering.renew, claims=claims, lease_ms=lease_ms, clock=self._clock)
        )

    async def rescue(self) -> int:
        """Return leases that ran out, or are of another boot, to pending; returns how many."""
        rescued = 0
        while True:
            some = await self._writer.transact(
                partial(delivering.rescue, limit=operating.CHUNK, clock=self._clock)
            )
            rescued += some
            if some < operating.CHUNK:
                return rescued

    async def settle_copies(self) -> CopiesSettled:
        """Look what became of the originals of copies; see `Store.settle_copies`."""
        cancelled = shown = after = 0
        while True:
            some = await self._writer.transact(
                partial(
                    settling_copies.settle,
                    after=after,
                    limit=operating.CHUNK,
                    now_ms=self._now_ms,
                )
            )
            if some.cancelled and self._on_decided is not None:
                await self._on_decided(some.cancelled)
            cancelled, shown = cancelled + len(some.cancelled), shown + some.shown
            if not some.last:
                return CopiesSettled(cancelled=cancelled, shown=shown)
            after = some.last
