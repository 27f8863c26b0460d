"""`leadkeep backup`: everything accepted before is in it, and it is what it says it is."""

import errno
import hashlib
import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from leadkeep.journal.archive import Archive
from leadkeep.journal.base import Group, SegmentState
from leadkeep.journal.disk import DiskJournal
from leadkeep.recovery import backup as backup_module
from leadkeep.recovery import files
from leadkeep.recovery.backup import Backup
from leadkeep.recovery.files import Digest
from tests.integration.recovery.scene import CONFIG, Scene, flip, told

Usage = namedtuple("Usage", "total used free")


def everything_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def lead_ids_in(archive: Archive) -> list[bytes]:
    return [
        record.lead_id
        for kept in archive.segments()
        for group in archive.read(kept.segment)
        if isinstance(group, Group)
        for record in group.records
    ]


def test_a_backup_holds_what_is_stored_and_what_still_waits_in_the_journal(scene: Scene) -> None:
    scene.push(3)
    scene.deliver()
    scene.tidy()
    scene.push(2)
    scene.deliver()
    scene.push(2)

    made = told(scene.here.run("backup", scene.folder / "backup", "--json"))

    assert made["counts"]["leads"] == 5
    assert made["counts"]["waiting"] == 2
    assert made["counts"]["deliveries"]["completed"] == 5
    assert made["findings"] == []
    assert len(lead_ids_in(Archive(scene.folder / "backup" / "archive"))) == 7


def test_the_manifest_names_every_file_with_its_size_and_checksum(scene: Scene) -> None:
    scene.push(2)
    scene.deliver()
    backup = scene.backup()

    found = everything_in(backup)
    manifest = json.loads(found.pop("manifest.json"))
    noted, name = found.pop("manifest.json.sha256").decode().split()

    assert (noted, name) == (
        hashlib.sha256((backup / "manifest.json").read_bytes()).hexdigest(),
        "manifest.json",
    )
    assert manifest["files"] == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in found.items()
    }
    assert {"leadkeep.db", "lead-numbers"} < set(found)
    assert any(name.startswith("archive/outcomes/") for name in found)
    assert manifest["format"] == 1


def test_a_backup_is_for_its_owners_eyes_only(scene: Scene) -> None:
    scene.push()
    backup = scene.backup()
    assert all(path.stat().st_mode & 0o077 == 0 for path in [backup, *backup.rglob("*")])


def test_nothing_is_overwritten(scene: Scene) -> None:
    scene.push()
    (scene.folder / "backup").mkdir()
    scene.backup()  # an empty folder may be taken
    before = everything_in(scene.folder / "backup")
    scene.push()

    result = scene.here.run("backup", scene.folder / "backup")

    assert result.exit_code == 1
    assert "nothing is overwritten" in result.stderr
    assert everything_in(scene.folder / "backup") == before


def test_an_empty_installation_is_no_backup(scene: Scene) -> None:
    result = scene.here.run("backup", scene.folder / "backup")
    assert result.exit_code == 1
    assert "nothing to back up" in result.stderr
    assert not (scene.folder / "backup").exists()


def test_an_installation_without_a_store_yet_is_backed_up(scene: Scene) -> None:
    scene.push(2)
    made = told(scene.here.run("backup", scene.folder / "backup", "--json"))
    assert (made["counts"]["leads"], made["counts"]["waiting"]) == (0, 2)
    assert not (scene.folder / "backup" / "leadkeep.db").exists()


# ---------------------------------------------------------------- what moves meanwhile


