"""Whole parts of the inbox are emptied, and nothing that is needed goes with them."""

import asyncio
from pathlib import Path

import pytest

from leadkeep.absorber.absorber import Absorber
from leadkeep.absorber.inboxkeeper import InboxKeeper, Kept
from leadkeep.clock import SystemClock
from leadkeep.journal.archive import Archive
from leadkeep.models import Record
from leadkeep.recovery.audit import Audit
from leadkeep.recovery.inbox_tallies import InboxTallyBook
from leadkeep.recovery.ledger import Ledger, ProblemKind
from leadkeep.sources.contact import ContactReader
from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.opening import open_postgres
from tests.integration.absorber.absorbing_bench import A_PATH
from tests.integration.inbox.conftest import Inbox, put
from tests.store.builders import a_probe, a_record


class Node:
    """What a node does to an inbox, one thing after the other."""

    def __init__(self, inbox: Inbox, folder: Path) -> None:
        self.inbox = inbox
        self._folder = folder

    def absorb(self) -> int:
        """Absorb everything; returns how many leads that were."""

        async def run() -> int:
            store = await open_postgres(Target(self.inbox.url))
            absorber = Absorber(
                readers=[self.inbox.reader("node")],
                store=store,
                sources=A_PATH,
                contacts=ContactReader("US"),
                clock=SystemClock(),
                lock_path=self._folder / "absorber.lock",
                on_absorbed=lambda: None,
            )
            try:
                return (await absorber.absorb_available()).leads
            finally:
                absorber.close()
                await store.close()

        return asyncio.run(run())

    def keep(self) -> Kept:
        """One round of keeping; whatever is written to is left for another part."""

        async def run() -> Kept:
            store = await open_postgres(Target(self.inbox.url))
            try:
                keeper = InboxKeeper(
                    self.inbox.wire(), store, part_bytes=0, part_seconds=0, idle_seconds=3_600
                )
                return await keeper.keep()
            finally:
                await store.close()

        return asyncio.run(run())

    def ledger(self) -> Ledger:
        """Every lead received, and what became of it."""

        async def run() -> Ledger:
            store = await open_postgres(Target(self.inbox.url))
            try:
                return await Audit(
                    readers=[self.inbox.reader()],
                    archive=Archive(self._folder / "archive"),
                    store=store,
                    clock=SystemClock(),
                    books=[InboxTallyBook(self.inbox.wire())],
                ).ledger()
            finally:
                await store.close()

        return asyncio.run(run())

    def rows(self) -> int:
        """Rows that are in the inbox."""
        return int(self.inbox.sql("SELECT count(*) FROM inbox")[0][0])


@pytest.fixture
def node(inbox: Inbox, tmp_path: Path) -> Node:
    return Node(inbox, tmp_path)


def committed(inbox: Inbox, *records: Record, closes: bool = True) -> None:
    """A door commits each record as a group, and leaves."""
    journal = inbox.journal()
    for record in records:
        put(journal, record)
    if closes:
        journal.close()


def test_what_is_absorbed_is_counted_and_leaves(inbox: Inbox, node: Node) -> None:
    committed(inbox, a_record(), a_probe(), a_record())
    assert node.absorb() == 2
    assert node.keep() == Kept()  # Another part is written to from now on.
    assert node.keep() == Kept(counted=1, emptied=1)
    assert node.rows() == 0
    ledger = node.ledger()
    assert (ledger.received, ledger.problems) == (2, ())
    assert (ledger.total.probes, ledger.total.answers) == (1, {200: 2})


def test_the_next_groups_are_written_to_another_part(inbox: Inbox, node: Node) -> None:
    committed(inbox, a_record())
    node.absorb()
    node.keep()
    committed(inbox, a_record(), closes=False)
    assert inbox.sql("SELECT DISTINCT slot FROM inbox ORDER BY slot") == [(0,), (1,)]
    assert node.keep().emptied == 1
    assert node.absorb() == 1
    ledger = node.ledger()
    assert (ledger.received, ledger.problems) == (2, ())


