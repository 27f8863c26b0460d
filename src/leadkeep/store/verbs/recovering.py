"""The verbs of backup, restore, verification and rebuilding."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol
from uuid import UUID

from leadkeep.models import Replayed, Standing, StoredRequest


class RecoveringStore(Protocol):
    """A copy out, standings back in, and what is needed to compare."""

    async def copy_to(
        self, target: Path, *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Copy the store as it is at one moment into a new file, durably; nobody waits for it.

        Args:
            progress: told how much is done, of how much, in parts of a size of the engine's own.
        """

    async def lead_mark(self) -> int:
        """A mark between the leads that are in the store now and those that come later."""

    async def replay(self, standings: Sequence[Standing], *, lead_mark: int) -> Replayed:
        """Bring deliveries to where a log says they stood, in the order given, one transaction.

        Deliveries are found by lead and destination, never by row. One that is completed stays
        so; a standing that is older than what the store knows changes nothing, unless it is a
        confirmation. A lead that had gone where today's configuration does not send it gets a
        delivery there. For a store that nobody else uses yet.

        Args:
            lead_mark: whatever is said of a lead that came after it is news.
        """

    async def flaws(self) -> list[str]:
        """What is wrong with the database itself, in words; nothing: an empty list.

        Reads all of it.
        """

    async def lead_count(self) -> int:
        """How many leads there are. Counts them."""

    async def requests(self, lead_ids: Sequence[str]) -> dict[str, StoredRequest]:
        """What the store has of these leads' requests, by id; a lead it has not is left out."""

    async def numbers_in_use(self, numbers: Sequence[int]) -> set[int]:
        """Those of these lead numbers that some lead has."""

    async def forgotten_segments(self) -> set[UUID]:
        """Segments that have left the archive."""
