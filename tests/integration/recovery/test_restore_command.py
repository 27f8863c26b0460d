"""`leadkeep restore`: every lead byte for byte, and nothing is delivered again by itself."""

import errno
import shutil
from pathlib import Path

import pytest

from leadkeep.app.commands import load_settings
from leadkeep.clock import SystemClock
from leadkeep.errors import StoreUnsafe
from leadkeep.journal.archive import Archive
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.records import encode
from leadkeep.recovery import manifest
from leadkeep.recovery.backup import Backup
from leadkeep.recovery.restore import Restore
from leadkeep.store.occupancy import used
from tests.integration.recovery.scene import CONFIG, Scene, flip, told
from tests.store.builders import a_record


@pytest.fixture
def busy(scene: Scene) -> Scene:
    """Leads in every state: 2 completed, then failed, cancelled, held, processing, and 2 waiting
    in the store and 2 in the journal, in the order of acceptance."""
    scene.push(2)
    scene.deliver()
    scene.tidy()
    scene.sink.status = 503
    scene.push(1)
    scene.deliver()
    scene.give_up()
    scene.push(2)
    scene.deliver()
    cancelled, held = scene.lead_ids(["pending"])
    scene.here.ok("leads", "cancel", cancelled, "--reason", "a test lead")
    scene.here.ok("leads", "hold", held, "--reason", "asked by the vendor")
    scene.push(1)
    scene.deliver()
    scene.change("UPDATE deliveries SET next_attempt_at_ms = 0 WHERE status = 'pending'")
    scene.claim()
    scene.push(2)
    scene.deliver()
    scene.push(2)
    scene.sink.status = 200
    return scene


STATES_BEFORE = ["completed"] * 2 + ["failed", "cancelled", "held", "processing"] + ["pending"] * 2
STATES_AFTER = ["completed"] * 2 + ["failed", "cancelled", "held", "held"] + ["held"] * 4


def test_what_waited_is_held_what_was_decided_stays_and_nothing_is_delivered(busy: Scene) -> None:
    assert busy.statuses() == STATES_BEFORE
    there = busy.restore(busy.backup())

    assert busy.statuses(there) == STATES_AFTER
    assert busy.delivers_nothing_by_itself(there)
    reasons = {
        reason for (reason,) in busy.rows("SELECT DISTINCT hold_reason FROM deliveries", there)
    } - {""}
    assert "asked by the vendor" in reasons
    (ours,) = reasons - {"asked by the vendor"}
    assert ours.startswith("restored from the backup of 20")
    assert ours.endswith("it may have been delivered since")
    assert ("a test lead",) in busy.rows("SELECT error_message FROM deliveries", there)


def test_every_lead_comes_back_byte_for_byte(busy: Scene) -> None:
    there = busy.restore(busy.backup())
    busy.deliver()  # the journal's leads come into the original's store too
    assert busy.requests(there) == busy.requests()
    assert len(busy.requests()) == 10
    there.ok("verify")


def test_one_command_lets_go_what_the_restore_has_held_and_nothing_else(busy: Scene) -> None:
    there = busy.restore(busy.backup())
    before = len(busy.sink.bodies)
    result = there.run("leads", "resume", "--held-because", "restored from the backup", "--yes")
    assert result.stdout == "5 deliveries pending\n"
    busy.deliver(there)
    assert len(busy.sink.bodies) - before == 5
    assert busy.statuses(there).count("held") == 1


def test_a_confirmation_after_the_snapshot_is_believed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.push(2)
    scene.sink.status = 503
    scene.deliver()
    scene.push(2)
    copy_journals = Backup._copy_journals

    def delivered_meanwhile(self: Backup, archive: Archive) -> None:
        copy_journals(self, archive)
        scene.sink.status = 200
        scene.here.ok("leads", "retry", "--everything", "--yes")
        scene.deliver()

    monkeypatch.setattr(Backup, "_copy_journals", delivered_meanwhile)
    backup = scene.backup()
    made = told(scene.there().run("restore", backup, "--json"))

    assert made["settled"]["confirmed_by_log"] == 4
    assert scene.statuses(scene.there()) == ["completed"] * 4
    assert scene.rows("SELECT max(attempts) FROM deliveries", scene.there()) == [(2,)]


