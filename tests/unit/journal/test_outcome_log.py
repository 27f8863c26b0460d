"""The log of outcomes: appended, synced, and believed line by line."""

from pathlib import Path

import pytest

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.outcomes import DamagedLine, OutcomeLine, OutcomeLog
from tests.fakes.clock import FakeClock
from tests.unit.journal.journal_parts import FailingSyscalls


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive" / "outcomes"


def line(number: int, status: str = "completed") -> OutcomeLine:
    return OutcomeLine(
        delivery_id=number,
        lead_id=f"018f2f6e-0000-7000-8000-{number:012d}",
        destination="crm",
        status=status,
        attempt=1,
        at_ms=1_786_802_449_123 + number,
    )


def test_what_was_appended_is_read_in_order_over_days_and_restarts(
    folder: Path, clock: FakeClock
) -> None:
    for day in range(3):
        log = OutcomeLog(folder, clock=clock)
        log.append([line(2 * day), line(2 * day + 1)])
        log.close()
        clock.advance(86_400)
    assert [path.name for path in sorted(folder.iterdir())] == [
        "2026-08-15.jsonl",
        "2026-08-16.jsonl",
        "2026-08-17.jsonl",
    ]
    assert list(OutcomeLog(folder).read()) == [line(number) for number in range(6)]


def test_a_day_that_ends_while_it_is_open_begins_a_new_file(folder: Path, clock: FakeClock) -> None:
    log = OutcomeLog(folder, clock=clock)
    log.append([line(1)])
    clock.advance(86_400)
    log.append([line(2)])
    log.close()
    assert len(list(folder.iterdir())) == 2


def test_a_log_that_was_never_written_is_empty(folder: Path) -> None:
    assert list(OutcomeLog(folder).read()) == []


def test_cut_at_any_byte_the_lines_before_are_believed_and_the_torn_one_is_noticed(
    folder: Path, clock: FakeClock
) -> None:
    log = OutcomeLog(folder, clock=clock)
    log.append([line(1), line(2), line(3)])
    log.close()
    path = folder / "2026-08-15.jsonl"
    whole = path.read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == 10]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        found = list(log.read())
        complete = sum(end <= cut for end in ends)
        assert found[:complete] == [line(1), line(2), line(3)][:complete]
        torn = [DamagedLine(path, complete + 1, torn=True)] if cut not in {0, *ends} else []
        assert found[complete:] == torn, cut


def test_with_any_byte_changed_no_line_is_believed_that_was_not_written(
    folder: Path, clock: FakeClock
) -> None:
    log = OutcomeLog(folder, clock=clock)
    log.append([line(1), line(2)])
    log.close()
    path = folder / "2026-08-15.jsonl"
    whole = path.read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(changed)
        found = list(log.read())
        assert all(one in (line(1), line(2)) for one in found if isinstance(one, OutcomeLine))
        assert any(isinstance(one, DamagedLine) for one in found), at


def test_after_a_torn_line_new_ones_begin_on_their_own(folder: Path, clock: FakeClock) -> None:
    log = OutcomeLog(folder, clock=clock)
    log.append([line(1), line(2)])
    log.close()
    path = folder / "2026-08-15.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    again = OutcomeLog(folder, clock=clock)
    again.append([line(3)])
    again.close()
    assert list(again.read()) == [line(1), DamagedLine(path=path, line=2), line(3)]


def test_a_file_whose_sync_failed_is_not_written_again(folder: Path, clock: FakeClock) -> None:
    calls = FailingSyscalls()
    log = OutcomeLog(folder, clock=clock, syscalls=calls)
    log.append([line(1)])
    calls.fail_group_syncs = 1
    with pytest.raises(JournalUnavailable, match="cannot be synced"):
        log.sync()
    log.append([line(2)])
    log.close()
    assert sorted(path.name for path in folder.iterdir()) == [
        "2026-08-15.2.jsonl",
        "2026-08-15.jsonl",
    ]
    assert list(log.read()) == [line(1), line(2)]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JournalUnavailable, match="cannot be written"):
        OutcomeLog(tmp_path / "file" / "outcomes", clock=clock).append([line(1)])
