"""Whatever dies and whenever: each accepted record is in the store once. With controls that fail."""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.integration.absorber.absorbing_bench import Bench, Reading, write
from tests.store.builders import a_record

from leadkeep.journal.base import Group, SegmentInfo, SegmentState
from leadkeep.journal.identity import text
from leadkeep.journal.syscalls import Syscalls
from leadkeep.models import Record

REPOSITORY = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("absorbing_child.py")


@contextlib.contextmanager
def a_child(folder: Path, point: str = "never", nth: int = 0) -> Iterator[subprocess.Popen[str]]:
    """An absorbing process that is ready; killed at the end."""
    path = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), point, str(nth)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def some_groups(count: int) -> list[list[Record]]:
    return [[a_record(body=os.urandom(50).hex().encode()) for _ in range(3)] for _ in range(count)]


async def check_exactly_once(bench: Bench, records: list[Record]) -> None:
    """Each record is one lead with one delivery, byte for byte, in the order of acceptance."""
    stored = await bench.rows("SELECT lead_id, body, lead_number FROM leads ORDER BY id")
    assert Counter(row[0] for row in stored) == Counter(text(one.lead_id) for one in records)
    assert {row[0]: row[1] for row in stored} == {text(one.lead_id): one.body for one in records}
    assert [row[2] for row in stored] == [one.lead_number for one in records]
    assert await bench.rows("SELECT count(*), count(DISTINCT lead) FROM deliveries") == [
        (len(records), len(records))
    ]
    progress = await bench.store.progress()
    assert sum(one.leads for one in progress.values()) == len(records)


@pytest.mark.parametrize("point", ["before-commit", "after-commit"])
async def test_killed_at_each_side_of_a_commit_and_nothing_is_lost_or_doubled(
    bench: Bench, point: str
) -> None:
    journal = bench.journal()
    records = write(journal, *some_groups(60))
    for nth in (1, 2, 3):
        with a_child(bench.folder, point, nth) as child:
            assert child.wait(timeout=30) == -9
    stored = len(await bench.lead_ids())
    # 21 leads in each batch; the last one of each life counts only if it was committed.
    assert stored == (21 * 6 if point == "after-commit" else 21 * 3)

    await bench.absorber().absorb_available()

    await check_exactly_once(bench, records)
    journal.close()


async def test_killed_at_random_under_load_and_nothing_is_lost_or_doubled(bench: Bench) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    journal = bench.journal()
    records: list[Record] = []
    for _ in range(6):
        with a_child(bench.folder):
            die_at = time.monotonic() + chance.uniform(0.005, 0.15)
            while time.monotonic() < die_at:
                records += write(journal, *some_groups(2))
    before = len(await bench.lead_ids())

    await bench.absorber().absorb_available()

    assert before > 0
    await check_exactly_once(bench, records)
    journal.close()


async def test_absorbers_beside_each_other_absorb_each_record_once(bench: Bench) -> None:
    journal = bench.journal()
    records: list[Record] = []
    with a_child(bench.folder), a_child(bench.folder):
        absorber = bench.absorber(lock="mine.lock")
        for _ in range(20):
            records += write(journal, *some_groups(10))
            await absorber.absorb_news()
    journal.close()

    done = await bench.absorber().absorb_available()

    await check_exactly_once(bench, records)
    assert done.already_known == 0


async def test_a_store_that_was_set_back_is_filled_up_from_the_archive(
    bench: Bench, tmp_path: Path
) -> None:
    from leadkeep.clock import SystemClock
    from leadkeep.store.sqlite.store import open_sqlite

    journal = bench.journal()
    records = write(journal, *some_groups(3))
    journal.close()
    await bench.absorber().absorb_available()
    [info] = bench.reader().segments()
    bench.archive.keep(info)
    # The store of before: empty.
    older = await open_sqlite(tmp_path / "older.db", clock=SystemClock(), busy_timeout_ms=1_000)
    after = Bench(tmp_path, older)

    await after.absorber().absorb_available()

    await check_exactly_once(after, records)
    after.close()
    await older.close()


# ---------------------------------------------------------------- the durable mark


class PowerCutInSync(Syscalls):
    """At a sync, keeps an image of what would be on the disk if the power went now: what was synced.

    The simulation is the worst that the disk is allowed to do: every byte behind the durable mark
    is gone.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.cut = False
        self.seen: list[SegmentInfo] = []

    def sync_group(self, fd: int) -> None:
        if self.cut:
            self.cut = False
            self._keep_image()
        super().sync_group(fd)

    def _keep_image(self) -> None:
        self.seen = self.bench.reader().segments()
        shutil.copytree(self.bench.folder / "journal", self.bench.folder / "image")
        for info in Reading(DiskImage(self.bench)).segments():
            durable = next(one.durable for one in self.seen if one.segment == info.segment)
            size = info.path.stat().st_size
            with info.path.open("r+b") as file:
                file.truncate(durable)
                file.truncate(size)


def DiskImage(bench: Bench):  # type: ignore[no-untyped-def]  # noqa: N802 - reads as a noun
    return bench.reader("image")


class BelievesEverything(Reading):
    """A reader that takes what is written for durable."""

    def segments(self) -> list[SegmentInfo]:
        return [
            msgspec.structs.replace(info, durable=info.path.stat().st_size)
            if info.state is SegmentState.LIVE
            else info
            for info in self.inner.segments()
        ]


@pytest.mark.parametrize("lying", [False, True])
async def test_nothing_is_in_the_store_that_a_power_cut_takes_from_the_journal(
    bench: Bench, lying: bool
) -> None:
    """With `lying` this is the control: an absorber that reads past the mark is caught."""
    calls = PowerCutInSync(bench)
    journal = bench.journal(calls=calls)
    reader = BelievesEverything(bench.reader()) if lying else bench.reader()
    absorber = bench.absorber(reader)
    durable = write(journal, [a_record()])

    class AbsorbsInSync(Syscalls):
        pass

    # While a group is written and not yet synced, the absorber makes a pass; then the power goes.
    absorbed: list[int] = []
    original = calls.sync_group

    def sync_after_a_pass(fd: int) -> None:
        import asyncio
        import threading

        def pass_once() -> None:
            absorbed.append(asyncio.run(_absorb_elsewhere(bench, reader)))

        thread = threading.Thread(target=pass_once)
        thread.start()
        thread.join()
        calls.cut = True
        original(fd)

    calls.sync_group = sync_after_a_pass  # type: ignore[method-assign]  # for one group
    write(journal, [a_record()])
    journal.close()
    absorber.close()

    in_image = {
        text(record.lead_id)
        for info in bench.reader("image").segments()
        for found in bench.reader("image").read(info, 0)
        if isinstance(found, Group)
        for record in found.records
    }
    only_in_store = set(await bench.lead_ids()) - in_image
    assert in_image == {text(record.lead_id) for record in durable}
    assert absorbed == ([2] if lying else [1])
    assert bool(only_in_store) is lying


async def _absorb_elsewhere(bench: Bench, reader: Reading) -> int:
    """A pass in another thread's loop, with a connection of its own."""
    from leadkeep.clock import SystemClock
    from leadkeep.store.sqlite.store import open_sqlite

    store = await open_sqlite(
        bench.folder / "leadkeep.db", clock=SystemClock(), busy_timeout_ms=5_000
    )
    other = Bench(bench.folder, store)
    try:
        return (await other.absorber(reader, archive=False).absorb_available()).leads
    finally:
        other.close()
        await store.close()
