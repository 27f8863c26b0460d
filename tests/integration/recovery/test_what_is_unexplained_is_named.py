"""Whatever is done behind Leadkeep's back shows in the ledger, with a name and a way out."""

import shutil

import pytest
from structlog.testing import capture_logs

from leadkeep.journal.identity import text as id_text
from leadkeep.models import Record
from leadkeep.recovery.ledger import Ledger, Problem, ProblemKind
from leadkeep.states import LeadClass
from tests.integration.absorber.absorbing_bench import write
from tests.integration.recovery.books import Books, classes, flip, groups_of
from tests.store.builders import a_probe, a_record


def the_problem(ledger: Ledger, kind: ProblemKind) -> Problem:
    """The one there is."""
    assert [problem.kind for problem in ledger.problems] == [kind]
    (problem,) = ledger.problems
    assert problem.hint
    return problem


# ---------------------------------------------------------------- leads that went


@pytest.mark.parametrize("archived", [False, True])
async def test_a_lead_that_was_deleted_is_missing_and_named_by_its_id(
    books: Books, archived: bool
) -> None:
    records = [a_record(), a_record(), a_record()]
    segment = books.sealed(records).segment
    await books.absorb()
    if archived:
        await books.tidy()
    books.delete_lead(records[1].lead_id)
    ledger = await books.ledger()
    assert (ledger.received, ledger.unexplained) == (3, 1)
    assert ledger.sentence == "1 lead is unexplained."
    problem = the_problem(ledger, ProblemKind.MISSING)
    assert problem.lead_ids == (id_text(records[1].lead_id),)
    assert problem.segment == segment
    assert f"journal cat --lead {problem.lead_ids[0]}" in problem.hint


async def test_a_lead_that_was_deleted_is_missing_still_when_its_segment_is_pruned(
    books: Books,
) -> None:
    records = [a_record(), a_record()]
    segment = await books.archived(records)
    await books.settle()
    await books.prune()
    books.delete_lead(records[0].lead_id)
    ledger = await books.ledger()
    problem = the_problem(ledger, ProblemKind.MISSING)
    assert (ledger.unexplained, problem.segment, problem.lead_ids) == (1, segment, ())
    assert "left the archive" in problem.hint


async def test_a_lost_lead_and_an_invented_one_do_not_make_up_for_each_other(books: Books) -> None:
    records = [a_record(), a_record()]
    first = books.sealed(records)
    second = books.sealed([a_record()])
    await books.absorb()
    books.sql("DROP TRIGGER refuse_to_change_a_request")
    row = "(SELECT id FROM segments WHERE segment = '{}')"
    books.sql(
        f"UPDATE leads SET segment = {row.format(second.segment)}, "
        "lead_id = '00000000-0000-7000-8000-000000000001' "
        f"WHERE segment = {row.format(first.segment)} AND id = 1"
    )
    ledger = await books.ledger()
    kinds = {problem.kind: problem.leads for problem in ledger.problems}
    assert kinds == {ProblemKind.MISSING: 1, ProblemKind.UNKNOWN: 1}
    assert ledger.unexplained == 2
    assert ledger.total.received == sum(ledger.by_class.values()) == 3


async def test_a_segment_with_a_lead_that_the_store_lacks_is_not_archived(books: Books) -> None:
    records = [a_record(), a_record()]
    info = books.sealed(records)
    await books.absorb()
    books.delete_lead(records[0].lead_id)
    with capture_logs() as logs:
        done = await books.tidy()
    assert (done.archived, done.kept_damaged) == (0, 1)
    assert [log["reason"] for log in logs] == ["1 of its leads are not in the store"]
    assert info.path.exists()
    assert (await books.ledger()).unexplained == 1


async def test_leads_without_a_delivery_are_in_no_queue_and_so_unexplained(books: Books) -> None:
    books.sealed([a_record(), a_record()])
    await books.absorb()
    books.sql("DROP TRIGGER refuse_to_drop_an_unsettled_delivery")
    books.sql("DELETE FROM deliveries WHERE lead = 1")
    ledger = await books.ledger()
    problem = the_problem(ledger, ProblemKind.WITHOUT_DELIVERY)
    assert (problem.leads, ledger.unexplained) == (1, 1)
    assert classes(ledger) == {LeadClass.PENDING: 1}


