"""A real store, real workers and what a test wants to know about them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from leadkeep.clock import Clock, SystemClock
from leadkeep.delivery.gate import AskHealth
from leadkeep.delivery.worker import DeliveryWorker
from leadkeep.destinations.http import HttpDestination
from leadkeep.destinations.transform import transformed
from leadkeep.journal.outcomes import OutcomeLog
from leadkeep.models import DeliveryView, Selection
from leadkeep.settings.model import DestinationSettings, RetrySettings
from leadkeep.settings.steering import BreakerSettings, RateSettings
from leadkeep.states import Status
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.store.sqlite.store import SqliteStore
from tests.store.builders import a_batch, a_lead

SOON = RetrySettings(first_seconds=0.02, longest_seconds=0.1)
"""Tries follow each other fast."""
KEEN = BreakerSettings(probe_first_seconds=0.1, probe_longest_seconds=0.1, ramp_seconds=0.1)
"""A circuit that has opened is soon probed and closed."""
DEADLINE_SECONDS = 20.0


async def eventually(condition: Callable[[], Any] | Callable[[], Awaitable[Any]]) -> None:
    """Wait until a condition holds; fail after a long time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        held = condition()
        if isinstance(held, Awaitable):
            held = await held
        if held:
            return
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.005)


class Workbench:
    """One store in a folder, and workers on it."""

    def __init__(self, store: SqliteStore, path: Path, clock: Clock) -> None:
        self.store = store
        self.path = path
        self.clock = clock
        self.outcome_log: OutcomeLog | None = None

    async def add_leads(self, count: int, *destinations: str, **overrides: Any) -> list[str]:
        """Absorb leads that are due now; returns their ids."""
        overrides.setdefault("received_at_us", self.clock.now_us())
        overrides.setdefault("headers", b"Content-Type: application/json\r\n")
        leads = [a_lead(destinations=destinations or ("brain",), **overrides) for _ in range(count)]
        await self.store.absorb(a_batch(*leads))
        return [str(UUID(bytes=lead.record.lead_id)) for lead in leads]

    @asynccontextmanager
    async def worker(
        self,
        urls: Mapping[str, str],
        *,
        store: SqliteStore | None = None,
        lease_ms: int = 60_000,
        name: str = "one",
        drain_seconds: float = 20.0,
        health_checks: Mapping[str, AskHealth] | None = None,
        rates: Mapping[str, Mapping[str, int]] | None = None,
        **settings: Any,
    ) -> AsyncIterator[DeliveryWorker]:
        """A worker for destinations by name; not running yet. `rates` are by destination."""
        settings = {"retry": SOON, "breaker": KEEN, "timeout_seconds": 10.0, **settings}
        chosen = {
            to: DestinationSettings(
                url=url, rate=RateSettings(**(rates or {}).get(to, {})), **settings
            )
            for to, url in urls.items()
        }
        destinations = {
            to: transformed(to, one, HttpDestination(to, one, clock=self.clock))
            for to, one in chosen.items()
        }
        try:
            yield DeliveryWorker(
                store=store or self.store,
                destinations=destinations,
                settings=chosen,
                clock=self.clock,
                lease_ms=lease_ms,
                worker=name,
                outcome_log=self.outcome_log,
                drain_seconds=drain_seconds,
                health_checks=health_checks,
            )
        finally:
            for destination in destinations.values():
                await destination.close()

    @asynccontextmanager
    async def running(
        self, urls: Mapping[str, str], **options: Any
    ) -> AsyncIterator[DeliveryWorker]:
        """A worker that runs while the block does, then stops in good order."""
        async with self.worker(urls, **options) as worker:
            stop = asyncio.Event()
            run = asyncio.create_task(worker.run(stop))
            try:
                yield worker
            finally:
                stop.set()
                await run

    async def deliveries(self) -> list[DeliveryView]:
        return await self.store.find(Selection(everything=True), limit=10_000)

    async def count(self, status: Status) -> int:
        return (await self.store.counts())[status]

    async def all_completed(self) -> bool:
        counts = await self.store.counts()
        return sum(counts.values()) == counts[Status.COMPLETED] > 0


@asynccontextmanager
async def workbench(
    folder: Path, *, clock: Clock | None = None, busy_timeout_ms: int = 5_000
) -> AsyncIterator[Workbench]:
    """A store in `folder`, closed at the end."""
    clock = clock or SystemClock()
    path = folder / "leadkeep.db"
    store = await open_sqlite(path, clock=clock, busy_timeout_ms=busy_timeout_ms)
    try:
        yield Workbench(store, path, clock)
    finally:
        await store.close()


def keys_of(requests: list[bytes]) -> list[str]:
    """The Idempotency-Key of each request."""
    return [
        request.partition(b"\r\nIdempotency-Key: ")[2].partition(b"\r\n")[0].decode()
        for request in requests
    ]
