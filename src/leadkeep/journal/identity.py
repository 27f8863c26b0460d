"""Lead ids: UUIDv7 (RFC 9562), made at the door in the moment of acceptance.

Invariant: the ids of one `LeadIds` increase strictly, whatever the wall clock does; between
processes, 62 random bits keep them apart.
"""

import os
import struct
import threading
from array import array

from leadkeep.clock import Clock

_RANDOM_BYTES = 8 * 512
_VERSION = 0x7000
_VARIANT = 0x8000_0000_0000_0000
_RANDOM = 0x3FFF_FFFF_FFFF_FFFF
_COUNTER = 0x0FFF
_TIME = 0xFFFF_FFFF_FFFF
_pack = struct.Struct(">QQ").pack


def text(lead_id: bytes) -> str:
    """The usual form of an id: `018f2f6e-…`, 36 characters."""
    digits = lead_id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class LeadIds:
    """A source of lead ids. May be used by several threads; must not be carried over a fork."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._millisecond = 0
        self._high = 0
        self._chances: array[int] = array("Q")

    def next(self, now_us: int | None = None) -> bytes:
        """A new id, 16 bytes, greater than every one before.

        Args:
            now_us: microseconds since 1970 if the caller has just asked the clock.
        """
        millisecond = (self._clock.now_us() if now_us is None else now_us) // 1_000
        with self._lock:
            if millisecond > self._millisecond:
                self._start(millisecond)
            elif self._high & _COUNTER == _COUNTER:
                self._start(self._millisecond + 1)
            else:
                # The same millisecond, or the clock went back: count on instead (RFC 9562, 6.2).
                self._high += 1
            chances = self._chances or self._draw()
            return _pack(self._high, _VARIANT | chances.pop() & _RANDOM)

    def _start(self, millisecond: int) -> None:
        self._millisecond = millisecond
        self._high = (millisecond & _TIME) << 16 | _VERSION

    def _draw(self) -> "array[int]":
        # Many at once: one system call per id would cost more than all the rest.
        self._chances.frombytes(os.urandom(_RANDOM_BYTES))
        return self._chances

    @staticmethod
    def text(lead_id: bytes) -> str:
        """The usual form of an id: `018f2f6e-…`, 36 characters."""
        return text(lead_id)