# ---------------------------------------------------------------- segments that went


async def test_a_segment_that_was_deleted_is_named_with_what_the_store_has_of_it(
    books: Books,
) -> None:
    gone = books.sealed([a_record(), a_record()], [a_record(source="lqf")])
    await books.absorb()
    await books.archived([a_record()])
    (kept,) = [one for one in books.archive.segments() if one.segment == gone.segment]
    shutil.rmtree(kept.path.parent)
    for path in books.tally_files():
        path.write_bytes(b"")
    ledger = await books.ledger()
    assert {problem.kind for problem in ledger.problems} == {ProblemKind.SEGMENT_GONE}
    (problem,) = [one for one in ledger.problems if one.segment == gone.segment]
    assert [(row.source, row.leads) for row in problem.rows] == [("default", 2), ("lqf", 1)]
    assert str(gone.segment) in problem.words
    assert "journal.folders" in problem.hint


async def test_a_lead_that_went_with_its_segment_is_told_by_what_was_absorbed(
    books: Books,
) -> None:
    records = [a_record(), a_record(), a_record()]
    info = books.sealed(records)
    await books.absorb()
    books.delete_lead(records[0].lead_id)
    info.path.unlink()
    ledger = await books.ledger()
    problem = the_problem(ledger, ProblemKind.SEGMENT_GONE)
    assert (problem.leads, problem.unplaced) == (3, 1)


async def test_a_journal_that_is_not_mounted_is_named_by_its_segments(books: Books) -> None:
    books.sealed([a_record()])
    info = books.sealed([a_record()], journal="second")
    await books.absorb()
    (books.bench.folder / "second").rename(books.bench.folder / "elsewhere")
    ledger = await books.ledger()
    problem = the_problem(ledger, ProblemKind.SEGMENT_GONE)
    assert (problem.segment, ledger.unexplained, ledger.total.unknown) == (info.segment, 1, 1)
    assert str(books.bench.folder / "second") in problem.words


async def test_a_segment_that_was_deleted_before_it_was_absorbed_is_told_by_its_mark(
    books: Books,
) -> None:
    journal = books.bench.journal()
    write(journal, [a_record(), a_record()])
    await books.absorb()
    write(journal, [a_record()])
    (info,) = [one for one in books.bench.reader().segments() if (one.durable or 0) > 4096]
    info.path.unlink()
    journal.close()
    ledger = await books.ledger()
    problem = the_problem(ledger, ProblemKind.SEGMENT_GONE)
    assert "not absorbed" in problem.words
    assert (problem.leads, problem.unplaced) == (3, 1)
    assert problem.segment == info.segment


async def test_a_segment_that_nobody_had_read_is_told_by_its_mark_alone(books: Books) -> None:
    info = books.sealed([a_record()])
    info.path.unlink()
    ledger = await books.ledger()
    problem = the_problem(ledger, ProblemKind.SEGMENT_GONE)
    assert (problem.segment, ledger.unexplained, ledger.received) == (info.segment, 1, 0)


async def test_a_segment_of_notices_alone_is_named_too(books: Books) -> None:
    info = books.sealed([a_probe()])
    await books.absorb()
    info.path.unlink()
    info.path.with_name(f"{info.segment}.mark").unlink()
    ledger = await books.ledger()
    assert the_problem(ledger, ProblemKind.SEGMENT_GONE).leads == 0
    assert not ledger.balanced
    assert ledger.sentence.startswith("All leads that can be counted")


async def test_leads_of_a_segment_that_the_store_itself_forgot_are_unknown(books: Books) -> None:
    await books.archived([a_record(), a_record()])
    books.sql("PRAGMA foreign_keys = OFF; DELETE FROM segments")
    ledger = await books.ledger()
    kinds = {problem.kind: problem.leads for problem in ledger.problems}
    assert kinds == {ProblemKind.SEGMENT_GONE: 2}


