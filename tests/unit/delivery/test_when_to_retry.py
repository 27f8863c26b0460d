"""The retry policy, as properties of a pure function."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leadkeep.delivery.retry import (
    Completed,
    Decision,
    GiveUp,
    RetryAt,
    decide,
    longest_wait_seconds,
)
from leadkeep.destinations.base import REFUSED, Reply
from leadkeep.settings.model import RetrySettings
from leadkeep.settings.statuses import StatusRange

NOW_MS = 1_786_802_449_123
CONFIRMED = Reply(confirmed=True, status=200)
BUSY = Reply(confirmed=False, error_class="http_503", status=503)
TIMEOUT = Reply(confirmed=False, error_class="timeout")

jitters = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 100_000)
jitter_kinds = st.sampled_from(["full", "equal", "none"])
common = {
    "jitter": jitter_kinds,
    "age_seconds": st.floats(0, 30 * 86_400),
    "refused_first_seconds": st.floats(0, 3600),
    "retry_after_longest_seconds": st.floats(0, 7 * 86_400),
}
policies = st.builds(
    RetrySettings,
    first_seconds=st.floats(0, 3600),
    longest_seconds=st.floats(0.1, 86_400),
    factor=st.floats(1, 10),
    **common,
) | st.builds(
    RetrySettings,
    kind=st.just("list"),
    waits_seconds=st.lists(st.floats(0.1, 86_400), min_size=1, max_size=8).map(tuple),
    **common,
)
failures = st.builds(
    Reply,
    confirmed=st.just(False),
    status=st.none() | st.integers(100, 599),
    retry_after_seconds=st.none() | st.floats(0, 1e9),
)


def decided(reply: Reply, *, attempt: int = 1, age_ms: int = 0, **policy: object) -> Decision:
    return decide(
        reply,
        attempt=attempt,
        first_attempt_at_ms=NOW_MS - age_ms,
        now_ms=NOW_MS,
        policy=RetrySettings(**policy),  # type: ignore[arg-type]  # a factory's overrides
        random=lambda: 0.5,
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
    longest = longest_wait_seconds(policy)
    assert 0 <= wait_seconds(reply, attempt, policy, jitter) <= longest + 0.001


@given(policies, attempts, jitters, st.floats(0, 1e6))
def test_it_is_never_earlier_than_the_destination_asked_unless_that_is_too_long(
    policy: RetrySettings, attempt: int, jitter: float, asked: float
) -> None:
    assume(policy.age_seconds > 0)
    reply = Reply(confirmed=False, status=503, retry_after_seconds=asked)
    waited = wait_seconds(reply, attempt, policy, jitter)
    assert waited >= min(asked, policy.retry_after_longest_seconds) - 0.001


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
        assert round(wait_seconds(refused)) == 60
        assert round(wait_seconds(refused, 2)) == 120


def test_a_function_that_refuses_a_lead_is_a_refusal_too() -> None:
    refused = Reply(confirmed=False, error_class=REFUSED)
    assert round(wait_seconds(refused)) == RetrySettings().refused_first_seconds
    raised = Reply(confirmed=False, error_class="raised")
    assert wait_seconds(raised) < RetrySettings().refused_first_seconds


def test_a_4xx_that_asks_for_another_try_is_no_refusal() -> None:
    for status in (408, 425, 429):
        assert round(wait_seconds(Reply(confirmed=False, status=status))) == 5


def test_those_who_were_told_the_same_time_do_not_come_together() -> None:
    told = Reply(confirmed=False, status=429, retry_after_seconds=60.0)
    assert wait_seconds(told, jitter=0.0) == 60
    assert wait_seconds(told, jitter=0.5) == 63


def test_those_who_were_told_too_long_a_time_do_not_come_together_either() -> None:
    told = Reply(confirmed=False, status=503, retry_after_seconds=86_400.0)
    assert wait_seconds(told, jitter=0.0) == 900
    assert wait_seconds(told, jitter=0.5) == 945
    patient = RetrySettings(retry_after_longest_seconds=3_600.0)
    assert wait_seconds(told, policy=patient, jitter=0.0) == 3_600


def test_retry_after_is_honoured_whatever_the_status_was() -> None:
    for status in (200, 302, 404, 429, 503):
        told = Reply(confirmed=False, status=status, retry_after_seconds=300.0)
        assert wait_seconds(told, jitter=0.0) == 300


def test_a_list_says_each_wait_and_its_last_repeats() -> None:
    policy = RetrySettings(kind="list", waits_seconds=(5.0, 30.0, 120.0), jitter="none")
    waits = [wait_seconds(BUSY, attempt, policy) for attempt in range(1, 6)]
    assert waits == [5, 30, 120, 120, 120]
    refused = Reply(confirmed=False, error_class="http_404", status=404)
    assert [wait_seconds(refused, attempt, policy) for attempt in (1, 3)] == [60, 120]


@pytest.mark.parametrize(("jitter", "shortest", "longest"), [("full", 0, 20), ("equal", 10, 20)])
def test_jitter_is_drawn_as_chosen(jitter: str, shortest: float, longest: float) -> None:
    policy = RetrySettings(jitter=jitter)
    assert wait_seconds(BUSY, 3, policy, 0.0) == shortest
    assert round(wait_seconds(BUSY, 3, policy, 0.999999)) == longest


def test_without_jitter_leads_that_failed_together_come_back_together() -> None:
    policy = RetrySettings(jitter="none")
    told = Reply(confirmed=False, status=429, retry_after_seconds=60.0)
    for reply, wait in ((BUSY, 20), (told, 60)):
        assert {wait_seconds(reply, 3, policy, draw) for draw in (0.0, 0.3, 0.9)} == {wait}


def test_a_refusal_says_that_somebody_must_mend_something() -> None:
    for status in (400, 401, 404, 409, 410, 422):
        decision = decided(Reply(confirmed=False, error_class=f"http_{status}", status=status))
        assert isinstance(decision, RetryAt) and decision.needs_mending
    for error_class in ("unsendable", "refused"):
        decision = decided(Reply(confirmed=False, error_class=error_class))
        assert isinstance(decision, RetryAt) and decision.needs_mending


@pytest.mark.parametrize(
    "reply",
    [
        *(Reply(confirmed=False, error_class=f"http_{s}", status=s) for s in (408, 425, 429)),
        *(Reply(confirmed=False, error_class=f"http_{s}", status=s) for s in (302, 500, 503)),
        *(Reply(confirmed=False, error_class=c) for c in ("dns", "connect", "tls", "reset")),
        Reply(confirmed=False, error_class="timeout"),
        Reply(confirmed=False, error_class="unconfirmed", status=200),
    ],
    ids=lambda reply: reply.error_class,
)
def test_everything_else_is_tried_at_the_normal_pace_and_needs_nobody(reply: Reply) -> None:
    assert decided(reply) == RetryAt(NOW_MS + 2_500, needs_mending=False)


TERMINAL = (StatusRange(410, 410), StatusRange(520, 529), "4xx", "network", "unconfirmed")


@pytest.mark.parametrize(
    ("error_class", "status", "named"),
    [
        ("http_410", 410, "410"),
        ("http_522", 522, "520-529"),
        ("http_404", 404, "4xx"),
        ("tls", None, "network"),
        ("reset", None, "network"),
        ("unconfirmed", 200, "unconfirmed"),
    ],
)
def test_a_terminal_outcome_fails_at_once_and_says_so(
    error_class: str, status: int | None, named: str
) -> None:
    reply = Reply(confirmed=False, error_class=error_class, status=status)
    assert decided(reply, terminal=TERMINAL) == GiveUp(
        f"not tried again, since retry.terminal names {named}"
    )


@pytest.mark.parametrize(
    ("error_class", "status"),
    [("http_503", 503), ("http_429", 429), ("http_408", 408), ("timeout", None)],
)
def test_what_is_not_named_is_tried_again_nor_does_4xx_name_who_asks_for_another_try(
    error_class: str, status: int | None
) -> None:
    reply = Reply(confirmed=False, error_class=error_class, status=status)
    assert isinstance(decided(reply, terminal=TERMINAL), RetryAt)


def test_who_asks_for_another_try_can_be_named_all_the_same() -> None:
    reply = Reply(confirmed=False, error_class="http_429", status=429)
    assert isinstance(decided(reply, terminal=(StatusRange(429, 429),)), GiveUp)


def test_what_leadkeep_itself_did_is_never_terminal() -> None:
    for error_class in ("interrupted", "internal"):
        reply = Reply(confirmed=False, error_class=error_class)
        assert isinstance(decided(reply, terminal=TERMINAL), RetryAt)


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
