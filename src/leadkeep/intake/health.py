"""Readiness: the door is ready if it can make something durable now.

Invariant: at most one trial a second, whoever asks how often; all who ask meanwhile get its result.
"""

from collections.abc import Callable

from leadkeep.intake.replies import Taken
from leadkeep.intake.reply_table import NOT_READY, READY

_FRESH_SECONDS = 1.0


class Readiness:
    """The reply to `/readyz`: what the newest trial came to.

    Args:
        now: seconds of a clock that does not jump.
        try_commit: tries to make a record durable; `learn` hears whether that worked.
    """

    needs_payload = False

    def __init__(self, now: Callable[[], float], try_commit: Callable[[], None]) -> None:
        self._now = now
        self._try_commit = try_commit
        self._trying = False
        self._asked_at = float("-inf")
        self.is_ready = False

    @property
    def status(self) -> int:
        """The HTTP status of the newest result."""
        return (READY if self.is_ready else NOT_READY).status

    def ask(self) -> None:
        """Begin a trial unless one is under way or fresh; `learn` hears what it came to."""
        now = self._now()
        if self._trying or now - self._asked_at < _FRESH_SECONDS:
            return
        self._trying, self._asked_at = True, now
        self._try_commit()

    def learn(self, durable: bool) -> None:
        """A trial has ended."""
        self._trying = False
        self.is_ready = durable

    def render(self, date_line: bytes, flags: int, taken: Taken) -> bytes:
        """The whole HTTP response."""
        return (READY if self.is_ready else NOT_READY).render(date_line, flags, taken)
