"""A block device's content as one file of a FUSE file system: it loses what was not flushed.

Run as a program: MOUNTPOINT SIZE CONTROL, where CONTROL is a Unix socket on which orders come, one
JSON object a line, each answered by one. The device behaves like a disk with a volatile cache:
what is written can be read at once, and is on stable storage only after a flush. Invariant: after
`cut`, the content is what was flushed before, and of the rest the sectors that chance picks.
"""

import errno
import json
import random
import socketserver
import sys
import threading
import time
import warnings
from typing import Any

warnings.simplefilter("ignore")

import mfusepy  # noqa: E402 - it warns while it is imported

SECTOR = 512
FILE = "/disk"


class Content:
    """The bytes of the device: as read, and as on stable storage."""

    def __init__(self, size: int) -> None:
        self.lock = threading.Lock()
        self.now = bytearray(size)
        self._stable = bytearray(size)
        self._pending: list[tuple[int, bytes]] = []
        self._journal: list[tuple[int, bytes] | None] | None = None
        """Writes, and None for each flush, while they are recorded."""
        self._before = b""
        self.is_dead = False
        self.failing_writes = 0
        self.failing_flushes = 0
        self.spared = [0, 0]
        """No write into this range fails."""
        self.flush_seconds = 0.0
        self.lies = False
        self.counts = {"writes": 0, "flushes": 0, "failed": 0}

    # ------------------------------------------------------------ what the kernel asks

    def read(self, offset: int, size: int) -> bytes:
        """What was written last."""
        self._live()
        with self.lock:
            return bytes(self.now[offset : offset + size])

    def write(self, offset: int, data: bytes) -> int:
        """Into the cache."""
        self._live()
        with self.lock:
            self.counts["writes"] += 1
            if self.failing_writes and not self.spared[0] <= offset < self.spared[1]:
                self.failing_writes -= 1
                self._fail()
            self.now[offset : offset + len(data)] = data
            self._pending.append((offset, data))
            if self._journal is not None:
                self._journal.append((offset, data))
        return len(data)

    def flush(self) -> None:
        """From the cache to stable storage."""
        self._live()
        if self.flush_seconds:
            time.sleep(self.flush_seconds)
        with self.lock:
            self.counts["flushes"] += 1
            if self.failing_flushes:
                self.failing_flushes -= 1
                self._fail()
            if self.lies:
                return
            for offset, data in self._pending:
                self._stable[offset : offset + len(data)] = data
            self._pending.clear()
            if self._journal is not None:
                self._journal.append(None)

    def _live(self) -> None:
        if self.is_dead:
            raise mfusepy.FuseOSError(errno.EIO)

    def _fail(self) -> None:
        self.counts["failed"] += 1
        raise mfusepy.FuseOSError(errno.EIO)

    # ------------------------------------------------------------ what the rig orders

    def die(self) -> None:
        """Power is gone: nothing more arrives."""
        self.is_dead = True

    def revive(self, seed: int | None) -> None:
        """Power is back.

        Args:
            seed: picks the sectors of the cache that had reached the disk; None: none had.
        """
        with self.lock:
            if seed is not None:
                chance = random.Random(seed)
                for offset, data in self._pending:
                    _apply_some(self._stable, offset, data, chance)
            self._pending.clear()
            self.now[:] = self._stable
            self.failing_writes = self.failing_flushes = 0
            self.is_dead = False

    def record(self) -> None:
        """Begin to note every write and flush."""
        with self.lock:
            self._before = bytes(self.now)
            self._journal = []

    def boundaries(self) -> int:
        """How many flushes were recorded."""
        with self.lock:
            return sum(step is None for step in self._journal or ())

    def become(self, boundary: int, seed: int) -> None:
        """Be what a power cut between two recorded flushes leaves.

        Args:
            boundary: number of the last flush that had finished; 0: none.
            seed: picks the sectors written after it that had reached the disk.
        """
        chance = random.Random(seed)
        content = bytearray(self._before)
        flushed = 0
        for step in self._journal or ():
            if step is None:
                flushed += 1
                if flushed > boundary:
                    break
            elif flushed < boundary:
                content[step[0] : step[0] + len(step[1])] = step[1]
            else:
                _apply_some(content, *step, chance)
        with self.lock:
            self._pending.clear()
            self.now[:] = content
            self._stable[:] = content


def _apply_some(content: bytearray, offset: int, data: bytes, chance: random.Random) -> None:
    """Each sector of a write arrives or does not; a write may also arrive whole, or not at all."""
    how = chance.random()
    if how < 0.25:
        return
    for at in range(0, len(data), SECTOR):
        if how < 0.5 or chance.random() < 0.5:
            content[offset + at : offset + min(at + SECTOR, len(data))] = data[at : at + SECTOR]


class DiskFile(mfusepy.Operations):  # type: ignore[misc]  # untyped
    """The file system: a root and one file."""

    use_ns = True

    def __init__(self, content: Content) -> None:
        self._content = content

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": 0o040700, "st_nlink": 2}
        if path == FILE:
            return {"st_mode": 0o100600, "st_nlink": 1, "st_size": len(self._content.now)}
        raise mfusepy.FuseOSError(errno.ENOENT)

    def open(self, path: str, fi: Any) -> int:
        fi.direct_io = 1  # Every write and flush reaches us at once, and nothing is cached before.
        return 0

    def read(self, path: str, size: int, offset: int, fi: Any) -> bytes:
        return self._content.read(offset, size)

    def write(self, path: str, data: bytes, offset: int, fi: Any) -> int:
        return self._content.write(offset, data)

    def fsync(self, path: str, datasync: int, fi: Any) -> int:
        self._content.flush()
        return 0


class Orders(socketserver.StreamRequestHandler):
    """Obeys the rig."""

    server: "OrderServer"

    def handle(self) -> None:
        for line in self.rfile:
            order = json.loads(line)
            self.wfile.write(json.dumps(self._obey(order)).encode() + b"\n")

    def _obey(self, order: dict[str, Any]) -> object:
        content = self.server.content
        verb = order.pop("do")
        if verb == "set":
            for name, value in order.items():
                setattr(content, name, value)
            return True
        if verb == "counts":
            return content.counts
        return getattr(content, verb)(**order)


class OrderServer(socketserver.ThreadingUnixStreamServer):
    """Where orders come in."""

    daemon_threads = True

    def __init__(self, path: str, content: Content) -> None:
        self.content = content
        super().__init__(path, Orders)


def main() -> None:
    """Serve until unmounted."""
    mountpoint, size, control = sys.argv[1:]
    content = Content(int(size))
    orders = OrderServer(control, content)
    threading.Thread(target=orders.serve_forever, daemon=True).start()
    mfusepy.FUSE(DiskFile(content), mountpoint, raw_fi=True, foreground=True, fsname="disk")


if __name__ == "__main__":
    main()
