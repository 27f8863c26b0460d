"""kill -9 of a worker at its worst moments: its leads are delivered all the same."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw

from leadkeep.states import Status
from tests.integration.delivery.raw_server import OK, RawServer, Visit, raw_server
from tests.integration.delivery.workbench import Workbench, eventually, keys_of

ROOT = Path(__file__).parents[3]
LEASE_MS = 400


@asynccontextmanager
async def worker_process(bench: Workbench, server: RawServer) -> AsyncIterator[None]:
    """A worker process; killed when the block is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.delivery.one_worker"),
        *(str(bench.path), server.url, str(LEASE_MS)),
        cwd=ROOT,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_leads_of_a_killed_worker_are_taken_back_and_delivered_by_another(
    bench: Workbench,
) -> None:
    dying = True

    async def hang_at_first(visit: Visit) -> None:
        while await visit.request():
            if dying:
                await asyncio.Event().wait()
            await visit.send(OK)

    async with raw_server(hang_at_first) as server:
        ids = await bench.add_leads(10)
        async with worker_process(bench, server):
            await eventually(lambda: len(server.requests) == 4)
        assert await bench.count(Status.PROCESSING) == 4
        dying = False
        async with bench.running({"brain": server.url}, lease_ms=LEASE_MS, name="other"):
            await eventually(bench.all_completed)
    counts = Counter(keys_of(server.requests))
    assert sorted(counts) == ids
    assert sum(counts.values()) == 14
    assert sorted(one.attempts for one in await bench.deliveries()) == [1] * 6 + [2] * 4


async def test_a_worker_killed_after_the_destination_got_it_leads_to_the_same_key_again(
    bench: Workbench,
) -> None:
    # The store is locked when the destination answers, so that the outcome cannot be recorded.
    lock = apsw.Connection(str(bench.path))
    lock.set_busy_timeout(5_000)
    answered = asyncio.Event()

    async def answer(visit: Visit) -> None:
        while await visit.request():
            if not answered.is_set():
                await asyncio.to_thread(lock.execute, "BEGIN IMMEDIATE")
            await visit.send(OK)
            answered.set()

    async with raw_server(answer) as server:
        (lead_id,) = await bench.add_leads(1)
        async with worker_process(bench, server):
            await eventually(answered.is_set)
            await asyncio.sleep(0.1)
        lock.execute("ROLLBACK")
        lock.close()
        assert await bench.count(Status.PROCESSING) == 1
        async with bench.running({"brain": server.url}, lease_ms=LEASE_MS, name="other"):
            await eventually(bench.all_completed)
    assert keys_of(server.requests) == [lead_id, lead_id]
    assert [request.count(b"Leadkeep-Attempt: 2") for request in server.requests] == [0, 1]
