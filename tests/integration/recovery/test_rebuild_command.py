"""`leadkeep rebuild`: the store is lost, the leads are not, and nobody gets one twice."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from leadkeep.journal.archive import Archive
from leadkeep.journal.outcomes import OutcomeLine, OutcomeLog
from leadkeep.recovery import settling
from leadkeep.recovery.newstore import make_new_store
from leadkeep.states import Verb
from leadkeep.store.occupancy import used
from leadkeep.store.sqlite.store import SqliteStore
from tests.integration.cli.installation import Installation
from tests.integration.recovery.scene import CONFIG, Scene, flip, told


def lines_of(scene: Scene) -> list[dict[str, Any]]:
    """The log of outcomes."""
    files = sorted((scene.here.data / "archive" / "outcomes").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.fixture
def rich(scene: Scene) -> Scene:
    """In the order of acceptance: 2 completed and archived, 2 tried, then cancelled, held by a
    person, cancelled and taken back, and 2 waiting in the journal."""
    scene.push(2)
    scene.deliver()
    scene.tidy()
    scene.sink.status = 503
    scene.push(5)
    scene.deliver()
    _, _, cancelled, held, back = scene.lead_ids(["pending"])
    scene.here.ok("leads", "cancel", cancelled)
    scene.here.ok("leads", "hold", held)
    scene.here.ok("leads", "cancel", back)
    scene.here.ok("leads", "retry", back)
    scene.push(2)
    scene.sink.status = 200
    return scene


def test_the_store_is_lost_and_rebuilt_and_nothing_is_delivered_again(rich: Scene) -> None:
    before, times = rich.requests(), rich.rows(TIMES)
    rich.lose_the_store()

    told = rich.here.ok("rebuild")

    assert "2 deliveries are completed because the log of outcomes says so" in told
    assert rich.requests()[:7] == before
    assert len(rich.requests()) == 9
    assert rich.statuses() == [
        *["completed"] * 2,
        *["held"] * 2,
        "cancelled",
        *["held"] * 4,
    ]
    assert rich.delivers_nothing_by_itself(rich.here)
    assert len(times) == 2
    assert rich.rows(TIMES) == times
    rich.here.ok("verify")


TIMES = (
    "SELECT l.lead_id, d.processed_at_ms FROM leads AS l JOIN deliveries AS d ON d.lead = l.id "
    "WHERE d.status = 'completed' ORDER BY l.lead_id"
)


def test_control_a_rebuild_that_leaves_leads_pending_is_caught(
    rich: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    rich.lose_the_store()
    apply = SqliteStore.apply

    async def hold_nothing(self: SqliteStore, verb: Verb, *args: Any, **more: Any) -> int:
        return 0 if more["actor"] == "leadkeep rebuild" else await apply(self, verb, *args, **more)

    monkeypatch.setattr(SqliteStore, "apply", hold_nothing)
    rich.here.ok("rebuild")
    assert "pending" in rich.statuses()
    assert not rich.delivers_nothing_by_itself(rich.here)


def test_control_without_the_log_of_outcomes_nothing_counts_as_completed(rich: Scene) -> None:
    for file in (rich.here.data / "archive" / "outcomes").iterdir():
        file.unlink()
    rich.lose_the_store()
    rich.here.ok("rebuild")
    assert set(rich.statuses()) == {"held"}


def test_decisions_are_in_the_log_before_their_command_ends(rich: Scene) -> None:
    decided = [line for line in lines_of(rich) if line["attempt"] == 0]
    assert [line["status"] for line in decided] == ["cancelled", "held", "cancelled", "pending"]
    assert all(line["destination"] == "brain" and line["lead_id"] for line in decided)


def test_a_decision_stands_though_the_log_cannot_be_written_and_that_is_said(
    scene: Scene,
) -> None:
    scene.sink.status = 503
    scene.push(1)
    scene.deliver()
    outcomes = scene.here.data / "archive" / "outcomes"
    for file in outcomes.iterdir():
        file.unlink()
    outcomes.rmdir()
    outcomes.write_text("in the way")
    result = scene.here.run("leads", "cancel", scene.lead_ids()[0])
    assert result.exit_code == 0
    assert "come back held" in result.stderr
    assert scene.statuses() == ["cancelled"]


def test_why_each_is_held_is_said(rich: Scene) -> None:
    rich.lose_the_store()
    rich.here.ok("rebuild")
    reasons = rich.rows("SELECT hold_reason FROM deliveries WHERE status = 'held' ORDER BY lead")
    by_person = [reason for (reason,) in reasons if reason.startswith("it had been held")]
    rebuilt = [reason for (reason,) in reasons if reason.startswith("the store was rebuilt on 20")]
    assert (len(by_person), len(rebuilt)) == (1, 5)
    assert len(rich.here.json("leads", "list", "--held-because", "store was rebuilt")) == 5
    result = rich.here.run("leads", "resume", "--held-because", "store was rebuilt", "--yes")
    assert result.stdout == "5 deliveries pending\n"
    assert rich.deliver().exit_code == 0
    assert rich.statuses().count("held") == 1
    (waiting,) = rich.rows(
        "SELECT reason, count(*) FROM actions GROUP BY actor HAVING actor LIKE 'leadkeep rebuild'"
    )
    assert waiting[1] == 5


def test_quarantined_leads_stay_so_and_released_ones_do_not(scene: Scene) -> None:
    scene.push(3, path="/nowhere")
    scene.deliver()
    released, *_ = scene.lead_ids()
    scene.here.ok("leads", "release", released, "--to", "brain")
    scene.deliver()
    assert scene.statuses() == ["completed", "held", "held"]
    scene.lose_the_store()

    scene.here.ok("rebuild")

    assert scene.statuses() == ["completed", "held", "held"]
    assert scene.rows("SELECT disposition, count(*) FROM leads GROUP BY disposition") == [
        ("quarantined", 2),
        ("routed", 1),
    ]
    reasons = scene.rows("SELECT DISTINCT hold_reason FROM deliveries WHERE status = 'held'")
    assert reasons == [("no source claims the path /nowhere",)]


def test_a_destination_that_is_configured_no_longer_keeps_its_confirmations(scene: Scene) -> None:
    scene.push(1)
    scene.deliver()
    scene.configure(CONFIG.format(url=scene.sink.url).replace("brain", "crm"))
    scene.lose_the_store()
    scene.here.ok("rebuild")
    found = dict(scene.rows("SELECT destination, status FROM deliveries"))
    assert found == {"brain": "completed", "crm": "held"}
    assert scene.delivers_nothing_by_itself(scene.here)


def test_failed_leads_are_failed_again_and_go_on_counting_their_tries(scene: Scene) -> None:
    scene.sink.status = 503
    scene.push(1)
    scene.deliver()
    scene.give_up()
    assert scene.statuses() == ["failed"]
    scene.lose_the_store()

    scene.here.ok("rebuild")

    assert scene.statuses() == ["failed"]
    assert scene.rows("SELECT attempt, outcome FROM attempts ORDER BY id") == [
        (1, "pending"),
        (2, "failed"),
    ]
    scene.sink.status = 200
    scene.here.ok("leads", "retry", "--status", "failed", "--yes")
    assert scene.deliver().exit_code == 0
    assert scene.rows("SELECT status, attempts FROM deliveries") == [("completed", 3)]


def test_a_lead_that_was_confirmed_once_stays_completed_whatever_came_later(scene: Scene) -> None:
    scene.push(1)
    scene.deliver()
    scene.lose_the_store()
    scene.here.ok("rebuild")
    scene.lose_the_store()
    scene.here.ok("rebuild")  # the log has what it had: a rebuild writes nothing into it
    assert scene.statuses() == ["completed"]
    assert len(lines_of(scene)) == 1


# ---------------------------------------------------------------- a store that is there


def test_a_store_that_is_there_is_not_touched_without_being_told_so(rich: Scene) -> None:
    before = rich.requests(), rich.statuses()
    result = rich.here.run("rebuild")
    assert result.exit_code == 2
    assert "--replace" in result.stderr
    asked = rich.here.run("rebuild", "--replace")
    assert asked.exit_code == 2
    assert "nobody is here to be asked" in asked.stderr
    assert (rich.requests(), rich.statuses()) == before
    told = rich.here.ok("rebuild", "--replace", "--dry-run")
    assert told.startswith("a store would be made from 9 journal segments")
    assert rich.here.json("rebuild", "--dry-run") == {
        "dry_run": True,
        "segments": 9,
        "replaces": True,
    }
    assert (rich.requests(), rich.statuses()) == before


def test_a_replaced_store_is_moved_aside_whole(rich: Scene) -> None:
    before = rich.requests(), rich.standings()
    (rich.here.data / "leadkeep.db.poisoned").write_text("I/O error\n")

    made = told(rich.here.run("rebuild", "--replace", "--yes", "--json"))

    aside = Path(made["moved_aside"])
    assert aside.parent == rich.here.data
    assert {path.name for path in aside.iterdir()} >= {"leadkeep.db", "leadkeep.db.poisoned"}
    assert not (rich.here.data / "leadkeep.db.poisoned").exists()
    old = Installation(rich.folder)
    old.data = aside
    assert (rich.requests(old), rich.standings(old)) == before
    assert set(rich.statuses()) == {"completed", "cancelled", "held"}


def test_a_damaged_store_is_replaced(rich: Scene) -> None:
    before = rich.requests()
    database = rich.here.data / "leadkeep.db"
    database.write_bytes(b"SQLite format 3\0" + b"\xff" * 8_192)
    assert rich.here.run("rebuild").exit_code == 2
    rich.here.ok("rebuild", "--replace", "--yes")
    assert rich.requests()[:7] == before


def test_the_log_of_a_lost_store_is_not_taken_for_the_new_ones(scene: Scene) -> None:
    scene.push(2)
    scene.deliver()
    (scene.here.data / "leadkeep.db").unlink()
    (scene.here.data / "leadkeep.db-wal").write_bytes(b"what was not written back")
    scene.here.ok("rebuild")
    (aside,) = scene.here.data.glob("leadkeep.db.replaced-*")
    assert (aside / "leadkeep.db-wal").read_bytes() == b"what was not written back"
    scene.here.ok("verify")


def test_what_a_crash_left_half_moved_is_completed_by_the_next_run(scene: Scene) -> None:
    scene.push(2)
    scene.deliver()
    aside = scene.here.data / "leadkeep.db.replaced-2026-01-01T000000.000Z"
    aside.mkdir()
    (scene.here.data / "leadkeep.db").rename(aside / "leadkeep.db")
    (scene.here.data / "leadkeep.db-wal").write_bytes(b"its log")
    scene.here.ok("rebuild")
    assert (aside / "leadkeep.db-wal").read_bytes() == b"its log"
    assert list(scene.here.data.glob("leadkeep.db.replaced-*")) == [aside]


# ---------------------------------------------------------------- what must not happen


def test_a_lost_store_is_never_replaced_by_an_empty_one(rich: Scene) -> None:
    rich.lose_the_store()
    before = len(rich.sink.bodies)
    for command in (["process-queue"], ["migrate"]):
        result = rich.here.run(*command)
        assert result.exit_code == 1
        assert "rebuild" in result.stderr
    assert not (rich.here.data / "leadkeep.db").exists()
    told = rich.here.run("status")
    assert told.exit_code == 3
    assert "is gone" in told.stdout
    assert "rebuild" in told.stdout
    assert len(rich.sink.bodies) == before


def test_an_empty_store_in_the_place_of_a_lost_one_is_not_filled(rich: Scene) -> None:
    rich.lose_the_store()
    archive = rich.here.data / "archive"
    hidden = archive.rename(rich.here.data / "hidden")
    journal = (rich.here.data / "journal").rename(rich.here.data / "hidden journal")
    rich.here.ok("migrate")
    hidden.rename(archive)
    journal.rename(rich.here.data / "journal")
    before = len(rich.sink.bodies)

    result = rich.deliver()

    assert result.exit_code == 1
    assert "is empty, and" in result.stderr
    assert len(rich.sink.bodies) == before
    rich.here.ok("rebuild")  # which an empty store does not stop
    assert rich.delivers_nothing_by_itself(rich.here)


def test_nothing_is_rebuilt_while_somebody_uses_the_store(rich: Scene) -> None:
    with used(rich.here.data / "run"):
        result = rich.here.run("rebuild", "--replace", "--yes")
    assert result.exit_code == 1
    assert "Stop `leadkeep serve`" in result.stderr
    assert list(rich.here.data.glob("*.new")) == []


def test_nobody_uses_the_store_while_it_is_rebuilt(
    rich: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    make = make_new_store

    async def meanwhile(*args: Any, **more: Any) -> Any:
        result = await asyncio.to_thread(rich.here.run, "process-queue")
        refused.append(result.stderr)
        return await make(*args, **more)

    monkeypatch.setattr("leadkeep.recovery.rebuild.make_new_store", meanwhile)
    rich.here.ok("rebuild", "--replace", "--yes")
    assert "is being restored or rebuilt" in refused[0]


def test_nothing_to_rebuild_from_is_said(scene: Scene) -> None:
    result = scene.here.run("rebuild")
    assert result.exit_code == 1
    assert "nothing to rebuild from" in result.stderr


# ---------------------------------------------------------------- damage


def test_what_can_be_read_is_rebuilt_and_what_cannot_is_named(scene: Scene) -> None:
    scene.push(3)
    scene.deliver()
    scene.tidy()
    bad = sorted((scene.here.data / "archive").rglob("*.zst"))[0]
    flip(bad, bad.stat().st_size - 10)
    scene.lose_the_store()

    result = scene.here.run("rebuild")

    assert result.exit_code == 3
    assert str(bad) in result.stdout
    assert scene.statuses() == ["completed"] * 2


def test_the_copy_that_holds_more_is_read_where_there_are_two(scene: Scene) -> None:
    scene.push(2)
    scene.deliver()
    expected = scene.requests()
    (first, second) = sorted((scene.here.data / "journal").rglob("*.segment"))
    contents = first.read_bytes(), second.read_bytes()
    scene.tidy()
    for path, content in zip((first, second), contents, strict=True):
        path.write_bytes(content)
    flip(first, 4096 + 70)
    archived = next((scene.here.data / "archive").rglob(f"*{second.stem[-36:]}*.zst"))
    flip(archived, archived.stat().st_size - 10)
    scene.lose_the_store()
    scene.here.run("rebuild")
    assert scene.requests() == expected
    assert scene.statuses() == ["completed"] * 2


def test_torn_lines_of_the_log_are_passed_over(scene: Scene) -> None:
    scene.push(2)
    scene.deliver()
    (log,) = (scene.here.data / "archive" / "outcomes").glob("*.jsonl")
    log.write_bytes(log.read_bytes()[:-20])
    scene.lose_the_store()
    made = told(scene.here.run("rebuild", "--json"))
    assert made["settled"]["torn_lines"] == 1
    assert sorted(scene.statuses()) == ["completed", "held"]


def test_a_line_of_a_later_version_is_passed_over(scene: Scene) -> None:
    scene.push(2)
    scene.deliver()
    log = OutcomeLog(scene.here.data / "archive" / "outcomes")
    log.append([OutcomeLine(1, scene.lead_ids()[0], "brain", "returned", 0, 2**45)])
    log.close()
    scene.lose_the_store()
    made = told(scene.here.run("rebuild", "--json"))
    assert made["settled"]["torn_lines"] == 1
    assert scene.statuses() == ["completed"] * 2


def test_thousands_of_lines_are_read_in_order(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "_LINES_AT_ONCE", 2)
    scene.push(3)
    scene.deliver()
    scene.sink.status = 503
    scene.push(2)
    scene.deliver()
    for _ in range(3):
        scene.here.ok("leads", "cancel", "--everything", "--yes")
        scene.here.ok("leads", "retry", "--status", "cancelled", "--yes")
    scene.here.ok("leads", "cancel", "--everything", "--yes")
    scene.lose_the_store()
    scene.here.ok("rebuild")
    assert scene.statuses() == ["completed"] * 3 + ["cancelled"] * 2
    assert len(Archive(scene.here.data / "archive").segments()) == 0
