"""Makes the ledger: the store's census first, then the journals' side, then what differs.

Works beside everything that runs, and changes nothing. The order is what makes that safe: whatever
was in the store at the moment of the census is in a journal or tallied when those are looked at
afterwards, and what came since is merely not absorbed yet.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from leadkeep.clock import Clock
from leadkeep.errors import JournalError, JournalUnavailable, NotFound
from leadkeep.journal.archive import Archive
from leadkeep.journal.base import CountingReader
from leadkeep.recovery.accounts import Settled, Settling
from leadkeep.recovery.drawing_up import Draft
from leadkeep.recovery.examining import NoStore, StoredLeads
from leadkeep.recovery.journals import Account, Book, Journals
from leadkeep.recovery.ledger import Ledger
from leadkeep.recovery.taken_over import explain_absent
from leadkeep.recovery.tallies import TallyBook
from leadkeep.recovery.tally import Tally
from leadkeep.store.census import Cell, Census


class Audit:
    """Takes the ledger of one installation.

    Args:
        readers: one for each journal.
        archive: where absorbed segments are, with their tallies beside it.
        store: None: there is none.
        node: this machine, among those that share the store; empty: none does.
        books: more tallies, beside those that stand beside the archive.
    """

    def __init__(
        self,
        *,
        readers: Sequence[CountingReader],
        archive: Archive,
        store: StoredLeads | None,
        clock: Clock,
        books: Sequence[Book] = (),
        node: str = "",
    ) -> None:
        self._node = node
        self._journals = Journals(readers, archive, [TallyBook(archive.folder), *books])
        self._store: StoredLeads = store or NoStore()
        self._has_store = store is not None
        self._clock = clock

    async def ledger(self) -> Ledger:
        """Count everything once.

        Raises:
            StoreError: the store cannot be read.
        """
        taken_at_ms = self._clock.now_us() // 1_000
        census = await self._store.census()
        side = await asyncio.to_thread(self._journals.counted, census.segments)
        settling = Settling(self._store, census.leads, await self._moved(side.accounts))
        draft = Draft(census, taken_at_ms, self._node)
        accounts: list[Settled] = []
        for account in side.accounts.values():
            try:
                accounts.append(await self._settled(settling, account, census))
            except (JournalError, NotFound) as error:
                side.unreadable[account.segment] = str(error)
        explain_absent(accounts)
        for settled in accounts:
            draft.add(settled)
        draft.add_what_is_gone(side)
        draft.add_what_was_seen(side, has_store=self._has_store)
        return draft.ledger()

    async def _settled(self, settling: Settling, account: Account, census: Census) -> Settled:
        """Settle a segment by what was counted of it, or by what can be counted instead."""
        known = census.segments.get(account.segment)
        if not isinstance(account.counted, Tally):
            try:
                return await settling.counted(account, account.counted)
            except JournalUnavailable:
                # Archived since it was counted.
                tallied = await asyncio.to_thread(self._journals.tallied, account.segment)
                if tallied is None:
                    raise
                account = tallied
        assert isinstance(account.counted, Tally)
        finished = known is not None and known.finished
        settled = await settling.tallied(account, account.counted, finished=finished)
        if settled is None:
            position = 0 if known is None else known.offset
            again = await asyncio.to_thread(self._journals.recounted, account, position)
            assert not isinstance(again.counted, Tally)
            return await settling.counted(again, again.counted)
        return settled

    async def _moved(self, accounts: Mapping[UUID, Account]) -> dict[UUID, Counter[Cell]]:
        """What tallies counted elsewhere than where the store has it now.

        A store that was rebuilt may hold a lead under another of the segments in which it stands.
        """
        found: dict[bytes, tuple[Cell, UUID, UUID]] = {}
        for holder, account in accounts.items():
            if isinstance(account.counted, Tally):
                for cell, owner, lead_id in account.counted.copies():
                    found[lead_id] = (cell, owner, holder)
        moved: defaultdict[UUID, Counter[Cell]] = defaultdict(Counter)
        now = await self._store.whereabouts(list(found))
        for lead_id, (cell, owner, holder) in found.items():
            segment = now.get(lead_id)
            if owner not in accounts and segment is None:
                # Where it was counted is known to nobody any more: it counts where it stands.
                moved[holder][cell] += 1
            elif segment not in {None, owner}:
                moved[owner][cell] -= 1
                moved[segment or holder][cell] += 1
        return dict(moved)
