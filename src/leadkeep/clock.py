"""Time, passed in and never fetched: wall clock for people, boot clock for leases.

Wall time may jump. Whatever must not (leases, deadlines) uses `boottime_ms`, which only grows while
one `boot_id` lasts. Wall time is aware UTC; in the store and the journal it is an integer number of
milliseconds or microseconds since 1970, as the field's name says.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import uuid4

DAY_US = 86_400_000_000

_LAST_US = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""


class Clock(Protocol):
    """What the code may ask about time."""

    @property
    def boot_id(self) -> str:
        """Identity of the running kernel: a lease of another boot has expired."""

    def now_us(self) -> int:
        """Wall time in microseconds since 1970-01-01 UTC."""

    def boottime_ms(self) -> int:
        """Milliseconds since boot, counting suspend; never goes back within one `boot_id`."""


def _read_boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        # No Linux procfs: every process start counts as a boot, so leases end with the process.
        return str(uuid4())


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        self._boot_id = _read_boot_id()

    @property
    def boot_id(self) -> str:
        return self._boot_id

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    def boottime_ms(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def datetime_of_us(instant_us: int) -> datetime:
    """Aware UTC datetime of microseconds since 1970."""
    return datetime.fromtimestamp(instant_us / 1_000_000, UTC)


def rfc3339(instant_us: int) -> str:
    """`2026-08-15T14:00:49.123Z`: RFC 3339 in UTC with milliseconds.

    Args:
        instant_us: microseconds since 1970-01-01 UTC.
    """
    seconds, micros = divmod(instant_us, 1_000_000)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{micros // 1_000:03d}Z"


def utc_day(instant_us: int) -> str:
    """`2026-08-15`: the UTC day of an instant; what lies outside 1970 to 9999 counts to its edge.

    Args:
        instant_us: microseconds since 1970-01-01 UTC.
    """
    return rfc3339(min(max(instant_us, 0), _LAST_US))[:10]
