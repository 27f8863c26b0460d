"""From a store set back in time to one that may be used: nothing in it is delivered by itself.

Absorb what the journals have beyond it, believe the log of outcomes, and hold the rest: whether it
was delivered since cannot be known, so a person decides. Invariant: afterwards no delivery is
pending or processing, and none is completed that neither the store nor the log says is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from uuid import uuid4

import msgspec

from leadkeep.clock import SystemClock
from leadkeep.journal.outcomes import DamagedLine, OutcomeLine, OutcomeLog
from leadkeep.models import Selection, Standing, lead_and_part
from leadkeep.recovery.files import Progress
from leadkeep.states import Status, Verb
from leadkeep.store.base import Store

_LINES_AT_ONCE = 500
_STATUSES = frozenset(status.value for status in Status)


class Settled(msgspec.Struct, frozen=True):
    """What settling a store came to."""

    absorbed: int
    """Leads that came out of journals and archive."""
    confirmed_by_log: int
    """Deliveries that are completed because the log of outcomes says so."""
    held: int
    """Deliveries that were waiting or under way, and wait for a person now."""
    deliveries: dict[str, int]
    """All of them, by status."""
    torn_lines: int
    """Lines of the log that cannot be believed, or not be understood."""
    unknown_lines: int
    """Lines about leads that are in no journal and no archived segment any more."""


class AnotherBoot(SystemClock):
    """The clock of a machine on which every lease that the store remembers has ended."""

    def __init__(self) -> None:
        super().__init__()
        self._boot_id = str(uuid4())


async def settle(
    store: Store,
    *,
    absorb: Callable[[], Awaitable[int]],
    outcomes: OutcomeLog,
    reason: str,
    actor: str,
    progress: Progress | None = None,
) -> Settled:
    """Settle a store that nobody else uses yet and whose clock is of `AnotherBoot`.

    Args:
        absorb: absorbs everything into it; returns how many leads that were.
        outcomes: the log.
        reason: why the rest is held, in words for people.
        actor: who holds it, for the log of actions.

    Raises:
        StoreError: it cannot be written.
        JournalError: journals or log cannot be read.
    """
    lead_mark = await store.lead_mark()
    absorbed = await absorb()
    await store.rescue()
    before = (await store.counts())[Status.COMPLETED]
    torn, unknown = await _replay(store, outcomes, lead_mark, progress)
    confirmed = (await store.counts())[Status.COMPLETED] - before
    waiting = Selection(statuses=(Status.PENDING,))
    held = await store.apply(Verb.HOLD, waiting, reason=reason, actor=actor)
    counts = await store.counts()
    return Settled(
        absorbed=absorbed,
        confirmed_by_log=confirmed,
        held=held,
        deliveries={status.value: number for status, number in counts.items()},
        torn_lines=torn,
        unknown_lines=unknown,
    )


async def _replay(
    store: Store, outcomes: OutcomeLog, lead_mark: int, progress: Progress | None
) -> tuple[int, int]:
    """Bring deliveries to where the log says they stood; returns torn and unknown lines."""
    lines = outcomes.read()
    done = torn = unknown = 0
    while some := await asyncio.to_thread(_take, lines):
        standings = [
            _standing(line)
            for line in some
            if isinstance(line, OutcomeLine) and line.status in _STATUSES
        ]
        torn += len(some) - len(standings)
        unknown += (await store.replay(standings, lead_mark=lead_mark)).unknown
        done += len(some)
        if progress is not None:
            progress("reading outcomes", done, 0)
    return torn, unknown


def _take(lines: Iterator[OutcomeLine | DamagedLine]) -> list[OutcomeLine | DamagedLine]:
    return list(islice(lines, _LINES_AT_ONCE))


def _standing(line: OutcomeLine) -> Standing:
    lead_id, part = lead_and_part(line.lead_id)
    return Standing(
        lead_id=lead_id,
        destination=line.destination,
        status=Status(line.status),
        attempt=line.attempt,
        at_ms=line.at_ms,
        part=part,
    )
