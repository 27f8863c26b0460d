"""`Retry-After` as destinations write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.destinations.retry_after import LONGEST_SECONDS, retry_after_of, retry_after_seconds

# Sat, 15 Aug 2026 14:00:49 GMT
NOW_US = 1_786_802_449_000_000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("99999999999", LONGEST_SECONDS),
        ("Sat, 15 Aug 2026 14:01:49 GMT", 60.0),
        ("Saturday, 15-Aug-26 14:01:49 GMT", 60.0),
        ("Sat Aug 15 14:01:49 2026", 60.0),
        ("Sat, 15 Aug 2026 16:01:49 +0200", 60.0),
        ("Sat, 15 Aug 2026 13:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_SECONDS),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("\u0661\u0662", None),
        ("Sat, 99 Aug 2026 14:01:49 GMT", None),
    ],
)
def test_seconds_and_dates_are_read(value: str, seconds: float | None) -> None:
    assert retry_after_seconds(value, now_us=NOW_US) == seconds


@given(st.text() | st.from_regex(r"[A-Za-z]{3}, [0-9]{1,3} [A-Za-z]{3} [0-9]{1,6} [0-9:+ A-Z]*"))
def test_nonsense_is_no_wait_and_no_error(value: str) -> None:
    seconds = retry_after_seconds(value, now_us=NOW_US)
    assert seconds is None or 0 <= seconds <= LONGEST_SECONDS


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (b"Content-Type: x\r\nretry-AFTER: 7\r\nRetry-After: 9\r\n", 7.0),
        (b"X-Retry-After: 7\r\n", None),
        (b"Retry-After: \xff\r\n", None),
        (b"", None),
    ],
)
def test_it_is_found_among_other_headers(headers: bytes, seconds: float | None) -> None:
    assert retry_after_of(headers, now_us=NOW_US) == seconds
