"""`leadkeep verify`: what is whole is said to be, and each thing that is wrong is named."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from leadkeep.journal.base import Group
from leadkeep.journal.reader import DiskJournalReader
from tests.integration.recovery.scene import Scene, flip, told


@pytest.fixture
def whole(scene: Scene) -> Scene:
    """Leads in archive, store and journal."""
    scene.push(3)
    scene.deliver()
    scene.tidy()
    scene.push(2)
    scene.deliver()
    scene.push(1)
    return scene


def findings(scene: Scene, *args: object) -> list[dict[str, Any]]:
    """What a verification that must find something has found."""
    result = scene.here.run("verify", *args, "--json")
    assert result.exit_code == 3, result.output
    found = told(result)
    assert not found["ok"]
    assert all(one["what"] and one["hint"] for one in found["findings"])
    return list(found["findings"])


def the_finding(scene: Scene, *args: object) -> dict[str, Any]:
    (found,) = findings(scene, *args)
    return found


def test_a_whole_installation_is_whole(whole: Scene) -> None:
    assert told(whole.here.run("verify", "--json")) == {
        "ok": True,
        "segments": 6,
        "records": 6,
        "leads": 5,
        "waiting": 1,
        "findings": [],
        "more_findings": 0,
    }
    words = whole.here.ok("verify")
    assert "5 leads of 6 journal segments compared" in words
    assert "1 lead not yet in the store: nothing is wrong." in words


def test_an_installation_without_leads_is_whole(scene: Scene) -> None:
    assert scene.here.json("verify")["ok"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("body = x'00'", "body"),
        ("target = x'2f'", "target"),
        ("headers = x''", "headers"),
        ("method = 'PUT'", "method"),
        ("peer = '192.0.2.1'", "peer"),
        ("source = 'other'", "source"),
        ("received_at_ms = received_at_ms + 1", "time"),
        ("flags = 1", "flags"),
        ("answer_status = 503", "answer"),
    ],
)
def test_a_lead_that_is_not_stored_as_it_came_is_named_with_what_differs(
    whole: Scene, change: str, named: str
) -> None:
    victim = whole.lead_ids()[1]
    whole.change(f"UPDATE leads SET {change} WHERE lead_id = '{victim}'")
    found = the_finding(whole)
    assert found["lead_id"] == victim
    assert found["what"] == f"the lead {victim} is not stored as it came: {named}"
    shown = whole.here.run("verify")
    assert shown.exit_code == 3
    assert f"WRONG the lead {victim}" in shown.stdout
    assert "next: " in shown.stdout


def test_a_lead_that_is_missing_is_named(whole: Scene) -> None:
    victim = whole.lead_ids()[0]
    whole.change(
        "DELETE FROM attempts WHERE delivery = 1",
        "DELETE FROM deliveries WHERE id = 1",
        "DELETE FROM leads WHERE id = 1",
    )
    found = the_finding(whole)
    assert found["lead_id"] == victim
    assert "is not in the store" in found["what"]
    assert "rebuild --replace" in found["hint"]


def test_another_number_is_right_only_if_its_own_was_taken(whole: Scene) -> None:
    first, second, *_ = sorted(whole.standings())
    beyond = max(whole.standings()) + 10**9
    whole.change(f"UPDATE leads SET lead_number = {beyond} WHERE lead_number = {second}")
    assert "another number than it came with" in the_finding(whole)["what"]
    # Now the second lead's number is the first one's, and its own is nobody's.
    whole.change(f"UPDATE leads SET lead_number = {second} WHERE lead_number = {first}")
    victim = whole.lead_ids()[0]
    assert the_finding(whole)["lead_id"] == victim


def test_what_was_made_harmless_or_erased_is_no_finding(whole: Scene) -> None:
    first, second, *_ = whole.lead_ids()
    whole.change(
        "UPDATE leads SET quarantine_reason = 'the store refused it: too long', peer = '?', "
        f"source = '', flags = 2 WHERE lead_id = '{first}'",
        "UPDATE leads SET disposition = 'erased', body = x'', headers = x'', target = x'' "
        f"WHERE lead_id = '{second}'",
    )
    assert whole.here.json("verify")["ok"]


def test_a_refused_lead_must_still_have_its_bytes(whole: Scene) -> None:
    victim = whole.lead_ids()[0]
    whole.change(
        "UPDATE leads SET quarantine_reason = 'the store refused it: too long', body = x'00' "
        f"WHERE lead_id = '{victim}'"
    )
    assert the_finding(whole)["what"].endswith("body")


def test_counters_that_drifted_are_named(whole: Scene) -> None:
    whole.change("UPDATE delivery_counts SET n = n + 1 WHERE status = 'completed'")
    found = the_finding(whole)
    assert "completed deliveries to brain says 6, there are 5" in found["what"]


def test_a_poisoned_store_is_named(whole: Scene) -> None:
    (whole.here.data / "leadkeep.db.poisoned").write_text("I/O error\n")
    assert "restart the worker" in the_finding(whole)["what"]


def test_damage_in_a_journal_is_named_by_place(whole: Scene) -> None:
    (segment, *_) = sorted((whole.here.data / "journal").rglob("*.segment"))
    flip(segment, 4096 + 70)
    found = the_finding(whole)
    assert found["path"] == str(segment)
    assert "from 4096 to" in found["what"]


@pytest.mark.parametrize("at", [10, -10])
def test_damage_in_the_archive_is_named_by_file(whole: Scene, at: int) -> None:
    segment = next((whole.here.data / "archive").rglob("*.zst"))
    flip(segment, segment.stat().st_size + at if at < 0 else at)
    assert str(segment) in {one["path"] for one in findings(whole)}


def test_a_segment_that_is_nowhere_is_named_unless_it_was_let_go(whole: Scene) -> None:
    segment = next((whole.here.data / "archive").rglob("*.zst"))
    segment.unlink()
    name = segment.name.removesuffix(".segment.zst")
    assert f"the segment {name}" in the_finding(whole)["what"]
    whole.change(f"UPDATE segments SET forgotten_at_ms = 1 WHERE segment = '{name}'")
    assert whole.here.json("verify")["ok"]


def test_a_journal_that_is_not_mounted_is_named(whole: Scene) -> None:
    whole.change("UPDATE segments SET finished = 0 WHERE id = 1")
    next((whole.here.data / "archive").rglob("*.zst")).unlink()
    shutil.rmtree(whole.here.data / "archive")
    told_hints = {one["hint"] for one in findings(whole)}
    assert any("mounted" in hint for hint in told_hints)


def test_leads_behind_a_segment_that_counts_as_absorbed_are_named(whole: Scene) -> None:
    # As when a journal turns up that a restored backup had only the beginning of.
    (info,) = [
        info
        for info in DiskJournalReader(whole.here.data / "journal").segments()
        if str(info.segment) not in str(whole.rows("SELECT segment FROM segments"))
    ]
    reader = DiskJournalReader(whole.here.data / "journal")
    (group,) = [one for one in reader.read(info, 0) if isinstance(one, Group)]
    whole.change(
        "INSERT INTO segments (segment, journal, position, finished, leads, probes, rejections, "
        f"handshakes, updated_at_ms) VALUES ('{info.segment}', '', 4096, 1, 0, 0, 0, 0, 0)"
    )
    assert group.records[0].lead_id.hex() == the_finding(whole)["lead_id"].replace("-", "")


def test_a_store_that_is_lost_is_an_error_with_its_mending(whole: Scene) -> None:
    whole.lose_the_store()
    result = whole.here.run("verify")
    assert result.exit_code == 1
    assert "rebuild" in result.stderr


# ---------------------------------------------------------------- of a backup


@pytest.fixture
def backup(whole: Scene) -> Path:
    return whole.backup()


def test_a_whole_backup_is_whole_wherever_it_is(whole: Scene, backup: Path) -> None:
    moved = backup.rename(whole.folder / "moved")
    before = sorted(path for path in moved.rglob("*"))
    assert whole.there("nothing here").json("verify", moved)["leads"] == 5
    assert sorted(path for path in moved.rglob("*")) == before


def test_changed_missing_and_added_files_of_a_backup_are_named(whole: Scene, backup: Path) -> None:
    flip(backup / "leadkeep.db", 5_000)
    (backup / "lead-numbers").unlink()
    (backup / "leadkeep.db-journal").write_bytes(b"?")
    found = findings(whole, backup)
    words = "\n".join(one["what"] for one in found)
    assert "leadkeep.db has changed: its SHA-256 differs" in words
    assert "lead-numbers is missing" in words
    assert "leadkeep.db-journal is no part of it" in words
    assert {one["hint"] for one in found} == {"Use another backup; this one must not be relied on."}


def test_a_changed_manifest_is_an_error(whole: Scene, backup: Path) -> None:
    flip(backup / "manifest.json", 30)
    result = whole.here.run("verify", backup)
    assert result.exit_code == 1
    assert "manifest.json is not what its checksum says" in result.stderr
