"""Where log lines go, so that a full or hung disk under the log costs lines and nothing else.

Invariant: writing a line never raises, and through a `LineThread` it never waits for the disk.
"""

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, TextIO

LINES_MAX = 10_000
_LAST_SECONDS = 1.0


class LineFile(Protocol):
    """What structlog writes to."""

    def write(self, text: str) -> int:
        """Write one line, with its end."""

    def flush(self) -> None:
        """Have what was written on its way."""


class Forgiving:
    """Writes to a stream what it takes, drops the rest, and says so once it takes lines again.

    Args:
        stream: e.g. stderr.
        excuse: the line, with its end, that says how many were lost.
    """

    def __init__(self, stream: TextIO, excuse: Callable[[int], str]) -> None:
        self._stream = stream
        self._excuse = excuse
        try:
            self._fd: int | None = stream.fileno()
        except (OSError, ValueError, AttributeError):  # Memory, in tests.
            self._fd = None
        self.lost = 0
        """Lines that were not written, and of which nothing was said yet."""

    def write(self, text: str) -> int:
        """Write a line, or lose it."""
        try:
            self._put(text)
            if self.lost:
                self._put(self._excuse(self.lost))
                self.lost = 0
        except (OSError, ValueError):
            self.lost += 1
        return len(text)

    def _put(self, text: str) -> None:
        if self._fd is None:
            self._stream.write(text)
            return
        # Past the stream's own buffer, which would keep what the disk did not take.
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(self._fd, data) :]

    def flush(self) -> None:
        """Nothing is held back."""


class LineThread:
    """Hands lines to a thread that writes them; while it hangs, a bounded number waits.

    Args:
        target: used by the thread alone.
    """

    def __init__(self, target: Forgiving) -> None:
        self._target = target
        self._lines: deque[str] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._lost = 0
        """Lines that found no place."""
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, text: str) -> int:
        """Have a line written; returns at once."""
        with self._changed:
            if len(self._lines) < LINES_MAX:
                self._lines.append(text)
            else:
                self._lost += 1
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """The thread writes as fast as it can anyway."""

    def close(self, wait_seconds: float = _LAST_SECONDS) -> None:
        """Give the last lines a moment."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines and not self._busy, wait_seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines)
                self._busy = True
                text = self._lines.popleft()
                self._target.lost += self._lost
                self._lost = 0
            self._target.write(text)
