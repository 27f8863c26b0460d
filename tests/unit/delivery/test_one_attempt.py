"""From a claim to its outcome, with destinations that are told what to reply."""

import asyncio

import pytest
from structlog.testing import capture_logs

from leadkeep.delivery.attempt import Attempter
from leadkeep.destinations.base import Reply
from leadkeep.models import Claim, Outcome
from leadkeep.settings.model import RetrySettings
from leadkeep.states import Status
from leadkeep.walltime import WallTime
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

    def __init__(self, reply: Reply | BaseException, clock: FakeClock, jumps_by: float) -> None:
        self._reply = reply
        self._clock = clock
        self._jumps_by = jumps_by

    async def attempt(self, claim: Claim) -> Reply:
        self._clock.advance(1.5)
        self._clock.jump(self._jumps_by)
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
    wall: WallTime | None = None,
    jumps_by: float = 0.0,
) -> Outcome:
    clock = clock or FakeClock()
    attempter = Attempter(
        Told(reply, clock, jumps_by),
        RetrySettings(),
        clock=clock,
        wall=wall or WallTime(clock),
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
        lead_id=a_claim().lead_id,
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
    wall = WallTime(clock)
    clock.advance(7 * DAY_MS / 1_000)
    claim = a_claim(attempt=700, first_attempt_at_ms=clock.now_ms - 7 * DAY_MS)
    outcome = await outcome_of(BUSY, claim, clock=clock, wall=wall)
    assert (outcome.status, outcome.next_attempt_at_ms) == (Status.FAILED, None)
    assert outcome.error_message == "brain answered 503; not confirmed within 7 days of trying"


async def test_a_first_attempt_has_no_age_however_late_it_comes() -> None:
    outcome = await outcome_of(BUSY, a_claim(first_attempt_at_ms=None))
    assert outcome.status is Status.PENDING


@pytest.mark.parametrize("jump_seconds", [10 * 365 * 86_400, -10 * 365 * 86_400])
async def test_no_lead_is_given_up_because_the_wall_clock_jumped(jump_seconds: int) -> None:
    clock = FakeClock()
    wall = WallTime(clock)
    claim = a_claim(attempt=2, first_attempt_at_ms=clock.now_ms)
    clock.jump(jump_seconds)
    for _ in range(7):
        outcome = await outcome_of(BUSY, claim, clock=clock, wall=wall)
        assert outcome.status is Status.PENDING
        clock.advance(86_400)
    # Its age is counted from the jump: it is not tried for ever either.
    outcome = await outcome_of(BUSY, claim, clock=clock, wall=wall)
    assert outcome.status is Status.FAILED


@pytest.mark.parametrize("jump_seconds", [10 * 365 * 86_400, -10 * 365 * 86_400])
async def test_a_jump_during_an_attempt_makes_no_lead_old(jump_seconds: int) -> None:
    clock = FakeClock()
    wall = WallTime(clock)
    claim = a_claim(attempt=2, first_attempt_at_ms=clock.now_ms)
    outcome = await outcome_of(BUSY, claim, clock=clock, wall=wall, jumps_by=jump_seconds)
    assert outcome.status is Status.PENDING
    assert outcome.next_attempt_at_ms is not None
    assert abs(outcome.next_attempt_at_ms - clock.now_ms) <= 900_000


@pytest.mark.parametrize("jump_seconds", [10 * 365 * 86_400, -10 * 365 * 86_400])
@pytest.mark.parametrize("earlier_seconds", [0, 10 * 365 * 86_400])
async def test_a_jump_between_two_looks_at_the_clock_makes_no_lead_old(
    jump_seconds: int, earlier_seconds: int
) -> None:
    for reading in range(1, 6):
        clock = FakeClock()
        wall = WallTime(clock)
        claim = a_claim(attempt=2, first_attempt_at_ms=clock.now_ms)
        clock.jump(earlier_seconds)
        wall.steady_since_us()
        clock.jump_at_reading(reading, jump_seconds)
        outcome = await outcome_of(BUSY, claim, clock=clock, wall=wall)
        assert outcome.status is Status.PENDING, reading


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
