"""What `process-queue` does: everything that is due now, each lead once, then an end."""

import asyncio
from collections import Counter
from pathlib import Path

import apsw
import pytest

from leadkeep.delivery.once import DeliveryRun
from leadkeep.errors import StoreUnavailable
from leadkeep.settings.model import RetrySettings
from leadkeep.settings.steering import BreakerSettings
from leadkeep.states import Status
from leadkeep.store.sqlite.opening import open_sqlite
from tests.fakes.clock import FakeClock
from tests.integration.delivery.raw_server import OK, Visit, raw_server, replies
from tests.integration.delivery.workbench import Workbench, keys_of, workbench

BUSY = b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy"
AT_ONCE = RetrySettings(first_seconds=0.0, longest_seconds=0.1)
"""A lead that fails is due again in the same moment."""
NO_BREAKER = BreakerSettings(enabled=False)


async def test_everything_that_is_due_is_delivered_and_counted(bench: Workbench) -> None:
    told: list[DeliveryRun] = []
    async with raw_server(replies(OK)) as one, raw_server(replies(OK)) as two:
        ids = await bench.add_leads(150, "one", "two")
        async with bench.worker({"one": one.url, "two": two.url}) as worker:
            run = await worker.deliver_due_once(progress=told.append)
    assert run == DeliveryRun(completed=300)
    assert [each.attempted for each in told] == list(range(1, 301))
    assert sorted(keys_of(one.requests)) == sorted(keys_of(two.requests)) == ids
    assert await bench.count(Status.COMPLETED) == 300


async def test_a_lead_that_fails_is_not_tried_twice_in_one_run(bench: Workbench) -> None:
    async with raw_server(replies(BUSY)) as server:
        ids = await bench.add_leads(80)
        async with bench.worker({"brain": server.url}, retry=AT_ONCE, breaker=NO_BREAKER) as worker:
            run = await worker.deliver_due_once()
    assert run == DeliveryRun(retry_later=80)
    assert Counter(keys_of(server.requests)) == dict.fromkeys(ids, 1)
    assert {one.attempts for one in await bench.deliveries()} == {1}
    assert await bench.count(Status.PENDING) == 80


async def test_failures_do_not_keep_the_leads_behind_them_from_being_tried(
    bench: Workbench,
) -> None:
    async def refuse_some(visit: Visit) -> None:
        while request := await visit.request():
            await visit.send(BUSY if b"refuse" in request else OK)

    async with raw_server(refuse_some) as server:
        await bench.add_leads(40, body=b"refuse")
        await bench.add_leads(40)
        async with bench.worker(
            {"brain": server.url}, retry=AT_ONCE, breaker=NO_BREAKER, concurrency=2
        ) as worker:
            run = await worker.deliver_due_once()
    assert run == DeliveryRun(completed=40, retry_later=40)


async def test_what_is_given_up_is_counted_as_failed(bench: Workbench) -> None:
    async with raw_server(replies(BUSY)) as server:
        await bench.add_leads(2)
        policy = RetrySettings(age_seconds=0)
        async with bench.worker({"brain": server.url}, retry=policy) as worker:
            assert await worker.deliver_due_once() == DeliveryRun(failed=2)


@pytest.mark.parametrize("limit", [0, 1, 7, 1000])
async def test_a_limit_holds_over_all_destinations(bench: Workbench, limit: int) -> None:
    async with raw_server(replies(OK)) as server:
        await bench.add_leads(20, "one", "two")
        async with bench.worker({"one": server.url, "two": server.url}) as worker:
            run = await worker.deliver_due_once(limit=limit)
    assert run.completed == len(server.requests) == min(limit, 40)


async def test_what_is_due_later_waits(bench: Workbench) -> None:
    async with raw_server(replies(BUSY)) as server:
        await bench.add_leads(5)
        later = RetrySettings(first_seconds=3600, longest_seconds=3600)
        async with bench.worker({"brain": server.url}, retry=later) as worker:
            await worker.deliver_due_once()
        async with bench.worker({"brain": server.url}, retry=later) as worker:
            assert await worker.deliver_due_once() == DeliveryRun()
    assert len(server.requests) == 5


