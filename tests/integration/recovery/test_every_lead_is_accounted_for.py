"""Whatever way leads have come, the ledger balances, and says where each of them is."""

import shutil
from collections.abc import Awaitable, Callable

import pytest

from leadkeep.errors import RecordRefused
from leadkeep.journal.archive import Archive
from leadkeep.journal.base import SegmentState
from leadkeep.models import AbsorbBatch, AbsorbReport, Record, RecordFlag, RecordKind, Selection
from leadkeep.recovery.journals import Journals
from leadkeep.recovery.ledger import Ledger
from leadkeep.recovery.tallies import Tallies, TallyBook
from leadkeep.states import LeadClass, Status, Verb
from leadkeep.store.census import Census
from tests.integration.absorber.absorbing_bench import Storing, SyncFails, write
from tests.integration.recovery.books import Books, classes
from tests.store.builders import RECEIVED_AT_US, a_probe, a_record, an_outcome

DAY_US = 86_400_000_000


async def test_before_the_first_lead_there_is_nothing_to_account_for(books: Books) -> None:
    ledger = await books.ledger()
    assert (ledger.rows, ledger.received, ledger.balanced) == ((), 0, True)
    assert ledger.sentence == "No lead has been received."


async def test_a_living_writers_leads_are_told_apart_by_what_is_absorbed(books: Books) -> None:
    journal = books.bench.journal()
    write(journal, [a_record(), a_record()])
    await books.absorb()
    write(journal, [a_record()], [a_record(), a_record()])
    ledger = await books.ledger()
    journal.close()
    assert (ledger.received, ledger.not_absorbed, ledger.unexplained) == (5, 3, 0)
    assert classes(ledger) == {LeadClass.PENDING: 2}


async def test_each_class_is_counted_by_day_and_source(books: Books) -> None:
    tomorrow = RECEIVED_AT_US + DAY_US
    books.sealed([a_record(), a_record(received_at_us=tomorrow)], [a_record(source="lqf")])
    await books.absorb()
    await books.settle()
    books.sealed([a_record(), a_record()])
    await books.absorb()
    claims = await books.store.claim(
        "default", limit=2, lease_ms=9_000, longest_wait_ms=9_000, worker="w"
    )
    await books.store.record([an_outcome(claims[0], Status.FAILED)])
    ledger = await books.ledger()
    assert [(row.day, row.source, row.received) for row in ledger.rows] == [
        ("2026-08-15", "default", 3),
        ("2026-08-15", "lqf", 1),
        ("2026-08-16", "default", 1),
    ]
    assert classes(ledger) == {
        LeadClass.COMPLETED: 2,
        LeadClass.CANCELLED: 1,
        LeadClass.FAILED: 1,
        LeadClass.PROCESSING: 1,
    }
    assert ledger.only(day="2026-08-16").received == 1
    assert ledger.only(sources=["lqf"]).by_class[LeadClass.CANCELLED] == 1
    assert ledger.sentence == "Every one of the 5 leads received is accounted for."


async def test_answers_probes_rejections_and_handshakes_stand_beside_it(books: Books) -> None:
    def notice(kind: RecordKind, status: int) -> Record:
        return a_probe(kind=kind, answer_status=status)

    def groups() -> list[list[Record]]:
        return [
            [a_record(), a_record(answer_status=202)],
            [notice(RecordKind.PROBE, 200)] * 3,
            [notice(RecordKind.REJECTION, 413), notice(RecordKind.REJECTION, 400)],
            [notice(RecordKind.HANDSHAKE, 200), notice(RecordKind.REJECTION, 413)],
        ]

    await books.archived(*groups())
    books.sealed(*groups())
    for _ in range(2):
        ledger = await books.ledger()
        assert (ledger.received, ledger.unexplained) == (4, 0)
        total = ledger.total
        assert total.answers == {200: 2, 202: 2}
        assert (total.probes, total.handshakes) == (6, 2)
        assert total.rejections == {400: 2, 413: 4}
        await books.absorb()


async def test_leads_whose_sender_got_no_answer_are_leads_and_told(books: Books) -> None:
    calls = SyncFails()
    journal = books.bench.journal(calls=calls)
    write(journal, [a_record()])
    calls.failing = True
    with pytest.raises(Exception, match="failed twice"):
        write(journal, [a_record()])
    calls.failing = False
    journal.close()
    await books.absorb()
    ledger = await books.ledger()
    # The journal tried the lead in a second segment, which failed as well.
    assert (ledger.received, ledger.unexplained) == (2, 0)
    assert ledger.total.unacknowledged == 1