# ---------------------------------------------------------------- bytes that went


async def a_damaged_segment(books: Books, *, before: bool) -> Ledger:
    """Three groups, the middle one of two records unreadable since before or after absorbing."""
    info = books.sealed([a_record()], [a_record(), a_record()], [a_record()])
    groups = groups_of(books.bench.reader(), info)
    if not before:
        await books.absorb()
    flip(info, groups[1].offset + 100)
    if before:
        with capture_logs():
            await books.absorb()
    return await books.ledger()


async def test_leads_that_became_unreadable_before_they_were_absorbed_are_unexplained(
    books: Books,
) -> None:
    ledger = await a_damaged_segment(books, before=True)
    problem = the_problem(ledger, ProblemKind.UNREADABLE)
    assert (problem.unplaced, ledger.unexplained, ledger.received) == (2, 2, 2)
    assert "from 8,192 to 12,288" in problem.words
    with capture_logs():
        assert (await books.tidy()).archived == 0
    assert (await books.ledger()).unexplained == 2


async def test_leads_that_were_absorbed_before_their_bytes_went_bad_are_in_the_store(
    books: Books,
) -> None:
    ledger = await a_damaged_segment(books, before=False)
    assert (ledger.received, ledger.problems) == (4, ())
    assert "absorbed before" in ledger.notes[0]
    with capture_logs() as logs:
        assert (await books.tidy()).archived == 0
    assert "damaged at offset 8192" in logs[0]["reason"]


async def test_bytes_that_went_bad_after_they_were_read_whole_keep_their_segment(
    books: Books,
) -> None:
    info = books.sealed([a_record()], [a_record()])
    absorber = books.bench.absorber(*books.readers)
    await absorber.absorb_available()
    flip(info, groups_of(books.bench.reader(), info)[0].offset + 100)
    with capture_logs() as logs:
        done = await books.tidy(troubles=absorber.troubles)
    assert (done.archived, done.kept_damaged) == (0, 1)
    assert "damaged at offset 4096" in logs[0]["reason"]
    assert (await books.ledger()).problems == ()


async def test_a_header_that_cannot_be_read_is_told_and_at_least_one_record_assumed(
    books: Books,
) -> None:
    info = books.sealed([a_record()], [a_record(), a_record()], [a_record()])
    flip(info, groups_of(books.bench.reader(), info)[1].offset)
    ledger = await books.ledger()
    problem = the_problem(ledger, ProblemKind.UNREADABLE)
    assert (problem.unplaced, ledger.not_absorbed) == (1, 2)


async def test_a_segments_own_header_costs_no_lead_but_is_named(books: Books) -> None:
    info = books.sealed([a_record()])
    flip(info, 3)
    ledger = await books.ledger()
    assert the_problem(ledger, ProblemKind.UNREADABLE).leads == 0
    assert (ledger.received, ledger.not_absorbed) == (1, 1)


async def test_a_segment_that_was_cut_short_after_absorbing_leaves_leads_unknown(
    books: Books,
) -> None:
    info = books.sealed([a_record()], [a_record(), a_record()])
    await books.absorb()
    for mark in info.path.parent.glob("*.mark"):
        mark.unlink()
    content = info.path.read_bytes()
    info.path.write_bytes(content[:8192] + bytes(len(content) - 8192))
    ledger = await books.ledger()
    assert the_problem(ledger, ProblemKind.UNKNOWN).leads == ledger.unexplained == 2


# ---------------------------------------------------------------- tallies that went


async def two_tallied(books: Books) -> tuple[list[Record], Ledger]:
    records = [a_record(), a_record()]
    await books.archived(records)
    await books.archived([a_record()])
    await books.settle()
    return records, await books.ledger()


def damage_first_tally(books: Books) -> None:
    (path,) = books.tally_files()
    content = bytearray(path.read_bytes())
    content[30] ^= 1
    path.write_bytes(content)


