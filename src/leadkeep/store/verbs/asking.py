"""The verbs behind live answers and pings."""

from collections.abc import Sequence
from typing import Protocol

from leadkeep.store.asked import LiveAsk, LiveStanding, PingOutcome, PingView, PingWay


class AskedStore(Protocol):
    """What vendors wait for, and what came of pings."""

    async def standings(self, asks: Sequence[LiveAsk]) -> list[LiveStanding]:
        """Where the deliveries stand that vendors wait for: one for each ask, in order.

        Changes nothing. Of what is completed it has the destination's reply.
        """

    async def ping_way(self, destination: str) -> PingWay:
        """Whether and where a ping may go: held as leads are, and to where they go."""

    async def record_pings(self, outcomes: Sequence[PingOutcome]) -> None:
        """Write what came of pings; the first word about a ping stays."""

    async def pings(
        self,
        *,
        limit: int,
        after: int | None = None,
        source: str | None = None,
        ping_id: str | None = None,
    ) -> list[PingView]:
        """Pings and what came of them, newest first; `after` is the last `number` of a page."""

    async def prune_pings(self, *, before_ms: int) -> int:
        """Forget pings that came before this time; returns how many.

        At most a few thousand per call; call again until it returns 0.
        """
