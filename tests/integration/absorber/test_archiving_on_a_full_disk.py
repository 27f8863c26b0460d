"""While the archive's disk is full nothing is compressed in vain; with room it goes on."""

import asyncio
import errno
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from leadkeep.absorber import archivist as archivist_module
from leadkeep.absorber.archivist import Archivist
from leadkeep.journal.archive import Archive
from leadkeep.journal.syscalls import Syscalls
from leadkeep.settings.model import JournalSettings
from tests.fakes.clock import FakeClock
from tests.integration.absorber.absorbing_bench import Bench, write
from tests.store.builders import a_record


class FullDisk(Syscalls):
    """Has no room for a copy until told otherwise."""

    def __init__(self) -> None:
        self.is_full = True
        self.tries = 0

    def sync_file(self, fd: int) -> None:
        self.tries += 1
        if self.is_full:
            raise OSError(errno.ENOSPC, "injected")
        super().sync_file(fd)


class Rig:
    """Three absorbed segments, and an archive whose disk is full."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.disk = FullDisk()
        self.told: list[str] = []
        self.folder = bench.folder / "archive"
        archive = Archive(
            self.folder,
            clock=FakeClock(),
            syscalls=self.disk,
            on_full=lambda: self.told.append("full"),
        )
        self.archivist = Archivist(
            readers=[bench.reader()],
            archive=archive,
            store=bench.store,
            settings=JournalSettings(),
            clock=FakeClock(),
        )

    async def absorb_three_segments(self) -> None:
        for _ in range(3):
            journal = self.bench.journal()
            write(journal, [a_record()])
            journal.close()
        await self.bench.absorber().absorb_available()

    def archived(self) -> list[Path]:
        return list(self.folder.rglob("*.zst"))


@pytest.fixture
async def rig(bench: Bench) -> Rig:
    made = Rig(bench)
    await made.absorb_three_segments()
    return made


async def test_one_segment_is_tried_and_the_others_wait(rig: Rig) -> None:
    with capture_logs() as told:
        assert (await rig.archivist.tidy()).archived == 0
    assert rig.disk.tries == 1
    assert rig.told == ["full"]
    assert [line["event"] for line in told] == [
        "a segment could not be archived; it stays in the journal"
    ]
    assert len(rig.bench.reader().segments()) == 3
    rig.disk.is_full = False
    assert (await rig.archivist.tidy()).archived == 3


async def test_whoever_needs_room_can_have_it_tidied_soon(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archivist_module, "TIDY_AGAIN_SECONDS", 0.01)
    stop = asyncio.Event()
    tidying = asyncio.create_task(rig.archivist.run(stop))
    async with asyncio.timeout(20):
        while not rig.disk.tries:
            await asyncio.sleep(0.01)
        rig.disk.is_full = False
        while len(rig.archived()) < 3:
            rig.archivist.wake()  # As the watch does, as long as room is scarce.
            await asyncio.sleep(0.01)
        stop.set()
        await tidying
