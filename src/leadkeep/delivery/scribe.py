"""Writes the log of outcomes behind the store's back: after the commit, off the loop.

Lines go to the file soon and are synced at most once a second. What a crash takes from this log is
known to the store; what a lost store takes is known to this log, except for the last second, whose
leads then come back held.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.outcomes import OutcomeLine, OutcomeLog

GATHER_SECONDS = 0.05
SYNC_SECONDS = 1.0
KEPT_LINES = 100_000
"""While the log cannot be written, this many lines wait; the oldest are forgotten first."""

_log = structlog.get_logger("leadkeep.delivery")


class Scribe:
    """Keeps a log of outcomes.

    Args:
        outcome_log: used by this scribe's thread alone; None: nothing is written.
    """

    def __init__(self, outcome_log: OutcomeLog | None) -> None:
        self._outcome_log = outcome_log
        self._waiting: deque[OutcomeLine] = deque(maxlen=KEPT_LINES)
        self._something = asyncio.Event()
        self._in_trouble = False

    def write(self, lines: Iterable[OutcomeLine]) -> None:
        """Have these lines written soon."""
        if self._outcome_log is not None:
            self._waiting.extend(lines)
            self._something.set()

    async def run(self) -> None:
        """Write what comes until cancelled; then write and sync the rest."""
        if self._outcome_log is None:
            return
        thread = ThreadPoolExecutor(1, thread_name_prefix="leadkeep-outcomes")
        try:
            await self._write_on(thread, self._outcome_log)
        finally:
            # The last lines are written by the thread even if nobody waits for them any more.
            thread.submit(self._write, self._outcome_log, self._take(), sync=True)
            thread.shutdown(wait=True)

    async def _write_on(self, thread: ThreadPoolExecutor, outcome_log: OutcomeLog) -> None:
        loop = asyncio.get_running_loop()
        synced_at, unsynced = loop.time(), False
        while True:
            await self._wait(SYNC_SECONDS if unsynced else None)
            lines = self._take()
            sync = loop.time() - synced_at >= SYNC_SECONDS
            write = partial(self._write, outcome_log, lines, sync=sync)
            # Shielded: cancelled before its thread has begun, a write would never come to be, and
            # its lines are taken already.
            if not await asyncio.shield(loop.run_in_executor(thread, write)):
                self._waiting.extendleft(reversed(lines))
                self._something.set()
                await asyncio.sleep(SYNC_SECONDS)
                continue
            synced_at, unsynced = (loop.time(), False) if sync else (synced_at, True)
            await asyncio.sleep(GATHER_SECONDS)

    async def _wait(self, seconds: float | None) -> None:
        """Until there are lines, or it is time to sync."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._something.wait()
        self._something.clear()

    def _take(self) -> list[OutcomeLine]:
        lines = list(self._waiting)
        self._waiting.clear()
        return lines

    def _write(self, outcome_log: OutcomeLog, lines: list[OutcomeLine], *, sync: bool) -> bool:
        """In the thread: append and perhaps sync. False: it did not work."""
        try:
            if lines:
                outcome_log.append(lines)
            if sync:
                outcome_log.sync()
        except JournalUnavailable as error:
            if not self._in_trouble:
                _log.error("the log of outcomes cannot be written", error=str(error))
            self._in_trouble = True
            return False
        self._in_trouble = False
        return True
