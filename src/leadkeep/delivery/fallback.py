"""Gives leads to the fallback of a destination that has not confirmed them for too long.

In its place, not as well: the delivery that failed is cancelled in the same transaction in which
the other one begins, so that a destination that comes back does not get a lead which somebody else
has by then. What a destination received without confirming it, nobody can take back.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from leadkeep.clock import Clock
from leadkeep.delivery import metrics
from leadkeep.delivery.board import Board
from leadkeep.errors import StoreUnavailable
from leadkeep.settings.model import DestinationSettings
from leadkeep.states import CircuitState
from leadkeep.store.base import Store
from leadkeep.walltime import WallTime

LONGEST_PAUSE_SECONDS = 15.0
SHORTEST_PAUSE_SECONDS = 0.1

_SHUT = frozenset({CircuitState.OPEN, CircuitState.HALF_OPEN})

_log = structlog.get_logger("leadkeep.delivery")


class Fallback(NamedTuple):
    """One destination's fallback."""

    destination: str
    to: str
    after_ms: int


def fallbacks_of(settings: Mapping[str, DestinationSettings]) -> list[Fallback]:
    """Those that the settings name."""
    return [
        Fallback(name, chosen.fallback, round(chosen.fallback_after_minutes * 60_000))
        for name, chosen in settings.items()
        if chosen.fallback
    ]


class FallbackWatch:
    """Looks for leads that have failed for too long.

    Args:
        store: where they wait.
        fallbacks: which destination stands in for which, and when.
        clock: tells the time.
        wall: tells since when the time can be believed.
        worker: who acts, for the log of actions.
        handed_over: called after some were: they are due.
        circuits: tell where leads wait untried.
    """

    def __init__(
        self,
        store: Store,
        fallbacks: Sequence[Fallback],
        *,
        clock: Clock,
        wall: WallTime,
        worker: str,
        handed_over: Callable[[], None],
        circuits: Board,
    ) -> None:
        self._store = store
        self._fallbacks = fallbacks
        self._clock = clock
        self._wall = wall
        self._worker = worker
        self._handed_over = handed_over
        self._circuits = circuits

    async def run(self) -> None:
        """Look now and then again and again, until cancelled."""
        if not self._fallbacks:
            return
        shortest = min(one.after_ms for one in self._fallbacks) / 1000
        pause = min(max(shortest / 20, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                _log.warning("leads could not be given to a fallback", error=str(error))
            await asyncio.sleep(pause)

    async def look(self) -> int:
        """Look once; returns how many leads were handed over.

        Raises:
            StoreError: the store could not.
        """
        total = 0
        for one in self._fallbacks:
            total += await self._look_at(one)
        if total:
            self._handed_over()
        return total

    async def _look_at(self, one: Fallback) -> int:
        now_us, since_us = self._wall.moment()
        before_ms = now_us // 1000 - one.after_ms
        if since_us // 1000 > before_ms:
            return 0  # The clock has jumped since: nobody can say how long they have failed.
        circuit = (await self._circuits.circuit(one.destination)).circuit
        total = 0
        while some := await self._store.stand_in(
            one.destination,
            one.to,
            failing_before_ms=before_ms,
            untried_before_ms=before_ms if circuit.state in _SHUT else None,
            reason=f"not confirmed within {one.after_ms / 60_000:g} minutes: {one.to} has it",
            actor=self._worker,
        ):
            total += some
        if total:
            metrics.STOOD_IN.labels(one.destination, one.to).inc(total)
            _log.warning(
                "leads go to a fallback", destination=one.destination, fallback=one.to, count=total
            )
        return total
