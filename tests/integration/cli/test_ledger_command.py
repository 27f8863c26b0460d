"""`leadkeep ledger`: words, table, JSON and exit code."""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from leadkeep import Queue
from leadkeep.cli import ledger as ledger_command
from leadkeep.cli.ledger import _recent
from leadkeep.recovery.ledger import LedgerRow, Problem, ProblemKind, summed
from leadkeep.states import LeadClass
from tests.integration.cli.installation import Installation

TO = ("--forward-to", "http://127.0.0.1:9/")
BODY = '{"phone": "6145550142"}'


def pushed(installation: Installation, times: int) -> None:
    """Accept leads."""
    for _ in range(times):
        installation.ok("push", "-", *TO, stdin=BODY)


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def forget_lead(installation: Installation) -> None:
    """What somebody with a shell of SQLite can do."""
    store = sqlite3.connect(installation.data / "leadkeep.db", isolation_level=None)
    store.execute("DROP TRIGGER refuse_to_drop_an_unsettled_delivery")
    store.execute("DELETE FROM deliveries WHERE lead = 1")
    store.execute("DELETE FROM leads WHERE id = 1")
    store.close()


def test_before_the_first_lead_it_makes_nothing(installation: Installation) -> None:
    assert installation.ok("ledger") == "No lead has been received.\n"
    assert not installation.data.exists()


def test_every_lead_is_accounted_for_before_and_after_it_is_absorbed(
    installation: Installation,
) -> None:
    pushed(installation, 2)
    told = installation.json("ledger")
    assert (told["total"]["received"], told["total"]["not_absorbed"]) == (2, 2)
    installation.run("process-queue", *TO)
    text = installation.ok("ledger")
    assert text.startswith("Every one of the 2 leads received is accounted for.\n")
    header, row, total = [line.split("\t") for line in text.splitlines() if "\t" in line]
    assert row[:3] == [today(), "default", "2"]
    assert dict(zip(header, total, strict=True))["PENDING"] == "2"
    assert (total[0], dict(zip(header, total, strict=True))["UNEXPLAINED"]) == ("total", "0")
    assert "Answers to leads: 200 to 2" in text


def test_a_lost_lead_is_exit_code_3_with_what_to_do(installation: Installation) -> None:
    pushed(installation, 2)
    installation.run("process-queue", *TO)
    forget_lead(installation)
    result = installation.run("ledger")
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[0] == "1 lead is unexplained."
    assert lines[1].startswith("✗ 1 lead is of segment ")
    assert lines[2].startswith("  what to do: `leadkeep journal cat --lead ")
    told = json.loads(installation.run("ledger", "--json").stdout)
    assert (told["balanced"], told["unexplained"]) == (False, 1)
    (problem,) = told["problems"]
    assert (problem["kind"], problem["leads"]) == ("missing", 1)
    assert problem["rows"] == [{"day": today(), "source": "default", "leads": 1}]
    assert installation.json("journal", "cat", "--lead", problem["lead_ids"][0])


def test_a_day_and_a_source_are_chosen(installation: Installation) -> None:
    pushed(installation, 1)
    for words, received in (
        (("--day", "today"), 1),
        (("--day", today()), 1),
        (("--day", "2001-01-01"), 0),
        (("--source", "default"), 1),
        (("--source", "other", "--source", "another"), 0),
    ):
        told = installation.json("ledger", *words)
        assert told["total"]["received"] == received, words
        assert len(told["rows"]) == received
    result = installation.run("ledger", "--day", "soon")
    assert result.exit_code == 2
    assert "Say 2026-08-15, today or yesterday" in result.output


def test_a_problem_of_another_day_is_left_out_and_one_of_no_day_is_not(
    installation: Installation,
) -> None:
    pushed(installation, 2)
    installation.run("process-queue", *TO)
    forget_lead(installation)
    assert installation.run("ledger", "--day", "2001-01-01").exit_code == 0
    max((installation.data / "journal").glob("writer-*/*.segment")).unlink()
    assert installation.run("ledger", "--day", "2001-01-01").exit_code == 0
    (installation.data / "leadkeep.db").unlink()
    assert installation.run("ledger", "--day", "2001-01-01").exit_code == 3


def test_a_store_that_cannot_be_read_is_an_error_and_no_verdict(
    installation: Installation,
) -> None:
    pushed(installation, 1)
    (installation.data / "leadkeep.db").write_bytes(b"no database" * 100)
    result = installation.run("ledger")
    assert result.exit_code == 1
    assert "error:" in result.stderr
    assert result.stdout == ""


def test_the_queue_of_python_has_it(installation: Installation) -> None:
    pushed(installation, 1)
    with Queue.open(data=str(installation.data)) as queue:
        ledger = queue.ledger()
    assert (ledger.received, ledger.not_absorbed, ledger.unexplained) == (1, 1, 0)


# ---------------------------------------------------------------- as it is shown


def a_row(day: str, source: str = "default", **changes: Any) -> LedgerRow:
    values: dict[str, Any] = {
        "day": day,
        "source": source,
        "received": 10,
        "by_class": dict.fromkeys(LeadClass, 0) | {LeadClass.COMPLETED: 10},
        "answers": {200: 10},
        "rejections": {413: 1},
    }
    zeros = dict.fromkeys(LedgerRow.__struct_fields__, 0)
    return LedgerRow(**(zeros | values | changes))


def test_a_terminal_shows_two_weeks_and_the_time_before_by_source() -> None:
    rows = [a_row(f"2026-08-{day:02d}", one) for day in range(1, 31) for one in ("a", "b")]
    shown = _recent(rows)
    assert [(row.day, row.source) for row in shown[:3]] == [
        ("< 2026-08-17", "a"),
        ("< 2026-08-17", "b"),
        ("2026-08-17", "a"),
    ]
    assert (shown[0].received, shown[0].rejections) == (160, {413: 16})
    assert summed(shown).received == summed(rows).received == 600
    assert _recent(rows[:28]) == rows[:28]


def test_many_problems_do_not_hide_the_table(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadkeep.recovery.ledger import Affected, Ledger

    problem = Problem(
        ProblemKind.MISSING, "lost", "look", rows=(Affected("2026-08-15", "default", 1),)
    )
    many = Ledger(
        taken_at_ms=0,
        rows=(a_row("2026-08-15", missing=25, received=35),),
        problems=(problem,) * 25,
        notes=("by the way",),
        segments=1,
    )

    async def taken(_settings: object) -> Ledger:
        return many

    monkeypatch.setattr("leadkeep.app.ledger", taken)
    result = installation.run("ledger")
    assert result.exit_code == 3
    assert result.stdout.count("✗ Lost.") == ledger_command._PROBLEMS_SHOWN
    assert "✗ and 15 more; --json names all." in result.stdout
    assert "note: by the way" in result.stdout
    assert "Requests that could not be taken whole: 413 to 1" in result.stdout


def test_it_can_be_asked_by_one_who_may_only_look(installation: Installation) -> None:
    pushed(installation, 1)
    installation.run("process-queue", *TO)
    before = _everything(installation.data)
    installation.ok("ledger")
    assert _everything(installation.data) == before


def _everything(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file but SQLite's own shared memory, with its size and time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(("-shm", "-wal")):
            stat = path.stat()
            found[str(path)] = (stat.st_size, stat.st_mtime_ns)
    return found