async def test_a_run_without_anything_due_does_nothing(bench: Workbench) -> None:
    async with bench.worker({"brain": "http://127.0.0.1:1/"}) as worker:
        assert await worker.deliver_due_once() == DeliveryRun()
    async with bench.worker({}) as worker:
        assert await worker.deliver_due_once() == DeliveryRun()


async def test_two_runs_and_a_worker_beside_them_deliver_each_lead_once(bench: Workbench) -> None:
    async def unhurried(visit: Visit) -> None:
        while await visit.request():
            await asyncio.sleep(0.002)
            await visit.send(OK)

    second = await open_sqlite(bench.path, clock=bench.clock, busy_timeout_ms=5_000)
    third = await open_sqlite(bench.path, clock=bench.clock, busy_timeout_ms=5_000)
    async with raw_server(unhurried) as server:
        ids = await bench.add_leads(400)
        url = {"brain": server.url}
        async with (
            bench.worker(url, name="two", store=second) as two,
            bench.worker(url, name="three", store=third) as three,
            bench.running(url, concurrency=4),
        ):
            runs = await asyncio.gather(two.deliver_due_once(), three.deliver_due_once())
    await second.close()
    await third.close()
    assert Counter(keys_of(server.requests)) == dict.fromkeys(ids, 1)
    assert await bench.count(Status.COMPLETED) == 400
    assert all(run.stale == run.retry_later == 0 for run in runs)


async def test_what_a_dead_worker_left_is_taken_back_first(tmp_path: Path) -> None:
    clock = FakeClock()
    async with workbench(tmp_path, clock=clock) as bench:
        ids = await bench.add_leads(3)
        claims = await bench.store.claim(
            "brain", limit=3, lease_ms=90_000, longest_wait_ms=1, worker="dead"
        )
        assert len(claims) == 3
        async with (
            raw_server(replies(OK)) as server,
            bench.worker({"brain": server.url}) as early,
            bench.worker({"brain": server.url}) as late,
        ):
            assert await early.deliver_due_once() == DeliveryRun()
            clock.advance(91)
            assert await late.deliver_due_once() == DeliveryRun(completed=3, rescued=3)
    assert sorted(keys_of(server.requests)) == ids


async def test_a_store_that_cannot_be_written_ends_the_run_with_an_error(
    tmp_path: Path,
) -> None:

    async with workbench(tmp_path, busy_timeout_ms=20) as bench:
        await bench.add_leads(1)
        lock = apsw.Connection(str(bench.path))
        lock.execute("BEGIN IMMEDIATE")
        async with bench.worker({"brain": "http://127.0.0.1:1/"}) as worker:
            with pytest.raises(StoreUnavailable):
                await worker.deliver_due_once()
        lock.execute("ROLLBACK")
        lock.close()
        assert await bench.count(Status.PENDING) == 1


async def test_outcomes_that_cannot_be_recorded_are_an_error_and_not_silence(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadkeep.delivery.worker.LAST_RECORD_SECONDS", 0.1)
    lock = apsw.Connection(str(bench.path))

    async def lock_then_answer(visit: Visit) -> None:
        while await visit.request():
            if not lock.in_transaction:
                await asyncio.to_thread(lock.execute, "BEGIN IMMEDIATE")
            await visit.send(OK)

    async with raw_server(lock_then_answer) as server:
        await bench.add_leads(1)
        store = await open_sqlite(bench.path, clock=bench.clock, busy_timeout_ms=20)
        async with bench.worker({"brain": server.url}, store=store) as worker:
            with pytest.raises(StoreUnavailable, match="1 outcomes could not be recorded"):
                # One more claim would meet the lock first: the limit keeps it from being made.
                await worker.deliver_due_once(limit=1)
        await store.close()
    lock.execute("ROLLBACK")
    lock.close()
