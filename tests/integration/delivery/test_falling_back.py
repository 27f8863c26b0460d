"""A destination that fails for too long: its leads go to the fallback, once, by themselves."""

import asyncio
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from leadkeep.clock import SystemClock
from leadkeep.delivery.board import Board
from leadkeep.delivery.fallback import Fallback, FallbackWatch
from leadkeep.models import CircuitMove
from leadkeep.states import CircuitState, Status
from leadkeep.walltime import WallTime
from tests.fakes.clock import FakeClock
from tests.integration.delivery.raw_server import OK, raw_server, replies
from tests.integration.delivery.workbench import Workbench, eventually, keys_of, workbench

BUSY = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
SOON_MINUTES = 0.2 / 60
CHOSEN: dict[str, Any] = {"fallback": "other", "fallback_after_minutes": SOON_MINUTES}


async def test_leads_that_fail_go_to_the_fallback_in_their_place(bench: Workbench) -> None:
    async with raw_server(replies(BUSY)) as broken, raw_server(replies(OK)) as other:
        ids = await bench.add_leads(5)
        with capture_logs() as said:
            async with bench.running({"brain": broken.url, "other": other.url}, **CHOSEN):
                await eventually(lambda: _has(bench, completed=5, cancelled=5))
                tried = len(broken.requests)
                await asyncio.sleep(0.3)
        assert len(broken.requests) == tried >= 5
        assert sorted(keys_of(other.requests)) == ids
    views = await bench.deliveries()
    assert {(view.destination, view.status, view.stands_in_for) for view in views} == {
        ("brain", Status.CANCELLED, ""),
        ("other", Status.COMPLETED, "brain"),
    }
    line = next(one for one in said if one["event"] == "leads go to a fallback")
    assert (line["destination"], line["fallback"]) == ("brain", "other")


async def test_leads_that_wait_untried_behind_an_open_circuit_go_there_too(
    bench: Workbench,
) -> None:
    async with raw_server(replies(BUSY)) as broken, raw_server(replies(OK)) as other:
        ids = await bench.add_leads(100)
        urls = {"brain": broken.url, "other": other.url}
        async with bench.running(urls, concurrency=4, **CHOSEN):
            await eventually(lambda: _has(bench, completed=100, cancelled=100))
    assert sorted(keys_of(other.requests)) == ids
    untried = [view for view in await bench.deliveries() if not view.attempts]
    assert untried
    assert {view.destination for view in untried} == {"brain"}


async def test_what_is_confirmed_in_time_does_not_go_there(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as brain, raw_server(replies(OK)) as other:
        await bench.add_leads(5)
        async with bench.running({"brain": brain.url, "other": other.url}, **CHOSEN):
            await eventually(bench.all_completed)
            await asyncio.sleep(0.3)
        assert other.requests == []


async def test_a_run_of_what_is_due_hands_over_first(bench: Workbench) -> None:
    async with raw_server(replies(BUSY)) as broken, raw_server(replies(OK)) as other:
        urls = {"brain": broken.url, "other": other.url}
        await bench.add_leads(1)
        async with bench.worker(urls, **CHOSEN) as worker:
            await worker.deliver_due_once()
        async with bench.worker(urls, **CHOSEN) as worker:
            await asyncio.sleep(0.3)
            run = await worker.deliver_due_once()
    assert run.completed == 1
    assert len(other.requests) == 1


async def test_after_a_jump_of_the_clock_nobody_has_failed_for_long(tmp_path: Path) -> None:
    clock = FakeClock()
    async with workbench(tmp_path, clock=clock) as bench:
        async with raw_server(replies(BUSY)) as broken:
            await bench.add_leads(1)
            async with bench.worker({"brain": broken.url, "other": broken.url}) as worker:
                await worker.deliver_due_once()
        wall = WallTime(clock)
        watch = FallbackWatch(
            bench.store,
            [Fallback("brain", "other", 60_000)],
            clock=clock,
            wall=wall,
            worker="w",
            handed_over=lambda: None,
            circuits=Board(bench.store, clock),
        )
        clock.jump(86_400)
        assert await watch.look() == 0
        clock.advance(61)
        assert await watch.look() == 1


async def test_while_the_circuit_is_open_what_was_never_tried_goes_too(bench: Workbench) -> None:
    clock = SystemClock()
    wall = WallTime(clock)
    await bench.add_leads(2)
    woken: list[int] = []
    watch = FallbackWatch(
        bench.store,
        [Fallback("brain", "other", 50)],
        clock=clock,
        wall=wall,
        worker="w",
        handed_over=lambda: woken.append(1),
        circuits=Board(bench.store, clock),
    )
    await asyncio.sleep(0.1)
    assert await watch.look() == 0
    opened = CircuitMove(CircuitState.OPEN, reason="five in a row")
    assert await bench.store.move_circuit("brain", 0, opened)
    await eventually(lambda: _looked(watch, 2))
    assert woken == [1]


async def _looked(watch: FallbackWatch, expected: int) -> bool:
    return await watch.look() == expected


async def _has(bench: Workbench, *, completed: int, cancelled: int) -> bool:
    counts = await bench.store.counts()
    return (counts[Status.COMPLETED], counts[Status.CANCELLED]) == (completed, cancelled)
