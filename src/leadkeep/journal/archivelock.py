"""Copying and pruning the archive exclude each other: what is being copied stays until it is.

The lock is a file in the archive; the system frees it when its holder dies.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.syscalls import Syscalls, make_folder

LOCK_NAME = "lock"


@contextmanager
def unpruned(archive: Path) -> Iterator[None]:
    """While this is held nothing leaves the archive for its age or size. Several may hold it.

    Raises:
        JournalUnavailable: the archive cannot be locked.
    """
    with _locked(archive, fcntl.LOCK_SH):
        yield


@contextmanager
def pruning(archive: Path) -> Iterator[bool]:
    """Around removing; False while somebody copies: then nothing may be removed.

    Raises:
        JournalUnavailable: the archive cannot be locked.
    """
    with _locked(archive, fcntl.LOCK_EX | fcntl.LOCK_NB) as ours:
        yield ours


@contextmanager
def _locked(archive: Path, how: int) -> Iterator[bool]:
    try:
        make_folder(Syscalls(), archive)
        fd = os.open(archive / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalUnavailable(
            f"the archive {archive} cannot be locked: {error.strerror}",
            hint="Check its permissions and its disk.",
        ) from error
    try:
        try:
            fcntl.flock(fd, how)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)
