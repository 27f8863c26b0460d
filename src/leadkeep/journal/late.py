"""A journal whose folder may not be there yet: opened when it can be, again and again.

A disk that is not mounted, or that hangs, when the door opens must not keep the door shut, and must
be used once it is well, without a restart.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from leadkeep.clock import Clock
from leadkeep.errors import JournalError, JournalUnavailable
from leadkeep.journal.base import JournalWriter
from leadkeep.journal.patience import begun
from leadkeep.models import Position

TRY_AGAIN_MS = 1_000

log = structlog.get_logger("leadkeep.journal")


class LateJournal:
    """A `JournalWriter` that opens the real one on its first commit, or later.

    Args:
        folder: the journal, for people.
        open_journal: opens it; raises `JournalError` while that is not possible.
        wait_seconds: the first opening may take so long; then it goes on by itself, and commits
            wait for it. None: however long it takes.
    """

    def __init__(
        self,
        folder: Path,
        open_journal: Callable[[], JournalWriter],
        *,
        clock: Clock,
        wait_seconds: float | None = None,
    ) -> None:
        self._folder = folder
        self._open_journal = open_journal
        self._clock = clock
        self._opening = threading.Lock()
        self._journal: JournalWriter | None = None
        self._closed = False
        self._not_before_ms = 0
        self._reason = ""
        if wait_seconds is None:
            self.open()
        elif not begun(self.open, f"open {folder}", wait_seconds):
            log.error("a journal hangs while it is opened; going on without it", journal=self.name)

    @property
    def name(self) -> str:
        """The journal's folder."""
        return str(self._folder)

    def open(self) -> JournalWriter | None:
        """Open the journal if that is possible now; None if not. Never raises a `JournalError`."""
        with self._opening:
            if self._journal is None and self._clock.boottime_ms() >= self._not_before_ms:
                try:
                    self._journal = self._open_journal()
                    if self._closed:
                        self._journal.close()
                except JournalError as error:
                    self._not_before_ms = self._clock.boottime_ms() + TRY_AGAIN_MS
                    self._reason = str(error)
                    log.error("a journal cannot be opened", journal=self.name, error=self._reason)
            return self._journal

    def commit(self, records: Sequence[bytes]) -> Position:
        """As `JournalWriter.commit`.

        Raises:
            JournalUnavailable: it cannot be opened, or cannot take the group.
        """
        journal = self._journal or self.open()
        if journal is None:
            raise JournalUnavailable(self._reason)
        return journal.commit(records)

    def close(self) -> None:
        """Close the journal if it was ever opened; one that hangs is left to itself."""
        self._closed = True
        if self._journal is not None:
            self._journal.close()
