"""What the store says of a segment's leads, one by one: for when counts alone do not agree.

A lead can stand in two segments: its commit missed its deadline or failed, it went to the next
journal, and the first turned out to be readable all the same. The store holds it once, under the
segment that was absorbed first; in the other it is a copy. If a power cut then takes the bytes of
the first, which were never acknowledged there, the lead is absent from it, and the copy proves it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from leadkeep.recovery.tally import Count, Entries, Key, Tally, leads_before, rows_of
from leadkeep.store.census import NOTHING_STORED, AbsorbedLead, Cell, Census, StoredSegment


class StoredLeads(Protocol):
    """What the ledger asks a store; see `leadkeep.store.base.Store`."""

    async def census(self) -> Census: ...

    async def stored_segment(self, segment: UUID) -> StoredSegment: ...

    async def whereabouts(self, lead_ids: Sequence[bytes]) -> dict[bytes, UUID]: ...

    async def leads_of_groups(self, segment: UUID, offset: int, end: int) -> dict[Cell, int]: ...

    async def absorbed_leads(self, segment: UUID, offset: int, end: int) -> list[AbsorbedLead]: ...


class NoStore:
    """Answers for a store that is not there."""

    async def census(self) -> Census:
        """Nothing."""
        return NOTHING_STORED

    async def stored_segment(self, segment: UUID) -> StoredSegment:
        """Nothing."""
        return StoredSegment(finished=False, leads={})

    async def whereabouts(self, lead_ids: Sequence[bytes]) -> dict[bytes, UUID]:
        """Nowhere."""
        return {}

    async def leads_of_groups(self, segment: UUID, offset: int, end: int) -> dict[Cell, int]:
        """None."""
        return {}

    async def absorbed_leads(self, segment: UUID, offset: int, end: int) -> list[AbsorbedLead]:
        """None."""
        return []


class Examined(msgspec.Struct, frozen=True):
    """A segment's absorbed leads, each looked up."""

    copies: dict[bytes, tuple[Key, UUID]]
    """Those that are stored under another segment, and which."""
    missing: dict[bytes, Key]
    """Those that are not stored at all."""
    repeated: Counter[Key]
    """Records whose lead stands in this segment already."""

    def not_counted(self) -> Counter[Key]:
        """What to take from a count of records, so that each lead is counted once."""
        return self.repeated + Counter(key for key, _ in self.copies.values())


async def examine(
    entries: Callable[[], Entries], segment: UUID, position: int | None, store: StoredLeads
) -> Examined:
    """Look up each lead of a segment.

    Args:
        entries: reads the segment from its beginning.
        position: only the leads before this offset; None: all.

    Raises:
        JournalError: the segment cannot be read.
        StoreError: the store cannot be read.
    """
    leads, repeated = await asyncio.to_thread(lambda: leads_before(entries(), position))
    owners = await store.whereabouts(list(leads))
    copies, missing = {}, {}
    for lead_id, key in leads.items():
        owner = owners.get(lead_id)
        if owner is None:
            missing[lead_id] = key
        elif owner != segment:
            copies[lead_id] = (key, owner)
    return Examined(copies, missing, repeated)


async def absent_from(
    segment: UUID, count: Count, position: int, store: StoredLeads
) -> list[AbsorbedLead]:
    """Leads that were absorbed from beyond the last group that can still be read.

    What came from damaged places is not among them: it was acknowledged there.

    Args:
        count: what can be read of the absorbed part.
        position: how far the store had absorbed the segment.

    Raises:
        StoreError: the store cannot be read.
    """
    if position <= count.end:
        return []
    return [
        lead
        for lead in await store.absorbed_leads(segment, count.end, position)
        if not any(place.offset <= lead.group_offset < place.end for place in count.damage)
    ]


async def tally_of(
    entries: Callable[[], Entries], segment: UUID, journal: str, store: StoredLeads
) -> tuple[Tally, int]:
    """Count a segment that is wholly absorbed; also tells how many of its leads the store lacks.

    Args:
        entries: reads the segment from its beginning.

    Raises:
        JournalError: the segment cannot be read.
        StoreError: the store cannot be read.
    """
    count = await asyncio.to_thread(_counted, entries)
    records = count.records
    copies: list[tuple[Key, UUID, bytes]] = []
    missing = 0
    if count.leads() != Counter((await store.stored_segment(segment)).leads):
        examined = await examine(entries, segment, None, store)
        records = records - examined.not_counted()
        copies = [(key, owner, one) for one, (key, owner) in examined.copies.items()]
        missing = len(examined.missing)
    tally = Tally(
        segment=segment,
        journal=journal,
        rows=tuple(rows_of(records, copies)),
        damage=tuple(count.damage),
    )
    return tally, missing


def _counted(entries: Callable[[], Entries]) -> Count:
    count = Count()
    for entry in entries():
        count.take(entry)
    return count