def test_a_segment_that_moves_into_the_archive_meanwhile_is_in_the_backup_once_and_whole(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.push(3)
    scene.deliver()
    copy_archive = Backup._copy_archive

    def after_it_moved(self: Backup, draft: Path, archive: Archive) -> None:
        scene.tidy()
        copy_archive(self, draft, archive)

    monkeypatch.setattr(Backup, "_copy_archive", after_it_moved)
    backup = scene.backup()

    assert list((scene.here.data / "journal").rglob("*.segment")) == []
    leads = lead_ids_in(Archive(backup / "archive"))
    assert len(leads) == len(set(leads)) == 3


def test_a_segment_that_leaves_its_journal_before_it_is_copied_is_found_in_the_archive(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.push(3)
    scene.deliver()
    copy = Archive.copy

    def too_late(self: Archive, info: Any, **more: Any) -> Any:
        scene.tidy()
        return copy(self, info, **more)

    monkeypatch.setattr(Archive, "copy", too_late)
    backup = scene.backup()
    assert len(lead_ids_in(Archive(backup / "archive"))) == 3


def test_a_living_segment_is_copied_as_far_as_its_leads_are_acknowledged(scene: Scene) -> None:
    from leadkeep.clock import SystemClock
    from leadkeep.journal.records import encode
    from tests.store.builders import a_record

    journal = DiskJournal(
        scene.here.data / "journal", segment_bytes=2 * 1024**2, clock=SystemClock()
    )
    records = [a_record() for _ in range(4)]
    for record in records[:3]:
        journal.commit([encode(record)])
    scene.deliver()
    backup = scene.backup()
    journal.commit([encode(records[3])])
    journal.close()

    archive = Archive(backup / "archive")
    assert lead_ids_in(archive) == [record.lead_id for record in records[:3]]
    assert [archive.note(one.segment).state for one in archive.segments()] == [SegmentState.SEALED]


def test_nothing_leaves_the_archive_while_it_is_copied(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.configure(CONFIG.format(url=scene.sink.url) + '[journal]\narchive_max_bytes = "1MiB"\n')
    scene.push(2, filling=900_000)
    scene.deliver()
    kept = Archive(scene.here.data / "archive").segments
    copy_archive = Backup._copy_archive

    def while_pruning(self: Backup, draft: Path, archive: Archive) -> None:
        scene.tidy()
        assert len(kept()) == 2
        copy_archive(self, draft, archive)

    monkeypatch.setattr(Backup, "_copy_archive", while_pruning)
    backup = scene.backup()
    assert len(lead_ids_in(Archive(backup / "archive"))) == 2
    scene.tidy()
    assert len(kept()) == 1


# ---------------------------------------------------------------- sharing with the one before


def test_since_links_what_the_backup_before_has_and_it_verifies(scene: Scene) -> None:
    scene.push(3)
    scene.deliver()
    scene.tidy()
    first = scene.backup("first")
    scene.push(2)
    scene.deliver()
    scene.tidy()

    made = told(scene.here.run("backup", scene.folder / "second", "--since", first, "--json"))

    second = scene.folder / "second"
    shared = [path for path in first.rglob("*.zst") if (second / path.relative_to(first)).exists()]
    assert len(shared) == 3
    assert all(path.samefile(second / path.relative_to(first)) for path in shared)
    assert made["linked_bytes"] == sum(path.stat().st_size for path in shared)
    assert len(lead_ids_in(Archive(second / "archive"))) == 5
    shutil.rmtree(first)
    scene.here.ok("verify", second)


def test_a_file_that_has_changed_in_the_backup_before_is_copied_anew(scene: Scene) -> None:
    scene.push(3)
    scene.deliver()
    scene.tidy()
    first = scene.backup("first")
    bad = next(first.rglob("*.zst"))
    flip(bad, bad.stat().st_size // 2)

    made = told(scene.here.run("backup", scene.folder / "second", "--since", first, "--json"))

    assert made["linked_bytes"] > 0
    assert not bad.samefile(scene.folder / "second" / bad.relative_to(first))
    scene.here.ok("verify", scene.folder / "second")


@pytest.mark.parametrize("former", ["nowhere", "data"])
def test_without_a_backup_before_everything_is_copied(scene: Scene, former: str) -> None:
    scene.push()
    result = scene.here.run("backup", scene.folder / "b", "--since", scene.folder / former)
    assert result.exit_code == 0
    assert "everything is copied" in result.stderr
    scene.here.ok("verify", scene.folder / "b")


# ---------------------------------------------------------------- what goes wrong


def test_too_little_room_is_said_beforehand(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.push()
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(9, 9, 1_000_000))
    result = scene.here.run("backup", scene.folder / "backup")
    assert result.exit_code == 1
    assert "the backup needs" in result.stderr
    assert "has 1 MB free" in result.stderr
    assert sorted(path.name for path in scene.folder.iterdir()) == ["data", "leadkeep.toml"]


def test_a_disk_that_fills_up_leaves_nothing_behind(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.push(2)
    scene.deliver()
    scene.tidy()

    def full(*_: object) -> Digest:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backup_module, "copy_file", full)
    result = scene.here.run("backup", scene.folder / "backup")
    assert result.exit_code == 1
    assert "No space left" in result.stderr
    assert sorted(path.name for path in scene.folder.iterdir()) == ["data", "leadkeep.toml"]


def test_a_disk_that_does_not_keep_what_is_written_is_caught(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.push(2)
    scene.deliver()
    scene.tidy()
    copy_file = files.copy_file

    def forgetful(source: Path, target: Path) -> Digest:
        read = copy_file(source, target)
        flip(target, 3)
        return read

    monkeypatch.setattr(backup_module, "copy_file", forgetful)
    result = scene.here.run("backup", scene.folder / "backup")
    assert result.exit_code == 1
    assert "does not read back" in result.stderr
    assert not (scene.folder / "backup").exists()


def test_what_was_wrong_before_is_told_and_the_backup_made_all_the_same(scene: Scene) -> None:
    scene.push(3)
    scene.deliver()
    (segment, *_) = sorted((scene.here.data / "journal").rglob("*.segment"))
    flip(segment, 4096 + 70)

    result = scene.here.run("backup", scene.folder / "backup")

    assert result.exit_code == 3
    assert "verified" in result.stdout
    assert "WRONG" in result.stdout
    assert ".leadkeep-unfinished" not in result.stdout
    archive = Archive(scene.folder / "backup" / "archive")
    assert sum(archive.note(one.segment).damaged for one in archive.segments()) == 1


def test_a_draft_that_a_killed_backup_has_left_is_removed_by_the_next(scene: Scene) -> None:
    scene.push()
    (scene.folder / ".leadkeep-unfinished-abc").mkdir()
    (scene.folder / ".leadkeep-unfinished-abc" / "leadkeep.db").write_bytes(b"personal")
    scene.backup()
    assert sorted(path.name for path in scene.folder.iterdir()) == [
        "backup",
        "data",
        "leadkeep.toml",
    ]


def test_a_backup_of_what_a_lost_store_has_left_says_so_and_comes_back(scene: Scene) -> None:
    scene.push(2)
    scene.deliver()
    expected = scene.requests()
    scene.lose_the_store()
    result = scene.here.run("backup", scene.folder / "backup")
    assert result.exit_code == 3
    assert "is gone: the backup has none" in result.stdout
    there = scene.restore(scene.folder / "backup")
    assert scene.requests(there) == expected
    assert scene.statuses(there) == ["completed"] * 2
