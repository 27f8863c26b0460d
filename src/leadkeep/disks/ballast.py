"""A file that does nothing but take up room, until the room is needed.

Its blocks are really written, with bytes that no file system can make smaller. Invariant: a file
with the ballast's name is whole; one in the making has another name and belongs to whoever holds
its lock.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from leadkeep.journal.syscalls import Syscalls, make_folder

NAME = "ballast"
_DRAFT = "ballast.tmp"
_PIECE = 1024**2


class Ballast:
    """The ballast of one volume.

    Args:
        folder: where it stands; made with it.
        size: bytes.
        syscalls: for tests.
    """

    def __init__(self, folder: Path, size: int, *, syscalls: Syscalls | None = None) -> None:
        self.path = folder / NAME
        self.size = size
        self._draft = folder / _DRAFT
        self._calls = syscalls or Syscalls()

    def standing(self) -> int:
        """Bytes of the ballast that stands there now; 0: none."""
        return standing(self.path.parent)

    def make(self, go_on: Callable[[int], bool]) -> bool:
        """Make it, in place of one of another size; False if it was not made.

        That is so if another process is making it, or if `go_on` says so.

        Args:
            go_on: asked after each piece, with the bytes that are still to be written; may sleep.

        Raises:
            OSError: it cannot be made; nothing is left of it.
        """
        folder = self.path.parent
        make_folder(self._calls, folder)
        fd = os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not self._is_ours(fd):
                return False
            try:
                if not self._fill(fd, go_on):
                    self._draft.unlink(missing_ok=True)
                    return False
                self._calls.rename(self._draft, self.path)
            except BaseException:
                self._draft.unlink(missing_ok=True)
                raise
            self._calls.sync_folder(folder)
        finally:
            os.close(fd)
        return True

    def throw_off(self) -> int:
        """Remove it; returns how many bytes that frees.

        Raises:
            OSError: it cannot be removed.
        """
        size = self.standing()
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            # File systems with a log give the blocks back once it is written.
            self._calls.sync_folder(self.path.parent)
        return size

    def _is_ours(self, fd: int) -> bool:
        """Whether the open draft is the one under that name, and nobody else writes to it."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.fstat(fd).st_ino == self._draft.stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            return False

    def _fill(self, fd: int, go_on: Callable[[int], bool]) -> bool:
        # What a killed process left is written anew: nobody knows how much of it is on the disk.
        os.ftruncate(fd, 0)
        for offset in range(0, self.size, _PIECE):
            if not go_on(self.size - offset):
                return False
            piece = os.urandom(min(_PIECE, self.size - offset))
            written = self._calls.write_blank(fd, piece, offset)
            if written != len(piece):
                raise OSError(f"only {written} of {len(piece)} bytes were written")
            # Piece by piece, so that leads never wait for more than one of them.
            self._calls.sync_file(fd)
        return True


def standing(folder: Path) -> int:
    """Bytes of the ballast that stands in a folder; 0: none."""
    try:
        return (folder / NAME).stat().st_size
    except OSError:
        return 0
