"""Copying and checking files so that what is said of them is true of the disk.

A copy is synced before it counts, and read back from the disk itself, not from memory.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from leadkeep.errors import RecoveryError

_CHUNK = 1024**2
_SPARE_BYTES = 64 * 1024**2

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much, in bytes or pieces."""


class Digest(NamedTuple):
    """What a file holds, in short."""

    size: int
    sha256: str


def copy_file(source: Path, target: Path) -> Digest:
    """Copy a file to a new one, durably but for its name; returns what was read.

    Raises:
        OSError: it could not be read or written; FileNotFoundError if the source is gone.
    """
    hasher, size = hashlib.sha256(), 0
    with source.open("rb") as reader:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as writer:
            while chunk := reader.read(_CHUNK):
                hasher.update(chunk)
                size += len(chunk)
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
    return Digest(size, hasher.hexdigest())


def digest(path: Path) -> Digest:
    """What a file holds on its disk.

    Raises:
        OSError: it cannot be read.
    """
    hasher, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        # Synced before, so this drops it from memory.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
            size += len(chunk)
    return Digest(size, hasher.hexdigest())


def write_file(path: Path, content: bytes) -> None:
    """Write a new file, durably but for its name.

    Raises:
        OSError: it could not be written.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folders(folder: Path) -> None:
    """Make the names in a folder and in all below it durable."""
    for path, _folders, _files in os.walk(folder):
        sync_folder(Path(path))


def remove_folder(folder: Path) -> None:
    """Remove a folder of our own making with all that is in it; nothing happens if it is gone."""
    if folder.exists():
        shutil.rmtree(folder)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder, in order; none if it is not there."""
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def size_below(folder: Path) -> int:
    """The bytes of all files below a folder; those that vanish meanwhile do not count."""
    size = 0
    for path in folder.rglob("*"):
        try:
            size += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return size


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        folder: on the disk in question; it need not exist yet.
        needed: bytes, to which some spare is added.

    Raises:
        RecoveryError: there is not enough.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise RecoveryError(
            f"{what} needs {_megabytes(needed + _SPARE_BYTES)}, and the disk of {folder} has "
            f"{_megabytes(free)} free",
            hint="Free some space there, or name a folder on another disk.",
        )


def _megabytes(size: int) -> str:
    return f"{-(-size // 1_000_000):,} MB"
