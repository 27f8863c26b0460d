"""Points in time as people type them."""

from datetime import UTC, datetime, timedelta

import pytest

from leadkeep.cli.times import parse_span, parse_until, parse_when
from leadkeep.wording import duration

NOW = datetime(2026, 8, 15, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "ago"),
    [
        ("45s", timedelta(seconds=45)),
        ("30min", timedelta(minutes=30)),
        ("30m", timedelta(minutes=30)),
        ("4h", timedelta(hours=4)),
        ("2d", timedelta(days=2)),
        ("2 days ago", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_a_duration_means_so_long_ago(typed: str, ago: timedelta) -> None:
    assert parse_when(typed, NOW) == NOW - ago


def test_a_date_is_its_midnight_in_the_zone_of_the_terminal() -> None:
    assert parse_when("2026-08-14", NOW) == datetime(2026, 8, 14).astimezone()


def test_yesterday_is_the_day_before_today() -> None:
    assert parse_when("today", NOW) - parse_when("yesterday", NOW) == timedelta(days=1)


def test_a_time_with_a_zone_is_that_time() -> None:
    assert parse_when("2026-08-15T12:00:00Z", NOW) == datetime(2026, 8, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize("typed", ["soon", "", "2x", "2026-13-01", "999999w"])
def test_anything_else_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_when(typed, NOW)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (240, "4 min"),
        (7_500, "2 h 5 min"),
        (50_000, "13 h"),
        (200_000, "2 days"),
    ],
)
def test_durations_are_as_precise_as_people_need(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5_400), ("2 days", 172_800), ("1w", 604_800)],
)
def test_a_span_is_a_number_of_seconds(typed: str, seconds: float) -> None:
    assert parse_span(typed) == seconds


@pytest.mark.parametrize("typed", ["", "0", "0s", "-5m", "5x", "1.5h", "m", "1h ago", "999999w"])
def test_what_is_no_span_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_span(typed)


def test_a_time_of_day_is_the_next_one() -> None:
    now = datetime(2026, 8, 15, 14, 0).astimezone()
    assert parse_until("15:30", now) == datetime(2026, 8, 15, 15, 30).astimezone()
    assert parse_until("14:00", now) == datetime(2026, 8, 16, 14, 0).astimezone()
    assert parse_until("06:00:30", now) == datetime(2026, 8, 16, 6, 0, 30).astimezone()


def test_a_time_to_come_may_have_a_date_and_a_zone() -> None:
    assert parse_until("2026-08-15T14:30:00Z", NOW) == NOW + timedelta(minutes=30)
    assert parse_until("2026-08-17T14:00", NOW) == datetime(2026, 8, 17, 14).astimezone()


@pytest.mark.parametrize("typed", ["2026-08-15T13:59:59Z", "2029-01-01", "25:00", "soon", "2h"])
def test_what_is_over_too_far_off_or_no_time_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_until(typed, NOW)
