"""The half of the store that looks: every answer is of one moment, and none delays a writer."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from leadkeep.clock import Clock
from leadkeep.models import (
    AtStake,
    DeliveryView,
    DestinationView,
    LeadView,
    SegmentProgress,
    Selection,
    StoredRequest,
)
from leadkeep.states import Status
from leadkeep.store.census import AbsorbedLead, Cell, Census, StoredSegment
from leadkeep.store.engine.session import Readers
from leadkeep.store.transactions import absorbing, counting, delivering, examining, keeping, looking


class Sight:
    """What may be asked of a store, on its readers."""

    def __init__(self, clock: Clock, readers: Readers) -> None:
        self._clock = clock
        self._readers = readers

    async def progress(self) -> dict[UUID, SegmentProgress]:
        """How far each known segment has been absorbed."""
        return await self._readers.look(absorbing.progress)

    async def next_due_at_ms(self, destination: str) -> int | None:
        """When the next pending delivery is due; None: none waits, or the destination is held."""
        return await self._readers.look(
            partial(delivering.next_due_at_ms, destination=destination, clock=self._clock)
        )

    async def counts(self) -> dict[Status, int]:
        """Deliveries by status, from maintained counters. Every status is a key."""
        return await self._readers.look(looking.counts)

    async def destinations(self) -> list[DestinationView]:
        """Every destination that is held or has deliveries; see `Store.destinations`."""
        return await self._readers.look(partial(looking.destinations, clock=self._clock))

    async def certificates_at_stake(self, *, now_ms: int, before_ms: int) -> AtStake:
        """Leads that wait while their certificates run out; see `Store.certificates_at_stake`."""
        return await self._readers.look(
            partial(looking.certificates_at_stake, now_ms=now_ms, before_ms=before_ms)
        )

    async def find(
        self, selection: Selection, *, limit: int, after: int | None = None
    ) -> list[DeliveryView]:
        """Deliveries, newest first; `after` is the last `delivery_id` of the page before."""
        return await self._readers.look(
            partial(looking.find, selection=selection, limit=limit, after=after)
        )

    async def lead(self, ref: str) -> LeadView:
        """One lead by id or 13-digit number; see `Store.lead`."""
        return await self._readers.look(partial(looking.lead, ref=ref))

    async def notice_counts(self) -> dict[str, int]:
        """Probes, rejections and handshakes recorded, by kind."""
        return await self._readers.look(looking.notice_counts)

    async def lead_count(self) -> int:
        """How many leads there are; reads an index."""
        return await self._readers.look(lambda session: int(session.value("count_leads")))

    async def requests(self, lead_ids: Sequence[str]) -> dict[str, StoredRequest]:
        """What the store has of these leads' requests, by id; see `Store.requests`."""
        return await self._readers.look(partial(examining.requests, lead_ids=lead_ids))

    async def numbers_in_use(self, numbers: Sequence[int]) -> set[int]:
        """Those of these lead numbers that some lead has."""
        return await self._readers.look(partial(examining.numbers_in_use, numbers=numbers))

    async def forgotten_segments(self) -> set[UUID]:
        """Segments that have left the archive."""
        return await self._readers.look(examining.forgotten_segments)

    async def lead_mark(self) -> int:
        """A mark that later leads lie behind; see `Store.lead_mark`."""
        return await self._readers.look(lambda session: int(session.value("last_lead")))

    async def unsettled(self, segment: UUID) -> int:
        """How many deliveries of a segment's leads are neither completed nor cancelled."""
        return await self._readers.look(partial(keeping.unsettled, segment=segment))

    async def highest_lead_number(self) -> int:
        """The highest lead number known; 0 if there is none."""
        return await self._readers.look(keeping.highest_lead_number)

    async def census(self) -> Census:
        """Every lead, counted once from the rows themselves; see `Store.census`."""
        return await self._readers.look(counting.census)

    async def stored_segment(self, segment: UUID) -> StoredSegment:
        """What is stored of one segment; nothing and not finished if it is not known."""
        return await self._readers.look(partial(counting.stored_segment, segment=segment))

    async def whereabouts(self, lead_ids: Sequence[bytes]) -> dict[bytes, UUID]:
        """Under which segment each of these leads is stored; one that is not is left out."""
        return await self._readers.look(partial(counting.whereabouts, lead_ids=lead_ids))

    async def leads_of_groups(self, segment: UUID, offset: int, end: int) -> dict[Cell, int]:
        """Leads of a segment that came from groups that begin in a range of its file."""
        return await self._readers.look(
            partial(counting.leads_of_groups, segment=segment, offset=offset, end=end)
        )

    async def absorbed_leads(self, segment: UUID, offset: int, end: int) -> list[AbsorbedLead]:
        """The same, one by one."""
        return await self._readers.look(
            partial(counting.absorbed_leads, segment=segment, offset=offset, end=end)
        )
