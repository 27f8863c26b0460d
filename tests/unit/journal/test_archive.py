"""The archive: nothing leaves the journal before its copy is safe, and it reads back the same."""

import os
import subprocess
from pathlib import Path
from shutil import which

import pytest

from leadkeep.errors import JournalDamaged, JournalUnavailable, NotFound, UsageError
from leadkeep.journal import archive as archive_module
from leadkeep.journal import archivefile
from leadkeep.journal.archive import Archive
from leadkeep.journal.archivereader import ArchiveReader
from leadkeep.journal.base import SegmentInfo, SegmentState
from leadkeep.journal.layout import BLOCK
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.survey import Survey
from leadkeep.journal.syscalls import Syscalls
from leadkeep.models import SegmentProgress
from tests.fakes.clock import FakeClock
from tests.unit.journal.conftest import OpenJournal
from tests.unit.journal.journal_parts import (
    FailingSyscalls,
    abandon,
    encoded,
    files,
    read_all,
    read_one,
    segment_of,
    set_mark,
    sorted_out,
)

DAY = 86_400
ZEROS = bytes(2_000_000)
"""A body may end like a segment does."""


@pytest.fixture
def archive(tmp_path: Path, clock: FakeClock) -> Archive:
    return Archive(tmp_path / "data" / "archive", clock=clock)


@pytest.fixture
def sealed(open_journal: OpenJournal, reader: DiskJournalReader) -> SegmentInfo:
    """A segment with the leads 1 to 3, in order."""
    return _sealed(open_journal, reader, 1, 2, 3)


def _sealed(
    open_journal: OpenJournal, reader: DiskJournalReader, *numbers: int, body: bytes = b"{}"
) -> SegmentInfo:
    journal = open_journal()
    for number in numbers:
        position = journal.commit(encoded(number, body=body))
    journal.close()
    return next(info for info in reader.segments() if info.segment == position.segment)


def _progress(info: SegmentInfo) -> SegmentProgress:
    return SegmentProgress(
        segment=info.segment,
        journal=info.journal,
        offset=4 * BLOCK,
        finished=True,
        leads=3,
        probes=0,
        rejections=0,
        handshakes=0,
    )


def test_a_kept_segment_has_left_the_journal_and_reads_back_the_same(
    archive: Archive, sealed: SegmentInfo, reader: DiskJournalReader, folder: Path
) -> None:
    before = read_one(reader, sealed)
    path = archive.keep(sealed, _progress(sealed))
    assert path.parent.name == "2026-08-15"
    assert files(folder, ".segment") == files(folder, ".mark") == []
    assert sorted_out(archive.read(sealed.segment)) == before
    assert [kept.segment for kept in archive.segments()] == [sealed.segment]
    note = archive.note(sealed.segment)
    assert (note.state, note.progress) == (SegmentState.SEALED, _progress(sealed))


def test_the_archive_reads_like_a_journal_and_from_any_position(
    archive: Archive, sealed: SegmentInfo
) -> None:
    archive.keep(sealed)
    archived = ArchiveReader(archive)
    (info,) = archived.segments()
    assert (info.segment, info.created_at_us) == (sealed.segment, sealed.created_at_us)
    assert sorted_out(archived.read(info, 2 * BLOCK)).numbers == [2, 3]
    assert archived.refresh(info) is None


def test_only_the_used_part_is_kept_and_zstd_gives_it_back(
    archive: Archive, sealed: SegmentInfo
) -> None:
    content = sealed.path.read_bytes()[: 4 * BLOCK]
    path = archive.keep(sealed)
    if which("zstd") is None:
        pytest.skip("zstd is not installed")
    out = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True)
    assert out.stdout == content


