"""The verbs that show what there is. They change nothing."""

from typing import Any, Protocol

from leadkeep.models import AtStake, DeliveryView, DestinationView, LeadView, Selection
from leadkeep.states import Status


class LookingStore(Protocol):
    """Deliveries, leads, destinations and notices, as shown."""

    async def counts(self) -> dict[Status, int]:
        """Deliveries by status, from maintained counters. Every status is a key."""

    async def destinations(self) -> list[DestinationView]:
        """Every destination that is held or has deliveries, with its queue's depth.

        Leads without destination stand under the name ``""``.
        """

    async def certificates_at_stake(self, *, now_ms: int, before_ms: int) -> AtStake:
        """Leads that are not settled and whose certificate of consent ends between these times."""

    async def find(
        self, selection: Selection, *, limit: int, after: int | None = None
    ) -> list[DeliveryView]:
        """Deliveries, newest first; `after` is the last `delivery_id` of the page before."""

    async def lead(self, ref: str) -> LeadView:
        """One lead by id or 13-digit number; of one of several (`…/3`), what concerns it alone.

        Raises:
            NotFound: no lead has it.
        """

    async def notice_counts(self) -> dict[str, int]:
        """Probes, rejections and handshakes recorded, by kind."""

    async def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one read-only SQL statement; returns column names and at most `limit` rows.

        Raises:
            UsageError: the statement is wrong, or would write.
        """
