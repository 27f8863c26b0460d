"""Outcomes go into the store in groups: everything that finished while the last group was written.

Nothing is forgotten: while the store cannot be written, outcomes wait in memory, the lanes claim
nothing (`store_ready`), and the same group is tried again. Only after the store has an outcome is
it spoken of: log, metrics, log of outcomes, listeners.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from leadkeep.delivery.announce import Announcer
from leadkeep.delivery.attempt import Finished
from leadkeep.delivery.leases import Leases
from leadkeep.errors import StoreError, StoreUnavailable, StoreUnsafe
from leadkeep.models import Outcome, Recorded, SetAside
from leadkeep.states import Status
from leadkeep.store.base import Store

RECORDED_AT_ONCE = 500
"""Outcomes per call, so that each write transaction stays short."""
GATHER_SECONDS = 0.02
"""Groups begin at least this far apart: under load they are larger, alone nothing waits."""
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0

_log = structlog.get_logger("leadkeep.delivery")


Listener = Callable[[Finished, Recorded], None]


class Recorder:
    """Takes outcomes from all lanes and records them, in the order they came.

    Args:
        store: where to.
        leases: a claim is let go once its outcome is recorded.
        announcer: told after the store.
        worker: who sets aside what cannot be sent, for the log of actions.
    """

    def __init__(
        self, store: Store, leases: Leases, announcer: Announcer, *, worker: str = "worker"
    ) -> None:
        self._store = store
        self._worker = worker
        self._leases = leases
        self._announcer = announcer
        self._waiting: deque[Finished] = deque()
        self._something = asyncio.Event()
        self._all_recorded = asyncio.Event()
        self._all_recorded.set()
        self.store_ready = asyncio.Event()
        """Cleared while the store cannot be written."""
        self.store_ready.set()
        self.listeners: list[Listener] = []
        """Told of each outcome that the store has taken."""

    @property
    def unrecorded(self) -> int:
        """Outcomes that the store does not have yet."""
        return len(self._waiting)

    def take(self, finished: Finished) -> None:
        """An attempt has ended; its outcome will be recorded soon."""
        self._waiting.append(finished)
        self._something.set()
        self._all_recorded.clear()

    async def all_recorded(self) -> None:
        """Wait until the store has everything that was taken."""
        await self._all_recorded.wait()

    async def run(self) -> None:
        """Record group after group until cancelled.

        Raises:
            StoreUnsafe: the store must not be written any more; only a restart can help.
        """
        loop = asyncio.get_running_loop()
        while True:
            await self._something.wait()
            began = loop.time()
            group = [self._waiting[i] for i in range(min(len(self._waiting), RECORDED_AT_ONCE))]
            recorded = await self._record(group)
            for _ in group:
                self._waiting.popleft()
            self._speak(group, recorded)
            if self._waiting:
                await asyncio.sleep(began + GATHER_SECONDS - loop.time())
            else:
                self._something.clear()
                self._all_recorded.set()

    async def _record(self, group: list[Finished]) -> list[Recorded | None]:
        """Record a group, however long it takes. None stands for one that the store refuses."""
        outcomes = [finished.outcome for finished in group]
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            try:
                recorded = await self._recorded(outcomes)
            except StoreUnsafe:
                raise
            except StoreUnavailable as error:
                self._say_down(error)
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)
            except StoreError as error:
                self._say_up()  # It answers, if only that it does not take these.
                if len(group) == 1:
                    self._say_refused(group[0], error)
                    return [None]
                half = len(group) // 2
                return await self._record(group[:half]) + await self._record(group[half:])
            else:
                self._say_up()
                return list(recorded)

    async def _recorded(self, outcomes: list[Outcome]) -> list[Recorded]:
        """Have the store take a group: tries, and what was set aside without one."""
        aside = [one for one in outcomes if one.status is Status.HELD]
        if not aside:
            return await self._store.record(outcomes)
        refused = [SetAside(one.delivery_id, one.fence, one.error_message) for one in aside]
        held = iter(await self._store.set_aside(refused, actor=self._worker))
        tries = [one for one in outcomes if one.status is not Status.HELD]
        # If this fails the group is taken again, and what is held already stays so.
        tried = iter(await self._store.record(tries) if tries else ())
        return [next(held if one.status is Status.HELD else tried) for one in outcomes]

    def _speak(self, group: list[Finished], recorded: list[Recorded | None]) -> None:
        known: list[tuple[Finished, Recorded]] = []
        for finished, result in zip(group, recorded, strict=True):
            self._leases.let_go(finished.claim)
            if result is None:
                continue
            known.append((finished, result))
            for listener in self.listeners:
                listener(finished, result)
        self._announcer.announce(known, unrecorded=len(self._waiting))

    def _say_down(self, error: StoreError) -> None:
        if self.store_ready.is_set():
            self.store_ready.clear()
            _log.error(
                "outcomes cannot be recorded now; nothing is claimed until they are",
                error=str(error),
                waiting=len(self._waiting),
            )

    def _say_up(self) -> None:
        if not self.store_ready.is_set():
            self.store_ready.set()
            _log.info("outcomes are recorded again", waiting=len(self._waiting))

    def _say_refused(self, finished: Finished, error: StoreError) -> None:
        """Its lease will run out and it will be tried again: at least once, and said aloud."""
        _log.error(
            "the store refuses an outcome; the lead will be delivered again",
            delivery_id=finished.claim.delivery_id,
            lead_id=finished.claim.lead_id,
            error=str(error),
        )
