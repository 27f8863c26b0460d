"""Whatever dies and whenever: each accepted record is in the store once."""

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from leadkeep.clock import SystemClock
from leadkeep.journal.base import Group, SegmentInfo, SegmentState
from leadkeep.journal.identity import text
from leadkeep.journal.syscalls import Syscalls
from leadkeep.models import Record
from leadkeep.store.sqlite.opening import open_sqlite
from tests.integration.absorber.absorbing_bench import Bench, Reading, write
from tests.store.builders import a_record

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
    chance = random.Random(20250815)
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


async def test_an_absorber_that_was_overtaken_goes_on_from_there(bench: Bench) -> None:
    journal = bench.journal()
    slow, fast = bench.absorber(), bench.absorber()
    records = write(journal, *some_groups(1))
    await slow.absorb_news()
    records += write(journal, *some_groups(1))
    await fast.absorb_news()
    woken = bench.woken
    records += write(journal, *some_groups(1))

    done = await slow.absorb_news()

    assert (done.leads, done.already_known) == (3, 0)
    assert bench.woken == woken + 2  # its own, and what the other told only its own process
    await check_exactly_once(bench, records)
    journal.close()


async def test_a_store_that_was_set_back_is_filled_up_from_the_archive(
    bench: Bench, tmp_path: Path
) -> None:
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


class HoldsSync(Syscalls):
    """A disk that has taken a group and, while `holding`, does not come to syncing it."""

    def __init__(self) -> None:
        self.holding = False
        self.written = threading.Event()
        self.go_on = threading.Event()

    def sync_group(self, fd: int) -> None:
        if self.holding:
            self.written.set()
            assert self.go_on.wait(20)
        super().sync_group(fd)


class BelievesEverything(Reading):
    """A reader that takes what is written for durable."""

    def segments(self) -> list[SegmentInfo]:
        return [
            msgspec.structs.replace(info, durable=info.path.stat().st_size)
            if info.state is SegmentState.LIVE
            else info
            for info in self.inner.segments()
        ]


def after_a_power_cut(bench: Bench) -> set[str]:
    """The leads in the journal if the power went now and every byte not known durable with it."""
    image = bench.folder / "image"
    shutil.copytree(bench.folder / "journal", image)
    for info in bench.reader().segments():
        with (image / info.path.relative_to(bench.folder / "journal")).open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.truncate(info.durable)
            file.truncate(size)
    reader = bench.reader("image")
    return {
        text(record.lead_id)
        for info in reader.segments()
        for found in reader.read(info, 0)
        if isinstance(found, Group)
        for record in found.records
    }


@pytest.mark.parametrize("lying", [False, True], ids=["honest", "control"])
async def test_nothing_is_in_the_store_that_a_power_cut_takes_from_the_journal(
    bench: Bench, lying: bool
) -> None:
    """The control absorbs past the durable mark, and the power cut shows it."""
    calls = HoldsSync()
    journal = bench.journal(calls=calls)
    durable = write(journal, [a_record()])
    calls.holding = True
    committing = asyncio.create_task(asyncio.to_thread(write, journal, [a_record()]))
    assert await asyncio.to_thread(calls.written.wait, 20)

    reader = BelievesEverything(bench.reader()) if lying else bench.reader()
    await bench.absorber(reader).absorb_available()
    in_journal = after_a_power_cut(bench)

    assert in_journal == {text(record.lead_id) for record in durable}
    only_in_store = set(await bench.lead_ids()) - in_journal
    assert len(only_in_store) == (1 if lying else 0)
    calls.go_on.set()
    await committing
    journal.close()