async def test_quarantined_leads_are_held_and_accounted_for(books: Books) -> None:
    books.sealed([a_record(source="", flags=RecordFlag.NO_ROUTE, target=b"/nowhere")])
    await books.absorb()
    ledger = await books.ledger()
    assert classes(ledger) == {LeadClass.HELD: 1}
    assert (ledger.rows[0].source, ledger.unexplained) == ("", 0)


async def test_a_lead_that_the_store_refused_is_found_under_the_same_day_and_source(
    books: Books,
) -> None:
    books.sealed(
        [a_record(received_at_us=-1, source="quelle-ä"), a_record(lead_number=7, source="b")],
        [a_record(received_at_us=RECEIVED_AT_US * 5_000)],
    )
    done = await books.absorb()
    assert done.refused == 2
    for _ in range(2):
        ledger = await books.ledger()
        assert [(row.day, row.source) for row in ledger.rows] == [
            ("1970-01-01", "quelle-ä"),
            ("2026-08-15", "b"),
            ("9999-12-31", "default"),
        ]
        assert (ledger.received, ledger.unexplained) == (3, 0)
        await books.tidy()


class Died(BaseException):
    """The end of the process."""


@pytest.mark.parametrize(("halves", "stored"), [(1, 4), (2, 8)])
async def test_a_batch_that_is_taken_in_parts_shows_nothing_unexplained(
    books: Books, halves: int, stored: int
) -> None:
    class TakesParts(Storing):
        """Refuses more than four leads at once, and dies before the position moves."""

        taken = 0

        async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
            if len(batch.leads) > 4:
                raise RecordRefused("injected")
            if self.taken == halves:
                raise Died
            self.taken += 1
            return await self.inner.absorb(batch)

    books.sealed([a_record() for _ in range(8)])
    with pytest.raises(Died):
        await books.absorb(store=TakesParts(books.store))
    ledger = await books.ledger()
    assert classes(ledger) == {LeadClass.PENDING: stored}
    assert (ledger.received, ledger.not_absorbed, ledger.unexplained) == (8, 8 - stored, 0)
    await books.absorb()
    assert (await books.ledger()).unexplained == 0


# ---------------------------------------------------------------- archive and pruning


async def test_it_goes_on_working_after_segments_have_left_the_archive(books: Books) -> None:
    await books.archived([a_record(), a_record()], [a_probe()])
    await books.archived([a_record(source="lqf", answer_status=202)])
    await books.settle()
    before = await books.ledger()
    await books.prune()
    after = await books.ledger()
    assert (after.rows, after.problems) == (before.rows, ())
    assert classes(after) == {LeadClass.COMPLETED: 2, LeadClass.CANCELLED: 1}


async def test_a_segment_that_could_not_be_removed_after_it_was_tallied_counts_once(
    books: Books,
) -> None:
    info = books.sealed([a_record(), a_record()])
    kept = info.path.read_bytes()
    await books.absorb()
    await books.tidy()
    info.path.write_bytes(kept)
    for _ in range(2):
        ledger = await books.ledger()
        assert (ledger.received, ledger.unexplained, ledger.segments) == (2, 0, 1)
        await books.tidy()
    assert len(list(books.book.read())) == 1


async def test_an_archive_of_before_there_were_tallies_is_counted_and_then_tallied(
    books: Books,
) -> None:
    await books.archived([a_record(), a_record()])
    await books.settle()
    shutil.rmtree(books.archive.folder / "tallies")
    first = await books.ledger()
    assert (first.received, first.problems) == (2, ())
    await books.tidy()
    assert len(books.book.all().found) == 1
    await books.prune()
    assert (await books.ledger()).rows == first.rows


async def test_nothing_leaves_the_archive_without_a_tally(books: Books) -> None:
    segment = await books.archived([a_record()])
    await books.settle()
    shutil.rmtree(books.archive.folder / "tallies")
    (path,) = [kept.path for kept in books.archive.segments()]
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    books.clock.advance(1)
    assert (await books.tidy(max_bytes=1)).pruned == 0
    path.write_bytes(whole)
    assert (await books.tidy(max_bytes=1)).pruned == 1
    assert segment in books.book.all().found


