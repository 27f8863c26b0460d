"""One claim becomes one outcome: attempt, decide, measure. Touches no store."""

import asyncio
from collections.abc import Callable
from random import random as system_random
from typing import NamedTuple, assert_never

import structlog

from leadkeep.clock import Clock
from leadkeep.delivery.retry import (
    Completed,
    Decision,
    GiveUp,
    RetryAt,
    decide,
    longest_wait_seconds,
)
from leadkeep.destinations.base import Destination, Reply
from leadkeep.models import Claim, Outcome
from leadkeep.settings.model import RetrySettings
from leadkeep.states import Status
from leadkeep.walltime import WallTime

_log = structlog.get_logger("leadkeep.delivery")

INTERRUPTED = "interrupted"
"""Error class of an attempt that was cut short because the worker stopped."""


class Aside(NamedTuple):
    """It cannot be sent at all: no try is spent, and a person decides."""


class Finished(NamedTuple):
    """A claim and what its attempt came to."""

    claim: Claim
    outcome: Outcome


class Attempter:
    """Makes attempts at one destination.

    Args:
        destination: where to.
        policy: when to try again.
        clock: wall time for what is recorded, boot time for what is measured.
        wall: tells since when wall time can be believed for an age.
        random: a number in [0, 1), for the jitter.
    """

    def __init__(
        self,
        destination: Destination,
        policy: RetrySettings,
        *,
        clock: Clock,
        wall: WallTime,
        random: Callable[[], float] = system_random,
    ) -> None:
        self._destination = destination
        self._policy = policy
        self._clock = clock
        self._wall = wall
        self._random = random

    @property
    def destination(self) -> str:
        """The destination's name."""
        return self._destination.name

    @property
    def longest_wait_ms(self) -> int:
        """No try is ever put off further than this."""
        return round(longest_wait_seconds(self._policy) * 1000)

    async def attempt(self, claim: Claim) -> Finished:
        """Try once; a cancelled try has an outcome too, and it is `interrupted`."""
        started_at_ms = self._clock.now_us() // 1000
        started = self._clock.boottime_ms()
        reply = await self.put(claim)
        duration_ms = self._clock.boottime_ms() - started
        decision = self._decide(claim, reply)
        return Finished(claim, _outcome(claim, reply, decision, started_at_ms, duration_ms))

    async def put(self, claim: Claim) -> Reply:
        """Put something to the destination once; never raises, and decides nothing."""
        try:
            return await self._destination.attempt(claim)
        except asyncio.CancelledError:
            # The destination may have it. Recorded as a try, for this is what it was.
            return Reply(
                confirmed=False,
                error_class=INTERRUPTED,
                error_message=f"the worker stopped before {claim.destination} had answered",
            )
        except Exception as error:  # no destination shall be able to stop its lane
            what = type(error).__name__
            _log.error("a destination raised", destination=claim.destination, error=what)
            return Reply(
                confirmed=False,
                error_class="internal",
                error_message=f"{claim.destination} failed inside Leadkeep ({what})",
            )

    def _decide(self, claim: Claim, reply: Reply) -> Decision | Aside:
        if reply.unsendable:
            return Aside()
        # The clock is read anew: it may have jumped since the attempt began.
        now_ms, steady_since_ms = (us // 1000 for us in self._wall.moment())
        first = now_ms if claim.first_attempt_at_ms is None else claim.first_attempt_at_ms
        if not steady_since_ms <= first <= now_ms:
            # It has jumped since the first try: the age is counted anew from the jump.
            first = min(steady_since_ms, now_ms)
        return decide(
            reply,
            attempt=claim.attempt,
            first_attempt_at_ms=first,
            now_ms=now_ms,
            policy=self._policy,
            random=self._random,
        )


def _outcome(
    claim: Claim, reply: Reply, decision: Decision | Aside, started_at_ms: int, duration_ms: int
) -> Outcome:
    next_attempt_at_ms, needs_mending = None, False
    error_message = reply.error_message
    match decision:
        case Completed():
            status = Status.COMPLETED
        case RetryAt(at_ms, needs_mending):
            status, next_attempt_at_ms = Status.PENDING, at_ms
        case GiveUp(reason):
            status = Status.FAILED
            error_message = f"{error_message}; {reason}"
        case Aside():
            status = Status.HELD
        case _:
            assert_never(decision)
    return Outcome(
        delivery_id=claim.delivery_id,
        fence=claim.fence,
        lead_id=claim.lead_id,
        attempt=claim.attempt,
        status=status,
        started_at_ms=started_at_ms,
        duration_ms=duration_ms,
        next_attempt_at_ms=next_attempt_at_ms,
        error_class=reply.error_class,
        error_message=error_message,
        response_status=reply.status,
        response_headers=reply.headers,
        response_body=reply.body,
        needs_mending=needs_mending,
    )
