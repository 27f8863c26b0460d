"""The verbs of alerts: what is wrong with deliveries, incidents, and what people are told."""

from collections.abc import Sequence
from typing import Protocol

from leadkeep.models import Incident, IncidentStep, Outbox, QueuedNotice, Refused


class AlertingStore(Protocol):
    """Incidents from first sight to end, and an outbox of what is told of them."""

    async def refused(self) -> list[Refused]:
        """Destinations that refuse leads as they are, by name. Reads an index of those leads."""

    async def incidents(self, *, resolved_since_ms: int, limit: int = 1_000) -> list[Incident]:
        """Incidents that are open or were resolved since then, newest first."""

    async def incident(self, incident_id: int) -> Incident:
        """One incident.

        Raises:
            NotFound: none has this id.
        """

    async def note_incidents(self, steps: Sequence[IncidentStep]) -> int:
        """Open and change incidents and queue what is told of them, in one transaction.

        A step whose incident somebody else has opened or changed meanwhile is passed over with its
        notice, so that of many who see the same one tells it. Incidents that were resolved long
        ago and told to the end are forgotten.

        Returns:
            How many steps were taken.
        """

    async def claim_notices(
        self, *, limit: int, lease_ms: int, longest_wait_ms: int
    ) -> list[QueuedNotice]:
        """Take notices that are due to be sent, oldest first; nobody else gets them meanwhile.

        Args:
            lease_ms: by the boot clock; then they may be taken by others.
            longest_wait_ms: what is due later than this is due: a clock has jumped.
        """

    async def notices_sent(self, notice_ids: Sequence[int]) -> None:
        """Note that these were handed over."""

    async def notices_unsent(
        self, notice_ids: Sequence[int], *, error: str, next_try_at_ms: int
    ) -> None:
        """Note that these could not be handed over, and when to try again.

        Args:
            error: why, in words, without personal data.
        """

    async def outbox(self) -> Outbox:
        """What waits to be sent."""