# ---------------------------------------------------------------- the same lead in two journals


async def absorb_all(books: Books) -> None:
    await books.absorb()


async def archive_all(books: Books) -> None:
    await books.absorb()
    await books.tidy()


async def prune_all(books: Books) -> None:
    await archive_all(books)
    await books.settle()
    await books.prune()


async def nothing(_books: Books) -> None:
    return


@pytest.mark.parametrize("step", [nothing, absorb_all, archive_all, prune_all])
async def test_a_lead_that_stands_in_two_journals_is_one_lead(
    books: Books, step: Callable[[Books], Awaitable[None]]
) -> None:
    twice = [a_record(), a_record(source="lqf")]
    books.sealed([a_record()], twice)
    books.sealed(twice, [a_record()], journal="second")
    await step(books)
    ledger = await books.ledger()
    assert (ledger.received, ledger.problems) == (4, ())
    assert sum(ledger.total.answers.values()) == 4


async def test_one_that_stands_twice_in_one_segment_is_one_lead(books: Books) -> None:
    record = a_record()
    books.sealed([record, a_record()], [record])
    for step in (nothing, absorb_all, archive_all):
        await step(books)
        ledger = await books.ledger()
        assert (ledger.received, ledger.problems) == (2, ())


async def test_the_copy_that_waits_is_no_second_lead(books: Books) -> None:
    twice = a_record()
    journal, second = books.bench.journal(), books.bench.journal("second")
    write(journal, [twice], [a_record()])
    await books.absorb()
    write(second, [twice], [a_record()])
    ledger = await books.ledger()
    journal.close()
    second.close()
    assert (ledger.received, ledger.not_absorbed, ledger.unexplained) == (3, 1, 0)


@pytest.mark.parametrize("pruned", [False, True])
async def test_a_rebuilt_store_may_hold_a_lead_under_the_other_segment(
    books: Books, pruned: bool
) -> None:
    twice = [a_record(), a_record()]
    first = books.sealed(twice, [a_record()])
    second = books.sealed(twice, journal="second")
    await archive_all(books)
    if pruned:
        await books.settle()
        await books.prune()
    row = "(SELECT id FROM segments WHERE segment = '{}')"
    books.sql("DROP TRIGGER refuse_to_change_a_request")
    books.sql(
        f"UPDATE leads SET segment = {row.format(second.segment)} "
        f"WHERE segment = {row.format(first.segment)} AND group_offset = 4096"
    )
    ledger = await books.ledger()
    assert (ledger.received, ledger.problems) == (3, ())


# ---------------------------------------------------------------- while everything moves


class Meanwhile(Storing):
    """A store in which something happens just after it was counted."""

    def __init__(self, books: Books, happens: Callable[[], Awaitable[object]]) -> None:
        super().__init__(books.store)
        self._happens = happens

    async def census(self) -> Census:
        counted = await self.inner.census()
        await self._happens()
        return counted


async def looked(books: Books, happens: Callable[[], Awaitable[object]]) -> Ledger:
    return await books.ledger(Meanwhile(books, happens))


async def test_what_is_absorbed_meanwhile_is_not_yet_absorbed(books: Books) -> None:
    journal = books.bench.journal()
    write(journal, [a_record()])
    await books.absorb()

    async def absorb() -> None:
        write(journal, [a_record(), a_record()])
        await books.absorb()
        write(journal, [a_record()])

    ledger = await looked(books, absorb)
    journal.close()
    assert (ledger.received, ledger.not_absorbed, ledger.unexplained) == (4, 3, 0)


async def test_what_is_absorbed_and_archived_meanwhile_is_not_yet_absorbed(books: Books) -> None:
    books.sealed(*[[a_record(), a_record()] for _ in range(3)])
    await books.absorb(limit=2)

    async def archive() -> None:
        await archive_all(books)

    ledger = await looked(books, archive)
    assert (ledger.received, ledger.not_absorbed, ledger.problems) == (6, 4, ())
    assert classes(ledger) == {LeadClass.PENDING: 2}


async def test_what_is_archived_and_pruned_meanwhile_is_accounted_for(books: Books) -> None:
    twice = a_record()
    books.sealed([twice, a_record()])
    books.sealed([twice], journal="second")
    await books.absorb()
    await books.settle()

    async def prune() -> None:
        await books.tidy(max_bytes=1)
        assert books.archive.segments() == []

    ledger = await looked(books, prune)
    assert (ledger.received, ledger.problems) == (2, ())


