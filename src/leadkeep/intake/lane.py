"""One journal and the thread that commits to it.

Invariant: only this thread touches the journal, so a disk that hangs holds up nobody but its own
lane. The loop hands over one batch at a time and hears back in the loop.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from leadkeep.errors import JournalError
from leadkeep.journal.base import JournalWriter

log = structlog.get_logger("leadkeep.intake")


class Lane:
    """A journal as the committer sees it.

    Args:
        journal: closed by this lane's thread when the lane is closed.
        loop: where `on_done` runs.
        on_done: called with the lane, what was given to `commit`, and the error or None.
    """

    def __init__(
        self,
        journal: JournalWriter,
        loop: asyncio.AbstractEventLoop,
        on_done: Callable[["Lane", object, Exception | None], None],
    ) -> None:
        self.name = journal.name
        self.trusted = True
        """False after a failure or a hang, until a commit has succeeded in time again."""
        self.busy = False
        self.started = 0.0
        """Loop time at which the commit under way began."""
        self.proof_due = False
        """A trial commit is already planned."""
        self.passed_over = 0
        """How often a batch had to go elsewhere, or nowhere, because of this journal."""
        self.last_error = ""
        self.took = 0.0
        """Seconds that the newest commit needed in the journal itself."""
        self.closed = asyncio.Event()
        self._journal = journal
        self._loop = loop
        self._on_done = on_done
        self._work: queue.SimpleQueue[tuple[object, Sequence[bytes]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"journal {self.name}", daemon=True)
        self._thread.start()

    def commit(self, batch: object, records: Sequence[bytes]) -> None:
        """Begin to commit; `on_done` follows. Only while not busy."""
        self.busy = True
        self.started = self._loop.time()
        self._work.put((batch, records))

    def close(self) -> None:
        """Close the journal once what is under way has ended; `closed` is set then."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            batch, records = work
            begin = time.perf_counter()
            error = self._commit(records)
            self.took = time.perf_counter() - begin
            if not self._tell(self._done, batch, error):
                return
            # Not kept until the next batch comes.
            del work, batch, records
        try:
            self._journal.close()
        except Exception as error:  # Leaving: nothing that it could not close may hold us up.
            log.error(
                "the journal did not close in good order", journal=self.name, error=str(error)
            )
        self._tell(self.closed.set)

    def _commit(self, records: Sequence[bytes]) -> Exception | None:
        try:
            self._journal.commit(records)
        except JournalError as error:
            return error
        except Exception as error:  # A bug in one journal must not stop the door: the next one may.
            log.exception("a journal failed in a way that it should not", journal=self.name)
            return error
        return None

    def _tell(self, callback: Callable[..., None], *args: object) -> bool:
        """Call in the loop; False if the loop is gone, and the process with it."""
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            return False
        return True

    def _done(self, batch: object, error: Exception | None) -> None:
        self.busy = False
        if error is not None:
            self.last_error = str(error)
        self._on_done(self, batch, error)
