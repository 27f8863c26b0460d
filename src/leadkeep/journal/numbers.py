"""Lead numbers: 13 digits, unique everywhere and increasing at each door.

Blocks of numbers are reserved durably in one locked file ahead of use, so a number is never given
twice, not after a crash either: what is left of a block is then simply skipped. A file that is lost
or unreadable is replaced from the floors (journal, store) and the time, which lie above it.
"""

import contextlib
import fcntl
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog

from leadkeep.clock import Clock
from leadkeep.errors import JournalUnavailable
from leadkeep.journal.patience import begun

BLOCK_NUMBERS = 1_000_000
_FIRST = 10**12
_END = 10**13
_PREFIX = "leadkeep-numbers 1"
_FILE_MAX_BYTES = 256

log = structlog.get_logger("leadkeep.journal")


class LeadNumbers:
    """Gives lead numbers to one process. Thread-safe."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        floors: Sequence[Callable[[], int]] = (),
        block: int = BLOCK_NUMBERS,
        wait_seconds: float | None = None,
    ) -> None:
        """Open the file and reserve a first block if that is possible now.

        Args:
            path: the file that all doors of this installation share.
            floors: each returns the highest number known somewhere else (journal, store); one that
                raises is skipped.
            block: how many are reserved at a time; few for a program that pushes a few leads.
            wait_seconds: the first reservation may take so long; then it goes on by itself. None:
                however long it takes.
        """
        self._block = block
        self._path = path
        self._clock = clock
        self._floors = tuple(floors)
        self._lock = threading.Lock()
        self._reserving = threading.Lock()
        self._next = self._end = 0
        self._spare = (0, 0)
        if wait_seconds is None:
            self._reserve_first()
        elif not begun(self._reserve_first, "lead numbers", wait_seconds):
            log.warning("no lead numbers yet; leads are numbered when absorbed", path=str(path))

    def _reserve_first(self) -> None:
        try:
            self.reserve()
        except JournalUnavailable as error:
            log.warning("no lead numbers now; leads are numbered when absorbed", error=str(error))

    def next(self) -> int:
        """The next number; 0 if none is reserved: the lead is then numbered when absorbed."""
        with self._lock:
            if self._next >= self._end:
                self._next, self._end = self._spare
                self._spare = (0, 0)
                if self._next >= self._end:
                    return 0
            number = self._next
            self._next = number + 1
            return number

    def needs_block(self) -> bool:
        """True once half of the last reserved block is used: call `reserve` soon, off the loop."""
        return self._spare[1] == 0 and self._end - self._next <= self._block // 2

    def reserve(self) -> None:
        """Reserve the next block durably. Blocks on the disk. Does nothing while none is needed.

        Raises:
            JournalUnavailable: the file cannot be written now.
        """
        with self._reserving:
            if not self.needs_block():
                return
            try:
                block = self._reserve_in_file()
            except OSError as error:
                raise JournalUnavailable(
                    f"lead numbers cannot be reserved in {self._path}: {error.strerror}",
                    hint="Leads are taken all the same and numbered when absorbed.",
                ) from error
            with self._lock:
                self._spare = block

    def _reserve_in_file(self) -> tuple[int, int]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self._path.with_name(self._path.name + ".lock")):
            high = _read(self._path)
            start = max(_FIRST, high or 0)
            if high is None:
                # Only then: asking reads whole journals, and a door must open at once.
                start = max(start, self._highest_floor() + 1)
            now_ms = self._clock.now_us() // 1_000
            if now_ms < _END:  # A clock gone mad must not use up all the numbers there are.
                start = max(start, now_ms)
            end = min(start + self._block, _END)
            if start >= end:
                return (0, 0)
            _write(self._path, end)
        return (start, end)

    def _highest_floor(self) -> int:
        highest = 0
        for floor in self._floors:
            try:
                highest = max(highest, floor())
            except Exception as error:
                # Whatever is wrong there, numbering must go on: file and time are floors as well.
                log.warning("a floor of the lead numbers is not known", error=repr(error))
        return highest


def first_free_number(path: Path) -> int:
    """The first number that no door has reserved; 0 if the file is missing or damaged.

    Raises:
        OSError: it cannot be read.
    """
    return _read(path) or 0


def raise_first_free(path: Path, least: int) -> None:
    """See to it, durably, that no number below `least` is ever given from this file.

    Raises:
        JournalUnavailable: it cannot be written now.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_name(path.name + ".lock")):
            if (_read(path) or 0) < least:
                _write(path, min(least, _END))
    except OSError as error:
        raise JournalUnavailable(
            f"lead numbers cannot be reserved in {path}: {error.strerror}",
            hint="Check that its folder can be written.",
        ) from error


def _read(path: Path) -> int | None:
    """The first number that nobody has reserved; None if the file is missing or damaged."""
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_MAX_BYTES)
    except FileNotFoundError:
        return None
    word = content.split()[2:3]
    if word and word[0].isdigit() and content == _line(int(word[0])):
        return int(word[0])
    log.error("the file of lead numbers is damaged and is made anew", path=str(path))
    return None


def _write(path: Path, first_free: int) -> None:
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, _line(first_free))
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _line(first_free: int) -> bytes:
    content = f"{_PREFIX} {first_free}"
    return f"{content} {zlib.crc32(content.encode()):08x}\n".encode()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
