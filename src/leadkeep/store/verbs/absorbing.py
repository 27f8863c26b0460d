"""The verbs that absorbing uses."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from leadkeep.models import AbsorbBatch, AbsorbReport, SegmentProgress


class AbsorbingStore(Protocol):
    """Leads and notices in, with how far their journals have been read."""

    async def progress(self) -> dict[UUID, SegmentProgress]:
        """How far each known segment has been absorbed."""

    async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
        """Write leads, notices and position in one transaction, exactly once.

        Raises:
            RecordRefused: a constraint refused some lead; nothing was written.
        """

    async def adopt_unrouted(self, destinations: Sequence[str]) -> int:
        """Give leads that came while no destination existed to these; returns how many.

        At most a few thousand per call; call again until it returns 0.
        """
