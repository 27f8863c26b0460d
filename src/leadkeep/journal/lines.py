"""Daily files of JSON lines that are only ever appended to, each line with its own checksum.

Invariant: a line is believed only if its checksum holds, and whatever stands before a torn one
stays readable. A file that an I/O error has hit is not written again: the day goes on in another.
"""

import contextlib
import errno
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from leadkeep.clock import Clock, SystemClock, rfc3339
from leadkeep.errors import JournalUnavailable
from leadkeep.journal.syscalls import FULL, Syscalls, make_folder

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.(\d{1,9}))?\.jsonl")
_CRC_HEAD = b',"crc":"'

Line = TypeVar("Line", bound=msgspec.Struct)


class DamagedLine(msgspec.Struct, frozen=True):
    """A line that cannot be believed: torn by a crash, or changed."""

    path: Path
    line: int
    """Counted from 1."""
    torn: bool = False
    """It has no end: a crash cut it short, or it is being written at this moment."""


class DailyLines(Generic[Line]):
    """Daily files of lines in one folder. Used by one thread at a time.

    Args:
        folder: made with the first line.
        form: what a line holds.
        called: how errors name it, such as "the log of outcomes".
        hint: what to do when it cannot be written.
        longest: bytes of a line, at most, that are read at a time.
        on_full: called when its disk had no room.
    """

    def __init__(
        self,
        folder: Path,
        form: type[Line],
        *,
        called: str,
        hint: str,
        longest: int,
        clock: Clock | None = None,
        syscalls: Syscalls | None = None,
        on_full: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_full = on_full
        self.folder = folder
        self._form = form
        self._called = called
        self._hint = hint
        self._longest = longest
        self._clock = clock or SystemClock()
        self._calls = syscalls or Syscalls()
        self._encoder = msgspec.json.Encoder()
        self._fd = -1
        self._day = ""
        self._file = 1
        """Number of today's file: a file that an I/O error has hit is not written again."""

    def append(self, lines: Iterable[Line]) -> None:
        """Write lines to today's file. They last once `sync` has returned.

        Raises:
            JournalUnavailable: they could not be written; some of them may have been.
        """
        data = b"".join(map(self._framed, lines))
        try:
            self._open_today()
            written = os.write(self._fd, data)
            if written != len(data):
                # Seldom for another reason; the lines are written again, the torn one is skipped.
                raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written")
        except OSError as error:
            if error.errno in FULL:
                # Nothing that is in the file is in doubt: it goes on there.
                self._drop()
                self._on_full()
            else:
                self._give_up_file()
            raise JournalUnavailable(
                f"{self._called} {self.folder} cannot be written: {error}", hint=self._hint
            ) from error

    def sync(self) -> None:
        """Bring what was appended to stable storage.

        Raises:
            JournalUnavailable: it may not be there.
        """
        if self._fd < 0:
            return
        try:
            self._calls.sync_group(self._fd)
        except OSError as error:
            self._give_up_file()
            raise JournalUnavailable(
                f"{self._called} {self.folder} cannot be synced: {error}", hint=self._hint
            ) from error

    def read(self) -> Iterator[Line | DamagedLine]:
        """Every line, oldest first.

        Raises:
            JournalUnavailable: a file cannot be read now.
        """
        try:
            found = [(_NAME.fullmatch(path.name), path) for path in self.folder.iterdir()]
            files = sorted((name[1], int(name[2] or 1), path) for name, path in found if name)
            for _, _, path in files:
                yield from self._read_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise JournalUnavailable(f"{self.folder} cannot be read: {error}") from error

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            self._drop()

    def _framed(self, line: Line) -> bytes:
        content = self._encoder.encode(line)[:-1]
        return content + _CRC_HEAD + b"%08x" % zlib.crc32(content) + b'"}\n'

    def _open_today(self) -> None:
        day = rfc3339(self._clock.now_us())[:10]
        if self._fd >= 0 and day == self._day:
            return
        if self._fd >= 0:
            self._calls.sync_group(self._fd)
            self._drop()
        make_folder(self._calls, self.folder)
        name = f"{day}.jsonl" if self._file == 1 else f"{day}.{self._file}.jsonl"
        path = self.folder / name
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._day = day
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")  # A crash cut the last line: ours begin on their own.
        self._calls.sync_folder(self.folder)

    def _give_up_file(self) -> None:
        self._drop()
        self._file += 1

    def _drop(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(OSError):
                # What mattered was synced; this error is of lines reported as not written.
                os.close(fd)

    def _read_file(self, path: Path) -> Iterator[Line | DamagedLine]:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(self._longest):
                number += 1
                if line == b"\n":
                    continue
                yield self._parsed(line) or DamagedLine(path, number, not line.endswith(b"\n"))

    def _parsed(self, line: bytes) -> Line | None:
        content, found, tail = line.rpartition(_CRC_HEAD)
        if not found or tail != b'%08x"}\n' % zlib.crc32(content):
            return None
        try:
            return msgspec.json.decode(content + b"}", type=self._form)
        except msgspec.DecodeError:
            return None