@pytest.mark.parametrize("absorbed", [False, True])
def test_nothing_leaves_that_is_written_to_or_not_absorbed(
    inbox: Inbox, node: Node, absorbed: bool
) -> None:
    # Absorbed and still written to; or ended and not absorbed.
    committed(inbox, a_record(), closes=not absorbed)
    if absorbed:
        node.absorb()
    for _ in range(6):
        assert node.keep().emptied == 0
    assert node.rows() == 2
    assert node.ledger().problems == ()


def test_a_segment_that_nobody_ends_is_ended_after_a_while(inbox: Inbox, node: Node) -> None:
    committed(inbox, a_record(), closes=False)
    inbox.sql("UPDATE inbox_segments SET opened_at = opened_at - interval '2 hours'")
    assert node.keep().sealed == 1
    assert node.absorb() == 1
    assert node.keep().emptied == 1


def test_a_damaged_segment_is_set_aside_and_named_for_good(inbox: Inbox, node: Node) -> None:
    committed(inbox, a_record(), a_record(), a_record())
    inbox.sql("UPDATE inbox SET bytes = substr(bytes, 1, 70) WHERE begins = 8192")
    assert node.absorb() == 2
    node.keep()
    kept = node.keep()
    assert (kept.set_aside, kept.emptied) == (1, 1)
    assert inbox.sql("SELECT DISTINCT slot FROM inbox") == [(-1,)]
    (problem,) = node.ledger().problems
    assert problem.kind is ProblemKind.UNREADABLE
    ((because,),) = inbox.sql("SELECT kept_because FROM inbox_segments")
    assert "damaged at offset 8192" in because


def test_leads_that_the_store_lost_keep_their_segment(inbox: Inbox, node: Node) -> None:
    committed(inbox, a_record(), a_record())
    node.absorb()
    inbox.sql("ALTER TABLE deliveries DISABLE TRIGGER USER")
    inbox.sql("ALTER TABLE leads DISABLE TRIGGER USER")
    inbox.sql("DELETE FROM deliveries WHERE lead = (SELECT max(id) FROM leads)")
    inbox.sql("DELETE FROM leads WHERE id = (SELECT max(id) FROM leads)")
    node.keep()
    assert node.keep().set_aside == 1
    (problem,) = node.ledger().problems
    assert (problem.kind, problem.leads) == (ProblemKind.MISSING, 1)


def test_a_lead_that_stands_in_two_journals_is_stored_once(inbox: Inbox, node: Node) -> None:
    twice = a_record()
    committed(inbox, twice)
    committed(inbox, twice, a_record())
    assert node.absorb() == 2
    node.keep()
    assert node.keep().emptied == 1
    ledger = node.ledger()
    assert (ledger.received, ledger.problems) == (2, ())


def test_a_part_that_a_door_writes_to_at_the_same_moment_is_not_emptied(
    inbox: Inbox, node: Node
) -> None:
    """A door that read which part is the current one just before it was left."""
    committed(inbox, a_record())
    node.absorb()
    node.keep()
    inbox.sql("UPDATE inbox_turn SET slot = 0")
    committed(inbox, a_record(), closes=False)
    inbox.sql("UPDATE inbox_turn SET slot = 1")
    assert node.keep().emptied == 0
    assert node.absorb() == 1
    assert node.ledger().problems == ()


@pytest.mark.parametrize("state", ["written to", "ended", "absorbed", "counted"])
def test_a_part_is_emptied_only_if_all_of_it_is_ended_absorbed_and_counted(
    inbox: Inbox, node: Node, state: str
) -> None:
    """Whoever asks, and whatever came in since it looked."""
    committed(inbox, a_record(), closes=state != "written to")
    if state in {"absorbed", "counted"}:
        node.absorb()
    if state == "counted":
        inbox.sql("INSERT INTO inbox_tallies SELECT segment, '{}' FROM inbox_segments")
    assert inbox.sql("SELECT empty_inbox(0::smallint)") == [(state == "counted",)]
    assert node.rows() == (0 if state == "counted" else 2)
