"""The retry policy, as properties of a pure function."""

from hypothesis import assume, given
from hypothesis import strategies as st

from leadkeep.delivery.retry import (
    REFUSED_FIRST_SECONDS,
    Completed,
    GiveUp,
    RetryAt,
    decide,
)
from leadkeep.destinations.base import REFUSED, Reply
from leadkeep.settings.model import RetrySettings

NOW_MS = 1_786_802_449_123
CONFIRMED = Reply(confirmed=True, status=200)
BUSY = Reply(confirmed=False, error_class="http_503", status=503)
TIMEOUT = Reply(confirmed=False, error_class="timeout")

jitters = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 100_000)
policies = st.builds(
    RetrySettings,
    first_seconds=st.floats(0, 3600),
    longest_seconds=st.floats(0.1, 86_400),
    factor=st.floats(1, 10),
    age_seconds=st.floats(0, 30 * 86_400),
)
failures = st.builds(
    Reply,
    confirmed=st.just(False),
    status=st.none() | st.integers(100, 599),
    retry_after_seconds=st.none() | st.floats(0, 1e9),
)


def wait_seconds(
    reply: Reply, attempt: int = 1, policy: RetrySettings | None = None, jitter: float = 0.999999
) -> float:
    decision = decide(
        reply,
        attempt=attempt,
        first_attempt_at_ms=NOW_MS,
        now_ms=NOW_MS,
        policy=policy or RetrySettings(),
        random=lambda: jitter,
    )
    assert isinstance(decision, RetryAt)
    return (decision.at_ms - NOW_MS) / 1000


@given(policies, attempts, st.integers(-(10**12), 10**12), jitters)
def test_a_confirmed_lead_is_completed_whatever_its_age(
    policy: RetrySettings, attempt: int, age_ms: int, jitter: float
) -> None:
    decision = decide(
        CONFIRMED,
        attempt=attempt,
        first_attempt_at_ms=NOW_MS - age_ms,
        now_ms=NOW_MS,
        policy=policy,
        random=lambda: jitter,
    )
    assert decision == Completed()


@given(failures, policies, attempts, st.integers(-(10**10), 10**10), jitters)
def test_a_lead_is_given_up_if_and_only_if_its_age_is_reached(
    reply: Reply, policy: RetrySettings, attempt: int, age_ms: int, jitter: float
) -> None:
    decision = decide(
        reply,
        attempt=attempt,
        first_attempt_at_ms=NOW_MS - age_ms,
        now_ms=NOW_MS,
        policy=policy,
        random=lambda: jitter,
    )
    assert isinstance(decision, GiveUp) == (age_ms >= policy.age_seconds * 1000)


@given(failures, policies, attempts, jitters)
def test_the_next_try_is_never_in_the_past_and_never_beyond_the_longest_wait(
    reply: Reply, policy: RetrySettings, attempt: int, jitter: float
) -> None:
    assume(policy.age_seconds > 0)
    assert 0 <= wait_seconds(reply, attempt, policy, jitter) <= policy.longest_seconds + 0.001


@given(policies, attempts, jitters, st.floats(0, 1e6))
def test_it_is_never_earlier_than_the_destination_asked_unless_that_is_too_long(
    policy: RetrySettings, attempt: int, jitter: float, asked: float
) -> None:
    assume(policy.age_seconds > 0)
    reply = Reply(confirmed=False, status=503, retry_after_seconds=asked)
    waited = wait_seconds(reply, attempt, policy, jitter)
    assert waited >= min(asked, policy.longest_seconds) - 0.001


@given(attempts, jitters, jitters)
def test_a_larger_draw_never_means_a_shorter_wait(attempt: int, one: float, two: float) -> None:
    smaller, larger = sorted((one, two))
    assert wait_seconds(BUSY, attempt, jitter=smaller) <= wait_seconds(BUSY, attempt, jitter=larger)


def test_waits_double_from_the_first_to_the_longest() -> None:
    waits = [round(wait_seconds(TIMEOUT, attempt)) for attempt in range(1, 11)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_jitter_spreads_over_the_whole_wait() -> None:
    assert wait_seconds(BUSY, 3, jitter=0.0) == 0
    assert wait_seconds(BUSY, 3, jitter=0.5) == 10


def test_a_refusal_waits_longer_from_the_start() -> None:
    for status in (400, 401, 404, 409, 410, 422):
        refused = Reply(confirmed=False, status=status)
        assert round(wait_seconds(refused)) == REFUSED_FIRST_SECONDS
        assert round(wait_seconds(refused, 2)) == 2 * REFUSED_FIRST_SECONDS


def test_a_function_that_refuses_a_lead_is_a_refusal_too() -> None:
    refused = Reply(confirmed=False, error_class=REFUSED)
    assert round(wait_seconds(refused)) == REFUSED_FIRST_SECONDS
    raised = Reply(confirmed=False, error_class="raised")
    assert wait_seconds(raised) < REFUSED_FIRST_SECONDS


def test_a_4xx_that_asks_for_another_try_is_no_refusal() -> None:
    for status in (408, 425, 429):
        assert round(wait_seconds(Reply(confirmed=False, status=status))) == 5


def test_those_who_were_told_the_same_time_do_not_come_together() -> None:
    told = Reply(confirmed=False, status=429, retry_after_seconds=60.0)
    assert wait_seconds(told, jitter=0.0) == 60
    assert wait_seconds(told, jitter=0.5) == 62.5


def test_giving_up_says_after_how_long() -> None:
    decision = decide(
        BUSY,
        attempt=900,
        first_attempt_at_ms=NOW_MS - 7 * 86_400_000,
        now_ms=NOW_MS,
        policy=RetrySettings(),
        random=lambda: 0.5,
    )
    assert decision == GiveUp("not confirmed within 7 days of trying")
