"""Rings the absorber's doorbell after commits: soon, seldom, and never forgets the last one."""

import asyncio

from leadkeep.journal.doorbell import Doorbell

_PAUSE_SECONDS = 0.005


class Ringer:
    """At most one ring in a few milliseconds; a ring asked for meanwhile follows."""

    def __init__(self, doorbell: Doorbell, loop: asyncio.AbstractEventLoop) -> None:
        self._doorbell = doorbell
        self._loop = loop
        self._rung_at = float("-inf")
        self._is_due = False

    def ring(self) -> None:
        """Something new is in the journal."""
        if self._is_due:
            return
        now = self._loop.time()
        if now - self._rung_at >= _PAUSE_SECONDS:
            self._rung_at = now
            self._doorbell.ring()
        else:
            self._is_due = True
            self._loop.call_later(_PAUSE_SECONDS, self._ring_late)

    def ring_now(self) -> None:
        """The last ring before the door closes."""
        self._is_due = False
        self._doorbell.ring()

    def _ring_late(self) -> None:
        if self._is_due:
            self._rung_at = self._loop.time()
            self.ring_now()
