"""A term ends by itself, whatever the wall clock does."""

import pytest

from leadkeep.terms import ends_at_ms, left_ms, of_this_boot, term_of
from tests.fakes.clock import FakeClock

HOUR_MS = 3_600_000
DAY = 86_400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_term_lasts_as_long_as_was_said(clock: FakeClock) -> None:
    term = term_of(HOUR_MS, clock)
    assert left_ms(term, clock) == HOUR_MS
    clock.advance(3_599)
    assert left_ms(term, clock) == 1_000
    clock.advance(1)
    assert left_ms(term, clock) == 0


@pytest.mark.parametrize("jump", [-3_650 * DAY, -3_600.0, 600.0, 3_650 * DAY])
def test_a_jump_of_the_wall_clock_changes_nothing(clock: FakeClock, jump: float) -> None:
    term = term_of(HOUR_MS, clock)
    clock.advance(1_800)
    clock.jump(jump)
    assert left_ms(term, clock) == HOUR_MS // 2
    assert ends_at_ms(term, clock) == clock.now_ms + HOUR_MS // 2


def test_in_another_boot_the_wall_clock_tells_how_much_is_left(clock: FakeClock) -> None:
    term = term_of(HOUR_MS, clock)
    clock.advance(600)
    clock.reboot()
    clock.advance(600)
    assert left_ms(term, clock) == HOUR_MS - 1_200_000


def test_a_clock_that_is_behind_after_a_boot_prolongs_a_term_by_its_span_at_most(
    clock: FakeClock,
) -> None:
    term = term_of(HOUR_MS, clock)
    clock.reboot()
    clock.jump(-20_000 * DAY)
    assert left_ms(term, clock) == HOUR_MS


def test_a_term_that_was_taken_over_into_this_boot_is_safe_from_the_wall_clock(
    clock: FakeClock,
) -> None:
    term = term_of(HOUR_MS, clock)
    clock.reboot()
    clock.jump(-20_000 * DAY)
    term = of_this_boot(term, clock)
    clock.advance(1_800)
    clock.jump(-DAY)
    assert left_ms(term, clock) == HOUR_MS // 2
    assert of_this_boot(term, clock) is term
    clock.advance(1_800)
    assert left_ms(term, clock) <= 0
