"""Who uses the store's file: many may write in it, one alone may put another in its place.

A lock file in the run folder: held together by whoever opened the store to write, alone by a
restore or rebuild. The system frees it when its holder dies. Without it, a worker could go on
writing into a file that has been moved aside, and its outcomes would be lost.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leadkeep.errors import AlreadyRunning, StoreUnavailable

LOCK_NAME = "store.lock"
PATIENCE_SECONDS = 2.0
"""A worker whose store is lost is started again and again; each time it holds the lock a moment."""
_PAUSE_SECONDS = 0.01


@contextmanager
def used(run_folder: Path) -> Iterator[None]:
    """Hold the store's file together with others.

    Raises:
        StoreUnavailable: it is being replaced, or the lock cannot be made.
    """
    fd = _open(run_folder)
    try:
        if not _lock(fd, fcntl.LOCK_SH):
            raise StoreUnavailable(
                "the store is being restored or rebuilt",
                hint="Wait until that command has ended; accepted leads are safe in the journal.",
            )
        yield
    finally:
        os.close(fd)


@contextmanager
def replaced(run_folder: Path) -> Iterator[None]:
    """Hold the store's file alone.

    Raises:
        AlreadyRunning: somebody uses it, and not only to see that it is gone.
        StoreUnavailable: the lock cannot be made.
    """
    fd = _open(run_folder)
    try:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not _lock(fd, fcntl.LOCK_EX):
            if time.monotonic() < give_up_at:
                time.sleep(_PAUSE_SECONDS)
                continue
            raise AlreadyRunning(
                f"a worker or a command uses the store of {run_folder.parent}",
                hint="Stop `leadkeep serve` and what else uses this data folder, then try again.",
            )
        yield
    finally:
        os.close(fd)


def _open(run_folder: Path) -> int:
    try:
        # What is in the data folder is personal: only its owner may look.
        run_folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        run_folder.mkdir(mode=0o700, exist_ok=True)
        return os.open(run_folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"{run_folder} cannot be used: {error.strerror}",
            hint="Give a folder that this user may write to, with --data or in leadkeep.toml.",
        ) from error


def _lock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
