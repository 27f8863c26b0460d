"""One installation whose ledger is taken: journals, absorber, archive and a clock to turn."""

import os
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import apsw

from leadkeep.absorber.archivist import Archivist, Tidied
from leadkeep.absorber.trouble import Troubles
from leadkeep.absorber.writing import Absorbed
from leadkeep.journal.archive import Archive
from leadkeep.journal.base import Group, SegmentInfo
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.models import Record, Selection
from leadkeep.recovery.audit import Audit
from leadkeep.recovery.examining import StoredLeads
from leadkeep.recovery.ledger import Ledger
from leadkeep.recovery.tallies import TallyBook
from leadkeep.settings.model import JournalSettings
from leadkeep.states import LeadClass, Status, Verb
from leadkeep.store.base import Store
from leadkeep.walltime import WallTime
from tests.fakes.clock import FakeClock
from tests.integration.absorber.absorbing_bench import Bench, write
from tests.store.builders import an_outcome

JOURNALS = ("journal", "second")


class Books:
    """What a test does with an installation, and its ledger."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.store: Store = bench.store
        self.clock = FakeClock()
        self.archive = Archive(bench.folder / "archive", clock=self.clock)
        self.book = TallyBook(self.archive.folder)

    @property
    def readers(self) -> list[DiskJournalReader]:
        """Of both journals."""
        return [self.bench.reader(name) for name in JOURNALS]

    def sealed(self, *groups: Sequence[Record], journal: str = "journal") -> SegmentInfo:
        """A segment that its writer has left, with these groups."""
        writer = self.bench.journal(journal)
        write(writer, *groups)
        writer.close()
        return max(self.bench.reader(journal).segments(), key=lambda info: info.created_at_us)

    async def absorb(self, limit: int | None = None, store: Store | None = None) -> Absorbed:
        """Absorb both journals, in their order."""
        absorber = self.bench.absorber(*self.readers, store=store or self.store)
        return await absorber.absorb_available(limit)

    async def tidy(
        self,
        *,
        days: int = 30,
        max_bytes: int = 1024**3,
        troubles: Troubles | None = None,
    ) -> Tidied:
        """One round of a new archivist's."""
        return await Archivist(
            readers=self.readers,
            archive=self.archive,
            store=self.store,
            settings=JournalSettings(archive_days=days, archive_max_bytes=max_bytes),
            clock=self.clock,
            wall=WallTime(self.clock, self.archive.folder.parent / "wall-time"),
            troubles=troubles,
        ).tidy()

    async def archived(self, *groups: Sequence[Record], journal: str = "journal") -> UUID:
        """A segment that was absorbed and archived."""
        segment = self.sealed(*groups, journal=journal).segment
        await self.absorb()
        assert (await self.tidy()).archived >= 1
        return segment

    async def settle(self) -> None:
        """Deliver everything that is due, and cancel what is held."""
        held = Selection(statuses=(Status.HELD,))
        await self.store.apply(Verb.CANCEL, held, reason="test", actor="test")
        while claims := await self.store.claim(
            "default", limit=100, lease_ms=60_000, longest_wait_ms=1_000, worker="test"
        ):
            await self.store.record([an_outcome(claim) for claim in claims])

    async def prune(self) -> None:
        """Let everything that is settled leave the archive: its days are over."""
        for _ in range(31):
            self.clock.advance(86_400)
            await self.tidy(days=1_000)
        await self.tidy(days=30)
        assert self.archive.segments() == []

    async def ledger(self, store: StoredLeads | None = None, *, any_store: bool = True) -> Ledger:
        """Taken now, and checked to add up."""
        taken = await Audit(
            readers=self.readers,
            archive=Archive(self.archive.folder),
            store=(store or self.store) if any_store else None,
            clock=self.clock,
        ).ledger()
        adds_up(taken)
        return taken

    def delete_lead(self, lead_id: bytes, *, deliveries: bool = True) -> None:
        """Do what nothing in Leadkeep does, behind its back."""
        connection = apsw.Connection(str(self.bench.folder / "leadkeep.db"))
        name = str(UUID(bytes=lead_id))
        for trigger in (
            "refuse_to_drop_an_unsettled_delivery",
            "refuse_to_drop_a_lead_with_deliveries",
        ):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        with connection:
            row = "(SELECT id FROM leads WHERE lead_id = ?)"
            if deliveries:
                connection.execute(
                    f"DELETE FROM attempts WHERE delivery IN "
                    f"(SELECT id FROM deliveries WHERE lead = {row})",
                    (name,),
                )
                connection.execute(f"DELETE FROM deliveries WHERE lead = {row}", (name,))
            connection.execute("DELETE FROM leads WHERE lead_id = ?", (name,))
        connection.close()

    def sql(self, statement: str) -> None:
        """Change the store behind Leadkeep's back."""
        connection = apsw.Connection(str(self.bench.folder / "leadkeep.db"))
        connection.execute(statement)
        connection.close()

    def tally_files(self) -> list[Path]:
        """The files of tallies."""
        return sorted((self.archive.folder / "tallies").glob("*.jsonl"))


def adds_up(ledger: Ledger) -> None:
    """The ledger's own promise."""
    for row in (*ledger.rows, ledger.total):
        stored = sum(row.by_class.values())
        assert row.received + row.unknown == (
            stored + row.not_absorbed + row.missing + row.without_delivery
        )
        assert min(row.received, row.not_absorbed, row.missing, row.unknown) >= 0
    placed = sum(problem.leads - problem.unplaced for problem in ledger.problems)
    assert placed == ledger.total.unexplained
    assert ledger.balanced is (ledger.problems == ())


def classes(ledger: Ledger) -> dict[LeadClass, int]:
    """Only the classes that any lead is in."""
    return {one: number for one, number in ledger.by_class.items() if number}


def flip(info: SegmentInfo, offset: int) -> None:
    """Change one byte of a segment."""
    with info.path.open("r+b") as file:
        byte = os.pread(file.fileno(), 1, offset)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 0xFF]), offset)


def groups_of(reader: DiskJournalReader, info: SegmentInfo) -> list[Group]:
    """A segment's groups."""
    return [entry for entry in reader.read(info, 0) if isinstance(entry, Group)]
