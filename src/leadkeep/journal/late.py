"""A journal whose folder may not be there yet: opened when it can be, again and again.

A disk that is not mounted when the door opens must not keep the door shut, and must be used once it
is there, without a restart.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from leadkeep.clock import Clock
from leadkeep.errors import JournalError, JournalUnavailable
from leadkeep.journal.base import JournalWriter
from leadkeep.models import Position

TRY_AGAIN_MS = 1_000

log = structlog.get_logger("leadkeep.journal")


class LateJournal:
    """A `JournalWriter` that opens the real one on its first commit, or later.

    Args:
        folder: the journal, for people.
        open_journal: opens it; raises `JournalError` while that is not possible.
    """

    def __init__(
        self, folder: Path, open_journal: Callable[[], JournalWriter], *, clock: Clock
    ) -> None:
        self._folder = folder
        self._open_journal = open_journal
        self._clock = clock
        self._journal: JournalWriter | None = None
        self._not_before_ms = 0
        self._reason = ""
        self.open()

    @property
    def name(self) -> str:
        """The journal's folder."""
        return str(self._folder)

    def open(self) -> JournalWriter | None:
        """Open the journal if that is possible now; None if not."""
        if self._journal is None and self._clock.boottime_ms() >= self._not_before_ms:
            try:
                self._journal = self._open_journal()
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
        """Close the journal if it was ever opened."""
        if self._journal is not None:
            self._journal.close()
