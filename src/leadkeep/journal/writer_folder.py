"""The folder of one writer: locked while it is written to, named `writer-N`.

Invariant: at most one process holds a writer folder; its lock file names the session that holds
it, and was written before the first segment of that session got its name.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from uuid import uuid4

from leadkeep.errors import JournalLocked, JournalUnavailable
from leadkeep.journal import layout
from leadkeep.journal.segment import Writer
from leadkeep.journal.syscalls import Syscalls, make_folder

LOCK_NAME = "lock"
_WRITERS_MAX = 256
_LOCK_TRIES = 8
_LOCK_PAUSE_SECONDS = 0.005


class WriterFolder:
    """A writer's folder, held until `release`."""

    def __init__(self, writer: Writer, lock_fd: int, newest_us: int) -> None:
        self.writer = writer
        self.newest_us = newest_us
        """Creation time of the newest segment found in it; 0 if there was none."""
        self._lock_fd = lock_fd

    @classmethod
    def take(cls, journal: Path, boot_id: str, calls: Syscalls) -> "WriterFolder":
        """Lock the first free writer folder of a journal and tidy it.

        Raises:
            JournalUnavailable: the folder cannot be made or written.
            JournalLocked: all of them are held by other processes.
        """
        try:
            make_folder(calls, journal)
            for number in range(1, _WRITERS_MAX + 1):
                folder = journal / layout.writer_name(number)
                make_folder(calls, folder)
                fd = _lock(folder / LOCK_NAME)
                if fd is not None:
                    return cls._take_locked(folder, number, fd, boot_id, calls)
        except OSError as error:
            raise JournalUnavailable(
                f"the journal {journal} cannot be opened: {error.strerror or error}",
                hint="Check that the folder exists, is writable and its disk is well.",
            ) from error
        raise JournalLocked(
            f"all {_WRITERS_MAX} writer folders of {journal} are in use",
            hint="Stop the processes that hold them.",
        )

    @classmethod
    def _take_locked(
        cls, folder: Path, number: int, fd: int, boot_id: str, calls: Syscalls
    ) -> "WriterFolder":
        try:
            session = uuid4()
            os.pwrite(fd, f"{session.hex} {os.getpid()}\n".encode(), 0)
            newest_us = _tidy(folder)
            calls.sync_folder(folder)
        except BaseException:
            os.close(fd)
            raise
        writer = Writer(folder, number, session.bytes, layout.boot_bytes(boot_id))
        return cls(writer, fd, newest_us)

    def release(self) -> None:
        """Let another process have the folder."""
        if self._lock_fd >= 0:
            fd, self._lock_fd = self._lock_fd, -1
            os.close(fd)


def _lock(path: Path) -> int | None:
    """The lock file, locked; None if another process holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A reader that looks whether a writer is alive holds it for an instant.
            time.sleep(_LOCK_PAUSE_SECONDS)
        except BaseException:
            os.close(fd)
            raise
        else:
            return fd
    os.close(fd)
    return None


def _tidy(folder: Path) -> int:
    """Remove what a dead writer left unfinished; returns the newest segment's creation time."""
    newest_us = 0
    segments = set()
    marks = []
    for entry in folder.iterdir():
        named = layout.parse_segment_name(entry.name)
        if named:
            newest_us = max(newest_us, named[0])
            segments.add(layout.mark_name(named[1]))
        elif entry.suffix == layout.TEMPORARY_SUFFIX:
            entry.unlink(missing_ok=True)
        elif entry.suffix == layout.MARK_SUFFIX:
            marks.append(entry)
    for mark in marks:
        if mark.name not in segments:
            mark.unlink(missing_ok=True)
    return newest_us


def lock_holder(folder: Path) -> bytes | None:
    """The session that holds a writer folder now; None: nobody.

    A folder whose lock cannot be judged counts as held by an unknown session (empty bytes).
    """
    try:
        fd = os.open(folder / LOCK_NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError:
        return b""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            return bytes.fromhex(os.pread(fd, 32, 0).decode("ascii"))
        return b""
    else:
        return None
    finally:
        os.close(fd)
