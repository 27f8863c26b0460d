"""The system calls on which durability rests, in one place.

Tests put their own `Syscalls` here: to fail, to die between two steps, or to keep an image of what
a power cut would leave.
"""

import os
from collections.abc import Sequence
from pathlib import Path


class Syscalls:
    """The real ones. Each raises OSError as the system call does."""

    def write_group(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        """Write a group into its segment; returns how many bytes were taken."""
        return os.pwritev(fd, buffers, offset)

    def sync_group(self, fd: int) -> None:
        """Bring a segment's written groups to stable storage."""
        os.fdatasync(fd)

    def write_mark(self, fd: int, data: bytes, offset: int) -> int:
        """Publish in a mark. Not synced: a mark is worth nothing after a power cut."""
        return os.pwrite(fd, data, offset)

    def write_blank(self, fd: int, data: bytes, offset: int) -> int:
        """Fill a new segment, before it has its name."""
        return os.pwrite(fd, data, offset)

    def write_back_soon(self, fd: int, offset: int, length: int) -> None:
        """Let the system begin to write a part of a new file to the disk; waits for nothing.

        Linux starts writing dirty pages back when told that they are not needed in memory.
        """
        os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)

    def sync_file(self, fd: int) -> None:
        """Bring a new file, with its size and blocks, to stable storage."""
        os.fsync(fd)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file its final name."""
        source.rename(target)

    def sync_folder(self, folder: Path) -> None:
        """Bring a folder's names to stable storage."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def make_folder(calls: Syscalls, folder: Path) -> None:
    """Make a folder and its parents so that they last; nothing happens to those that exist.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(calls, folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    calls.sync_folder(folder.parent)
