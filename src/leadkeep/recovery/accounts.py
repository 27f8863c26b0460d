"""One segment of the ledger settled: what its bytes hold against what the store has of it.

Counts are compared first; only where they differ, or where the store has read further than can be
read now, is each lead looked up. Invariant: for each day and source, leads + unknown = stored +
waiting + missing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from leadkeep.errors import JournalError
from leadkeep.journal.base import Damage
from leadkeep.recovery.examining import Examined, StoredLeads, absent_from, examine
from leadkeep.recovery.journals import Account
from leadkeep.recovery.tally import (
    Key,
    SegmentCount,
    Tally,
    TallyRow,
    cell_of,
    leads_by_cell,
    rows_of,
)
from leadkeep.store.census import AbsorbedLead, Cell

NAMED_MOST = 20
"""So many ids of missing leads are told."""


class Settled(msgspec.Struct):
    """What came of one segment."""

    account: Account
    rows: list[TallyRow]
    """Everything that was counted, by day and source."""
    leads: Counter[Cell]
    """Leads that it holds, without copies of those that others hold."""
    waiting: Counter[Cell]
    """Those that are not absorbed."""
    missing: Counter[Cell] = msgspec.field(default_factory=Counter)
    """Those that were absorbed and are not in the store."""
    unknown: Counter[Cell] = msgspec.field(default_factory=Counter)
    """Leads that the store has from it and that it does not hold."""
    missing_ids: tuple[bytes, ...] = ()
    unreadable: list[Damage] = []
    """Places whose leads are not in the store either."""
    restored: list[Damage] = []
    """Places that were absorbed before they were damaged."""
    copies: set[bytes] = msgspec.field(default_factory=set)
    """Leads that stand in it and are stored under another segment."""
    absent: list[AbsorbedLead] = []
    """Leads that are stored under it and whose bytes it has lost; `unknown` until explained."""
    taken_over: int = 0
    """How many of them stand in another segment."""
    never_answered: int = 0
    """How many of the others had not been acknowledged."""


class Settling:
    """Settles segments one after another.

    Args:
        stored: leads in the store by segment, all of one moment.
        moved: for tallied segments: leads that are stored under another segment than when they
            were tallied.
    """

    def __init__(
        self,
        store: StoredLeads,
        stored: Mapping[UUID, Mapping[Cell, int]],
        moved: Mapping[UUID, Counter[Cell]],
    ) -> None:
        self._store = store
        self._stored = stored
        self._moved = moved
        self._seen: set[bytes] = set()
        """Leads that wait, so that one which waits in two segments is counted once."""

    async def tallied(self, account: Account, tally: Tally, *, finished: bool) -> Settled | None:
        """Settle a segment by its tally; None: its bytes must be asked, the store is behind.

        Args:
            finished: the store had absorbed all of it when its leads were counted.
        """
        stored = Counter(self._stored.get(account.segment, {}))
        waiting: Counter[Cell] = Counter()
        if not finished:
            now = await self._store.stored_segment(account.segment)
            if now.finished:  # It was absorbed and archived since then.
                waiting = Counter(now.leads) - stored
            elif account.entries is not None:
                return None
        leads = tally.leads()
        leads.update(self._moved.get(account.segment, {}))
        settled = Settled(account, list(tally.rows), leads, waiting)
        settled.copies = {lead_id for _, _, lead_id in tally.copies()}
        await self._judge_damage(settled, tally.damage)
        _compare(settled, stored)
        if settled.missing and account.entries is not None:
            settled.missing_ids = await self._named(account)
        return settled

    async def counted(self, account: Account, count: SegmentCount) -> Settled:
        """Settle a segment by its bytes.

        Raises:
            JournalError: they cannot be read any more.
        """
        stored = Counter(self._stored.get(account.segment, {}))
        records, leads = count.absorbed.records, count.absorbed.leads()
        absent = await absent_from(
            account.segment, count.absorbed, account.position or 0, self._store
        )
        examined: Examined | None = None
        if (absent or leads != stored) and account.entries is not None:
            examined = await examine(
                account.entries, account.segment, account.position, self._store
            )
            records = records - examined.not_counted()
            leads = leads_by_cell(records)
        waiting_records, already, copies = await self._waiting(account.segment, count)
        waiting = leads_by_cell(waiting_records)
        settled = Settled(account, rows_of(records + waiting_records, ()), leads, waiting)
        settled.absent, settled.copies = absent, copies
        await self._judge_damage(settled, [*count.absorbed.damage, *count.waiting.damage])
        # Taken in ahead of the segment's position: in the store, so they do not wait.
        ahead = (stored - leads) & already
        waiting.subtract(ahead)
        leads.update(ahead)
        leads.update(waiting)
        _compare(settled, stored)
        if examined is not None:
            settled.copies.update(examined.copies)
            settled.missing_ids = tuple(examined.missing)[:NAMED_MOST]
        return settled

    async def _waiting(
        self, segment: UUID, count: SegmentCount
    ) -> tuple[Counter[Key], Counter[Cell], set[bytes]]:
        """Records that are not absorbed, each lead once; those whose leads are stored already; and
        leads that are stored under another segment.

        The store may have absorbed them since it was counted, or ahead of its position (when it
        refused a batch and takes it in parts).
        """
        records = +count.waiting.records
        already: Counter[Cell] = Counter()
        copies = set()
        owners = await self._store.whereabouts(list(count.waiting_leads))
        for lead_id, key in count.waiting_leads.items():
            owner = owners.get(lead_id)
            if owner == segment:
                already[cell_of(key)] += 1
            elif owner is not None:
                copies.add(lead_id)
            if owner not in {None, segment} or lead_id in self._seen:
                records[key] -= 1
            else:
                self._seen.add(lead_id)
        return +records, already, copies

    async def _judge_damage(self, settled: Settled, damage: Sequence[Damage]) -> None:
        """Tell places that were absorbed while they could be read from those that are lost."""
        for place in damage:
            stored: Mapping[Cell, int] = {}
            if place.end > place.offset:
                stored = await self._store.leads_of_groups(
                    settled.account.segment, place.offset, place.end
                )
            if stored:
                settled.leads.update(stored)
                settled.restored.append(place)
            else:
                settled.unreadable.append(place)

    async def _named(self, account: Account) -> tuple[bytes, ...]:
        """Ids of leads that a tallied segment holds and the store does not, as far as known."""
        assert account.entries is not None
        try:
            examined = await examine(account.entries, account.segment, None, self._store)
        except JournalError:
            return ()  # It leaves the archive at this moment, or is damaged there: only named.
        return tuple(examined.missing)[:NAMED_MOST]


def _compare(settled: Settled, stored: Counter[Cell]) -> None:
    absorbed = Counter(settled.leads)
    absorbed.subtract(settled.waiting)
    absorbed.subtract(stored)
    settled.missing = +absorbed
    settled.unknown = -absorbed
