"""The database's time, which all nodes share: leases, terms and rates are kept by it.

It is read now and then, and carried on by this machine's boot clock, which nobody can set: whatever
happens to the wall clock here, what is leased ends everywhere at the same moment.
"""

import time
from collections.abc import Callable

from leadkeep.errors import StoreUnavailable

BOOT_ID = "database"
"""Stands where a boot's identity stands: to the database's time there is no other boot."""

STALE_AFTER_NS = 1_000_000_000
"""Clocks of two machines part by less than 0.1 ms in this time."""


def _boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class DatabaseClock:
    """Implements `Clock` by what the database said last.

    Args:
        boottime_ns: this machine's boot clock.
    """

    def __init__(self, boottime_ns: Callable[[], int] = _boottime_ns) -> None:
        self._boottime_ns = boottime_ns
        self._offset_us: int | None = None
        self._read_at_ns = 0

    @property
    def boot_id(self) -> str:
        """The same for every node, at every time."""
        return BOOT_ID

    @property
    def is_stale(self) -> bool:
        """The database shall be asked again."""
        return self._offset_us is None or self._boottime_ns() - self._read_at_ns >= STALE_AFTER_NS

    def now_us(self) -> int:
        """Microseconds since 1970, as the database counts them."""
        if self._offset_us is None:
            raise StoreUnavailable("the database has not been asked for its time yet")
        return self._boottime_ns() // 1_000 + self._offset_us

    def boottime_ms(self) -> int:
        """The same in milliseconds: what ends by it ends by the database's time."""
        return self.now_us() // 1_000

    def ask_began_ns(self) -> int:
        """To be given to `told`."""
        return self._boottime_ns()

    def told(self, database_us: int, began_ns: int) -> None:
        """The database's time was this, somewhere between `began_ns` and now."""
        now_ns = self._boottime_ns()
        self._offset_us = database_us - (began_ns + now_ns) // 2_000
        self._read_at_ns = now_ns
