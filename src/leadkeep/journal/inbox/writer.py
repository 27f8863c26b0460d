"""Writing to the inbox: one statement for each group, which is durable once it has returned.

Invariants: a group is acknowledged only if its statement came back in time; after anything else the
segment is never written to again, and what became of the group is left to whoever reads it. A
segment that somebody has ended takes nothing more.
"""

import socket
import zlib
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

import structlog

from leadkeep.clock import Clock
from leadkeep.errors import JournalUnavailable, UsageError
from leadkeep.journal import layout
from leadkeep.journal.inbox.wire import Wire
from leadkeep.journal.layout import BLOCK, GROUP_HEADER_SIZE, SegmentHeader, round_up
from leadkeep.models import Position
from leadkeep.settings.model import IN_STORE

SEGMENT_MS = 10 * 60_000
"""A segment is left for another after this time; what nobody leaves is ended later."""
_SEGMENT_BYTES = 64 * 1024**2
_CLOSING_SECONDS = 1.0
_AFTER_A_FAILURE_MS = 500

log = structlog.get_logger("leadkeep.journal")


class InboxSegment:
    """The segment that is written to."""

    def __init__(self, uuid: UUID, opened_ms: int) -> None:
        self.uuid = uuid
        self.crc = zlib.crc32(uuid.bytes)
        self.end = BLOCK
        self.sequence = 0
        self.opened_ms = opened_ms


class InboxJournal:
    """A `JournalWriter` into PostgreSQL. Used by one thread at a time.

    Args:
        deadline_ms: how long a commit may take and still be acknowledged.
    """

    name = IN_STORE

    def __init__(self, wire: Wire, *, clock: Clock, deadline_ms: int) -> None:
        self._wire = wire
        self._clock = clock
        self._deadline_ms = deadline_ms
        self._segment: InboxSegment | None = None
        self._doubts: list[tuple[UUID, int]] = []
        """Where groups were given up of which nobody knows whether they are there."""
        self._not_before_ms = 0
        self._session = uuid4().bytes
        self._door = socket.gethostname()

    def commit(self, records: Sequence[bytes]) -> Position:
        """Make encoded records durable as one group; returns where the group begins.

        Raises:
            JournalUnavailable: the group is not known to be durable here in time.
            UsageError: there are no records.
        """
        if not records:
            raise UsageError("a group has at least one record")
        started_ms = self._clock.boottime_ms()
        if started_ms < self._not_before_ms:
            raise JournalUnavailable("the inbox did not answer a moment ago")
        left = self._patience(started_ms)
        try:
            for _ in range(2):
                segment = self._segment_for(left)
                position = self._take(segment, records, left)
                if position is not None:
                    return position
                self._segment = None  # Somebody has ended it meanwhile.
        except JournalUnavailable:
            self._not_before_ms = self._clock.boottime_ms() + _AFTER_A_FAILURE_MS
            raise
        raise JournalUnavailable("the inbox ends each segment before it can be written to")

    def close(self) -> None:
        """Say that nothing more comes, and hang up."""
        segment, self._segment = self._segment, None
        try:
            if segment is not None:
                self._seal(segment, _CLOSING_SECONDS)
        except JournalUnavailable as error:
            log.warning("a segment of the inbox is left open; it is ended later", error=str(error))
        finally:
            self._wire.close()

    def _patience(self, started_ms: int) -> Callable[[], float]:
        """Seconds that are left."""

        def left() -> float:
            return (started_ms + self._deadline_ms - self._clock.boottime_ms()) / 1_000

        return left

    def _segment_for(self, left: Callable[[], float]) -> InboxSegment:
        segment = self._segment
        now_ms = self._clock.boottime_ms()
        if segment is not None:
            if segment.end < _SEGMENT_BYTES and now_ms - segment.opened_ms < SEGMENT_MS:
                return segment
            self._segment = None
            self._seal(segment, left())
        self._tell_doubts(left)
        segment = InboxSegment(uuid4(), now_ms)
        header = SegmentHeader(segment.uuid, self._session, 1, self._clock.now_us(), 0)
        self._wire.rows(
            "inbox_open",
            {
                "segment": segment.uuid,
                "door": self._door,
                "ends": BLOCK,
                "bytes": layout.pack_segment_header(header),
            },
            seconds=left(),
        )
        self._segment = segment
        return segment

    def _take(
        self, segment: InboxSegment, records: Sequence[bytes], left: Callable[[], float]
    ) -> Position | None:
        """Write a group; None if the segment takes nothing more."""
        length = sum(map(len, records))
        seed = layout.group_seed(segment.crc, segment.end)
        header = layout.pack_group_header(seed, segment.sequence + 1, records, length)
        begins, ends = segment.end, segment.end + round_up(GROUP_HEADER_SIZE + length)
        try:
            taken = self._wire.rows(
                "inbox_take",
                {
                    "segment": segment.uuid,
                    "begins": begins,
                    "ends": ends,
                    "bytes": b"".join((header, *records)),
                },
                seconds=left(),
            )
            if left() <= 0:
                raise JournalUnavailable(f"the inbox took longer than {self._deadline_ms} ms")
        except JournalUnavailable:
            self._segment = None
            self._doubts.append((segment.uuid, begins))
            raise
        if not taken:
            return None
        segment.end = ends
        segment.sequence += 1
        return Position(segment=segment.uuid, offset=begins)

    def _tell_doubts(self, left: Callable[[], float]) -> None:
        """Say which groups nobody was answered 2xx for, should they turn up."""
        while self._doubts:
            uuid, begins = self._doubts[0]
            self._wire.rows("inbox_doubt", {"segment": uuid, "begins": begins}, seconds=left())
            del self._doubts[0]

    def _seal(self, segment: InboxSegment, seconds: float) -> None:
        self._wire.rows("inbox_seal", {"segment": segment.uuid}, seconds=seconds)
