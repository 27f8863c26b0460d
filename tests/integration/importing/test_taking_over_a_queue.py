"""`leadkeep import-queue`, from the first look to the last delivery, out of a real SQLite file."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from leadkeep.app.importing import Errand, import_queue, queue_address
from leadkeep.recovery.importing.reading import Wishes
from leadkeep.recovery.importing.taking import Taken
from leadkeep.supervisor.presence import read_state
from tests.integration.importing.old_queue import OldSqlite
from tests.integration.recovery.scene import Scene
from tests.integration.waiting import free_port, wait_until

LEADKEEP = (sys.executable, "-P", "-m", "leadkeep")


def take_over(scene: Scene, old: OldSqlite, *more: object) -> str:
    return scene.here.ok("import-queue", "--from", old.url, "--yes", *more)


def looked_at(scene: Scene, old: OldSqlite, *more: object) -> Any:
    """What a dry run says."""
    result = scene.here.run("import-queue", "--from", old.url, "--dry-run", "--json", *more)
    assert result.exit_code in {0, 3}, result.output
    return json.loads(result.stdout)["survey"]


def by_row(scene: Scene, column: str = "status") -> dict[str, Any]:
    """Payload → what the queue says of it here."""
    return dict(scene.rows(f"SELECT payload, {column} FROM lead_queue"))


def is_serving(scene: Scene) -> bool:
    """Whether door and worker are ready."""
    state = read_state(scene.here.data / "run")
    return state is not None and all(child["ready"] for child in state["children"].values())


def fill(old: OldSqlite) -> None:
    """One row of each kind."""
    old.add("waits", attempts=2, error_message="timed out")
    old.add("was under way", "processing")
    old.add("arrived", "completed", attempts=1, processed_at="2026-11-01 10:00:05")
    old.add("gave up", "FAILED", attempts=5, error_message="HTTP 500")
    old.add("odd", "archived?")


def test_what_waited_is_delivered_once_and_what_was_completed_never(
    scene: Scene, old: OldSqlite
) -> None:
    fill(old)

    told = take_over(scene, old)

    assert "took over 5 leads of 5" in told
    assert by_row(scene) == {
        "waits": "pending",
        "was under way": "pending",
        "arrived": "completed",
        "gave up": "failed",
        "odd": "held",
    }
    scene.deliver()
    assert sorted(scene.sink.bodies) == [b"waits", b"was under way"]
    assert scene.delivers_nothing_by_itself(scene.here)
    assert "Every one of the 5 leads received is accounted for." in scene.here.ok("ledger")
    scene.here.ok("verify")


def test_times_tries_and_words_are_kept(scene: Scene, old: OldSqlite) -> None:
    fill(old)
    take_over(scene, old)

    rows = scene.rows(
        "SELECT payload, created_at, processed_at, attempts, error_message FROM lead_queue"
    )

    at = "2026-11-01T10:00:00.000Z"
    assert rows == [
        ("waits", at, None, 2, "timed out"),
        ("was under way", at, None, 0, ""),
        ("arrived", at, "2026-11-01T10:00:05.000Z", 1, ""),
        ("gave up", at, None, 5, "HTTP 500"),
        (
            "odd",
            at,
            None,
            0,
            "its status in the queue that it was imported from was 'archived?'",
        ),
    ]


def test_the_page_of_a_lead_says_where_it_came_from(scene: Scene, old: OldSqlite) -> None:
    old.add("gave up", "failed", attempts=5, error_message="HTTP 500")
    take_over(scene, old)
    (number,) = scene.standings()

    page = scene.here.ok("leads", "show", number)

    assert "2026-11-01 10:00:00 UTC  received by the system whose queue was imported" in page
    assert "answered" not in page
    assert "try 5, 0 ms: HTTP 500" in page
    assert scene.here.json("leads", "show", number)["flags"] == 4 | 16


def test_the_second_run_takes_nothing_whatever_became_of_the_rows(
    scene: Scene, old: OldSqlite
) -> None:
    fill(old)
    take_over(scene, old)
    scene.deliver()
    old.change("UPDATE lead_queue SET status = 'pending', attempts = 9")

    told = take_over(scene, old, "--timezone", "America/New_York", "--source-map", "*=vendor")

    assert "there is nothing to take over" in told
    assert "5 leads are here already" in told
    assert len(scene.standings()) == 5
    assert scene.delivers_nothing_by_itself(scene.here)


def test_rows_that_came_since_are_taken_by_the_next_run(scene: Scene, old: OldSqlite) -> None:
    old.add("first")
    take_over(scene, old)
    old.add("second")

    assert "took over 1 lead of 1" in take_over(scene, old)
    assert by_row(scene) == {"first": "pending", "second": "pending"}


def test_a_dry_run_says_everything_and_changes_nothing(scene: Scene, old: OldSqlite) -> None:
    fill(old)
    old.add(None)
    old.add("lost in time", created_at="yesterday?")
    old.add("ahead", created_at="2999-01-01")
    old.add("other", source="elsewhere", created_at="2026-11-03T00:00:00+02:00")

    survey = looked_at(scene, old)

    assert survey["rows"] == 9
    assert [(g["source"], g["status"], g["begins"], g["rows"]) for g in survey["groups"]] == [
        ("elsewhere", "pending", "held", 1),
        ("vendor", "FAILED", "failed", 1),
        ("vendor", "archived?", "held", 1),
        ("vendor", "completed", "completed", 1),
        ("vendor", "pending", "pending", 1),
        ("vendor", "processing", "pending", 1),
    ]
    assert survey["groups"][0]["oldest_us"] == 1_793_656_800_000_000
    assert {each["why"]: each["examples"] for each in survey["unreadable"]} == {
        "it has no payload": ["6"],
        "its created_at is no time such as 2026-08-15 14:00:00": ["7"],
        "its created_at lies in the future (is --timezone right?)": ["8"],
    }
    assert survey["unknown_sources"] == ["elsewhere"]
    assert not scene.here.data.exists()


def test_a_person_reads_what_would_be_done(scene: Scene, old: OldSqlite) -> None:
    fill(old)
    old.add(None)

    result = scene.here.run("import-queue", "--from", old.url, "--dry-run")

    assert result.exit_code == 3
    for words in (
        f"{old.path}/lead_queue: 6 rows",
        "2 leads would be queued for delivery",
        "1 lead would stay failed until somebody retries them",
        "1 lead would be held until somebody resumes them",
        "1 lead would be kept as completed, and not delivered again",
        "1 row cannot be taken: it has no payload (id 6)",
        "5 leads would be taken over",
    ):
        assert words in result.stdout


def test_without_a_yes_nothing_is_taken(scene: Scene, old: OldSqlite) -> None:
    old.add()

    result = scene.here.run("import-queue", "--from", old.url)

    assert result.exit_code == 2
    assert "import-queue concerns 1 lead and nobody is here to be asked" in result.stderr
    assert not scene.here.data.exists()


def test_rows_that_cannot_be_taken_are_named_and_do_not_stop_the_others(
    scene: Scene, old: OldSqlite
) -> None:
    config = (scene.folder / "leadkeep.toml").read_text()
    scene.configure('[intake]\nmax_body_bytes = "1 KiB"\n' + config)
    old.add(None)
    old.add("good")
    old.add("x" * 1_025)

    result = scene.here.run("import-queue", "--from", old.url, "--yes")

    assert result.exit_code == 3
    assert "its payload is larger than intake.max_body_bytes allows (id 3)" in result.stdout
    assert "took over 1 lead of 1" in result.stdout
    assert by_row(scene) == {"good": "pending"}


def test_payloads_stay_as_they_are_byte_for_byte(scene: Scene, old: OldSqlite) -> None:
    payloads = ['{"a":  "ä€😀", "z": 1 }', b"\x00\xff\xfe raw", "", "a=1&b=%20", "<adf/>", 17]
    for payload in payloads:
        old.add(payload)
    old.change("UPDATE lead_queue SET payload = CAST(x'61ff' AS TEXT) WHERE id = 5")
    payloads[4] = b"a\xff"

    take_over(scene, old)

    assert [body for (body,) in scene.rows("SELECT body FROM leads ORDER BY id")] == [
        one if isinstance(one, bytes) else str(one).encode() for one in payloads
    ]
    assert [headers for (headers,) in scene.rows("SELECT headers FROM leads ORDER BY id")] == [
        b"Content-Type: application/json\r\n",
        b"Content-Type: text/plain\r\n",
        b"",
        b"Content-Type: application/x-www-form-urlencoded\r\n",
        b"Content-Type: text/plain\r\n",
        b"Content-Type: text/plain\r\n",
    ]


def test_a_name_that_the_payload_does_not_tell_is_taken_from_the_table(
    scene: Scene, old: OldSqlite
) -> None:
    old.add("opaque", lead_name="Ada Example", phone="+16145550142")
    old.add('{"first_name": "Bea"}', lead_name="Ada Example")

    take_over(scene, old)

    assert scene.rows("SELECT name, phone FROM leads ORDER BY id") == [
        ("Ada Example", "+16145550142"),
        ("Bea", ""),
    ]


# ---------------------------------------------------------------- where they go


def test_a_source_that_is_not_configured_is_held_unless_it_is_mapped(
    scene: Scene, old: OldSqlite, tmp_path: Path
) -> None:
    old.add("one", source="facebook")
    old.add("two", "failed", source="facebook", error_message="HTTP 500")
    old.add("three", "completed", source="facebook")
    take_over(scene, old)
    assert by_row(scene) == {"one": "held", "two": "held", "three": "completed"}
    assert scene.delivers_nothing_by_itself(scene.here)

    mapped = Scene(tmp_path, scene.there(), scene.sink)
    take_over(mapped, old, "--source-map", "facebook=vendor")

    assert by_row(mapped) == {"one": "pending", "two": "failed", "three": "completed"}
    assert by_row(mapped, "source") == dict.fromkeys(("one", "two", "three"), "vendor")


def test_all_may_go_to_one_destination_whatever_their_sources_say(
    scene: Scene, old: OldSqlite
) -> None:
    with_two = '\n[destinations.crm]\nurl = "http://127.0.0.1:9/crm"\n'
    scene.configure((scene.folder / "leadkeep.toml").read_text() + with_two)
    old.add("one", source="nobody knows")
    old.add("two", "completed")

    take_over(scene, old, "--destination", "crm")

    assert by_row(scene) == {"one": "pending", "two": "completed"}
    assert by_row(scene, "destination") == {"one": "crm", "two": "crm"}


def test_of_several_destinations_none_is_said_to_have_what_was_completed(
    scene: Scene, old: OldSqlite
) -> None:
    with_two = '\n[destinations.crm]\nurl = "http://127.0.0.1:9/crm"\n'
    scene.configure((scene.folder / "leadkeep.toml").read_text() + with_two)
    old.add("done", "completed")

    take_over(scene, old)

    assert scene.rows("SELECT destination, status FROM deliveries") == [(None, "completed")]
    assert scene.delivers_nothing_by_itself(scene.here)
    assert scene.rows("SELECT destination, status FROM deliveries") == [(None, "completed")]


def test_filters_take_only_what_is_asked_for(scene: Scene, old: OldSqlite) -> None:
    old.add("early", created_at="2026-10-01 00:00:00")
    old.add("in time", created_at="2026-11-01 00:00:00")
    old.add("late", created_at="2026-11-20 00:00:00")
    old.add("done", "completed", created_at="2026-11-02 00:00:00")

    told = take_over(
        scene,
        old,
        *("--since", "2026-10-15", "--before", "2026-11-10T00:00:00Z", "--status", "pending"),
    )

    assert "3 rows left out as asked" in told
    assert by_row(scene) == {"in time": "pending"}


def test_statuses_of_other_names_are_read_as_a_person_says(scene: Scene, old: OldSqlite) -> None:
    old.add("one", "done")
    old.add("two", "new")

    take_over(scene, old, "--status-map", "done=completed", "--status-map", "New=pending")

    assert by_row(scene) == {"one": "completed", "two": "pending"}


def test_other_names_of_table_and_columns(scene: Scene, tmp_path: Path, old: OldSqlite) -> None:
    old.add("one")
    old.change('ALTER TABLE lead_queue RENAME COLUMN payload TO "raw % body"')
    old.change("ALTER TABLE lead_queue RENAME TO webhooks")

    take_over(scene, old, "--table", "webhooks", "--column", "payload=raw % body")

    assert by_row(scene) == {"one": "pending"}


def test_times_without_a_zone_are_of_the_zone_that_is_said(scene: Scene, old: OldSqlite) -> None:
    old.add("summer", created_at="2026-07-01 10:00:00")
    old.add("with a zone", created_at="2026-07-01T10:00:00Z")
    old.add("number", created_at="1782900000")

    take_over(scene, old, "--timezone", "America/New_York")

    assert by_row(scene, "created_at") == {
        "summer": "2026-07-01T14:00:00.000Z",
        "with a zone": "2026-07-01T10:00:00.000Z",
        "number": "2026-07-01T10:00:00.000Z",
    }


# ---------------------------------------------------------------- stopped, killed, lost


def errand(old: OldSqlite) -> Errand:
    return Errand(queue_address(old.url), "lead_queue", {}, Wishes())


def test_more_rows_than_a_page_are_all_taken_and_counted(scene: Scene, old: OldSqlite) -> None:
    bodies = old.add_many(1_203)

    assert "took over 1,203 leads of 1,203" in take_over(scene, old)
    stored = [body for (body,) in scene.rows("SELECT body FROM leads ORDER BY id")]
    assert stored == bodies


def test_stopped_in_the_middle_it_goes_on_where_it_was(scene: Scene, old: OldSqlite) -> None:
    bodies = old.add_many(1_203)

    async def stopped() -> Taken:
        stop = asyncio.Event()
        return await import_queue(
            scene.here.settings,
            errand(old),
            total=1_203,
            stop=stop,
            progress=lambda *_: stop.set(),
        )

    first = asyncio.run(stopped())
    assert first.stopped
    assert first.taken == 500 == len(scene.standings())

    assert "took over 703 leads of 703" in take_over(scene, old)
    assert sorted(body for (body,) in scene.rows("SELECT body FROM leads")) == sorted(bodies)
    assert scene.here.ok("ledger")


KILLED = """
import asyncio, os, signal, sys
from leadkeep.app import load_settings
from leadkeep.app.importing import Errand, import_queue, queue_address
from leadkeep.recovery.importing.reading import Wishes