def test_a_live_segment_is_refused(
    archive: Archive, open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    open_journal().commit(encoded(1))
    for info in reader.segments():
        with pytest.raises(UsageError, match="still being written"):
            archive.keep(info)


def test_what_was_known_of_a_dead_segment_is_still_known_of_its_copy(
    archive: Archive, open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    journal = open_journal()
    for number in (1, 2, 3):
        position = journal.commit(encoded(number))
    abandon(journal)
    (info,) = [one for one in reader.segments() if one.segment == position.segment]
    set_mark(info, durable=3 * BLOCK)
    with info.path.open("r+b") as file:
        file.seek(2 * BLOCK + 80)
        file.write(b"????")
    (info,) = [one for one in reader.segments() if one.segment == position.segment]
    before = read_one(reader, info)
    assert before.unacknowledged == [3]
    assert len(before.damage) == 1
    archive.keep(info)
    assert sorted_out(archive.read(info.segment)) == before


def test_a_copy_that_reads_back_wrong_keeps_the_segment_where_it_is(
    archive: Archive, sealed: SegmentInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = archivefile.pack

    def lying(source: int, target: int, note: archivefile.ArchiveNote) -> None:
        pack(source, target, note)
        os.pwrite(target, b"\xff", os.fstat(target).st_size - 8)

    monkeypatch.setattr(archive_module, "pack", lying)
    with pytest.raises(JournalDamaged):
        archive.keep(sealed)
    assert sealed.path.exists()
    assert archive.segments() == []


class _Killed(BaseException):
    """Stands for the end of the process."""


class _DiesAt(Syscalls):
    def __init__(self, step: str) -> None:
        self._step = step

    def sync_file(self, fd: int) -> None:
        if self._step == "sync":
            raise _Killed
        super().sync_file(fd)

    def rename(self, source: Path, target: Path) -> None:
        if self._step == "rename":
            raise _Killed
        super().rename(source, target)

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        if self._step == "after the rename" and list(folder.glob("*.zst")):
            raise _Killed


@pytest.mark.parametrize("step", ["sync", "rename", "after the rename"])
def test_killed_at_any_step_the_segment_is_somewhere_and_keeping_again_finishes(
    archive: Archive, sealed: SegmentInfo, clock: FakeClock, step: str
) -> None:
    dying = Archive(archive.folder, clock=clock, syscalls=_DiesAt(step))
    with pytest.raises(_Killed):
        dying.keep(sealed)
    assert sealed.path.exists()
    clock.advance(DAY)
    archive.keep(sealed)
    assert not sealed.path.exists()
    assert sorted_out(archive.read(sealed.segment)).numbers == [1, 2, 3]
    assert len(archive.segments()) == 1
    archive.keep(sealed)  # Once more does no harm.


def test_a_full_disk_keeps_the_segment_where_it_is(
    archive: Archive, sealed: SegmentInfo, tmp_path: Path
) -> None:
    archive.folder.parent.mkdir(exist_ok=True)
    archive.folder.write_bytes(b"a file where the folder should be")
    with pytest.raises(JournalUnavailable, match="cannot be archived"):
        archive.keep(sealed)
    assert sealed.path.exists()


def test_candidates_are_the_old_ones_and_then_the_oldest_beyond_the_size(
    archive: Archive,
    open_journal: OpenJournal,
    reader: DiskJournalReader,
    clock: FakeClock,
) -> None:
    order = []
    for number in range(4):
        info = _sealed(open_journal, reader, number)
        archive.keep(info)
        order.append(info.segment)
        clock.advance(10 * DAY)
    sizes = [kept.size for kept in archive.segments()]

    def chosen(days: int, max_bytes: int) -> list[object]:
        found = archive.candidates(clock.now_ms, days=days, max_bytes=max_bytes)
        return [kept.segment for kept in found]

    assert chosen(60, 10**9) == []
    assert chosen(25, 10**9) == order[:2]
    assert chosen(60, sum(sizes[2:])) == order[:2]
    assert chosen(60, 0) == order


def test_a_removed_segment_is_gone_with_its_empty_day(
    archive: Archive, sealed: SegmentInfo
) -> None:
    path = archive.keep(sealed)
    archive.remove(sealed.segment)
    archive.remove(sealed.segment)
    assert not path.parent.exists()
    with pytest.raises(NotFound):
        list(archive.read(sealed.segment))


def test_a_damaged_copy_is_named_and_the_others_are_read(
    archive: Archive, open_journal: OpenJournal, reader: DiskJournalReader, folder: Path
) -> None:
    first = _sealed(open_journal, reader, 1)
    path = archive.keep(first)
    archive.keep(_sealed(open_journal, reader, 2))
    whole = path.read_bytes()
    for damaged in (whole[:-10], whole[:300], b"junk", b""):
        path.write_bytes(damaged)
        with pytest.raises(JournalDamaged):
            list(archive.read(first.segment))
    survey = Survey([DiskJournalReader(folder)], archive)
    assert survey.unreadable() == [path]
    assert [survey.content(place).records for place in survey.places(archive=True)] == [1]


def test_a_segment_archived_while_it_was_about_to_be_read_is_read_from_the_archive(
    archive: Archive, sealed: SegmentInfo, folder: Path
) -> None:
    survey = Survey([DiskJournalReader(folder)], archive)
    (place,) = survey.places(archive=True)
    archive.keep(sealed)
    assert sorted_out(survey.entries(place)).numbers == [1, 2, 3]


def test_a_spare_that_its_writer_removes_meanwhile_counts_as_empty(
    archive: Archive, open_journal: OpenJournal, folder: Path
) -> None:
    journal = open_journal()
    survey = Survey([DiskJournalReader(folder)], archive)
    places = list(survey.places(archive=True))
    journal.close()
    assert places
    assert all(survey.content(place).error == "" for place in places)


def test_a_poisoned_segments_unacknowledged_leads_stay_so(
    archive: Archive, open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    calls = FailingSyscalls()
    journal = open_journal(calls)
    first = journal.commit(encoded(1))
    calls.fail_group_syncs = 1
    journal.commit(encoded(2))
    (info,) = [one for one in reader.segments() if one.segment == first.segment]
    archive.keep(info)
    journal.close()
    assert sorted_out(archive.read(first.segment)).unacknowledged == [2]
    assert read_all(reader).numbers == [2]


def test_a_large_segment_is_kept_byte_for_byte(
    archive: Archive, open_journal: OpenJournal, reader: DiskJournalReader
) -> None:
    info = _sealed(open_journal, reader, 7, body=bytes(range(256)) * 12_000 + ZEROS)
    before = read_one(reader, info)
    archive.keep(info)
    assert sorted_out(archive.read(info.segment)) == before


# ---------------------------------------------------------------- copying for a backup


def test_a_copy_of_a_living_segment_holds_what_was_durable_when_it_was_listed(
    open_journal: OpenJournal, reader: DiskJournalReader, archive: Archive
) -> None:
    journal = open_journal()
    position = journal.commit(encoded(1, 2))
    listed = segment_of(reader, position.segment)
    journal.commit(encoded(3))
    assert listed.state is SegmentState.LIVE

    assert archive.copy(listed) is not None

    assert archive.note(listed.segment).state is SegmentState.SEALED
    found = sorted_out(archive.read(listed.segment))
    assert (found.numbers, found.damage, found.torn) == ([1, 2], [], [])
    assert listed.path.exists()
    journal.commit(encoded(4))
    assert read_all(reader).numbers == [1, 2, 3, 4]
    journal.close()


def test_a_copy_of_a_dead_segment_is_judged_as_the_segment_is(
    open_journal: OpenJournal, reader: DiskJournalReader, archive: Archive
) -> None:
    journal = open_journal()
    position = journal.commit(encoded(1))
    abandon(journal)
    info = segment_of(reader, position.segment)
    with info.path.open("r+b") as file:
        file.seek(2 * BLOCK)
        file.write(b"torn")

    archive.copy(info)

    assert sorted_out(archive.read(info.segment)) == read_one(reader, info)
    assert read_one(reader, info).torn


def test_a_segment_whose_living_writer_tells_nothing_is_copied_whole(
    open_journal: OpenJournal, reader: DiskJournalReader, archive: Archive
) -> None:
    journal = open_journal()
    position = journal.commit(encoded(1, 2))
    info = segment_of(reader, position.segment)
    info.path.with_name(f"{info.segment}.mark").unlink()
    listed = segment_of(reader, position.segment)
    assert (listed.state, listed.durable) == (SegmentState.LIVE, None)

    archive.copy(listed)

    assert sorted_out(archive.read(info.segment)).numbers == [1, 2]
    journal.close()


def test_a_segment_that_left_its_journal_since_it_was_listed_is_no_error(
    sealed: SegmentInfo, archive: Archive
) -> None:
    sealed.path.unlink()
    assert archive.copy(sealed) is None
    assert archive.segments() == []
