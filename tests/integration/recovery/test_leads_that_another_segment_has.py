"""An I/O error, then a power cut: what was absorbed from a segment is only in the next one now.

The store holds such a lead once, under the segment that lost it. The copy proves it, by its id and
by nothing else; so a lead that no journal holds is unknown beside it all the same. The segment that
lost something stays in its journal, whatever becomes of the other.
"""

import pytest

from leadkeep.journal.base import SegmentInfo
from leadkeep.models import Record
from leadkeep.recovery.ledger import Ledger, ProblemKind
from tests.integration.absorber.absorbing_bench import write
from tests.integration.recovery.books import Books, flip
from tests.store.builders import a_record

SECOND_GROUP = 8_192


def lose_the_tail(info: SegmentInfo, offset: int = SECOND_GROUP) -> None:
    """What a power cut does to bytes that were written and never synced."""
    for mark in info.path.parent.glob("*.mark"):
        mark.unlink()
    content = info.path.read_bytes()
    info.path.write_bytes(content[:offset] + bytes(len(content) - offset))


async def taken_over(books: Books, copies: list[Record], *, lost: list[Record]) -> SegmentInfo:
    """The first segment has lost its second group, and the second one holds `copies`."""
    first = books.sealed([a_record()], lost)
    await books.absorb()
    books.sealed(copies, [a_record()], journal="second")
    await books.absorb()
    lose_the_tail(first)
    return first


async def leaves_journal(books: Books, where: str) -> None:
    """The one that is whole does."""
    if where != "journals":
        done = await books.tidy()
        assert (done.archived, done.kept_damaged > 0) == (1, True)
    if where == "tallies":
        await books.settle()
        await books.prune()


def unknown(ledger: Ledger) -> int:
    """Leads that are unknown; nothing else is wrong."""
    assert {problem.kind for problem in ledger.problems} <= {ProblemKind.UNKNOWN}
    return ledger.unexplained


@pytest.mark.parametrize("where", ["journals", "archive", "tallies"])
async def test_leads_that_the_next_segment_holds_are_accounted_for(
    books: Books, where: str
) -> None:
    lost = [a_record(), a_record()]
    first = await taken_over(books, lost, lost=lost)
    await leaves_journal(books, where)
    ledger = await books.ledger()
    assert (ledger.received, ledger.problems) == (4, ())
    assert ledger.total.answers == {200: 4}
    (note,) = ledger.notes
    assert str(first.segment) in note
    assert "2 of the leads" in note


async def test_the_copy_may_wait(books: Books) -> None:
    lost = [a_record(), a_record()]
    first = books.sealed([a_record()], lost)
    await books.absorb()
    journal = books.bench.journal("second")
    write(journal, lost, [a_record()])
    lose_the_tail(first)
    ledger = await books.ledger()
    journal.close()
    assert (ledger.received, ledger.not_absorbed, ledger.problems) == (4, 1, ())


@pytest.mark.parametrize("where", ["journals", "archive", "tallies"])
async def test_one_that_no_journal_holds_is_unknown_all_the_same(books: Books, where: str) -> None:
    lost = [a_record(), a_record(), a_record()]
    first = await taken_over(books, lost[:2], lost=lost)
    await leaves_journal(books, where)
    ledger = await books.ledger()
    assert unknown(ledger) == 1
    (problem,) = ledger.problems
    assert (problem.segment, problem.leads) == (first.segment, 1)


@pytest.mark.parametrize(("answered", "unexplained"), [(False, 0), (True, 2)])
async def test_one_that_no_vendor_was_told_2xx_for_needs_no_copy(
    books: Books, answered: bool, unexplained: int
) -> None:
    first = books.sealed([a_record()], [a_record(), a_record()])
    await books.absorb()
    books.sql(f"UPDATE leads SET acknowledged = {answered} WHERE group_offset = {SECOND_GROUP}")
    lose_the_tail(first)
    ledger = await books.ledger()
    assert unknown(ledger) == unexplained
    assert ledger.total.unacknowledged == (0 if answered else 2)
    assert ledger.received == (1 if answered else 3)
    assert [str(first.segment) in note for note in ledger.notes] == ([] if answered else [True])


@pytest.mark.parametrize("where", ["journals", "archive", "tallies"])
async def test_a_copy_of_what_the_first_still_holds_explains_no_other(
    books: Books, where: str
) -> None:
    kept = a_record()
    first = books.sealed([kept], [a_record()])
    await books.absorb()
    books.sealed([kept], journal="second")
    await books.absorb()
    lose_the_tail(first)
    await leaves_journal(books, where)
    assert unknown(await books.ledger()) == 1


@pytest.mark.parametrize("where", ["journals", "archive", "tallies"])
async def test_a_segment_that_took_over_as_many_as_it_lost_hides_neither(
    books: Books, where: str
) -> None:
    of_first, of_second = a_record(), a_record()
    first = books.sealed([a_record()], [of_first])
    await books.absorb()
    second = books.sealed([of_first], [of_second], journal="second")
    await books.absorb()
    books.sealed([of_second])
    await books.absorb()
    lose_the_tail(first)
    lose_the_tail(second)
    await leaves_journal(books, where)
    ledger = await books.ledger()
    assert (ledger.received, ledger.problems) == (3, ())


async def test_a_store_that_was_rebuilt_has_them_where_they_are(books: Books) -> None:
    lost = [a_record(), a_record()]
    first = await taken_over(books, lost, lost=lost)
    await leaves_journal(books, "archive")
    books.sql("DROP TRIGGER refuse_to_change_a_request")
    books.sql(
        "UPDATE leads SET group_offset = 4096, segment = "
        f"(SELECT id FROM segments WHERE segment <> '{first.segment}') "
        f"WHERE group_offset = {SECOND_GROUP} AND segment = "
        f"(SELECT id FROM segments WHERE segment = '{first.segment}')"
    )
    ledger = await books.ledger()
    assert (ledger.received, ledger.problems, ledger.notes) == (4, (), ())


async def test_damaged_bytes_are_no_second_explanation(books: Books) -> None:
    lost = [a_record(), a_record()]
    first = books.sealed([a_record()], lost)
    await books.absorb()
    books.sealed(lost, journal="second")
    await books.absorb()
    flip(first, SECOND_GROUP + 70)  # Its mark still says that they were acknowledged here.
    stranger = books.sealed([a_record()])
    await books.absorb()
    books.sql("DROP TRIGGER refuse_to_change_a_request")
    books.sql(
        f"UPDATE leads SET segment = (SELECT id FROM segments WHERE segment = '{first.segment}'), "
        "lead_id = '00000000-0000-7000-8000-000000000001', group_offset = 4096 "
        "WHERE id = (SELECT max(id) FROM leads)"
    )
    problems = {problem.kind: problem.segment for problem in (await books.ledger()).problems}
    assert problems == {
        ProblemKind.UNKNOWN: first.segment,
        ProblemKind.MISSING: stranger.segment,
    }