def progress(what, done, total):
    if done >= 1_000:
        os.kill(os.getpid(), signal.SIGKILL)

settings = load_settings(None, {"data": sys.argv[1]})
errand = Errand(queue_address(sys.argv[2]), "lead_queue", {}, Wishes())
asyncio.run(import_queue(settings, errand, total=1, stop=asyncio.Event(), progress=progress))
"""


def test_killed_between_journal_and_store_it_takes_no_row_twice(
    scene: Scene, old: OldSqlite
) -> None:
    bodies = old.add_many(1_203)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(scene.here.data), old.url],
        cwd=scene.folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    assert len(scene.standings()) == 0  # durable, and not absorbed yet

    told = take_over(scene, old)

    assert "took over 203 leads" in told
    assert sorted(body for (body,) in scene.rows("SELECT body FROM leads")) == sorted(bodies)
    assert "Every one of the 1,203 leads received" in scene.here.ok("ledger")


def test_after_a_rebuild_nothing_is_delivered_by_itself_and_nothing_taken_again(
    scene: Scene, old: OldSqlite
) -> None:
    fill(old)
    take_over(scene, old)
    scene.deliver()
    old.add("came later")
    take_over(scene, old)
    scene.tidy()
    times = scene.rows("SELECT payload, created_at, attempts FROM lead_queue ORDER BY 1")
    scene.lose_the_store()

    scene.here.ok("rebuild")

    assert by_row(scene) == {
        "waits": "completed",
        "was under way": "completed",
        "arrived": "completed",
        "gave up": "failed",
        "odd": "held",
        "came later": "held",
    }
    assert scene.rows("SELECT payload, created_at, attempts FROM lead_queue ORDER BY 1") == times
    assert scene.delivers_nothing_by_itself(scene.here)
    assert "Every one of the 6 leads received" in scene.here.ok("ledger")
    assert "there is nothing to take over" in take_over(scene, old)


def test_a_lost_store_is_not_taken_for_an_empty_one(scene: Scene, old: OldSqlite) -> None:
    old.add("done", "completed")
    take_over(scene, old)
    scene.tidy()
    scene.lose_the_store()

    for more in (["--dry-run"], ["--yes"]):
        result = scene.here.run("import-queue", "--from", old.url, *more)
        assert result.exit_code == 1
        assert "leadkeep rebuild" in result.stderr


def test_beside_a_running_installation_the_worker_delivers_what_waited(
    scene: Scene, old: OldSqlite
) -> None:
    fill(old)
    bodies = old.add_many(700)
    config = scene.folder / "leadkeep.toml"
    config.write_text(
        f'[intake]\nlisten = ["127.0.0.1:{free_port()}"]\nadmin_listen = "off"\n'
        f'[worker]\nadmin_listen = "off"\n{config.read_text()}'
    )
    command = [*LEADKEEP, "serve", "--data", str(scene.here.data)]
    with (scene.folder / "stderr").open("wb") as stderr:
        serve = subprocess.Popen(
            command,
            cwd=scene.folder,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    try:
        wait_until("it serves", lambda: is_serving(scene))
        take_over(scene, old)
        expected = sorted([*bodies, b"waits", b"was under way"])
        wait_until("all arrived", lambda: len(scene.sink.bodies) >= len(expected))
        wait_until("all is recorded", lambda: "pending" not in scene.statuses())
        assert "there is nothing to take over" in take_over(scene, old)
    finally:
        serve.terminate()
        serve.wait()
    assert sorted(scene.sink.bodies) == expected
    assert scene.delivers_nothing_by_itself(scene.here)
    assert "Every one of the 705 leads received" in scene.here.ok("ledger")
