"""A world in which leads are delivered to scripted destinations, and what was seen in it.

The worker, its lanes, attempts, recorder and store are the real ones; only time and the
destinations are made up. One seed, one course of events.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from leadkeep.delivery.worker import DeliveryWorker
from leadkeep.destinations.base import Reply
from leadkeep.models import Claim
from leadkeep.settings.model import DestinationSettings
from leadkeep.states import Status
from leadkeep.store.base import Store
from tests.simulation.virtual import VirtualClock, in_virtual_time, store_in_time
from tests.store.builders import a_batch, a_lead

MINUTE, HOUR = 60.0, 3_600.0
LEADS_A_BATCH = 500

OK = Reply(confirmed=True, status=200)
DOWN = Reply(confirmed=False, error_class="http_503", error_message="down", status=503)
REFUSED = Reply(confirmed=False, error_class="http_422", error_message="no", status=422)


def come_back_in(seconds: float) -> Reply:
    """429 with Retry-After."""
    return Reply(
        confirmed=False,
        error_class="http_429",
        error_message="too many",
        status=429,
        retry_after_seconds=seconds,
    )


class Answer(NamedTuple):
    """What a destination does with one attempt."""

    reply: Reply
    seconds: float = 0.02


Script = Callable[[float, Claim], Answer]
"""From seconds since the beginning and a claim to an answer."""


class Try(NamedTuple):
    """One attempt, as the destination saw it."""

    at: float
    """Seconds since the beginning."""
    delivery: int
    confirmed: bool
    beside: int
    """How many others were under way when it began."""


@dataclass
class Scripted:
    """A destination that follows a script and remembers."""

    name: str
    script: Script
    clock: VirtualClock
    tries: list[Try] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    async def attempt(self, claim: Claim) -> Reply:
        answer = self.script(self.clock.seconds, claim)
        confirmed = answer.reply.confirmed
        self.tries.append(Try(self.clock.seconds, claim.delivery_id, confirmed, self.under_way))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            # No two answers take the same time, or all carriers would go in step for ever.
            await asyncio.sleep(answer.seconds * random.uniform(0.5, 1.5))
        finally:
            self.under_way -= 1
        return answer.reply

    async def close(self) -> None:
        pass

    # ------------------------------------------------------------ what was seen

    def between(self, start: float, end: float) -> list[Try]:
        """Tries that began in this time."""
        return [one for one in self.tries if start <= one.at < end]

    def tries_of_each(self) -> Counter[int]:
        return Counter(one.delivery for one in self.tries)

    def longest_pause(self) -> float:
        """The longest time in which a lead that was not delivered yet was not tried."""
        times: dict[int, list[float]] = defaultdict(list)
        for one in self.tries:
            times[one.delivery].append(one.at)
        pauses = (b - a for each in times.values() for a, b in pairwise(each))
        return max(pauses, default=0.0)

    def delivered_at(self) -> dict[int, float]:
        """When each delivery was first confirmed."""
        first: dict[int, float] = {}
        for one in self.tries:
            if one.confirmed:
                first.setdefault(one.delivery, one.at)
        return first

    def first_confirmed(self, after: float) -> Try:
        """The first confirmed try that began at or after this moment."""
        return next(one for one in self.tries if one.confirmed and one.at >= after)

    def busiest_second(self, start: float = 0.0, end: float = float("inf")) -> int:
        """The most tries that began within one second."""
        seconds = Counter(int(one.at) for one in self.between(start, end))
        return max(seconds.values(), default=0)


@dataclass
class World:
    """What a scenario may use."""

    store: Store
    clock: VirtualClock
    destinations: Mapping[str, Scripted]

    async def add_leads(self, count: int, *names: str) -> None:
        """Leads for these destinations (all, if none is named), due now."""
        to = names or tuple(self.destinations)
        now_us = self.clock.now_us()
        while count > 0:
            some = min(count, LEADS_A_BATCH)
            leads = [a_lead(destinations=to, received_at_us=now_us) for _ in range(some)]
            await self.store.absorb(a_batch(*leads))
            count -= some

    async def all_settled(self, *, within: float) -> None:
        """Wait until no lead is pending or processing.

        Args:
            within: fail after so many seconds of virtual time.
        """
        ends = self.clock.seconds + within
        while counts := await self._unsettled():
            assert self.clock.seconds < ends, f"not settled after {within} s: {counts}"
            await self._another_try(until=ends)

    async def _unsettled(self) -> Mapping[Status, int]:
        """What is there, if some of it is pending or processing."""
        counts = await self.store.counts()
        return counts if counts[Status.PENDING] + counts[Status.PROCESSING] else {}

    async def _another_try(self, *, until: float) -> None:
        """Wait for an attempt to be made, and for its outcome to be recorded."""
        before = self._tries_made()
        while self._tries_made() == before and self.clock.seconds < until:
            await asyncio.sleep(5)
        await asyncio.sleep(5)

    def _tries_made(self) -> int:
        return sum(len(one.tries) for one in self.destinations.values())

    async def clock_reaches(self, seconds: float) -> None:
        """Let time pass until then."""
        await asyncio.sleep(seconds - self.clock.seconds)

    async def count(self, status: Status) -> int:
        return (await self.store.counts())[status]


Scenario = Callable[[World], Awaitable[Any]]


def simulate(
    folder: Path,
    scripts: Mapping[str, Script],
    scenario: Scenario,
    *,
    seed: int = 1,
    each: Mapping[str, Mapping[str, Any]] | None = None,
    **settings: Any,
) -> World:
    """Let a worker deliver while the scenario lasts; returns the world as it was at its end.

    Args:
        folder: for the store.
        scripts: what each destination does.
        scenario: adds leads and waits; the worker runs meanwhile.
        seed: draws jitter and all durations.
        each: settings of single destinations.
        settings: settings of all destinations.
    """
    chosen = {
        name: DestinationSettings(
            url="http://scripted/", **{**settings, **(each or {}).get(name, {})}
        )
        for name in scripts
    }
    before = random.getstate()
    random.seed(seed)
    structlog.configure(processors=[_swallowed])
    try:
        world: World = in_virtual_time(lambda: _run(folder, scripts, chosen, scenario))
        return world
    finally:
        random.setstate(before)
        structlog.reset_defaults()


async def _run(
    folder: Path,
    scripts: Mapping[str, Script],
    settings: Mapping[str, DestinationSettings],
    scenario: Scenario,
) -> World:
    clock = VirtualClock(asyncio.get_running_loop())
    destinations = {name: Scripted(name, script, clock) for name, script in scripts.items()}
    store_times = random.Random(random.random())
    async with store_in_time(folder, clock, store_times) as store:
        world = World(store, clock, destinations)
        async with _working(world, settings):
            await scenario(world)
    return world


@asynccontextmanager
async def _working(
    world: World, settings: Mapping[str, DestinationSettings]
) -> AsyncIterator[None]:
    worker = DeliveryWorker(
        store=world.store,
        destinations=world.destinations,
        settings=settings,
        clock=world.clock,
        lease_ms=90_000,
        worker="simulated",
        drain_seconds=60.0,
    )
    stop = asyncio.Event()
    run = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await run


def _swallowed(_logger: object, _method: str, _event: object) -> Any:
    """Hundreds of thousands of log lines are not what a simulation is for."""
    raise structlog.DropEvent
