"""The store on SQLite: each verb of the protocol becomes one transaction on the right thread.

Writes run one after another on the writer's thread; looking runs beside them. What a transaction
does is in the modules named after it: absorbing, delivering, operating, looking. The verbs stand
where their callers are: `sight` looks, `dispatch` is the worker's, `desk` a person's, `helm`
steers, `deployments` is a deployment's, `redirect` leads elsewhere than planned, `urgent` is for
what is asked at once, `bell` for alerts.
"""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

import apsw

from leadkeep.models import AbsorbBatch, AbsorbReport, Replayed, Standing
from leadkeep.store.sqlite import absorbing, keeping, operating, recovering
from leadkeep.store.sqlite.bell import Bell
from leadkeep.store.sqlite.boundary import refusals_mapped
from leadkeep.store.sqlite.deployments import Slipway
from leadkeep.store.sqlite.desk import Desk
from leadkeep.store.sqlite.dispatch import Dispatch
from leadkeep.store.sqlite.hand import distinct
from leadkeep.store.sqlite.helm import Helm
from leadkeep.store.sqlite.redirect import Redirect
from leadkeep.store.sqlite.urgent import Urgent

_PATIENCE_MS = 500
_CHUNKS_PER_ADOPTION = 4


class SqliteStore(Dispatch, Desk, Helm, Slipway, Redirect, Urgent, Bell):
    """The queue's truth in one SQLite file. Made by `open_sqlite`; implements `Store`."""

    # ------------------------------------------------------------ absorbing

    async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
        """Write leads, notices and position in one transaction; see `Store.absorb`."""
        now_ms = self._now_ms

        def work(connection: apsw.Connection) -> AbsorbReport:
            with refusals_mapped():
                return absorbing.absorb(connection, batch, now_ms=now_ms)

        return await self._writer.transact(work)

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

    # ------------------------------------------------------------ recovering

    async def replay(self, standings: Sequence[Standing], *, lead_mark: int) -> Replayed:
        """Bring deliveries to where a log says they stood; see `Store.replay`."""
        return await self._writer.transact(
            partial(recovering.replay, standings=standings, lead_mark=lead_mark)
        )

    # ------------------------------------------------------------ keeping

    async def checkpoint(self) -> bool:
        """Bring everything committed into the database file; False: a reader is in the way."""

        def work(connection: apsw.Connection) -> bool:
            self._mark.check()
            return keeping.checkpoint(
                connection, patience_ms=_PATIENCE_MS, busy_timeout_ms=self._busy_timeout_ms
            )

        return await self._writer.run(work)

    async def recover(self) -> None:
        """Write everything anew and, once that is done, clear the mark of poisoning.

        Raises:
            StoreUnavailable: poisoned, and a reader is in the way.
            StoreUnsafe: an I/O error again.
        """
        await self._writer.run(
            partial(keeping.recover, mark=self._mark, busy_timeout_ms=self._busy_timeout_ms)
        )

    async def forget_segment(self, segment: UUID) -> None:
        """Note that a segment has left the archive; its counts stay."""
        await self._writer.transact(
            partial(keeping.forget_segment, segment=segment, now_ms=self._now_ms)
        )
