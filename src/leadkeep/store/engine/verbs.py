"""Every verb that is the same on every engine.

What a transaction does is in `store.transactions`, in the modules named after it: absorbing,
delivering, operating, looking. The verbs stand where their callers are: `sight` looks, `dispatch`
is the worker's, `desk` a person's, `helm` steers, `slipway` is a deployment's, `redirect` leads
elsewhere than planned, `urgent` is for what is asked at once, `bell` for alerts.
"""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from leadkeep.models import Replayed, Standing
from leadkeep.store.engine.bell import Bell
from leadkeep.store.engine.desk import Desk
from leadkeep.store.engine.dispatch import Dispatch
from leadkeep.store.engine.hand import distinct
from leadkeep.store.engine.helm import Helm
from leadkeep.store.engine.redirect import Redirect
from leadkeep.store.engine.slipway import Slipway
from leadkeep.store.engine.urgent import Urgent
from leadkeep.store.transactions import keeping, operating, recovering

_CHUNKS_PER_ADOPTION = 4


class CommonVerbs(Dispatch, Desk, Helm, Slipway, Redirect, Urgent, Bell):
    """A store but for what only its engine can do."""

    async def adopt_unrouted(self, destinations: Sequence[str]) -> int:
        """Give leads that came while no destination existed to these; returns how many."""
        names = distinct(destinations)
        adopted = 0
        for _ in range(_CHUNKS_PER_ADOPTION):
            some = await self._writer.transact(
                partial(
                    operating.adopt_unrouted,
                    destinations=names,
                    limit=operating.CHUNK,
                    now_ms=self._now_ms,
                )
            )
            adopted += some
            if some < operating.CHUNK:
                break
        return adopted

    async def replay(self, standings: Sequence[Standing], *, lead_mark: int) -> Replayed:
        """Bring deliveries to where a log says they stood; see `Store.replay`."""
        return await self._writer.transact(
            partial(recovering.replay, standings=standings, lead_mark=lead_mark)
        )

    async def forget_segment(self, segment: UUID) -> None:
        """Note that a segment has left the archive; its counts stay."""
        await self._writer.transact(
            partial(keeping.forget_segment, segment=segment, now_ms=self._now_ms)
        )
