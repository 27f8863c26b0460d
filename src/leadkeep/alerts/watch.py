"""Looks again and again, notes incidents, and sends what people are to be told.

Invariant: what is told was noted first, in the same transaction as the incident it tells of.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from leadkeep.alerts import metrics
from leadkeep.alerts.incidents import LATELY_MS, Policy, next_steps
from leadkeep.alerts.last_resort import LastResort
from leadkeep.alerts.lookout import Lookout
from leadkeep.alerts.outbox import Outbox
from leadkeep.alerts.rules import RULE_KINDS, judge, unseen
from leadkeep.alerts.signs import Limits
from leadkeep.errors import StoreError, StoreUnavailable
from leadkeep.models import IncidentStep
from leadkeep.store.base import Store

LOOK_SECONDS = 15.0
SEND_SECONDS = 5.0
HEARTBEAT_SECONDS = 60.0
PATIENCE_SECONDS = 300.0
"""A store that has been away for so long is told of past it."""

_log = structlog.get_logger("leadkeep.alerts")


class Heart(Protocol):
    """Something outside that hears when we are silent."""

    async def fault(self) -> str:
        """Beat once; why it was not heard, in words, or nothing."""


class AlertWatch:
    """What runs beside absorbing and delivering, and ends with them.

    Args:
        limits: from when on something is told.
        policy: when it is told again.
        outbox: sends; None: nobody is told, incidents are noted all the same.
        last_resort: tells of a store that is away; None: nobody is told.
        heart: beaten while looking works; None: there is none.
    """

    def __init__(
        self,
        store: Store,
        lookout: Lookout,
        *,
        limits: Limits,
        policy: Policy,
        outbox: Outbox | None,
        last_resort: LastResort | None = None,
        heart: Heart | None = None,
    ) -> None:
        self._store = store
        self._lookout = lookout
        self._limits = limits
        self._policy = policy
        self._outbox = outbox
        self._last_resort = last_resort
        self._heart = heart
        self._away_since: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; whatever fails is said and tried again.

        Raises:
            StoreUnsafe: the store must not be used any more.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_again(self._look_and_say, LOOK_SECONDS, stop))
            if self._outbox is not None:
                tasks.create_task(_again(self._outbox.send_due, SEND_SECONDS, stop))
            if self._heart is not None:
                tasks.create_task(_again(self._beat, HEARTBEAT_SECONDS, stop))

    async def once(self) -> None:
        """Look once and send what is due; for those who run now and then.

        Raises:
            StoreError: the store could not be used.
        """
        await self.look()
        if self._outbox is not None:
            await self._outbox.send_due()

    async def look(self) -> list[IncidentStep]:
        """Look once and note what is found; what was noted, or somebody else noted just before.

        Raises:
            StoreError: the store could not be used.
        """
        signs = await self._lookout.look()
        steps = next_steps(
            judge(signs, self._limits),
            await self._store.incidents(resolved_since_ms=signs.now_ms - LATELY_MS),
            signs.now_ms,
            self._policy,
            unseen=unseen(signs),
        )
        if steps:
            await self._store.note_incidents(steps)
        _count(steps)
        metrics.LOOKED.set(signs.now_ms / 1_000)
        return steps

    async def _look_and_say(self) -> None:
        try:
            steps = await self.look()
        except StoreUnavailable as error:
            await self._store_is_away(error)
            raise
        self._away_since = None
        if self._last_resort is not None:
            await self._last_resort.well()
        for step in steps:
            if step.notice is not None:
                _log.warning(
                    "an alert",
                    word=step.notice.word,
                    kind=step.incident.problem.kind,
                    subject=step.incident.problem.subject,
                    what=step.incident.problem.what,
                )

    async def _store_is_away(self, error: StoreError) -> None:
        now = asyncio.get_running_loop().time()
        if self._away_since is None:
            self._away_since = now
        if self._last_resort is not None and now - self._away_since >= PATIENCE_SECONDS:
            await self._last_resort.trouble(error)

    async def _beat(self) -> None:
        if self._away_since is not None:
            return
        assert self._heart is not None
        if fault := await self._heart.fault():
            _log.warning("the heartbeat was not heard", error=fault)


async def _again(act: Callable[[], Awaitable[object]], seconds: float, stop: asyncio.Event) -> None:
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            try:
                await act()
            except StoreUnavailable as error:
                _log.warning("alerts wait for the store", error=str(error))
            await asyncio.wait([stopping], timeout=seconds)
    finally:
        stopping.cancel()


def _count(steps: list[IncidentStep]) -> None:
    for kind in RULE_KINDS:
        open_now = (step.incident.problem.kind == kind and step.incident.is_open for step in steps)
        metrics.OPEN.labels(kind).set(sum(open_now))
