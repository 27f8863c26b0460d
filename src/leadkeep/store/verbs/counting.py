"""The verbs of the ledger."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from leadkeep.store.census import AbsorbedLead, Cell, Census, StoredSegment


class CountingStore(Protocol):
    """Leads counted from the rows themselves."""

    async def census(self) -> Census:
        """Every lead, counted once from the rows themselves, all of one moment."""

    async def stored_segment(self, segment: UUID) -> StoredSegment:
        """What is stored of one segment; nothing and not finished if it is not known."""

    async def whereabouts(self, lead_ids: Sequence[bytes]) -> dict[bytes, UUID]:
        """Under which segment each of these leads is stored; one that is not is left out.

        Args:
            lead_ids: 16 bytes each.
        """

    async def leads_of_groups(self, segment: UUID, offset: int, end: int) -> dict[Cell, int]:
        """Leads of a segment that came from groups that begin in this range of its file."""

    async def absorbed_leads(self, segment: UUID, offset: int, end: int) -> list[AbsorbedLead]:
        """The same, one by one."""
