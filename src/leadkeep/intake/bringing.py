"""The door for another system's queue: rows taken by the same acceptance as any lead.

Invariant: when `take` returns, all of its leads are on stable storage; if it raises, none of them
is known to be, and taking them again is safe, as their ids are the same.
"""

from collections.abc import Callable, Sequence

import msgspec

from leadkeep.errors import JournalUnavailable
from leadkeep.intake.push import ACCEPTED, commit_to_first
from leadkeep.journal.base import JournalWriter
from leadkeep.journal.numbers import LeadNumbers
from leadkeep.journal.records import encode
from leadkeep.models import Origin, Record, RecordFlag, RecordKind


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A lead out of another system's queue."""

    lead_id: bytes
    """UUIDv7 made of its row, so that it is the same each time."""
    received_at_us: int
    source: str
    """Empty: it has none."""
    content_type: str
    body: bytes
    origin: Origin


class ImportDoor:
    """Takes leads out of another system's queue. Used by one thread at a time.

    Args:
        journals: in order of preference; owned from now on.
        ring: called after each commit.
    """

    def __init__(
        self, *, journals: Sequence[JournalWriter], numbers: LeadNumbers, ring: Callable[[], None]
    ) -> None:
        self._journals = tuple(journals)
        self._numbers = numbers
        self._ring = ring

    def take(self, arrivals: Sequence[Arrival]) -> None:
        """Make leads durable as one group. Blocks on the disk.

        Raises:
            JournalUnavailable: no journal could take them.
        """
        try:
            commit_to_first(self._journals, [encode(self._record(each)) for each in arrivals])
        except JournalUnavailable as error:
            raise JournalUnavailable(
                f"leads could not be taken: {error}",
                hint="Mend the disk, then run the same command again: it goes on where it was.",
            ) from error
        self._ring()

    def close(self) -> None:
        """Seal the journals."""
        for journal in self._journals:
            journal.close()

    def _record(self, arrival: Arrival) -> Record:
        if self._numbers.needs_block():
            self._numbers.reserve()
        flags = RecordFlag.PUSHED | RecordFlag.IMPORTED
        content_type = arrival.content_type.encode()
        return Record(
            kind=RecordKind.LEAD,
            lead_id=arrival.lead_id,
            lead_number=self._numbers.next(),
            received_at_us=arrival.received_at_us,
            flags=flags if arrival.source else flags | RecordFlag.NO_ROUTE,
            source=arrival.source,
            peer="",
            method="POST",
            target=b"/",
            headers=b"Content-Type: " + content_type + b"\r\n" if content_type else b"",
            body=arrival.body,
            answer_status=ACCEPTED,
            detail=arrival.origin.detail(),
        )