def test_an_installation_that_had_no_store_yet_comes_back_held(scene: Scene) -> None:
    scene.push(3)
    there = scene.restore(scene.backup())
    assert scene.statuses(there) == ["held"] * 3
    assert scene.delivers_nothing_by_itself(there)


def test_a_held_destination_stays_held(scene: Scene) -> None:
    scene.push()
    scene.here.ok("hold", "brain")
    there = scene.restore(scene.backup())
    assert scene.rows("SELECT name, held FROM destination_states", there) == [("brain", 1)]


def test_numbers_given_after_the_backup_are_never_given_by_the_restored_one(scene: Scene) -> None:
    scene.push(2)
    scene.deliver()
    backup = scene.backup()
    for _ in range(3):  # it runs on, and each start of a door reserves numbers
        scene.push(2)
    scene.deliver()
    there = scene.restore(backup)
    scene.push(3, to=there)
    scene.deliver(there)

    mine, others = set(scene.standings()), set(scene.standings(there))
    assert len(mine & others) == 2
    assert min(others - mine) > max(mine)


def test_a_restored_installation_works_on_as_any_other(scene: Scene) -> None:
    scene.push(2)
    scene.deliver()
    there = scene.restore(scene.backup())
    scene.push(2, to=there)
    assert scene.deliver(there).exit_code == 0
    assert scene.statuses(there) == ["completed"] * 4
    there.ok("verify")
    there.ok("backup", scene.folder / "again")
    assert there.ok("status")


def test_a_store_on_another_disk_comes_back_there(scene: Scene) -> None:
    scene.push(3)
    scene.deliver()
    backup, expected = scene.backup(), scene.requests()
    scene.configure(CONFIG.format(url=scene.sink.url) + '[store]\npath = "disk/queue.db"\n')
    there = scene.there()
    (scene.folder / "disk").mkdir()
    there.ok("restore", backup)
    there.ok("verify")
    assert not (there.data / "leadkeep.db").exists()
    for path in (scene.folder / "disk").glob("queue.db*"):
        path.rename(scene.folder / path.name.replace("queue", "leadkeep"))
    apart = scene.there()
    apart.data = scene.folder
    assert scene.requests(apart) == expected
    there.ok("rebuild")
    assert (scene.folder / "disk" / "queue.db").exists()
    there.ok("verify")


# ---------------------------------------------------------------- what other disks have kept


def test_leads_that_came_after_the_backup_and_are_still_in_a_journal_come_back_too(
    scene: Scene,
) -> None:
    other_disk = f'[journal]\nfolders = ["{scene.folder}/disk/journal"]\n'
    scene.configure(CONFIG.format(url=scene.sink.url) + other_disk)
    scene.push(2)
    scene.deliver()
    backup = scene.backup()
    scene.push(3)
    scene.deliver()
    expected = scene.requests()
    shutil.rmtree(scene.here.data)

    scene.here.ok("restore", backup)

    assert scene.requests() == expected
    assert scene.statuses() == ["completed"] * 2 + ["held"] * 3
    assert scene.delivers_nothing_by_itself(scene.here)
    scene.here.ok("verify")
    scene.tidy()
    assert len(Archive(scene.here.data / "archive").segments()) == 5
    scene.here.ok("verify")


class Yesterday(SystemClock):
    """A day ago."""

    def now_us(self) -> int:
        return super().now_us() - 86_400_000_000


