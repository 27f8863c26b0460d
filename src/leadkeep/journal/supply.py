"""The supply of fresh segments: one spare stands ready, made in the background.

Invariants: at most one segment is being made at a time; whoever waits for one waits for a small
piece of work, however slow the disk and however large segments are; and after a failure none is
tried for a while, so that a storm of commits does not hammer a full or dying disk.
"""

import threading
import time
from collections.abc import Callable

import structlog

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.metrics import SEGMENTS_CUT_SHORT, SEGMENTS_MADE, SEGMENTS_REFUSED
from leadkeep.journal.segment import Enough, Segment

PAUSE_SECONDS = 0.25
PAUSE_MAX_SECONDS = 4.0
BREATH_SECONDS = 0.0025
"""Pause after each piece of a spare, until it is wanted: commits come first."""
QUICK_BYTES = 1024**2
"""A segment that somebody waits for is made this large, or as large as it has to be."""
_QUIET_SECONDS = 60.0

log = structlog.get_logger("leadkeep.journal")


class SegmentSupply:
    """Hands out fresh segments to one committing thread."""

    def __init__(self, make: Callable[[int, Enough], Segment], size: int) -> None:
        """Start with nothing ready.

        Args:
            make: makes a segment of a size in bytes, or raises OSError; asks the second argument
                between the pieces of its work whether what it has will do.
            size: of an ordinary segment.
        """
        self._make = make
        self._size = size
        self._quick = min(QUICK_BYTES, size)
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        """No more pauses: the spare will be wanted soon, or is."""
        self._needed = 0
        """Somebody waits for a spare, and so many bytes will do; 0: nobody does."""
        self._spare: Segment | None = None
        self._worker: threading.Thread | None = None
        self._closed = False
        self._not_before = 0.0
        self._failures = 0
        self._reason = ""
        self._said_at = float("-inf")

    def prepare(self, *, hurry: bool = False) -> None:
        """See to it that a spare is there or on its way. Cheap; never blocks, never raises.

        Args:
            hurry: it will be wanted before long.
        """
        if self._spare is not None:
            return
        if self._worker is not None:
            if hurry:
                self._hurry.set()
            return
        with self._changed:
            if self._closed or time.monotonic() < self._not_before:
                return
            self._hurry.clear()
            worker = threading.Thread(target=self._fetch, name="journal-spare", daemon=True)
            self._worker = worker
        try:
            worker.start()
        except RuntimeError:
            # No thread to be had now: the next roll makes its segment itself.
            self._worker = None

    def take(self, size: int) -> Segment:
        """A fresh segment of at least `size` bytes: the spare, or a small one made now.

        A spare that is being made is cut short at what there is of it.

        Raises:
            JournalUnavailable: none can be made now.
        """
        with self._changed:
            self._needed = max(size, self._quick)
            self._hurry.set()
            while self._worker is not None:
                self._changed.wait()
            self._hurry.clear()
            self._needed = 0
            spare = self._spare
            if spare is not None and spare.size >= size:
                self._spare = None
                return spare
            if time.monotonic() < self._not_before:
                raise JournalUnavailable(
                    f"no journal file could be made a moment ago: {self._reason}"
                )
        try:
            return self._made(max(size, self._quick), lambda size: False)
        except OSError as error:
            raise JournalUnavailable(
                f"no journal file can be made: {self._reason}",
                hint="Free space on the journal's disk, or check whether it is well.",
            ) from error

    def back_off(self, reason: str) -> None:
        """Make no segment for a while, longer each time until `is_well` is called.

        Args:
            reason: told to whoever wants one meanwhile.
        """
        self._reason = reason
        pause = min(PAUSE_SECONDS * 2**self._failures, PAUSE_MAX_SECONDS)
        self._failures = min(self._failures + 1, 8)
        self._not_before = time.monotonic() + pause

    def is_well(self) -> None:
        """A fresh segment has taken a group: whatever was wrong is over."""
        self._failures = 0

    def close(self, wait_seconds: float = 10.0) -> None:
        """Discard the spare. One that hangs in the making is left to the next writer to remove."""
        deadline = time.monotonic() + wait_seconds
        with self._changed:
            self._closed = True
            # What it has is enough: it is thrown away.
            self._needed = 1
            self._hurry.set()
            while self._worker is not None and time.monotonic() < deadline:
                self._changed.wait(deadline - time.monotonic())
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.discard()

    def _fetch(self) -> None:
        made: Segment | None = None
        # On a disk in trouble each segment may soon be given up again.
        size = self._quick if self._failures else self._size
        try:
            made = self._made(size, self._will_do)
        except OSError:
            self._say_refused()
        finally:
            with self._changed:
                if not self._closed:
                    self._spare = made
                elif made is not None:
                    made.discard()
                self._worker = None
                self._changed.notify_all()

    def _will_do(self, filled: int) -> bool:
        """Between two pieces of a spare: take a breath, or end here for whoever waits."""
        self._hurry.wait(BREATH_SECONDS)
        return 0 < self._needed <= filled

    def _made(self, size: int, enough: Enough) -> Segment:
        try:
            segment = self._make(size, enough)
        except OSError as error:
            SEGMENTS_REFUSED.inc()
            self._reason = error.strerror or str(error)
            self._not_before = time.monotonic() + PAUSE_SECONDS
            raise
        SEGMENTS_MADE.inc()
        if segment.size < size:
            SEGMENTS_CUT_SHORT.inc()
        return segment

    def _say_refused(self) -> None:
        """Not each time: on a full disk it is tried four times a second."""
        now = time.monotonic()
        if now - self._said_at >= _QUIET_SECONDS:
            self._said_at = now
            log.warning("no spare journal file can be made", error=self._reason)
