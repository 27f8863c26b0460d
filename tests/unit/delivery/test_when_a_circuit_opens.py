"""When a circuit opens, is probed, ramps and closes: pure, from what was seen."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.delivery import breaker
from leadkeep.delivery.breaker import Seen, Sign, sign_of, why_open
from leadkeep.delivery.recent import Recent
from leadkeep.delivery.retry import is_refusal
from leadkeep.delivery.suspects import KEPT, Suspects
from leadkeep.models import Circuit, CircuitMove, Outcome
from leadkeep.settings.steering import BreakerSettings
from leadkeep.states import CircuitState, Status

POLICY = BreakerSettings()
REACHED = [sign for sign in Sign if sign is not Sign.AWAY]
OPEN = Circuit(CircuitState.OPEN, version=1, openings=1, reason="no connection")


def outcome(answered: int | None, error_class: str, **changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "delivery_id": 1,
        "fence": 1,
        "lead_id": "",
        "attempt": 1,
        "status": Status.PENDING,
        "started_at_ms": 0,
        "duration_ms": 1,
        "next_attempt_at_ms": 1,
        "error_class": error_class,
        "error_message": "why",
        "response_status": answered,
        "response_headers": b"",
        "response_body": b"",
    }
    return Outcome(**(values | changes))


# ---------------------------------------------------------------- signs


@pytest.mark.parametrize("error", ["timeout", "reset", "malformed_reply"])
def test_broken_exchanges_and_timeouts_are_failures(error: str) -> None:
    assert sign_of(outcome(None, error)) is Sign.FAILS


@pytest.mark.parametrize("error", ["dns", "connect", "tls"])
def test_what_cannot_be_reached_is_away(error: str) -> None:
    assert sign_of(outcome(None, error)) is Sign.AWAY


@pytest.mark.parametrize("status", range(300, 600))
def test_what_a_status_tells(status: int) -> None:
    sign = sign_of(outcome(status, f"http_{status}"))
    if status < 400:
        assert sign is Sign.DOUBTFUL
    elif is_refusal(status):
        assert sign is Sign.REFUSES
    else:
        assert sign is Sign.FAILS


def test_a_reply_that_does_not_confirm_is_doubtful_and_one_cut_off_a_failure() -> None:
    assert sign_of(outcome(200, "unconfirmed")) is Sign.DOUBTFUL
    assert sign_of(outcome(200, "timeout")) is Sign.FAILS
    assert sign_of(outcome(200, "malformed_reply")) is Sign.FAILS


@pytest.mark.parametrize("error", ["interrupted", "internal", "unsendable"])
def test_our_own_faults_say_nothing_about_the_destination(error: str) -> None:
    assert sign_of(outcome(None, error)) is Sign.NOTHING


def test_a_lead_given_up_is_a_failure_and_one_confirmed_is_none() -> None:
    assert sign_of(outcome(503, "http_503", status=Status.FAILED)) is Sign.FAILS
    assert sign_of(outcome(200, "", status=Status.COMPLETED)) is Sign.WORKS


# ---------------------------------------------------------------- opening


def recent(*signs: tuple[int, Sign], window_ms: int = 30_000) -> Seen:
    """What is seen after these outcomes of these leads, one a millisecond."""
    seen = Recent(window_ms)
    for now_ms, (lead, sign) in enumerate(signs):
        if sign is Sign.WORKS:
            seen.works()
        elif sign in {Sign.AWAY, Sign.FAILS, Sign.DOUBTFUL}:
            seen.fails(lead, sign, "no connection", now_ms=now_ms)
    return seen.seen()


def test_it_opens_when_enough_leads_fail_in_a_row() -> None:
    failures = [(lead, Sign.FAILS) for lead in range(5)]
    assert why_open(recent(*failures[:4]), POLICY) == ""
    assert why_open(recent(*failures), POLICY) == "5 tries in a row failed: no connection"
    broken_row = [*failures[:4], (9, Sign.WORKS), *failures[:4]]
    assert why_open(recent(*broken_row), POLICY) == ""


def test_doubtful_replies_count_in_a_row_and_not_for_the_ratio() -> None:
    assert why_open(recent(*((lead, Sign.DOUBTFUL) for lead in range(5))), POLICY)
    every_other = [(lead, (Sign.DOUBTFUL, Sign.WORKS)[lead % 2]) for lead in range(100)]
    assert why_open(recent(*every_other), POLICY) == ""


def test_it_opens_when_too_large_a_share_fails() -> None:
    every_other = [(lead, (Sign.FAILS, Sign.WORKS)[lead % 2]) for lead in range(20)]
    assert why_open(recent(*every_other[:18]), POLICY) == "", "too few tries"
    assert why_open(recent(*every_other), POLICY) == "10 of 20 tries failed: no connection"
    every_third = [(lead, Sign.WORKS if lead % 3 else Sign.FAILS) for lead in range(300)]
    assert why_open(recent(*every_third), POLICY) == ""


def test_one_lead_that_reaches_nothing_opens_it() -> None:
    assert why_open(recent(*[(1, Sign.AWAY)] * 4), POLICY) == ""
    assert why_open(recent(*[(1, Sign.AWAY)] * 5), POLICY)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(REACHED)), max_size=200))
def test_fewer_leads_than_the_limit_never_open_it(signs: list[tuple[int, Sign]]) -> None:
    assert why_open(recent(*signs), POLICY) == ""


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from([Sign.REFUSES, Sign.NOTHING]))))
def test_refusals_of_leads_never_open_it(signs: list[tuple[int, Sign]]) -> None:
    assert why_open(recent(*signs), BreakerSettings(consecutive_failures=1)) == ""


@given(
    before=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(Sign)), max_size=50),
    leads=st.sets(st.integers(10, 99), min_size=5),
)
def test_enough_different_leads_in_a_row_always_open_it(
    before: list[tuple[int, Sign]], leads: set[int]
) -> None:
    assert why_open(recent(*before, *((lead, Sign.FAILS) for lead in leads)), POLICY)


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 5), st.booleans()), max_size=120))
def test_the_window_counts_what_is_in_it_and_at_most_a_slot_more(
    events: list[tuple[int, int, bool]],
) -> None:
    window_ms, seen, now_ms = 10_000, Recent(10_000), 0
    happened: list[tuple[int, int, bool]] = []
    for wait_ms, lead, works in events:
        now_ms += wait_ms
        seen.turn(now_ms)
        happened.append((now_ms, lead, works))
        if works:
            seen.works()
        else:
            seen.fails(lead, Sign.FAILS, "", now_ms=now_ms)
    seen.turn(now_ms)
    found = seen.seen()
    # A slot leaves as a whole; between two looks up to three seconds pass here.
    surely = [each for each in happened if each[0] > now_ms - window_ms]
    perhaps = [each for each in happened if each[0] > now_ms - window_ms - 2 * 3_000 - 1_000]
    assert len(surely) <= found.tries <= len(perhaps)
    assert sum(not each[2] for each in surely) <= found.failures
    assert found.failures <= sum(not each[2] for each in perhaps)
    assert found.failing == len({each[1] for each in surely if not each[2]})


def test_a_lead_that_fails_before_and_after_others_work_is_itself_the_trouble() -> None:
    suspects = Suspects()
    assert [suspects.fails(lead, confirmed=0) for lead in (1, 2, 1)] == [False] * 3
    assert [suspects.fails(lead, confirmed=5) for lead in (1, 3, 3)] == [True, False, False]
    assert suspects.fails(1, confirmed=5), "it stays so"
    assert suspects.fails(2, confirmed=6)


def test_suspects_are_forgotten_at_last() -> None:
    suspects = Suspects()
    for lead in range(KEPT + 1):
        suspects.fails(lead, confirmed=0)
    assert not suspects.fails(0, confirmed=1)
    assert suspects.fails(KEPT, confirmed=1)


# ---------------------------------------------------------------- probing


def probe_waits(policy: BreakerSettings, openings: int) -> list[float]:
    circuit, waits = Circuit(), []
    for _ in range(openings):
        move = breaker.opened(circuit, "why", policy, owner="w")
        waits.append(move.due_in_ms / 1_000)
        circuit = as_circuit(move)
    return waits


def as_circuit(move: CircuitMove) -> Circuit:
    return Circuit(
        move.state, 1, openings=move.openings, ramp_limit=move.ramp_limit, reason=move.reason
    )


def test_probes_come_soon_at_first_and_at_most_a_minute_apart() -> None:
    assert probe_waits(POLICY, 10) == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert probe_waits(POLICY, 100_000)[-1] == 60


@given(
    first=st.floats(0.1, 60),
    longest=st.floats(0.1, 60),
    asked=st.floats(0, 1e9),
    openings=st.integers(0, 10**9),
)
def test_no_wait_for_a_probe_is_longer_than_the_longest(
    first: float, longest: float, asked: float, openings: int
) -> None:
    policy = BreakerSettings(probe_first_seconds=first, probe_longest_seconds=longest)
    circuit = Circuit(CircuitState.RAMPING, 3, openings=openings, ramp_limit=1)
    move = breaker.opened(circuit, "why", policy, asked_seconds=asked, owner="w")
    assert move.due_in_ms <= round(longest * 1_000)
    assert move.due_in_ms >= round(min(first, longest) * 1_000)
    assert move.openings == openings + 1


def test_a_destination_that_asks_for_a_pause_gets_it() -> None:
    assert breaker.opened(OPEN, "why", POLICY, asked_seconds=30, owner="w").due_in_ms == 30_000


@given(st.integers(0, 40), st.floats(0, 1, exclude_max=True), st.floats(0, 1e6))
def test_a_wait_for_a_probe_is_drawn_and_never_shorter_than_half_or_than_was_asked(
    openings: int, drawn: float, asked: float
) -> None:
    circuit = Circuit(CircuitState.HALF_OPEN, version=1, openings=openings, reason="why")
    whole = breaker.opened(circuit, "why", POLICY, owner="me").due_in_ms
    move = breaker.opened(circuit, "why", POLICY, asked_seconds=asked, owner="me", drawn=drawn)
    least = max(whole / 2, min(asked, POLICY.probe_longest_seconds) * 1_000)
    assert least - 1 <= move.due_in_ms <= max(whole, least) + 1


def test_a_lead_confirmed_in_between_ends_a_row_of_openings() -> None:
    long_open = Circuit(CircuitState.HALF_OPEN, 9, openings=12)
    works = breaker.ramping(long_open, POLICY, confirmed=True, concurrency=16, owner="w")
    healthy = breaker.ramping(long_open, POLICY, confirmed=False, concurrency=16, owner="w")
    assert (works.openings, healthy.openings) == (0, 12)
    assert breaker.works_meanwhile(as_circuit(works), Seen())
    assert not breaker.works_meanwhile(as_circuit(healthy), Seen(tries=1, failures=1))
    assert breaker.works_meanwhile(as_circuit(healthy), Seen(tries=2, failures=1))
    again = breaker.opened(as_circuit(healthy), "why", POLICY, anew=True, owner="w")
    assert (again.openings, again.due_in_ms) == (1, 1_000)


def test_a_probe_that_came_to_nothing_is_no_opening() -> None:
    move = breaker.not_probed(OPEN, POLICY, owner="w")
    assert (move.state, move.openings, move.due_in_ms) == (CircuitState.OPEN, 1, 1_000)
    assert move.reason == OPEN.reason


# ---------------------------------------------------------------- ramping


def ramp(policy: BreakerSettings, concurrency: int) -> tuple[list[int], int, CircuitMove]:
    """Limits of the steps, their whole duration, and the move that ends the ramp."""
    move = breaker.ramping(OPEN, policy, confirmed=False, concurrency=concurrency, owner="w")
    limits, took_ms = [], 0
    while move.state is CircuitState.RAMPING:
        limits.append(move.ramp_limit)
        took_ms += move.due_in_ms
        after = breaker.step(
            as_circuit(move),
            Seen(confirmed=1),
            policy,
            due_in_ms=0,
            idle=False,
            patience_ms=30_000,
            concurrency=concurrency,
            owner="w",
        )
        assert after is not None
        move = after
    return limits, took_ms, move


def test_a_ramp_doubles_until_the_destination_has_its_concurrency() -> None:
    limits, took_ms, end = ramp(POLICY, 16)
    assert limits == [1, 2, 4, 8]
    assert took_ms == 15_000
    assert end == CircuitMove(CircuitState.CLOSED, owner="w")


@given(concurrency=st.integers(1, 1_000), seconds=st.floats(0, 3_600))
def test_every_ramp_ends_and_never_exceeds_the_concurrency(
    concurrency: int, seconds: float
) -> None:
    limits, took_ms, end = ramp(BreakerSettings(ramp_seconds=seconds), concurrency)
    assert limits[0] == 1
    assert all(after == 2 * before for before, after in pairwise(limits))
    assert limits[-1] <= concurrency <= max(2 * limits[-1], 1)
    assert abs(took_ms - seconds * 1_000) <= len(limits)
    assert end.state is CircuitState.CLOSED


@pytest.mark.parametrize(
    ("confirmed", "due_in_ms", "idle", "goes_on"),
    [
        (5, 1, True, False),
        (0, 0, False, False),
        (0, -29_999, True, False),
        (0, -30_000, False, False),
        (0, -30_000, True, True),
        (1, 0, False, True),
    ],
)
def test_a_step_needs_its_time_and_a_confirmation_or_a_long_quiet(
    confirmed: int, due_in_ms: int, idle: bool, goes_on: bool
) -> None:
    circuit = Circuit(CircuitState.RAMPING, 4, openings=1, ramp_limit=2)
    move = breaker.step(
        circuit,
        Seen(confirmed=confirmed),
        POLICY,
        due_in_ms=due_in_ms,
        idle=idle,
        patience_ms=30_000,
        concurrency=16,
        owner="w",
    )
    assert (move is not None) is goes_on


def test_confirmations_of_the_step_before_do_not_count_for_the_next() -> None:
    seen = Recent(30_000)
    seen.works()
    seen.turn(10_000)
    seen.works()
    assert seen.seen().confirmed == 2
    seen.next_step()
    assert seen.seen().confirmed == 0
    seen.works()
    seen.turn(20_000)
    assert seen.seen().confirmed == 1
    assert seen.confirmed_ever == 3
    seen.forget()
    assert seen.seen() == Seen(last_words="")
    assert seen.confirmed_ever == 3
