"""How late the door answers while something is wrong with the store, beside the same door at peace.

`bin/benchmark troubles [--seconds 2] [--rounds 3] [--json FILE]`, as root: each trouble of the
experiment `store-troubles` in turn, on a whole installation whose store has a disk of its own.
Before each trouble the undisturbed door is measured; every request is timed by the same client.
"""

import argparse
import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import aiohttp
import uvloop

from benchmarks.harness import LEAD, machine, table, write_report
from tests.faults.experiments.store_damage import under_the_worker
from tests.faults.experiments.store_troubles import TROUBLES, Trouble, settings_for
from tests.faults.rig.brain import Brain
from tests.faults.rig.faulty_disk import FaultyDisk, faulty_disk
from tests.faults.rig.installation import Installation
from tests.faults.rig.waiting import wait_until

CONNECTIONS = 16
LEADS_PER_SECOND = 500
"""So few that the door, the worker and this client together leave the processor idle at times: what
is measured is the trouble, and not who is faster."""


@contextlib.contextmanager
def _damaged(installation: Installation, disk: FaultyDisk) -> Iterator[None]:
    """Its file was overwritten: a worker starts, looks and leaves, again and again."""
    under_the_worker(installation, random.Random(1))
    yield


ALL_TROUBLES: Mapping[str, Trouble] = {**TROUBLES, "damaged": _damaged}
"""The last one cannot be undone."""


async def _answer_times(url: str, seconds: float) -> list[float]:
    """Milliseconds until each answer, of leads posted evenly over so many seconds."""
    taken: list[float] = []

    async def vendor(session: aiohttp.ClientSession, late_by: float) -> None:
        due = time.perf_counter() + late_by
        end = due + seconds
        while due < end:
            await asyncio.sleep(due - time.perf_counter())
            begun = time.perf_counter()
            async with session.post(url, data=LEAD.encode()) as reply:
                await reply.read()
                assert reply.status == 200, reply.status
            taken.append((time.perf_counter() - begun) * 1_000)
            due += CONNECTIONS / LEADS_PER_SECOND

    async with aiohttp.ClientSession() as session:
        vendors = (vendor(session, i / LEADS_PER_SECOND) for i in range(CONNECTIONS))
        await asyncio.gather(*vendors)
    return taken


def measure_round(folder: Path, seconds: float, seen: dict[str, tuple[list[float], ...]]) -> None:
    """Every trouble once, on a new installation; adds to the times of each, at peace and in it."""
    with (
        Brain() as brain,
        faulty_disk(folder / "disk") as disk,
        Installation(folder, brain, settings=settings_for(disk)) as installation,
    ):
        installation.start()
        url = f"http://127.0.0.1:{installation.port}/hooks/lqf"
        uvloop.run(_answer_times(url, 1))  # Whatever is done at first only.
        for name, trouble in ALL_TROUBLES.items():
            installation.wait_until_they_serve()
            wait_until("nothing waits", lambda: not installation.waiting())
            at_peace, in_trouble = seen.setdefault(name, ([], []))
            at_peace += uvloop.run(_answer_times(url, seconds))
            with trouble(installation, disk):
                in_trouble += uvloop.run(_answer_times(url, seconds))


def show(figures: Mapping[str, Mapping[str, float]]) -> str:
    """The figures as a table."""
    headings = ["the store", "at peace p50", "p99", "in trouble p50", "p99", "p99 / p99 at peace"]
    rows = [
        [
            name,
            f"{found['p50_at_peace']:.2f}",
            f"{found['p99_at_peace']:.2f}",
            f"{found['p50']:.2f}",
            f"{found['p99']:.2f}",
            f"{found['p99'] / found['p99_at_peace']:.2f}",
        ]
        for name, found in figures.items()
    ]
    return table(headings, rows)


def _figures(at_peace: Sequence[float], in_trouble: Sequence[float]) -> dict[str, float]:
    return {
        "answers": len(in_trouble),
        "p50_at_peace": _percentile(at_peace, 50),
        "p99_at_peace": _percentile(at_peace, 99),
        "p50": _percentile(in_trouble, 50),
        "p99": _percentile(in_trouble, 99),
    }


def _percentile(times: Sequence[float], percent: int) -> float:
    return sorted(times)[len(times) * percent // 100]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    asked = parser.parse_args()
    seen: dict[str, tuple[list[float], ...]] = {}
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            measure_round(Path(folder), asked.seconds, seen)
    figures = {name: _figures(*times) for name, times in seen.items()}
    print(show(figures))
    write_report(asked.json, {"machine": machine(), "troubles": figures})


if __name__ == "__main__":
    main()
