"""What may leave journal and archive, and that each condition alone keeps it."""

from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from structlog.testing import capture_logs

from leadkeep.absorber.archivist import Archivist
from leadkeep.absorber.trouble import Troubles
from leadkeep.journal.archive import Archive
from leadkeep.journal.archivelock import unpruned
from leadkeep.journal.base import Group
from leadkeep.models import SegmentProgress, Selection
from leadkeep.settings.model import JournalSettings
from leadkeep.states import Status, Verb
from leadkeep.store.base import Store
from leadkeep.walltime import WallTime
from tests.fakes.clock import FakeClock
from tests.integration.absorber.absorbing_bench import Bench, Storing, write
from tests.store.builders import a_record, an_outcome

EVERYTHING = Selection(everything=True)


class Rig:
    """A bench with an archivist and a clock to turn."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.clock = FakeClock()
        self.archive = Archive(bench.folder / "archive", clock=self.clock)

    def archivist(
        self,
        *,
        store: Store | None = None,
        troubles: Troubles | None = None,
        days: int = 30,
        max_bytes: int = 1024**3,
    ) -> Archivist:
        return Archivist(
            readers=[self.bench.reader()],
            archive=self.archive,
            store=store or self.bench.store,
            settings=JournalSettings(archive_days=days, archive_max_bytes=max_bytes),
            clock=self.clock,
            troubles=troubles,
            wall=WallTime(self.clock, self.bench.folder / "wall-time"),
        )

    async def absorbed_segment(self, leads: int = 2) -> UUID:
        """A sealed segment, wholly absorbed, still in its journal."""
        before = set(await self.bench.store.progress())
        journal = self.bench.journal()
        write(journal, *[[a_record()] for _ in range(leads)])
        journal.close()
        await self.bench.absorber().absorb_available()
        [segment] = set(await self.bench.store.progress()) - before
        return segment

    async def archived_segment(self, leads: int = 2) -> UUID:
        """The same, in the archive."""
        segment = await self.absorbed_segment(leads)
        assert (await self.archivist().tidy()).archived == 1
        return segment

    async def days_go_by(self, days: int) -> None:
        """Time passes, watched, and nothing is old enough meanwhile."""
        watching = self.archivist(days=1_000)
        for _ in range(days):
            self.clock.advance(86_400)
            assert (await watching.tidy()).pruned == 0

    async def settle_everything(self) -> None:
        while claims := await self.bench.store.claim(
            "default", limit=100, lease_ms=60_000, longest_wait_ms=1_000, worker="test"
        ):
            await self.bench.store.record([an_outcome(claim) for claim in claims])

    @property
    def in_journal(self) -> set[UUID]:
        return {info.segment for info in self.bench.reader().segments()}

    @property
    def in_archive(self) -> set[UUID]:
        return {kept.segment for kept in self.archive.segments()}


@pytest.fixture
def rig(bench: Bench) -> Rig:
    return Rig(bench)


# ---------------------------------------------------------------- journal → archive


async def test_an_absorbed_segment_goes_into_the_archive_whole(rig: Rig) -> None:
    segment = await rig.absorbed_segment(3)

    done = await rig.archivist().tidy()

    assert done.archived == 1
    assert rig.in_journal == set()
    found = [group for group in rig.archive.read(segment) if isinstance(group, Group)]
    assert sum(len(group.records) for group in found) == 3


async def test_what_is_not_absorbed_stays_in_the_journal(rig: Rig) -> None:
    journal = rig.bench.journal()
    write(journal, [a_record()])
    journal.close()

    assert (await rig.archivist().tidy()).archived == 0
    assert len(rig.in_journal) == 1


async def test_what_is_absorbed_in_part_stays_and_is_not_held_against_it(rig: Rig) -> None:
    journal = rig.bench.journal()
    write(journal, *[[a_record()] for _ in range(3)])
    journal.close()
    archivist = rig.archivist()
    absorber = rig.bench.absorber()
    await absorber.absorb_available(1)

    first = await archivist.tidy()
    await absorber.absorb_available()
    second = await archivist.tidy()

    assert (first.archived, first.kept_damaged) == (0, 0)
    assert (second.archived, second.kept_damaged) == (1, 0)


async def test_a_segment_that_is_still_written_to_stays_though_all_of_it_is_absorbed(
    rig: Rig,
) -> None:
    journal = rig.bench.journal()
    write(journal, [a_record()])
    await rig.bench.absorber().absorb_available()
    before = rig.in_journal

    class SaysFinished(Storing):
        async def progress(self) -> dict[UUID, SegmentProgress]:
            known = await self.inner.progress()
            return {
                uuid: msgspec.structs.replace(one, finished=True) for uuid, one in known.items()
            }

    assert (await rig.archivist(store=SaysFinished(rig.bench.store)).tidy()).archived == 0
    assert rig.in_journal == before
    journal.close()


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_damaged_segment_is_kept_for_good_and_said_once(rig: Rig, restarted: bool) -> None:
    journal = rig.bench.journal()
    write(journal, *[[a_record()] for _ in range(3)])
    journal.close()
    [info] = rig.bench.reader().segments()
    groups = [found for found in rig.bench.reader().read(info, 0) if isinstance(found, Group)]
    with info.path.open("r+b") as file:
        file.seek(groups[1].offset + 80)
        file.write(b"\xff\xfe\xfd")
    absorber = rig.bench.absorber()
    await absorber.absorb_available()
    archivist = rig.archivist(troubles=None if restarted else absorber.troubles)

    with capture_logs() as logs:
        done = [await archivist.tidy() for _ in range(3)]

    assert [(one.archived, one.kept_damaged) for one in done] == [(0, 1)] * 3
    assert rig.in_journal == {info.segment}
    assert [log["segment"] for log in logs] == [str(info.segment)]


async def test_a_segment_with_more_leads_than_were_absorbed_is_kept(rig: Rig) -> None:
    segment = await rig.absorbed_segment()

    class Forgot(Storing):
        async def progress(self) -> dict[UUID, SegmentProgress]:
            known = await self.inner.progress()
            return {uuid: msgspec.structs.replace(one, leads=1) for uuid, one in known.items()}

    with capture_logs():
        done = await rig.archivist(store=Forgot(rig.bench.store)).tidy()

    assert (done.archived, done.kept_damaged) == (0, 1)
    assert rig.in_journal == {segment}


async def test_what_the_absorber_read_whole_is_not_read_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = rig.bench.journal()
    write(journal, [a_record()])
    journal.close()
    absorber = rig.bench.absorber()
    await absorber.absorb_available()
    archivist = rig.archivist(troubles=absorber.troubles)

    def unread(*_: Any) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr("leadkeep.journal.reader.DiskJournalReader.read", unread)

    assert (await archivist.tidy()).archived == 1


# ---------------------------------------------------------------- archive → nothing


async def an_old_and_a_young_segment(rig: Rig) -> tuple[UUID, UUID]:
    """Archived 31 days apart; every lead in them is completed."""
    old = await rig.archived_segment()
    await rig.days_go_by(31)
    young = await rig.archived_segment()
    await rig.settle_everything()
    return old, young


async def test_what_is_old_and_needed_by_nobody_goes(rig: Rig) -> None:
    old, young = await an_old_and_a_young_segment(rig)

    done = await rig.archivist().tidy()

    assert done.pruned == 1
    assert rig.in_archive == {young}
    assert await rig.bench.rows(
        f"SELECT forgotten_at_ms IS NOT NULL, leads FROM segments WHERE segment = '{old}'"
    ) == [(1, 2)]


async def test_what_is_young_stays(rig: Rig) -> None:
    await an_old_and_a_young_segment(rig)

    assert (await rig.archivist(days=32).tidy()).pruned == 0
    assert len(rig.in_archive) == 2


@pytest.mark.parametrize("status", [Status.PENDING, Status.HELD, Status.FAILED, Status.PROCESSING])
async def test_one_lead_that_is_not_settled_keeps_its_segment(rig: Rig, status: Status) -> None:
    old = await rig.archived_segment()
    [claim] = await rig.bench.store.claim(
        "default", limit=1, lease_ms=60_000, longest_wait_ms=1_000, worker="test"
    )
    if status is Status.FAILED:
        await rig.bench.store.record([an_outcome(claim, Status.FAILED)])
    elif status is not Status.PROCESSING:
        await rig.bench.store.release([claim])
    if status is Status.HELD:
        await rig.bench.store.apply(Verb.HOLD, EVERYTHING, reason="test", actor="test", limit=1)
    await rig.days_go_by(31)
    await rig.archived_segment()
    if status is not Status.PENDING:
        await rig.settle_everything()
        assert (await rig.bench.store.counts())[status] == 1

    assert (await rig.archivist().tidy()).pruned == 0
    assert old in rig.in_archive


async def test_cancelled_leads_are_settled(rig: Rig) -> None:
    old = await rig.archived_segment()
    await rig.days_go_by(31)
    await rig.archived_segment()
    await rig.bench.store.apply(Verb.CANCEL, EVERYTHING, reason="test", actor="test")

    assert (await rig.archivist().tidy()).pruned == 1
    assert old not in rig.in_archive


async def test_without_a_checkpoint_nothing_goes(rig: Rig) -> None:
    class ReaderInTheWay(Storing):
        async def checkpoint(self) -> bool:
            return False

    await an_old_and_a_young_segment(rig)

    assert (await rig.archivist(store=ReaderInTheWay(rig.bench.store)).tidy()).pruned == 0
    assert len(rig.in_archive) == 2


async def test_what_the_store_does_not_know_to_be_finished_stays(rig: Rig) -> None:
    class SetBack(Storing):
        async def progress(self) -> dict[UUID, SegmentProgress]:
            return {}

    await an_old_and_a_young_segment(rig)

    assert (await rig.archivist(store=SetBack(rig.bench.store)).tidy()).pruned == 0
    assert len(rig.in_archive) == 2


@pytest.mark.parametrize("restarted", [False, True])
async def test_after_a_jump_of_the_clock_nothing_goes_for_its_age_for_a_day(
    rig: Rig, restarted: bool
) -> None:
    archivist = rig.archivist()
    await rig.absorbed_segment()
    await rig.settle_everything()
    await archivist.tidy()
    rig.clock.jump(10 * 365 * 86_400)

    if restarted:
        archivist = rig.archivist()
    for _ in range(24):
        assert (await archivist.tidy()).pruned == 0
        rig.clock.advance(3_600)
    assert (await archivist.tidy()).pruned == 1


async def test_beyond_the_size_the_oldest_go_that_may_and_the_rest_is_said(rig: Rig) -> None:
    first = await rig.archived_segment()
    await rig.settle_everything()
    waiting = await rig.archived_segment()
    await rig.days_go_by(1)
    last = await rig.archived_segment()
    await rig.bench.store.apply(
        Verb.CANCEL,
        Selection(refs=tuple(await _numbers_of(rig.bench, last))),
        reason="test",
        actor="test",
    )
    sizes = {kept.segment: kept.size for kept in rig.archive.segments()}

    roomy = await rig.archivist(max_bytes=sizes[waiting] + sizes[last]).tidy()
    assert (roomy.pruned, roomy.over_bytes) == (1, 0)
    assert rig.in_archive == {waiting, last}
    assert first not in rig.in_archive

    with capture_logs() as logs:
        tight = await rig.archivist(max_bytes=1).tidy()
    assert (tight.pruned, tight.over_bytes) == (1, sizes[waiting] - 1)
    assert rig.in_archive == {waiting}
    assert [log["log_level"] for log in logs if "over_bytes" in log] == ["warning"]


async def test_while_somebody_copies_nothing_goes(rig: Rig) -> None:
    await an_old_and_a_young_segment(rig)

    with unpruned(rig.archive.folder):
        assert (await rig.archivist().tidy()).pruned == 0
    assert len(rig.in_archive) == 2
    assert (await rig.archivist().tidy()).pruned == 1


async def test_what_came_damaged_out_of_a_backup_never_goes(rig: Rig) -> None:
    segment = await rig.absorbed_segment()
    await rig.settle_everything()
    [info] = rig.bench.reader().segments()
    assert rig.archive.copy(info, damaged=True)
    info.path.unlink()
    await rig.days_go_by(31)

    assert (await rig.archivist().tidy()).pruned == 0
    assert rig.in_archive == {segment}


async def test_a_failure_is_said_and_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.absorbed_segment()

    def full(*_: Any) -> Path:
        from leadkeep.errors import JournalUnavailable

        raise JournalUnavailable("no space", hint="make some")

    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr(Archive, "keep", full)
        assert (await rig.archivist().tidy()).archived == 0
    assert logs[0]["hint"] == "make some"
    assert (await rig.archivist().tidy()).archived == 1


async def _numbers_of(bench: Bench, segment: UUID) -> list[str]:
    rows = await bench.rows(
        "SELECT l.lead_number FROM leads AS l JOIN segments AS s ON s.id = l.segment "
        f"WHERE s.segment = '{segment}'"
    )
    return [str(number) for (number,) in rows]
