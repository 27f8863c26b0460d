"""What one worker has lately seen of a destination: counters, so that a success costs an addition.

Bounded by the window: what is older than it is forgotten.
"""

from collections import deque
from typing import NamedTuple

from leadkeep.delivery.breaker import Seen, Sign

_SLOTS = 10
"""The window moves on by a tenth of itself."""


class _Slot(NamedTuple):
    until_ms: int
    confirmed: int
    failed: int


class Recent:
    """Outcomes since the circuit last changed its state, and within a window.

    Args:
        window_ms: how far back tries and failures are counted, by the boot clock.
    """

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._slots: deque[_Slot] = deque()
        self._began_ms = 0
        self._run: set[int] = set()
        self._failing: dict[int, int] = {}
        """delivery → when it last failed, oldest first; a negative number for each time away."""
        self._times_away = 0
        self._confirmed = 0
        self._failed = 0
        self._confirmed_since = 0
        self._confirmed_before = 0
        """Confirmations that are in no counter of the present any more."""
        self._last_words = ""

    @property
    def confirmed_ever(self) -> int:
        """How many leads this worker has seen confirmed."""
        return self._confirmed_before + self._confirmed

    def works(self) -> None:
        """A lead was confirmed."""
        self._confirmed += 1
        if self._run:
            self._run.clear()

    def fails(self, delivery_id: int, sign: Sign, words: str, *, now_ms: int) -> None:
        """A lead was not confirmed."""
        self._last_words = words
        culprit = delivery_id
        if sign is Sign.AWAY:
            self._times_away += 1
            culprit = -self._times_away
        self._run.add(culprit)
        if sign is not Sign.DOUBTFUL:
            self._failed += 1
            self._failing.pop(culprit, None)
            self._failing[culprit] = now_ms

    def turn(self, now_ms: int) -> None:
        """Time has passed: forget what has left the window."""
        if now_ms - self._began_ms >= self._window_ms // _SLOTS:
            self._slots.append(_Slot(now_ms, self._confirmed, self._failed))
            self._confirmed_since += self._confirmed
            self._confirmed_before += self._confirmed
            self._began_ms, self._confirmed, self._failed = now_ms, 0, 0
        oldest_ms = now_ms - self._window_ms
        while self._slots and self._slots[0].until_ms <= oldest_ms:
            self._slots.popleft()
        while self._failing and (first := next(iter(self._failing.items())))[1] <= oldest_ms:
            del self._failing[first[0]]

    def seen(self) -> Seen:
        """All of it, for `breaker`."""
        failures = self._failed + sum(slot.failed for slot in self._slots)
        confirmed = self._confirmed + sum(slot.confirmed for slot in self._slots)
        return Seen(
            in_a_row=len(self._run),
            tries=failures + confirmed,
            failures=failures,
            failing=len(self._failing),
            confirmed=self._confirmed_since + self._confirmed,
            last_words=self._last_words,
        )

    def next_step(self) -> None:
        """A ramp has gone on by a step: confirmations count from here."""
        self._confirmed_since = -self._confirmed

    def forget(self) -> None:
        """The circuit has changed its state: everything counts from here."""
        self._confirmed_before += self._confirmed
        self._slots.clear()
        self._run.clear()
        self._failing.clear()
        self._confirmed = self._failed = self._confirmed_since = 0
