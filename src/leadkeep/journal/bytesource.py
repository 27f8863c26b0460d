"""Bounded reading of a file that may be hostile, damaged or on a failing disk.

Invariant: never raises on what the file holds or on a block that cannot be read (it is then simply
missing), and holds no more than one window or one requested piece in memory. Not mmap: a bad block
would kill the process.
"""

import os
from typing import Protocol

WINDOW = 256 * 1024


class Bytes(Protocol):
    """Random access to the bytes of one segment, wherever it is."""

    size: int
    """Nothing at or after this offset is read."""
    error: str
    """Why the last piece that was missing could not be read; empty if the bytes just ended."""

    def piece(self, offset: int, length: int) -> memoryview:
        """`length` bytes from `offset`; fewer if they end before or cannot be read."""


class ByteSource:
    """Random access to the bytes of one open file."""

    def __init__(self, fd: int, size: int) -> None:
        """Read from `fd`, which stays the caller's.

        Args:
            size: nothing at or after this offset is read.
        """
        self.size = size
        self.error = ""
        """Why the last piece that was missing could not be read; empty if the file just ended."""
        self._fd = fd
        self._window = memoryview(b"")
        self._window_at = 0

    def piece(self, offset: int, length: int) -> memoryview:
        """`length` bytes from `offset`; fewer if the file ends before or they cannot be read."""
        self.error = ""
        at = offset - self._window_at
        if at >= 0 and at + length <= len(self._window):
            return self._window[at : at + length]
        wanted = min(max(length, WINDOW), self.size - offset)
        if wanted <= 0:
            return memoryview(b"")
        data = self._pread(wanted, offset)
        if self.error and length < wanted:
            # The bad block may lie behind what was asked for.
            self.error = ""
            data = self._pread(min(length, self.size - offset), offset)
        self._window = memoryview(data)
        self._window_at = offset
        return self._window[:length]

    def _pread(self, length: int, offset: int) -> bytes:
        parts = []
        try:
            while length > 0:
                part = os.pread(self._fd, length, offset)
                if not part:
                    break
                parts.append(part)
                offset += len(part)
                length -= len(part)
        except OSError as error:
            self.error = error.strerror or str(error)
        return parts[0] if len(parts) == 1 else b"".join(parts)
