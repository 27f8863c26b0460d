"""One absorber at a time: the worker and `process-queue` take turns, held for one pass each.

Only to save work: exactly-once rests on the store's compare-and-set of positions, not on this lock.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from leadkeep.errors import AlreadyRunning

_PAUSE_SECONDS = 0.01


class Turn:
    """A lock file. The system frees it when its holder dies.

    Args:
        path: in the run folder; made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def taken(self, wait_seconds: float) -> AsyncIterator[bool]:
        """Hold the lock; gives False at once if `wait_seconds` is 0 and another holds it.

        Raises:
            AlreadyRunning: another holds it for longer than `wait_seconds`.
        """
        fd = self._open()
        try:
            deadline = asyncio.get_running_loop().time() + wait_seconds
            while not self._lock(fd):
                if wait_seconds <= 0:
                    yield False
                    return
                if asyncio.get_running_loop().time() >= deadline:
                    raise AlreadyRunning(
                        f"another process has been absorbing for {wait_seconds:g} s",
                        hint="It may work on a large backlog: try again, or see `leadkeep status`.",
                    )
                await asyncio.sleep(_PAUSE_SECONDS)
            yield True
        finally:
            os.close(fd)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @staticmethod
    def _lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
