"""A segment of the inbox as a run of bytes, as the file of a disk's journal would be."""

from uuid import UUID

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.inbox.wire import Wire
from leadkeep.journal.layout import BLOCK

_WINDOW = 1024**2
_SECONDS = 30.0


class InboxBytes:
    """Random access to the bytes of one segment; a row that is not there is missing.

    Raises, from each call, `JournalUnavailable`: the database cannot be asked now, which says
    nothing of the bytes.
    """

    error = ""
    """Nothing hinders reading but what raises."""

    def __init__(self, wire: Wire, segment: UUID, slot: int, size: int) -> None:
        self.size = size
        self._wire = wire
        self._segment = segment
        self._slot = slot
        self._window = memoryview(b"")
        self._window_at = 0

    def piece(self, offset: int, length: int) -> memoryview:
        """`length` bytes from `offset`; fewer if the segment ends before or they are missing."""
        at = offset - self._window_at
        if at < 0 or at + length > len(self._window):
            wanted = min(max(length, _WINDOW), self.size - offset)
            if wanted <= 0:
                return memoryview(b"")
            self._window_at, at = offset, 0
            self._window = memoryview(self._fetched(offset, offset + wanted))
        return self._window[at : at + length]

    def _fetched(self, begin: int, before: int) -> bytes:
        """What begins in a range, each row where it belongs, with zeros up to the next block."""
        rows = self._wire.rows(
            "inbox_bytes",
            {"slot": self._slot, "segment": self._segment, "begins": begin, "before": before},
            seconds=_SECONDS,
        )
        found = bytearray()
        for begins, content in rows:
            gap = begins - begin - len(found)
            if gap < 0:
                continue  # It claims a place that is taken.
            if gap:
                self._see_that_it_is_there()
            found += bytes(gap) + content
            found += bytes(-len(found) % BLOCK)
        if rows:
            return bytes(found)
        self._see_that_it_is_there()
        return self._nothing(begin, before)

    def _see_that_it_is_there(self) -> None:
        """What has left the inbox since it was listed is not damaged."""
        place = self._wire.rows("inbox_place", {"segment": self._segment}, seconds=_SECONDS)
        if place != [(self._slot,)]:
            raise JournalUnavailable(f"segment {self._segment} has left its part of the inbox")

    def _nothing(self, begin: int, before: int) -> bytes:
        """Zeros up to the next row, in place of rows that are not there."""
        found = self._wire.rows(
            "inbox_next",
            {"slot": self._slot, "segment": self._segment, "begins": begin},
            seconds=_SECONDS,
        )
        following = found[0][0] if found else None
        end = self.size if following is None else following
        return bytes(min(end, before) - begin)
