"""The verbs of alerts: what is wrong, what was told, and what waits to be told."""

from collections.abc import Sequence
from functools import partial

from leadkeep.models import Incident, IncidentStep, Outbox, QueuedNotice, Refused
from leadkeep.store.engine.hand import Hand
from leadkeep.store.transactions import alerting


class Bell(Hand):
    """Each change of incidents is one transaction with what is told of it."""

    async def refused(self) -> list[Refused]:
        """Destinations that refuse leads as they are; see `Store.refused`."""
        return await self._readers.look(alerting.refused)

    async def incidents(self, *, resolved_since_ms: int, limit: int = 1_000) -> list[Incident]:
        """Incidents that are open or were resolved since then, newest first."""
        return await self._readers.look(
            partial(alerting.incidents, resolved_since_ms=resolved_since_ms, limit=limit)
        )

    async def incident(self, incident_id: int) -> Incident:
        """One incident; see `Store.incident`."""
        return await self._readers.look(partial(alerting.incident, incident_id=incident_id))

    async def note_incidents(self, steps: Sequence[IncidentStep]) -> int:
        """Open and change incidents and queue what is told; see `Store.note_incidents`."""
        return await self._writer.transact(
            partial(alerting.note_incidents, steps=steps, now_ms=self._now_ms)
        )

    async def claim_notices(
        self, *, limit: int, lease_ms: int, longest_wait_ms: int
    ) -> list[QueuedNotice]:
        """Take notices that are due to be sent; see `Store.claim_notices`."""
        return await self._writer.transact(
            partial(
                alerting.claim_notices,
                limit=limit,
                lease_ms=lease_ms,
                longest_wait_ms=longest_wait_ms,
                clock=self._clock,
            )
        )

    async def notices_sent(self, notice_ids: Sequence[int]) -> None:
        """Note that these were handed over."""
        await self._writer.transact(
            partial(alerting.notices_sent, notices=notice_ids, now_ms=self._now_ms)
        )

    async def notices_unsent(
        self, notice_ids: Sequence[int], *, error: str, next_try_at_ms: int
    ) -> None:
        """Note that these could not be handed over; see `Store.notices_unsent`."""
        await self._writer.transact(
            partial(
                alerting.notices_unsent,
                notices=notice_ids,
                error=error,
                next_try_at_ms=next_try_at_ms,
            )
        )

    async def outbox(self) -> Outbox:
        """What waits to be sent."""
        return await self._readers.look(alerting.outbox)
