"""The verbs of upkeep."""

from typing import Protocol
from uuid import UUID


class KeptStore(Protocol):
    """The database file, and segments that leave the archive."""

    async def checkpoint(self) -> bool:
        """Bring everything committed into the database file; False: a reader is in the way."""

    async def unsettled(self, segment: UUID) -> int:
        """How many deliveries of a segment's leads are neither completed nor cancelled."""

    async def forget_segment(self, segment: UUID) -> None:
        """Note that a segment has left the archive; its counts stay."""

    async def highest_lead_number(self) -> int:
        """The highest lead number known; 0 if there is none."""
