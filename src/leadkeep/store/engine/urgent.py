"""The verbs of a worker that is asked at once: where a lead stands, and pings."""

from collections.abc import Sequence
from functools import partial

from leadkeep.store.asked import LiveAsk, LiveStanding, PingOutcome, PingView, PingWay
from leadkeep.store.engine.hand import Hand
from leadkeep.store.transactions import asking, operating, pinging


class Urgent(Hand):
    """What live answers need beside the verbs of every worker."""

    async def standings(self, asks: Sequence[LiveAsk]) -> list[LiveStanding]:
        """Where the deliveries stand that vendors wait for; see `Store.standings`."""
        return await self._readers.look(partial(asking.standings, asks=asks, clock=self._clock))

    async def ping_way(self, destination: str) -> PingWay:
        """Whether and where a ping may go; see `Store.ping_way`."""
        return await self._readers.look(
            partial(asking.ping_way, destination=destination, clock=self._clock)
        )

    async def record_pings(self, outcomes: Sequence[PingOutcome]) -> None:
        """Write what came of pings; see `Store.record_pings`."""
        await self._writer.transact(partial(pinging.record_pings, outcomes=outcomes))

    async def pings(
        self,
        *,
        limit: int,
        after: int | None = None,
        source: str | None = None,
        ping_id: str | None = None,
    ) -> list[PingView]:
        """Pings and what came of them, newest first; see `Store.pings`."""
        return await self._readers.look(
            partial(pinging.pings, limit=limit, after=after, source=source, ping_id=ping_id)
        )

    async def prune_pings(self, *, before_ms: int) -> int:
        """Forget pings of before this time, at most a few thousand; see `Store.prune_pings`."""
        return await self._writer.transact(
            partial(pinging.prune_pings, before_ms=before_ms, limit=operating.CHUNK)
        )
