"""How long wall time has been steady, so that no age is believed across a jump of the clock.

Boot time does not jump; wall time is compared with it, within a process and, by a small file, over
restarts and boots. Invariant: an age that is counted from no earlier than `steady_since_us` has
both its ends on one steady clock.
"""

import contextlib
import threading
from pathlib import Path
from typing import NamedTuple

import msgspec

from leadkeep.clock import Clock

TOLERATED_US = 10 * 60 * 1_000_000
"""Ages are counted in days; time synchronisation corrects seconds."""
GAP_US = 86_400 * 1_000_000
"""A machine that was off for longer than this, or that jumped while it was off: nobody can tell."""


class _Seen(msgspec.Struct, frozen=True):
    """What the file keeps."""

    boot_id: str
    offset_us: int
    """Wall time less boot time."""
    at_us: int
    steady_since_us: int


class Moment(NamedTuple):
    """One reading of the wall clock."""

    now_us: int
    since_us: int
    """Since when wall time has not jumped, as far as it was watched, this reading included."""


class WallTime:
    """Watches wall time. Thread-safe.

    Args:
        path: keeps what was seen over restarts; None: only this process is watched.
    """

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self._clock = clock
        self._path = path
        self._lock = threading.Lock()
        before = _read(path)
        now_us = clock.now_us()
        self._offset_us = self._offset(now_us)
        steady = before is not None and self._continues(before, now_us)
        self._since_us = before.steady_since_us if before is not None and steady else now_us
        self.remember()

    def steady_since_us(self) -> int:
        """Since when wall time has not jumped, as far as it was watched; microseconds since 1970.

        No I/O.
        """
        return self.moment().since_us

    def moment(self) -> Moment:
        """The time, and since when it is steady: for ages, which both must be of one reading.

        Read one after the other, the clock may jump in between, and an age comes out as long as the
        jump. No I/O.
        """
        with self._lock:
            now_us = self._clock.now_us()
            offset_us = self._offset(now_us)
            if abs(offset_us - self._offset_us) > TOLERATED_US:
                self._since_us = now_us
            self._offset_us = offset_us
            return Moment(now_us, self._since_us)

    def remember(self) -> None:
        """Keep what was seen for the next start; call it about once a minute."""
        since_us = self.steady_since_us()
        if self._path is None:
            return
        seen = _Seen(self._clock.boot_id, self._offset_us, self._clock.now_us(), since_us)
        with contextlib.suppress(OSError):
            # Without it, the next start counts ages from its own beginning: later, never earlier.
            temporary = self._path.with_name(f"{self._path.name}.{threading.get_native_id()}.tmp")
            temporary.write_bytes(msgspec.json.encode(seen))
            temporary.replace(self._path)

    def _offset(self, now_us: int) -> int:
        return now_us - self._clock.boottime_ms() * 1_000

    def _continues(self, before: _Seen, now_us: int) -> bool:
        if before.boot_id == self._clock.boot_id:
            return abs(self._offset_us - before.offset_us) <= TOLERATED_US
        return 0 <= now_us - before.at_us <= GAP_US


def _read(path: Path | None) -> _Seen | None:
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Seen)
    except (OSError, msgspec.DecodeError):
        return None