async def test_a_damaged_tally_is_named_and_its_segment_counted_from_the_archive(
    books: Books,
) -> None:
    _, before = await two_tallied(books)
    damage_first_tally(books)
    ledger = await books.ledger()
    assert (ledger.rows, ledger.problems) == (before.rows, ())
    (note,) = ledger.notes
    assert f"{books.tally_files()[0]}, line 1" in note


async def test_a_damaged_tally_is_written_anew_while_the_archive_has_the_segment(
    books: Books,
) -> None:
    _, before = await two_tallied(books)
    damage_first_tally(books)
    await books.tidy()
    assert len(books.book.all().found) == 2
    await books.prune()
    ledger = await books.ledger()
    assert (ledger.rows, ledger.problems) == (before.rows, ())


async def test_a_damaged_tally_of_a_pruned_segment_leaves_it_unexplained_and_named(
    books: Books,
) -> None:
    await two_tallied(books)
    await books.prune()
    damage_first_tally(books)
    ledger = await books.ledger()
    problem = the_problem(ledger, ProblemKind.SEGMENT_GONE)
    assert (problem.leads, ledger.unexplained) == (2, 2)
    assert "no tally" in problem.words
    assert ledger.notes


async def test_a_tally_cut_short_by_a_crash_is_nothing_to_tell(books: Books) -> None:
    info = books.sealed([a_record()])
    kept = info.path.read_bytes()
    await books.absorb()
    await books.tidy()
    (path,) = books.tally_files()
    path.write_bytes(path.read_bytes()[:-20])
    shutil.rmtree(books.archive.folder / "segments")
    info.path.write_bytes(kept)
    assert (await books.ledger()).notes == ()
    await books.tidy()
    assert (await books.ledger()).received == 1


async def test_an_archived_copy_that_cannot_be_read_and_has_no_tally_is_named(
    books: Books,
) -> None:
    segment = await books.archived([a_record()])
    shutil.rmtree(books.archive.folder / "tallies")
    (kept,) = books.archive.segments()
    kept.path.write_bytes(kept.path.read_bytes()[:-9])
    ledger = await books.ledger()
    problem = the_problem(ledger, ProblemKind.SEGMENT_GONE)
    assert (problem.segment, ledger.unexplained) == (segment, 1)
    assert str(kept.path) in problem.words


# ---------------------------------------------------------------- stores that went


async def test_a_lost_store_is_named_and_what_is_left_is_not_absorbed(books: Books) -> None:
    await books.archived([a_record(), a_record()])
    books.sealed([a_record()])
    ledger = await books.ledger(any_store=False)
    problem = the_problem(ledger, ProblemKind.NO_STORE)
    assert (problem.leads, ledger.unexplained) == (0, 0)
    assert (ledger.received, ledger.not_absorbed, ledger.balanced) == (3, 3, False)


async def test_with_the_store_what_was_pruned_is_lost_and_told(books: Books) -> None:
    await books.archived([a_record(), a_record()])
    await books.settle()
    await books.prune()
    ledger = await books.ledger(any_store=False)
    kinds = {problem.kind: problem.leads for problem in ledger.problems}
    assert kinds == {ProblemKind.MISSING: 2, ProblemKind.NO_STORE: 0}
    assert (ledger.received, ledger.unexplained) == (2, 2)


async def test_a_folder_that_cannot_be_listed_is_named(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadkeep.errors import JournalUnavailable
    from leadkeep.journal.reader import DiskJournalReader

    books.sealed([a_record()])
    await books.absorb()
    listed = DiskJournalReader.segments

    def fails(self: DiskJournalReader) -> object:
        if self.folder.name == "journal":
            raise JournalUnavailable("the journal cannot be listed: injected")
        return listed(self)

    monkeypatch.setattr(DiskJournalReader, "segments", fails)
    ledger = await books.ledger()
    kinds = [problem.kind for problem in ledger.problems]
    assert kinds == [ProblemKind.SEGMENT_GONE, ProblemKind.CANNOT_LOOK]
    assert "injected" in ledger.problems[1].words
