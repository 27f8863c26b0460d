"""The supply of fresh segments: one spare stands ready, made in the background.

Invariant: at most one segment is being made at a time, and after a failure none is tried for a
while, so that a storm of commits does not hammer a full or dying disk.
"""

import threading
import time
from collections.abc import Callable

import structlog

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.metrics import SEGMENTS_MADE, SEGMENTS_REFUSED
from leadkeep.journal.segment import Segment

PAUSE_SECONDS = 0.25
PAUSE_MAX_SECONDS = 4.0
BREATH_SECONDS = 0.0025
"""Pause after each piece of a spare, until somebody waits for it: commits come first."""

log = structlog.get_logger("leadkeep.journal")


Breathe = Callable[[], object]


class SegmentSupply:
    """Hands out fresh segments to one committing thread."""

    def __init__(self, make: Callable[[int, Breathe], Segment], size: int) -> None:
        """Start with nothing ready.

        Args:
            make: makes a segment of a size in bytes, or raises OSError; calls the second argument
                between the pieces of its work.
            size: of an ordinary segment.
        """
        self._make = make
        self._size = size
        self._changed = threading.Condition()
        self._wanted = threading.Event()
        self._spare: Segment | None = None
        self._worker: threading.Thread | None = None
        self._closed = False
        self._not_before = 0.0
        self._failures = 0

    def prepare(self) -> None:
        """See to it that a spare is there or on its way. Cheap; never blocks, never raises."""
        if self._spare is not None or self._worker is not None:
            return
        with self._changed:
            if self._closed or time.monotonic() < self._not_before:
                return
            worker = threading.Thread(target=self._fetch, name="journal-spare", daemon=True)
            self._worker = worker
        try:
            worker.start()
        except RuntimeError:
            # No thread to be had now: the next roll makes its segment itself.
            self._worker = None

    def take(self, size: int) -> Segment:
        """A fresh segment of at least `size` bytes: the spare, or one made now.

        Raises:
            JournalUnavailable: none can be made now.
        """
        with self._changed:
            if self._worker is not None:
                self._wanted.set()
                while self._worker is not None:
                    self._changed.wait()
                self._wanted.clear()
            spare = self._spare
            if spare is not None and spare.size >= size:
                self._spare = None
                return spare
            if time.monotonic() < self._not_before:
                raise JournalUnavailable("no journal file could be made a moment ago")
        try:
            return self._made(max(size, self._size), lambda: None)
        except OSError as error:
            raise JournalUnavailable(
                f"no journal file can be made: {error.strerror or error}",
                hint="Free space on the journal's disk, or check whether it is well.",
            ) from error

    def back_off(self) -> None:
        """Make no segment for a while, longer each time until `is_well` is called."""
        pause = min(PAUSE_SECONDS * 2**self._failures, PAUSE_MAX_SECONDS)
        self._failures = min(self._failures + 1, 8)
        self._not_before = time.monotonic() + pause

    def is_well(self) -> None:
        """A fresh segment has taken a group: whatever was wrong is over."""
        self._failures = 0

    def close(self, wait_seconds: float = 10.0) -> None:
        """Discard the spare. One that hangs in the making is left to the next writer to remove."""
        deadline = time.monotonic() + wait_seconds
        self._wanted.set()
        with self._changed:
            self._closed = True
            while self._worker is not None and time.monotonic() < deadline:
                self._changed.wait(deadline - time.monotonic())
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.discard()

    def _fetch(self) -> None:
        made: Segment | None = None
        try:
            made = self._made(self._size, lambda: self._wanted.wait(BREATH_SECONDS))
        except OSError as error:
            log.warning("no spare journal file could be made", error=error.strerror or str(error))
        finally:
            with self._changed:
                if not self._closed:
                    self._spare = made
                elif made is not None:
                    made.discard()
                self._worker = None
                self._changed.notify_all()

    def _made(self, size: int, breathe: Breathe) -> Segment:
        try:
            segment = self._make(size, breathe)
        except OSError:
            SEGMENTS_REFUSED.inc()
            self._not_before = time.monotonic() + PAUSE_SECONDS
            raise
        SEGMENTS_MADE.inc()
        return segment