async def test_a_segment_that_came_and_went_meanwhile_is_not_yet_absorbed(books: Books) -> None:
    async def come_and_go() -> None:
        books.sealed([a_record(), a_record()])
        await books.absorb()
        await books.settle()
        await books.tidy(max_bytes=1)
        assert books.archive.segments() == []

    ledger = await looked(books, come_and_go)
    assert (ledger.received, ledger.not_absorbed, ledger.problems) == (2, 2, ())


async def test_a_segment_that_is_archived_between_counting_and_looking_closer(
    books: Books,
) -> None:
    twice = a_record()
    books.sealed([twice, a_record()])
    books.sealed([twice], journal="second")
    await books.absorb()

    class ArchivedThen(Storing):
        gone = False

        async def whereabouts(self, lead_ids: object) -> object:
            if not self.gone:
                self.gone = True
                await books.tidy()
            return await self.inner.whereabouts(lead_ids)  # type: ignore[arg-type]  # passed on

    ledger = await books.ledger(ArchivedThen(books.store))  # type: ignore[arg-type]  # as above
    assert (ledger.received, ledger.problems) == (2, ())


async def test_an_archive_that_is_tallied_and_pruned_while_it_is_looked_at(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    await books.archived([a_record(), a_record()])
    await books.settle()
    listed = books.archive.segments()
    await books.prune()
    all_tallies = TallyBook.all
    asked = 0

    def none_at_first(book: TallyBook) -> Tallies:
        nonlocal asked
        asked += 1
        return Tallies({}, ()) if asked == 1 else all_tallies(book)

    monkeypatch.setattr(Archive, "segments", lambda _: listed)
    monkeypatch.setattr(TallyBook, "all", none_at_first)
    ledger = await books.ledger()
    assert (ledger.received, ledger.problems, asked) == (2, (), 2)


async def test_control_journals_looked_at_before_the_store_would_show_leads_as_unknown(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = books.bench.journal()
    write(journal, [a_record()])
    before = Journals(books.readers, books.archive, [books.book]).counted({})
    write(journal, [a_record()])
    await books.absorb()
    assert (await books.ledger()).unexplained == 0
    monkeypatch.setattr(Journals, "counted", lambda *_: before)
    assert (await books.ledger()).unexplained > 0
    journal.close()


async def test_a_person_who_decides_meanwhile_changes_nothing(books: Books) -> None:
    await books.archived([a_record(), a_record()])

    async def cancel() -> None:
        everything = Selection(everything=True)
        await books.store.apply(Verb.CANCEL, everything, reason="test", actor="test")

    assert classes(await looked(books, cancel)) == {LeadClass.PENDING: 2}
    assert classes(await books.ledger()) == {LeadClass.CANCELLED: 2}


async def test_a_writers_mark_that_is_lost_makes_nothing_unknown(books: Books) -> None:
    journal = books.bench.journal()
    write(journal, [a_record(), a_record()])
    await books.absorb()
    for mark in books.bench.folder.glob("journal/writer-1/*.mark"):
        mark.unlink()
    states = {info.state for info in books.bench.reader().segments()}
    ledger = await books.ledger()
    journal.close()
    assert states == {SegmentState.LIVE}
    assert (ledger.received, ledger.problems) == (2, ())


# ---------------------------------------------------------------- without a store


async def test_without_a_store_what_was_accepted_is_not_absorbed(books: Books) -> None:
    books.sealed([a_record(), a_record()])
    ledger = await books.ledger(any_store=False)
    assert (ledger.received, ledger.not_absorbed, ledger.problems) == (2, 2, ())


async def test_a_store_that_was_set_back_takes_again_what_is_in_the_archive(books: Books) -> None:
    records = [a_record() for _ in range(4)]
    books.sealed(records[:2], records[2:])
    await books.absorb(limit=2)
    older = books.bench.folder / "older.db"
    books.sql(f"VACUUM INTO '{older}'")
    await archive_all(books)

    from leadkeep.clock import SystemClock
    from leadkeep.store.sqlite.opening import open_sqlite

    store = await open_sqlite(older, clock=SystemClock(), busy_timeout_ms=1_000)
    ledger = await books.ledger(store)
    await store.close()
    assert (ledger.received, ledger.not_absorbed, ledger.problems) == (4, 2, ())