def test_a_journal_that_went_on_after_the_backup_is_read_on_and_archived_whole(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_disk = f'[journal]\nfolders = ["{scene.folder}/disk/journal"]\n'
    scene.configure(CONFIG.format(url=scene.sink.url) + other_disk)
    journal = DiskJournal(
        scene.folder / "disk" / "journal", segment_bytes=2 * 1024**2, clock=SystemClock()
    )
    for body in (b"1", b"2"):
        journal.commit([encode(a_record(source="vendor", body=body))])
    scene.deliver()
    with monkeypatch.context() as yesterday:
        yesterday.setattr("leadkeep.app.recovery.SystemClock", Yesterday)
        backup = scene.backup()
    for body in (b"3", b"4"):
        journal.commit([encode(a_record(source="vendor", body=body))])
    journal.close()
    scene.deliver()
    expected = scene.requests()
    shutil.rmtree(scene.here.data)

    scene.here.ok("restore", backup)
    assert scene.requests() == expected
    assert scene.statuses() == ["completed"] * 2 + ["held"] * 2
    scene.tidy()
    assert len(Archive(scene.here.data / "archive").segments()) == 1
    scene.here.ok("verify")
    scene.lose_the_store()
    scene.here.ok("rebuild")
    assert scene.requests() == expected


def test_a_segment_that_is_damaged_in_its_journal_is_taken_from_the_backup(scene: Scene) -> None:
    other_disk = f'[journal]\nfolders = ["{scene.folder}/disk/journal"]\n'
    scene.configure(CONFIG.format(url=scene.sink.url) + other_disk)
    scene.push(1)
    scene.push(1)
    scene.deliver()
    expected = scene.requests()
    backup = scene.backup()
    shutil.rmtree(scene.here.data)
    (first, _) = sorted((scene.folder / "disk").rglob("*.segment"))
    flip(first, 4096 + 70)

    result = scene.here.run("restore", backup)

    assert result.exit_code == 3
    assert str(first) in result.stdout
    assert scene.requests() == expected


# ---------------------------------------------------------------- what is refused


def test_a_flipped_bit_in_any_file_is_named_and_nothing_is_restored(busy: Scene) -> None:
    backup = busy.backup()
    pristine = busy.folder / "pristine"
    shutil.copytree(backup, pristine)
    names = [path.relative_to(backup) for path in sorted(backup.rglob("*")) if path.is_file()]
    assert len(names) > 10
    for name in names:
        flip(backup / name, (backup / name).stat().st_size // 2)
        result = busy.there().run("restore", backup)
        assert result.exit_code == 1, name
        # A changed checksum of the manifest shows at the manifest.
        assert str(name).removesuffix(".sha256") in result.stderr, name
        assert not busy.there().data.exists(), name
        shutil.copy(pristine / name, backup / name)
    busy.restore(backup)


def test_a_missing_or_shortened_file_is_named(busy: Scene) -> None:
    backup = busy.backup()
    segment = next(backup.rglob("*.zst"))
    with segment.open("r+b") as file:
        file.truncate(20)
    (backup / "lead-numbers").unlink()
    result = busy.there().run("restore", backup)
    assert result.exit_code == 1
    assert f"{segment.relative_to(backup)} has 20 bytes instead of" in result.stderr
    assert "lead-numbers is missing" in result.stderr


def test_a_backup_of_a_later_format_is_refused_in_words(scene: Scene) -> None:
    import hashlib

    scene.push()
    backup = scene.backup()
    file = backup / "manifest.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 2'))
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    (backup / "manifest.json.sha256").write_text(f"{content}  manifest.json\n")
    result = scene.there().run("restore", backup)
    assert result.exit_code == 1
    assert "format 2, known is 1" in result.stderr


def test_a_folder_that_holds_an_installation_is_refused(scene: Scene) -> None:
    scene.push()
    scene.deliver()
    backup = scene.backup()
    before = scene.requests()
    result = scene.here.run("restore", backup)
    assert result.exit_code == 1
    assert "there is an installation in" in result.stderr
    assert scene.requests() == before
    for path in scene.here.data.glob("leadkeep.db*"):
        path.unlink()
    assert scene.here.run("restore", backup).exit_code == 1  # its archive is still there


def test_a_folder_that_somebody_uses_is_refused(scene: Scene) -> None:
    scene.push()
    backup = scene.backup()
    there = scene.there()
    with used(there.data / "run"):
        result = there.run("restore", backup)
    assert result.exit_code == 1
    assert "uses the store" in result.stderr
    there.ok("restore", backup)


def test_a_dry_run_checks_and_changes_nothing(scene: Scene) -> None:
    scene.push()
    backup = scene.backup()
    there = scene.there()
    assert "can be restored" in there.ok("restore", backup, "--dry-run")
    assert told(there.run("restore", backup, "--dry-run", "--json"))["counts"]["records"] == 1
    assert not there.data.exists()
    flip(backup / "lead-numbers", 3)
    assert there.run("restore", backup, "--dry-run").exit_code == 1


def test_what_is_no_backup_is_refused(scene: Scene) -> None:
    assert scene.there().run("restore", scene.folder / "nowhere").exit_code == 5
    result = scene.there().run("restore", scene.folder)
    assert result.exit_code == 1
    assert "is no backup" in result.stderr


# ---------------------------------------------------------------- half way


@pytest.fixture
def half_way(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A restore that stopped when all was ready and nothing in place; returns the backup."""
    scene.push(2)
    scene.deliver()
    scene.push(1)
    backup = scene.backup()
    with monkeypatch.context() as broken:

        def fails(_: Restore) -> None:
            raise OSError(errno.EIO, "Input/output error")

        broken.setattr(Restore, "_finish", fails)
        assert scene.there().run("restore", backup).exit_code == 1
    return backup


def test_nothing_starts_on_an_unfinished_restore(scene: Scene, half_way: Path) -> None:
    there = scene.there()
    for command in (["process-queue"], ["migrate"], ["leads", "retry", "--everything", "--yes"]):
        result = there.run(*command)
        if command[0] != "leads":  # which finds no store and so nothing to do
            assert "was not finished" in result.stderr, command
            assert "restore` again" in result.stderr
    assert not (there.data / "leadkeep.db").exists()
    told_by_status = there.run("status")
    assert told_by_status.exit_code == 3
    assert "was not finished" in told_by_status.stdout


def test_the_same_command_finishes_it(scene: Scene, half_way: Path) -> None:
    there = scene.restore(half_way)
    assert scene.statuses(there) == ["completed"] * 2 + ["held"]
    assert not (there.data / "restoring").exists()
    there.ok("verify")


def test_another_backup_does_not_finish_it(scene: Scene, half_way: Path) -> None:
    other = scene.backup("other")
    result = scene.there().run("restore", other)
    assert result.exit_code == 1
    assert "a restore of another backup" in result.stderr


def test_a_log_beside_a_store_that_is_gone_is_not_taken_for_the_new_ones(scene: Scene) -> None:
    scene.push(2)
    scene.deliver()
    backup = scene.backup()
    there = scene.there()
    there.data.mkdir()
    (there.data / "leadkeep.db-wal").write_bytes(b"another database's log")
    there.ok("restore", backup)
    (aside,) = there.data.glob("leadkeep.db.replaced-*")
    assert [path.name for path in aside.iterdir()] == ["leadkeep.db-wal"]
    assert scene.requests(there) == scene.requests()


def test_a_backup_that_changes_while_it_is_read_is_not_restored(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.push(2)
    backup = scene.backup()
    check = manifest.check_files

    def changed_afterwards(*args: object) -> None:
        check(*args)  # type: ignore[arg-type]  # as it was called
        flip(next(backup.rglob("*.zst")), 50)

    monkeypatch.setattr(manifest, "check_files", changed_afterwards)
    result = scene.there().run("restore", backup)
    assert result.exit_code == 1
    assert "has changed while it was read" in result.stderr
    assert not (scene.there().data / "leadkeep.db").exists()


async def test_a_worker_does_not_open_a_store_that_is_not_restored_yet(
    scene: Scene, half_way: Path
) -> None:
    from leadkeep.app import open_store

    settings = load_settings(None, {"data": str(scene.there().data)})
    with pytest.raises(StoreUnsafe, match="not finished"):
        async with open_store(settings, recover=True):
            raise AssertionError("it was opened")
