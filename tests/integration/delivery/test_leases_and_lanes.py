"""Holding claims: the heartbeat, what is lost, and how far ahead a lane claims."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from leadkeep.clock import Clock
from leadkeep.delivery.announce import Announcer
from leadkeep.delivery.attempt import Attempter
from leadkeep.delivery.board import Board
from leadkeep.delivery.gate import Gate
from leadkeep.delivery.lane import AHEAD_MAX, Lane
from leadkeep.delivery.leases import Leases
from leadkeep.delivery.recorder import Recorder
from leadkeep.delivery.rescuer import Rescuer
from leadkeep.delivery.scribe import Scribe
from leadkeep.destinations.http import HttpDestination
from leadkeep.models import CircuitMove, Claim
from leadkeep.settings.model import DestinationSettings
from leadkeep.states import CircuitState, Status
from leadkeep.store.base import Store
from leadkeep.walltime import WallTime
from tests.fakes.clock import FakeClock
from tests.integration.delivery.raw_server import OK, raw_server, replies
from tests.integration.delivery.workbench import Workbench, eventually, keys_of, workbench

LEASE_MS = 90_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def bench(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Workbench]:
    async with workbench(tmp_path, clock=clock) as made:
        yield made


async def claims_of(bench: Workbench, count: int) -> list[Claim]:
    await bench.add_leads(count)
    return await bench.store.claim(
        "brain", limit=count, lease_ms=LEASE_MS, longest_wait_ms=900_000, worker="one"
    )


def a_lane(
    store: Store, clock: Clock, leases: Leases, destination: HttpDestination, *, concurrency: int
) -> Lane:
    settings = DestinationSettings(url="http://127.0.0.1/", concurrency=concurrency)
    board = Board(store, clock)
    return Lane(
        Attempter(destination, settings.retry, clock=clock, wall=WallTime(clock)),
        gate=Gate("brain", settings, store=store, board=board, clock=clock, worker="one"),
        concurrency=concurrency,
        store=store,
        clock=clock,
        leases=leases,
        recorder=Recorder(store, leases, Announcer(Scribe(None))),
        lease_ms=LEASE_MS,
        worker="one",
    )


async def test_renewed_leases_last(bench: Workbench, clock: FakeClock) -> None:
    leases = Leases(bench.store, lease_ms=LEASE_MS)
    leases.hold(await claims_of(bench, 3))
    for _ in range(3):
        clock.advance(60)
        await leases.renew()
        assert await bench.store.rescue() == 0
    assert len(leases) == 3


async def test_leases_that_are_not_renewed_do_not_last(bench: Workbench, clock: FakeClock) -> None:
    await claims_of(bench, 3)
    clock.advance(91)
    assert await bench.store.rescue() == 3


async def test_what_was_let_go_is_neither_renewed_nor_lost(
    bench: Workbench, clock: FakeClock
) -> None:
    leases = Leases(bench.store, lease_ms=LEASE_MS)
    claims = await claims_of(bench, 2)
    leases.hold(claims)
    leases.let_go(claims[0])
    clock.advance(60)
    await leases.renew()
    clock.advance(60)
    assert await bench.store.rescue() == 1
    with capture_logs() as logs:
        await leases.renew()
        assert logs == []
        clock.advance(91)
        assert await bench.store.rescue() == 1
        await leases.renew()
    assert [entry["count"] for entry in logs] == [1]
    assert [leases.is_lost(claim) for claim in claims] == [False, True]
    await leases.renew()
    assert len(leases) == 1


async def test_a_lost_claim_whose_try_has_not_begun_is_not_tried(
    bench: Workbench, clock: FakeClock
) -> None:
    leases = Leases(bench.store, lease_ms=LEASE_MS)
    lost, kept = await claims_of(bench, 2)
    leases.hold([lost])
    clock.advance(91)
    await bench.store.rescue()
    await leases.renew()
    async with raw_server(replies(OK)) as server:
        destination = HttpDestination("brain", DestinationSettings(url=server.url), clock=clock)
        lane = a_lane(bench.store, clock, leases, destination, concurrency=1)
        async with asyncio.TaskGroup() as crew:
            lane.start(crew)
            lane.put([lost, kept])
            await lane.finish(within_seconds=None)
        await destination.close()
    assert keys_of(server.requests) == [kept.lead_id]


async def test_a_lane_claims_ahead_as_far_as_its_destination_is_fast(
    bench: Workbench, clock: FakeClock
) -> None:
    destination = HttpDestination(
        "brain", DestinationSettings(url="http://127.0.0.1/"), clock=clock
    )
    leases = Leases(bench.store, lease_ms=LEASE_MS)
    lane = a_lane(bench.store, clock, leases, destination, concurrency=10)
    rooms = []
    for seconds in (30.0, 1.1, 0.1, 0.01, 0.0005):
        lane._carriers.usual_seconds = seconds
        rooms.append(lane.room())
    assert rooms == [10, 10, 20, 110, 10 + AHEAD_MAX]


async def test_claims_that_came_after_the_gate_had_shut_are_not_waited_for(
    bench: Workbench, clock: FakeClock
) -> None:
    destination = HttpDestination(
        "brain", DestinationSettings(url="http://127.0.0.1/"), clock=clock
    )
    leases = Leases(bench.store, lease_ms=LEASE_MS)
    lane = a_lane(bench.store, clock, leases, destination, concurrency=1)
    claims = await claims_of(bench, 2)
    shut = CircuitMove(CircuitState.OPEN, due_in_ms=60_000, openings=1, reason="down", owner="two")
    assert await bench.store.move_circuit("brain", 0, shut)
    assert await lane.room_made() == 0
    lane.put(claims)
    assert await lane.room_made() == 0
    async with asyncio.timeout(10):
        await lane.all_recorded()
    assert len(leases) == 0
    assert await bench.count(Status.PENDING) == 2


async def test_the_heartbeat_outlives_a_store_that_cannot_be_written(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with workbench(tmp_path, clock=clock, busy_timeout_ms=10) as bench:
        leases = Leases(bench.store, lease_ms=60)
        leases.hold(await claims_of(bench, 1))
        clock.advance(60)
        lock = apsw.Connection(str(bench.path))
        lock.execute("BEGIN IMMEDIATE")
        with capture_logs() as logs:
            keeping = asyncio.create_task(leases.keep())
            await eventually(lambda: logs)
            lock.execute("ROLLBACK")
            lock.close()
            await eventually(lambda: _renewed(bench, clock))
            keeping.cancel()
    assert logs[0]["event"] == "leases could not be renewed"


async def _renewed(bench: Workbench, clock: FakeClock) -> bool:
    _, rows = await bench.store.query(
        f"SELECT count(*) FROM deliveries WHERE lease_until_boot_ms = {clock.boottime_ms() + 60}",
        limit=1,
    )
    return bool(rows[0][0])


async def test_the_rescuer_takes_back_what_ran_out_and_says_so(
    bench: Workbench, clock: FakeClock
) -> None:
    told = []
    await claims_of(bench, 2)
    rescuer = Rescuer(bench.store, every_seconds=0.01, rescued=lambda: told.append(1))
    assert await rescuer.rescue() == 0
    with capture_logs() as logs:
        rescuing = asyncio.create_task(rescuer.run())
        clock.advance(91)
        await eventually(lambda: told)
        rescuing.cancel()
    assert [entry["count"] for entry in logs] == [2]
    assert await bench.count(Status.PENDING) == 2
