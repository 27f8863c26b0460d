"""`leadkeep status` against real stores, journals and processes."""

import json
import time

from leadkeep.states import Status
from leadkeep.store.sqlite.poison import PoisonMark
from tests.integration.cli.installation import Installation
from tests.store.builders import a_lead

MINUTE_US = 60_000_000


def now_us() -> int:
    return time.time_ns() // 1_000


def test_before_the_first_lead_all_is_well(installation: Installation) -> None:
    text = installation.ok("status")
    assert text.startswith("No leads yet.\n")
    assert "Leads are safe" in text
    assert not installation.data.exists(), "looking makes nothing"


def test_delivered_leads_of_today_are_told_first(installation: Installation) -> None:
    # In an hour: today's even if midnight passes while this runs.
    in_an_hour = now_us() + 60 * MINUTE_US
    installation.absorb(a_lead(received_at_us=now_us() - 50 * 60 * MINUTE_US))
    installation.absorb(a_lead(received_at_us=in_an_hour), a_lead(received_at_us=in_an_hour))
    for _ in range(3):
        installation.attempt("default", Status.COMPLETED)
    told = installation.json("status")
    assert told["sentence"] == "All 2 leads today are delivered."
    assert told["safe"] is True
    assert told["counts"]["completed"] == 3


def test_waiting_leads_without_a_running_serve_are_at_risk(installation: Installation) -> None:
    installation.absorb(a_lead(received_at_us=now_us() - 4 * MINUTE_US - 1_000_000))
    result = installation.run("status", "--forward-to", "http://127.0.0.1:9/")
    assert result.exit_code == 3
    assert result.stdout.startswith("1 lead is waiting, the oldest for 4 min.\n")
    assert "no `leadkeep serve` runs here" in result.stdout
    assert (
        f"next: leadkeep serve --data {installation.data} --forward-to http://127.0.0.1:9/"
    ) in result.stdout


def test_failed_deliveries_are_at_risk_with_the_next_command(installation: Installation) -> None:
    installation.absorb(a_lead())
    installation.attempt("default", Status.FAILED)
    result = installation.run("status")
    assert result.exit_code == 3
    assert "1 delivery failed for good" in result.stdout
    assert "next: leadkeep leads list --status failed --data" in result.stdout


def test_an_old_lead_is_at_risk_unless_its_destination_is_held(installation: Installation) -> None:
    to = ("--forward-to", "http://127.0.0.1:9/")
    installation.absorb(a_lead(received_at_us=now_us() - 16 * MINUTE_US))
    late = "default has not confirmed its oldest lead for 16 min"
    assert late in installation.run("status", *to).stdout
    installation.ok("hold", "default", "--reason", "upgrade", *to)
    held = installation.run("status", *to).stdout
    assert late not in held
    assert "held: upgrade" in held


def test_a_store_that_cannot_be_read_is_told_and_not_raised(installation: Installation) -> None:
    installation.absorb(a_lead())
    store = installation.data / "leadkeep.db"
    store.write_bytes(b"this is no database, whatever it was before" * 100)
    for extra in ("-wal", "-shm"):
        store.with_name(store.name + extra).unlink(missing_ok=True)
    result = installation.run("status")
    assert result.exit_code == 3
    assert result.stdout.startswith("The store cannot be read")
    assert "rebuild --replace" in result.stdout
    assert "Traceback" not in result.output


def test_pushed_leads_wait_in_the_journal_until_absorbed(installation: Installation) -> None:
    installation.ok("push", "-", stdin=b'{"name": "Ada"}')
    told = json.loads(installation.run("status", "--json").stdout)
    assert told["sentence"].startswith("1 lead is waiting")
    assert told["journal"]["leads"] == 1


def test_damaged_bytes_in_a_journal_are_at_risk(installation: Installation) -> None:
    for _ in range(2):
        installation.ok("push", "-", stdin=b'{"name": "Ada"}')
    segments = sorted((installation.data / "journal").rglob("*.segment"))
    damaged = None
    for path in segments:
        raw = bytearray(path.read_bytes())
        place = raw.find(b'{"name": "Ada"}')
        if place >= 0:
            raw[place] ^= 0xFF
            path.write_bytes(raw)
            damaged = path
            break
    assert damaged is not None
    result = installation.run("status")
    assert result.exit_code == 3
    assert "accepted leads may be damaged" in result.stdout
    assert "journal verify" in result.stdout


def test_a_store_that_was_found_damaged_names_the_rebuild(installation: Installation) -> None:
    installation.absorb(a_lead())
    PoisonMark(installation.data / "leadkeep.db").set("a page is garbage", damaged=True)
    result = installation.run("status")
    assert result.exit_code == 3
    assert "the store's file is damaged: a page is garbage" in result.stdout
    assert "rebuild --replace" in result.stdout
