"""Tallies: counted by day and source, kept in lines that outlive what was counted."""

from pathlib import Path
from uuid import UUID

import pytest

from leadkeep.journal.base import Damage, GroupHeads, TornTail
from leadkeep.journal.lines import DamagedLine
from leadkeep.journal.records import Head
from leadkeep.models import RecordKind
from leadkeep.recovery.tallies import TallyBook
from leadkeep.recovery.tally import Count, SegmentCount, Tally, TallyRow, leads_before, rows_of
from leadkeep.store.census import Cell
from tests.fakes.clock import FakeClock

NOON_US = 1_786_795_200_000_000
DAY_US = 86_400_000_000
HERE, THERE = UUID(int=1), UUID(int=2)
BLOCK = 4096


def head(number: int, kind: RecordKind = RecordKind.LEAD, *, status: int = 200) -> Head:
    return Head(kind, number.to_bytes(16, "big"), NOON_US, status, b"lqf")


def group(number: int, *heads: Head, acknowledged: bool = True) -> GroupHeads:
    return GroupHeads(number * BLOCK, (number + 1) * BLOCK, heads, acknowledged)


def a_tally(segment: UUID = HERE, **changes: object) -> Tally:
    row = TallyRow(
        day="2026-08-15",
        source="lqf",
        answers={200: 3, 202: 1},
        unacknowledged=1,
        probes=2,
        rejections={413: 1},
        handshakes=1,
        copies={THERE: bytes(32)},
    )
    values: dict[str, object] = {"rows": (row,), "damage": (Damage(4096, 8192, "bad", 3),)}
    return Tally(segment, "journal", **(values | changes))  # type: ignore[arg-type]  # overrides


def test_each_record_is_counted_once_by_what_it_is() -> None:
    count = Count()
    count.take(group(1, head(1), head(2, status=202), head(3, RecordKind.PROBE)))
    count.take(group(2, head(4), head(5), acknowledged=False))
    count.take(group(3, head(0, RecordKind.REJECTION, status=413), head(0, RecordKind.HANDSHAKE)))
    count.take(Damage(4 * BLOCK, 5 * BLOCK, "bad"))
    count.take(TornTail(5 * BLOCK))
    (row,) = rows_of(count.records, ())
    assert row == TallyRow(
        day="2026-08-15",
        source="lqf",
        answers={200: 3, 202: 1},
        unacknowledged=2,
        probes=1,
        rejections={413: 1},
        handshakes=1,
    )
    assert count.leads() == {Cell("2026-08-15", "lqf"): 4}
    assert len(count.damage) == 1


def test_a_segment_is_counted_in_two_parts() -> None:
    entries: list[GroupHeads | Damage | TornTail]
    entries = [group(1, head(1)), Damage(2 * BLOCK, 3 * BLOCK, "bad"), group(3, head(2), head(3))]
    parts = SegmentCount(iter(entries), 3 * BLOCK)
    assert parts.absorbed.leads().total() == 1
    assert len(parts.absorbed.damage) == 1
    assert parts.waiting.leads().total() == 2
    assert [int.from_bytes(one, "big") for one in parts.waiting_leads] == [2, 3]
    assert SegmentCount(iter(entries), None).absorbed.leads().total() == 3


def test_a_lead_that_stands_twice_is_told() -> None:
    found, repeated = leads_before(iter([group(1, head(1)), group(2, head(1), head(2))]), None)
    assert (len(found), repeated.total()) == (2, 1)


def test_copies_are_told_lead_by_lead() -> None:
    key = (NOON_US // DAY_US, b"lqf", 1, 200, True)
    ids = [number.to_bytes(16, "big") for number in range(3)]
    rows = rows_of(Count().records, [(key, THERE, one) for one in ids])
    tally = a_tally(rows=tuple(rows))
    assert list(tally.copies()) == [(Cell("2026-08-15", "lqf"), THERE, one) for one in ids]
    assert tally.leads().total() == 0


def test_what_was_written_is_read_again_and_the_later_tally_of_a_segment_counts(
    tmp_path: Path, clock: FakeClock
) -> None:
    book = TallyBook(tmp_path, clock=clock)
    book.write(a_tally())
    book.write(a_tally(THERE))
    clock.advance(DAY_US / 1e6)
    book.write(a_tally(THERE, damage=()))
    assert [path.name for path in sorted((tmp_path / "tallies").iterdir())] == [
        "2026-08-15.jsonl",
        "2026-08-16.jsonl",
    ]
    read = TallyBook(tmp_path).all()
    assert read.found == {HERE: a_tally(), THERE: a_tally(THERE, damage=())}
    assert read.damaged == ()


def test_a_line_as_long_as_a_segment_of_copies_is_read(tmp_path: Path, clock: FakeClock) -> None:
    rows = (TallyRow("2026-08-15", "lqf", copies={THERE: bytes(16 * 200_000)}),)
    book = TallyBook(tmp_path, clock=clock)
    book.write(a_tally(rows=rows))
    assert book.all().found[HERE].rows == rows


def test_a_changed_line_is_named_and_one_without_end_is_not(
    tmp_path: Path, clock: FakeClock
) -> None:
    book = TallyBook(tmp_path, clock=clock)
    for segment in (HERE, THERE):
        book.write(a_tally(segment))
    (path,) = (tmp_path / "tallies").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"2026", b"2025", 1) + whole[:50])
    read = book.all()
    assert list(read.found) == [THERE]
    assert read.damaged == (DamagedLine(path, 1),)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
