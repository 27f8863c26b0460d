"""A clock that tests turn by hand: wall time may jump, boot time only grows within one boot."""


class FakeClock:
    """Stands in for `leadkeep.clock.SystemClock`.

    Args:
        now_us: wall time in microseconds since 1970.
        boottime_ms: milliseconds since boot.
        boot_id: identity of the running kernel.
    """

    def __init__(
        self,
        now_us: int = 1_786_802_449_123_456,
        boottime_ms: int = 1_000_000,
        boot_id: str = "boot-1",
    ) -> None:
        self._now_us = now_us
        self._boottime_us = boottime_ms * 1_000
        self._boot_id = boot_id
        self._boots = 1
        self._readings = 0
        self._jumps: dict[int, float] = {}

    @property
    def boot_id(self) -> str:
        return self._boot_id

    def now_us(self) -> int:
        self._readings += 1
        self.jump(self._jumps.pop(self._readings, 0.0))
        return self._now_us

    def boottime_ms(self) -> int:
        return self._boottime_us // 1_000

    @property
    def now_ms(self) -> int:
        """Wall time in milliseconds, as the store keeps it."""
        return self._now_us // 1_000

    def advance(self, seconds: float) -> None:
        """Time passes: both clocks move on."""
        self._now_us += round(seconds * 1_000_000)
        self._boottime_us += round(seconds * 1_000_000)

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock, forwards or back; boot time does not notice."""
        self._now_us += round(seconds * 1_000_000)

    def jump_at_reading(self, number: int, seconds: float) -> None:
        """Somebody sets the wall clock right before it is read for the so-and-so-many-th time."""
        self._jumps[self._readings + number] = seconds

    def reboot(self) -> None:
        """Another kernel: boot time starts again, wall time goes on."""
        self._boots += 1
        self._boot_id = f"boot-{self._boots}"
        self._boottime_us = 0
