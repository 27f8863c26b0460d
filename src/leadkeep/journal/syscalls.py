"""The system calls on which durability rests, in one place.

Tests put their own `Syscalls` here: to fail, to die between two steps, or to keep an image of what
a power cut would leave.
"""

import contextlib
import errno
import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from leadkeep.journal.mounts import file_system_of

PIECE = 256 * 1024
"""A new segment is filled in pieces of this size."""

_ZEROS = memoryview(mmap.mmap(-1, PIECE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)).toreadonly()

_SYNCED_WRITES = frozenset({"ext3", "ext4", "xfs", "f2fs"})
"""File systems whose synced writes (RWF_DSYNC) end like fdatasync, in the kernel's one
`generic_write_sync`. With others, such as those that pass requests on, fdatasync is certain."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The system's words for a disk without room. Nothing is wrong with what is on it."""

Data: TypeAlias = "bytes | memoryview"


class Syscalls:
    """The real ones. Each raises OSError as the system call does."""

    zeros = _ZEROS
    """A piece to fill with, where memory begins at a page, as unbuffered writes want it."""

    def commit_group(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        """Write a group into its segment, to stable storage; returns how many bytes were taken."""
        written = self.write_group(fd, buffers, offset)
        self.sync_group(fd)
        return written

    def write_group(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        """Write a group into its segment; returns how many bytes were taken."""
        return os.pwritev(fd, buffers, offset)

    def sync_group(self, fd: int) -> None:
        """Bring a segment's written groups to stable storage."""
        os.fdatasync(fd)

    def write_mark(self, fd: int, data: bytes, offset: int) -> int:
        """Publish in a mark. Not synced: a mark is worth nothing after a power cut."""
        return os.pwrite(fd, data, offset)

    def write_blank(self, fd: int, data: Data, offset: int) -> int:
        """Fill a new segment, before it has its name."""
        return os.pwrite(fd, data, offset)

    @contextlib.contextmanager
    def unbuffered(self, path: Path) -> Iterator[int | None]:
        """A file, open for writing past the page cache; None where the file system cannot do so."""
        try:
            fd = os.open(path, os.O_WRONLY | os.O_DIRECT)
        except OSError:
            yield None
            return
        try:
            yield fd
        finally:
            os.close(fd)

    def write_back_soon(self, fd: int, offset: int, length: int) -> None:
        """Let the system begin to write a part of a new file to the disk; waits for nothing.

        Linux starts writing dirty pages back when told that they are not needed in memory.
        """
        os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)

    def sync_file(self, fd: int) -> None:
        """Bring a new file, with its size and blocks, to stable storage."""
        os.fsync(fd)

    def free_bytes(self, fd: int) -> int:
        """What may still be written to the volume of an open file."""
        found = os.fstatvfs(fd)
        return found.f_bavail * found.f_frsize

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


class SyncedWrites(Syscalls):
    """Commits by one system call instead of two.

    Each of them lets go of the interpreter, and to get it back from a busy loop takes about as long
    as the shorter of the two.
    """

    def commit_group(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        """Write a group into its segment, to stable storage; returns how many bytes were taken."""
        return os.pwritev(fd, buffers, offset, os.RWF_DSYNC)


def syscalls_for(folder: Path) -> Syscalls:
    """The system calls that suit the file system on which `folder` is, or will be."""
    return SyncedWrites() if file_system_of(folder) in _SYNCED_WRITES else Syscalls()


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
