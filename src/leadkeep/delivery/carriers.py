"""A lane's carriers: each takes what is next, has it attempted, and hands over what came of it.

Invariant: whatever is put in here leaves it as an attempt with an outcome for the recorder, as an
errand with its reply, or untried through `take_unstarted`; a claim whose lease is lost is dropped.
"""

import asyncio
from collections.abc import Callable, Sequence

from leadkeep.delivery import metrics
from leadkeep.delivery.attempt import Attempter, Finished
from leadkeep.delivery.backlog import Backlog, Errand
from leadkeep.delivery.leases import Leases
from leadkeep.delivery.recorder import Recorder
from leadkeep.models import Claim

_SLOW_SECONDS = 10.0
_SHORTEST_SECONDS = 0.0005
_WEIGHT_OF_LAST = 0.1


class Carriers:
    """A fixed number of carriers and what waits for them.

    Args:
        attempter: makes the attempts.
        count: attempts under way at once.
        leases, recorder: shared by all lanes of the worker.
        on_finished: told of each attempt that has ended, once the recorder has it.
        on_free: called whenever a carrier has become free.
    """

    def __init__(
        self,
        attempter: Attempter,
        *,
        count: int,
        leases: Leases,
        recorder: Recorder,
        on_finished: Callable[[Finished], None],
        on_free: Callable[[], None],
    ) -> None:
        self._attempter = attempter
        self._count = count
        self._leases = leases
        self._recorder = recorder
        self._on_finished = on_finished
        self._on_free = on_free
        self._seconds = metrics.SECONDS.labels(attempter.destination)
        self._backlog = Backlog()
        self._tasks: list[asyncio.Task[None]] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self.under_way = 0
        """Attempts and errands that have begun and not ended."""
        self.usual_seconds = _SLOW_SECONDS
        """Smoothed duration of an attempt: a new destination is held to be slow."""
        self.is_closing = False
        """No more is to be put in."""

    @property
    def waiting(self) -> int:
        """What has not begun."""
        return self._backlog.qsize()

    @property
    def busy(self) -> int:
        """What has begun, and what waits."""
        return self.under_way + self.waiting

    def start(self, crew: asyncio.TaskGroup) -> None:
        """Begin to take what is put in."""
        self._tasks = [
            crew.create_task(self._carry(), name=f"carry to {self._attempter.destination}")
            for _ in range(self._count)
        ]

    def put(self, claims: Sequence[Claim]) -> None:
        """Have these attempted after what waits."""
        for claim in claims:
            self._idle.clear()
            self._backlog.put_nowait(claim)

    def put_first(self, loads: Sequence[Claim | Errand]) -> None:
        """Have these attempted before what waits, in their order."""
        for load in reversed(loads):
            self._idle.clear()
            self._backlog.put_first(load)

    def take_unstarted(self) -> list[Claim]:
        """Take out the claims whose attempt has not begun; errands are refused."""
        unstarted: list[Claim] = []
        ends = 0
        while not self._backlog.empty():
            load = self._backlog.get_nowait()
            if load is None:
                ends += 1
            elif isinstance(load, Errand):
                load.refuse()
            else:
                unstarted.append(load)
        for _ in range(ends):
            self._backlog.put_nowait(None)
        self._note_idle()
        return unstarted

    async def all_ended(self) -> None:
        """Wait until nothing waits and nothing is under way."""
        await self._idle.wait()

    async def finish(self, *, within_seconds: float | None) -> None:
        """Let what is in here end; what has not ended in time is interrupted.

        Args:
            within_seconds: None: however long it takes.
        """
        self.is_closing = True
        if not self._tasks:
            return
        for _ in self._tasks:
            self._backlog.put_nowait(None)
        _, slow = await asyncio.wait(self._tasks, timeout=within_seconds)
        for task in slow:
            task.cancel()
        if slow:
            await asyncio.wait(slow)
        self._tasks = []
        metrics.UNDER_WAY.labels(self._attempter.destination).set(0)

    async def _carry(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        while (load := await self._backlog.get()) is not None:
            if isinstance(load, Errand):
                await self._run(load)
            elif self._leases.is_lost(load):
                self._leases.let_go(load)
                self._note_idle()
                continue
            else:
                await self._attempt(load)
            self._on_free()
            if task.cancelling():
                return

    async def _run(self, errand: Errand) -> None:
        self.under_way += 1
        await errand.run(self._attempter)
        self.under_way -= 1
        self._note_idle()

    async def _attempt(self, claim: Claim) -> None:
        self.under_way += 1
        finished = await self._attempter.attempt(claim)
        self.under_way -= 1
        self._recorder.take(finished)
        self._note_idle()
        self._on_finished(finished)
        spent = finished.outcome.duration_ms / 1000
        self._seconds.observe(spent)
        longer = max(spent, _SHORTEST_SECONDS) - self.usual_seconds
        self.usual_seconds += longer * _WEIGHT_OF_LAST

    def _note_idle(self) -> None:
        if not self.under_way and self._backlog.empty():
            self._idle.set()
