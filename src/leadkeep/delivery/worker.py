"""The delivery worker: claim, attempt, record, sleep; one lane per destination.

At least once: a lead is claimed under a lease before it is tried, its outcome is recorded under the
claim's fence, and a worker that dies in between leaves a lease that runs out. Several workers may
run on one store; each lead goes to one of them at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import structlog

from leadkeep.clock import Clock
from leadkeep.delivery.announce import Announcer
from leadkeep.delivery.attempt import Attempter, Finished
from leadkeep.delivery.board import Board
from leadkeep.delivery.fallback import FallbackWatch, fallbacks_of
from leadkeep.delivery.gate import AskHealth, Gate
from leadkeep.delivery.lane import Lane
from leadkeep.delivery.leases import Leases
from leadkeep.delivery.once import Budget, DeliveryRun, Progress, Tally, feed_once
from leadkeep.delivery.recorder import Listener, Recorder
from leadkeep.delivery.rescuer import Rescuer
from leadkeep.delivery.scribe import Scribe
from leadkeep.delivery.upkeep import Upkeep
from leadkeep.destinations.base import Destination
from leadkeep.errors import LeadkeepError, StoreUnavailable
from leadkeep.journal.outcomes import OutcomeLog
from leadkeep.models import Recorded
from leadkeep.settings.model import DestinationSettings
from leadkeep.states import Status
from leadkeep.store.base import Store
from leadkeep.walltime import WallTime

RESCUE_SECONDS = 10.0
LAST_RECORD_SECONDS = 15.0
"""On stopping, the store is waited for this long to take the last outcomes."""

_log = structlog.get_logger("leadkeep.delivery")


class DeliveryWorker:
    """Delivers what is due in a store to its destinations. Does one `run` in its life.

    Args:
        store: the queue.
        destinations: by name; closed by whoever made them.
        settings: by the same names; concurrency, retry policy, breaker and rates are read here.
        clock: wall time for what is recorded, boot time for what is measured.
        lease_ms: a claim not renewed for this long may be taken by others.
        worker: who claims, for people.
        outcome_log: what is recorded is appended to it; None: nowhere.
        drain_seconds: on stopping, attempts under way may take this long to end.
        health_checks: how destinations are probed, by name; one that has none is probed by a lead.
    """

    def __init__(
        self,
        *,
        store: Store,
        destinations: Mapping[str, Destination],
        settings: Mapping[str, DestinationSettings],
        clock: Clock,
        lease_ms: int,
        worker: str,
        outcome_log: OutcomeLog | None = None,
        wall: WallTime | None = None,
        drain_seconds: float = 25.0,
        health_checks: Mapping[str, AskHealth] | None = None,
    ) -> None:
        self._store = store
        board = Board(store, clock)
        self._drain_seconds = drain_seconds
        self._leases = Leases(store, lease_ms=lease_ms)
        self._scribe = Scribe(outcome_log)
        self._recorder = Recorder(store, self._leases, Announcer(self._scribe), worker=worker)
        self._rescuer = Rescuer(
            store, every_seconds=min(RESCUE_SECONDS, lease_ms / 3000), rescued=self.wake
        )
        self._upkeep = Upkeep(store, clock)
        wall = wall or WallTime(clock)
        self._lanes = [
            Lane(
                Attempter(destination, settings[name].retry, clock=clock, wall=wall),
                gate=Gate(
                    name,
                    settings[name],
                    store=store,
                    board=board,
                    clock=clock,
                    worker=worker,
                    ask_health=(health_checks or {}).get(name),
                ),
                concurrency=settings[name].concurrency,
                store=store,
                clock=clock,
                leases=self._leases,
                recorder=self._recorder,
                lease_ms=lease_ms,
                worker=worker,
                wall=wall,
            )
            for name, destination in destinations.items()
        ]

        self.fallbacks = FallbackWatch(
            store,
            fallbacks_of(settings),
            clock=clock,
            wall=wall,
            worker=worker,
            handed_over=self.wake,
            circuits=board,
        )
        """Gives leads to the fallbacks of destinations that fail."""
        self._lane_of = {lane.destination: lane for lane in self._lanes}
        self._recorder.listeners.append(self._wake_for_next_try)

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """The lanes by destination."""
        return self._lane_of

    @property
    def listeners(self) -> list[Listener]:
        """Told of each outcome that the store has taken."""
        return self._recorder.listeners

    def wake(self) -> None:
        """Something may be due: every lane claims at once. Call it on the worker's loop."""
        for lane in self._lanes:
            lane.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until told to stop; then finish what is under way and return.

        Raises:
            StoreUnsafe: the store must not be written any more; only a restart can help.
        """
        async with self._crew() as crew:
            rescuing = crew.create_task(self._rescuer.run(), name="rescue")
            upkeep = crew.create_task(self._upkeep.run(), name="look after")
            falling_back = crew.create_task(self.fallbacks.run(), name="fall back")
            feeding = [
                crew.create_task(lane.feed(stop), name=f"feed {lane.destination}")
                for lane in self._lanes
            ]
            await stop.wait()
            self.wake()
            rescuing.cancel()
            upkeep.cancel()
            falling_back.cancel()
            await _ended(feeding)
            await self._release_unstarted()
            await self._finish(within_seconds=self._drain_seconds)

    async def deliver_due_once(
        self, *, limit: int | None = None, progress: Progress | None = None
    ) -> DeliveryRun:
        """Try everything that is due now, once, and return when all of it is recorded.

        Safe beside other workers: what they hold is not ours, and what we hold is not theirs.

        Args:
            limit: try at most so many leads.
            progress: called with the counts so far after each recorded attempt.

        Raises:
            StoreError: the store could not be used; what was attempted before is recorded, or
                the error says that it is not.
        """
        tally = Tally(rescued=await self._rescuer.rescue(), progress=progress)
        await self._upkeep.settle_copies()
        await self.fallbacks.look()
        self._recorder.listeners.append(tally.add)
        budget = Budget(limit)
        async with self._crew() as crew:
            feeding = [
                crew.create_task(feed_once(lane, self._store, budget)) for lane in self._lanes
            ]
            await _ended(feeding)
            await self._finish(within_seconds=None)
        for fed in feeding:
            if error := fed.result():
                raise error
        if self._recorder.unrecorded:
            raise StoreUnavailable(
                f"{self._recorder.unrecorded} outcomes could not be recorded",
                hint="Their leads will be delivered again, with the same Idempotency-Key.",
            )
        return tally.run()

    @asynccontextmanager
    async def _crew(self) -> AsyncIterator[asyncio.TaskGroup]:
        """Carriers, recorder and heartbeat at work; ended when the block is left."""
        try:
            async with asyncio.TaskGroup() as crew:
                background = [
                    crew.create_task(self._recorder.run(), name="record"),
                    crew.create_task(self._leases.keep(), name="keep leases"),
                    crew.create_task(self._scribe.run(), name="write outcomes"),
                ]
                for lane in self._lanes:
                    lane.start(crew)
                yield crew
                for task in background:
                    task.cancel()
        except BaseExceptionGroup as group:
            raise _our_error_in(group) or group from group

    def _wake_for_next_try(self, finished: Finished, recorded: Recorded) -> None:
        """Its lane may rest until later than this lead is due again, or one that waited for it."""
        if recorded.status is Status.PENDING or finished.claim.in_line:
            self._lane_of[finished.claim.destination].wake()

    async def _release_unstarted(self) -> None:
        for lane in self._lanes:
            if unstarted := lane.take_unstarted():
                await lane.give_back(unstarted)

    async def _finish(self, *, within_seconds: float | None) -> None:
        """Let the lanes end and the store have their outcomes."""
        await asyncio.gather(*(lane.finish(within_seconds=within_seconds) for lane in self._lanes))
        await self._release_unstarted()
        await asyncio.gather(*(lane.settle() for lane in self._lanes))
        try:
            async with asyncio.timeout(LAST_RECORD_SECONDS):
                await self._recorder.all_recorded()
        except TimeoutError:
            _log.error(
                "stopping with outcomes that the store did not take; their leads will be "
                "delivered again",
                count=self._recorder.unrecorded,
            )


async def _ended(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Wait for tasks whose errors the task group reports."""
    tasks = list(tasks)
    if tasks:
        await asyncio.wait(tasks)


def _our_error_in(group: BaseExceptionGroup) -> LeadkeepError | None:
    """The first error that callers know, of those that tasks ended with."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            found = _our_error_in(error)
            if found is not None:
                return found
        elif isinstance(error, LeadkeepError):
            return error
    return None
