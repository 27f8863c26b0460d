"""From a claim to its outcome, with destinations that are told what to reply."""

import asyncio

from structlog.testing import capture_logs

from leadkeep.delivery.attempt import Attempter
from leadkeep.delivery.jumps import TOLERATED_MS, ClockJumps
from leadkeep.destinations.base import Reply
from leadkeep.models import Claim, Outcome
from leadkeep.settings.model import RetrySettings
from leadkeep.states import Status
from tests.fakes.clock import FakeClock
from tests.integration.delivery.leads import a_claim

DAY_MS = 86_400_000
BUSY = Reply(
    confirmed=False,
    error_class="http_503",
    error_message="brain answered 503",
    status=503,
    headers=b"X: y\r\n",
    body=b"busy",
)


class Told:
    """A destination that replies what it is told, after some time by the clock."""

    name = "brain"

    def __init__(self, reply: Reply | BaseException, clock: FakeClock) -> None:
        self._reply = reply
        self._clock = clock

    async def attempt(self, claim: Claim) -> Reply:
        self._clock.advance(1.5)
        if isinstance(self._reply, BaseException):
            raise self._reply
        return self._reply

    async def close(self) -> None:
        pass


async def outcome_of(
    reply: Reply | BaseException,
    claim: Claim | None = None,
    *,
    clock: FakeClock | None = None,
    jumps: ClockJumps | None = None,
) -> Outcome:
    clock = clock or FakeClock()
    attempter = Attempter(
        Told(reply, clock),
        RetrySettings(),
        clock=clock,
        jumps=jumps or ClockJumps(clock),
        random=lambda: 0.5,
    )
    return (await attempter.attempt(claim or a_claim())).outcome


async def test_a_confirmed_attempt_completes_the_delivery() -> None:
    clock = FakeClock()
    began = clock.now_ms
    outcome = await outcome_of(Reply(confirmed=True, status=200, body=b"ok"), clock=clock)
    assert outcome == Outcome(
        delivery_id=1,
        fence=1,
        attempt=1,
        status=Status.COMPLETED,
        started_at_ms=began,
        duration_ms=1500,
        next_attempt_at_ms=None,
        error_class="",
        error_message="",
        response_status=200,
        response_headers=b"",
        response_body=b"ok",
    )


async def test_a_failed_attempt_is_due_again_after_its_end() -> None:
    clock = FakeClock()
    outcome = await outcome_of(BUSY, clock=clock)
    assert outcome.status is Status.PENDING
    assert outcome.next_attempt_at_ms == clock.now_ms + 2500
    assert (outcome.error_class, outcome.error_message) == ("http_503", "brain answered 503")
    assert (outcome.response_headers, outcome.response_body) == (b"X: y\r\n", b"busy")


async def test_a_lead_that_reached_its_age_fails_and_says_why() -> None:
    clock = FakeClock()
    claim = a_claim(attempt=700, first_attempt_at_ms=clock.now_ms - 7 * DAY_MS)
    outcome = await outcome_of(BUSY, claim, clock=clock)
    assert (outcome.status, outcome.next_attempt_at_ms) == (Status.FAILED, None)
    assert outcome.error_message == "brain answered 503; not confirmed within 7 days of trying"


async def test_a_first_attempt_has_no_age_however_late_it_comes() -> None:
    outcome = await outcome_of(BUSY, a_claim(first_attempt_at_ms=None))
    assert outcome.status is Status.PENDING


async def test_no_lead_is_given_up_because_the_wall_clock_jumped() -> None:
    clock = FakeClock()
    jumps = ClockJumps(clock)
    claim = a_claim(attempt=2, first_attempt_at_ms=clock.now_ms)
    clock.jump(10 * 365 * 86_400)
    outcome = await outcome_of(BUSY, claim, clock=clock, jumps=jumps)
    assert outcome.status is Status.PENDING


async def test_corrections_of_the_clock_are_no_jumps() -> None:
    clock = FakeClock()
    jumps = ClockJumps(clock)
    clock.advance(30 * 86_400)
    clock.jump(TOLERATED_MS / 1000)
    assert not jumps.seen()
    clock.jump(-2 * TOLERATED_MS / 1000)
    assert not jumps.seen()
    clock.jump(-1)
    assert jumps.seen()
    clock.jump(TOLERATED_MS / 1000)
    assert jumps.seen()


async def test_a_cancelled_attempt_is_an_attempt_too() -> None:
    outcome = await outcome_of(asyncio.CancelledError())
    assert (outcome.status, outcome.error_class) == (Status.PENDING, "interrupted")
    assert outcome.error_message == "the worker stopped before brain had answered"


async def test_a_destination_that_raises_fails_the_attempt_and_quotes_nothing() -> None:
    with capture_logs() as logs:
        outcome = await outcome_of(ValueError("canary-personal"))
    assert (outcome.status, outcome.error_class) == (Status.PENDING, "internal")
    assert "canary" not in outcome.error_message + str(logs)
    assert [entry["log_level"] for entry in logs] == ["error"]
