"""The doorbell: a FIFO by which the door wakes the absorber after a commit.

It carries no data. A ring that is lost costs only time, because the absorber also looks by itself;
so ringing never blocks and never raises, whatever the state of the other side.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

from leadkeep.errors import JournalUnavailable

_RING = b"!"
_DRAIN_BYTES = 65_536


class Doorbell:
    """One FIFO in the run folder; either side makes it if it is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def ring(self) -> None:
        """Wake whoever listens. Never blocks, never raises."""
        # Twice: the listener may have been replaced, and only writing to the old pipe tells.
        for _ in range(2):
            if self._fd < 0 and not self._open_for_ringing():
                return
            try:
                os.write(self._fd, _RING)
            except OSError as error:
                if error.errno == errno.EAGAIN:
                    return  # The pipe is full of rings already.
                self.close()
            else:
                return

    def _open_for_ringing(self) -> bool:
        try:
            # Looked up first: on a frozen file system, opening for writing waits for the thaw
            # unless the name is known to the kernel already.
            os.stat(self._path)  # noqa: PTH116 - beside os.open
            self._fd = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            if stat.S_ISFIFO(os.fstat(self._fd).st_mode):
                return True
            self.close()
        except OSError:
            # Nobody listens (ENXIO), or there is no FIFO yet: the listener makes it.
            self._fd = -1
        return False

    def open_for_listening(self) -> int:
        """Open the FIFO for waiting on it: a non-blocking descriptor that the caller closes.

        Raises:
            JournalUnavailable: it cannot be made or opened.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkfifo(self._path, 0o600)
            # Read and write: with a writing end of our own the pipe never reports end of file.
            fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            raise JournalUnavailable(
                f"the doorbell {self._path} cannot be opened: {error.strerror}",
                hint="Remove whatever stands at that path and start again.",
            ) from error
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.close(fd)
            raise JournalUnavailable(
                f"the doorbell {self._path} is no FIFO", hint="Remove it and start again."
            )
        return fd

    @staticmethod
    def drain(fd: int) -> bool:
        """Take all rings out of a listening descriptor; True if there was one."""
        rung = False
        try:
            # One pipe holds at most 1 MiB; whoever rings on meanwhile is heard the next time.
            for _ in range(16):
                rung = bool(os.read(fd, _DRAIN_BYTES)) or rung
        except BlockingIOError:
            pass
        return rung

    def close(self) -> None:
        """Let go of the ringing side."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
