"""Noticing that wall time has jumped, so that nothing is given up because of it.

Boot time does not jump. What wall time has gained on it since we looked first is a jump, unless it
is small enough to be a correction.
"""

from leadkeep.clock import Clock

TOLERATED_MS = 10 * 60 * 1000
"""Ages are counted in days; time synchronisation corrects seconds."""


class ClockJumps:
    """Remembers how wall time stood to boot time when it was made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = self._offset_now()
        self._seen = False

    def seen(self) -> bool:
        """True once wall time has jumped by more than is tolerated, for as long as this lives."""
        if not self._seen and abs(self._offset_now() - self._offset_ms) > TOLERATED_MS:
            self._seen = True
        return self._seen

    def _offset_now(self) -> int:
        return self._clock.now_us() // 1000 - self._clock.boottime_ms()
