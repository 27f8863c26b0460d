"""Reading `Retry-After` (RFC 9110 §10.2.3): seconds, or a date. Pure."""

from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 366 * 86_400.0
"""Longer than this is nonsense; the retry policy caps it far lower anyway."""


def retry_after_of(headers: bytes, *, now_us: int) -> float | None:
    """What the first `Retry-After` among `Name: value` lines asks for; None: there is none."""
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"retry-after":
            return retry_after_seconds(value.decode("latin-1"), now_us=now_us)
    return None


def retry_after_seconds(value: str, *, now_us: int) -> float | None:
    """How long the destination asks us to wait; None if it does not say so readably.

    Args:
        value: the header's value.
        now_us: microseconds since 1970, against which a date is read.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        # The length is bounded so that a megabyte of digits costs nothing.
        return min(float(text), LONGEST_SECONDS) if len(text) <= 20 else LONGEST_SECONDS
    try:
        moment = parsedate_to_datetime(text[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        wait = moment.timestamp() - now_us / 1_000_000
    except (ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_SECONDS)
