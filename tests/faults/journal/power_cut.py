"""A disk that remembers what a power cut would leave: only what was synced, under synced names."""

import os
import random
import threading
from collections.abc import Sequence
from pathlib import Path

from leadkeep.journal.syscalls import Data, Syscalls

SECTOR = 512


class VolatileDisk(Syscalls):
    """The real system calls, and beside them the image of what is on stable storage.

    A file's bytes are in the image once it was synced, its name once its folder was. Marks are
    never synced, so the image holds none; unsynced sectors may be in it or not, as `chance` has it.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._durable: dict[int, bytearray] = {}
        self._pending: dict[int, list[tuple[int, bytes]]] = {}
        self._names: dict[Path, dict[str, int]] = {}
        self._broken: set[int] = set()

    def write_group(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        written = super().write_group(fd, buffers, offset)
        self._note(fd, b"".join(buffers), offset)
        return written

    def sync_group(self, fd: int) -> None:
        super().sync_group(fd)
        self._flush(fd)

    def write_blank(self, fd: int, data: Data, offset: int) -> int:
        written = super().write_blank(fd, data, offset)
        self._note(fd, bytes(data), offset)
        return written

    def sync_file(self, fd: int) -> None:
        super().sync_file(fd)
        self._flush(fd)

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        with self._lock:
            self._names[folder] = {
                path.name: path.stat().st_ino for path in folder.iterdir() if path.is_file()
            }

    def cut_power(self, target: Path, chance: random.Random | None = None) -> Path:
        """Write the image into an empty folder and return it.

        Args:
            chance: decides for each unsynced sector whether it had reached the disk; None: none.
        """
        with self._lock:
            for folder, names in self._names.items():
                for name, inode in names.items():
                    if inode not in self._durable:
                        continue
                    content = bytearray(self._durable[inode])
                    for offset, data in self._pending.get(inode, ()):
                        _apply_some(content, offset, data, chance)
                    # Segments stand in writer folders; only these matter here.
                    path = target / folder.name / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
        target.mkdir(exist_ok=True)
        return target

    def is_all_durable(self, path: Path) -> bool:
        """Whether every byte of a file is on stable storage, whatever its name."""
        inode = path.stat().st_ino
        with self._lock:
            durable = bytes(self._durable.get(inode, b""))
            return not self._pending.get(inode) and durable == path.read_bytes()

    def lose_writes_from_now_on(self, fd: int) -> None:
        """What a transient error does to a file on ext4: its later syncs succeed and lie."""
        with self._lock:
            self._broken.add(os.fstat(fd).st_ino)

    def _note(self, fd: int, data: bytes, offset: int) -> None:
        with self._lock:
            self._pending.setdefault(os.fstat(fd).st_ino, []).append((offset, data))

    def _flush(self, fd: int) -> None:
        inode = os.fstat(fd).st_ino
        with self._lock:
            pending = self._pending.pop(inode, [])
            if inode in self._broken:
                return
            content = self._durable.setdefault(inode, bytearray())
            for offset, data in pending:
                _apply(content, offset, data)


def _apply(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    content[offset : offset + len(data)] = data


def _apply_some(content: bytearray, offset: int, data: bytes, chance: random.Random | None) -> None:
    if chance is None:
        return
    for at in range(0, len(data), SECTOR):
        if chance.random() < 0.5:
            _apply(content, offset + at, data[at : at + SECTOR])
