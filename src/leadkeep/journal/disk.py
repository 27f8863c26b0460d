"""The journal on a disk: group commits into segments of one locked writer folder.

Invariant: `commit` returns only what is on stable storage and published. After any I/O error the
segment is never used again; the batch is tried once in a fresh one, and then it is the next
journal's turn. What became durable after its deadline is not published: its vendor was told 503, or
200 by another journal.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from leadkeep.clock import Clock
from leadkeep.errors import JournalUnavailable, UsageError
from leadkeep.journal.layout import BLOCK, GROUP_HEADER_SIZE, round_up
from leadkeep.journal.metrics import SEGMENTS_POISONED
from leadkeep.journal.segment import Enough, Segment, create_segment
from leadkeep.journal.supply import SegmentSupply
from leadkeep.journal.syscalls import Syscalls, syscalls_for
from leadkeep.journal.writer_folder import WriterFolder
from leadkeep.models import Position

_PAYLOAD_MAX = 2**32 - 1
_TRIES = 2

log = structlog.get_logger("leadkeep.journal")


class DiskJournal:
    """A `JournalWriter` in a folder. `commit` and `close` are called by one thread at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int,
        clock: Clock,
        deadline_ms: int | None = None,
        leave_free: int = 0,
        syscalls: Syscalls | None = None,
    ) -> None:
        """Take a writer folder and make a small first segment; the spare follows behind.

        If no segment can be made now (disk full), it opens all the same and tries again when
        commits come.

        Args:
            folder: the journal; its writers' folders are made in it.
            segment_bytes: size of an ordinary segment.
            deadline_ms: how long a commit may take and still be acknowledged; None: for ever.
            leave_free: no segment is made that leaves fewer bytes free on the volume.
            syscalls: for tests; otherwise those that suit the folder's file system.

        Raises:
            JournalUnavailable: the folder cannot be made or written.
            JournalLocked: too many writers hold it.
        """
        self.folder = folder
        self._clock = clock
        self._calls = syscalls or syscalls_for(folder)
        self._deadline_ms = deadline_ms
        self._leave_free = leave_free
        self._home = WriterFolder.take(folder, clock.boot_id, self._calls)
        self._newest_us = self._home.newest_us
        self._supply = SegmentSupply(self._make, max(round_up(segment_bytes), 2 * BLOCK))
        self._segment: Segment | None = None
        self._closed = False
        try:
            self._segment = self._supply.take(0)
        except JournalUnavailable as error:
            log.error("the journal opens without a file", journal=self.name, error=str(error))
        self._supply.prepare()

    @property
    def name(self) -> str:
        """The journal's folder."""
        return str(self.folder)

    def commit(self, records: Sequence[bytes]) -> Position:
        """Make encoded records durable as one group; returns where the group begins.

        Raises:
            JournalUnavailable: the group is not durable here in time, though it may be readable
                later; it is then known as not acknowledged.
            UsageError: no records, or more than 4 GiB of them.
        """
        is_late = self._lateness()
        length = sum(map(len, records))
        if not records or length > _PAYLOAD_MAX:
            raise UsageError("a group has at least one record and less than 4 GiB")
        reason: OSError | None = None
        for _ in range(_TRIES):
            segment = self._segment_for(length)
            if is_late():
                # Not even begun: the vendor will send it again, and that is enough.
                break
            fresh = segment.is_empty
            try:
                offset = segment.append(records, length, is_late)
            except OSError as error:
                self._poison(segment, error)
                reason = error
                if is_late():
                    break
                continue
            if fresh:
                self._supply.is_well()
            self._supply.prepare(hurry=segment.is_half_full)
            return Position(segment=segment.uuid, offset=offset)
        raise self._given_up(reason, late=is_late()) from reason

    def close(self) -> None:
        """Seal the segment and let go of the folder's lock. May be called again."""
        if self._closed:
            return
        self._closed = True
        segment, self._segment = self._segment, None
        if segment is not None and segment.is_empty:
            segment.discard()
        elif segment is not None:
            segment.seal()
        self._supply.close()
        self._home.release()

    def _given_up(self, reason: OSError | None, *, late: bool) -> JournalUnavailable:
        """Hold off for a while, and say why."""
        if late:
            self._supply.back_off("its disk took too long")
            return JournalUnavailable(
                f"the journal {self.name} took longer than {self._deadline_ms} ms",
                hint="Look at what else its disk is doing; leads go to the next journal.",
            )
        self._supply.back_off(str(reason))
        return JournalUnavailable(
            f"the journal {self.name} failed twice: {reason}",
            hint="Check the journal's disk (dmesg, smartctl); leads go to the next journal.",
        )

    def _lateness(self) -> Callable[[], bool]:
        """Whether the commit that begins now has taken too long."""
        if self._deadline_ms is None:
            return lambda: False
        deadline, now = self._clock.boottime_ms() + self._deadline_ms, self._clock.boottime_ms
        return lambda: now() >= deadline

    def _segment_for(self, payload_length: int) -> Segment:
        """The open segment if the group fits, else a fresh one."""
        if self._closed:
            raise JournalUnavailable(f"the journal {self.name} is closed")
        segment = self._segment
        if segment is not None:
            if segment.has_room(payload_length):
                return segment
            # Taken first: while none is to be had, the old one goes on serving smaller groups.
            fresh = self._fresh(payload_length)
            segment.seal() if not segment.is_empty else segment.discard()
        else:
            fresh = self._fresh(payload_length)
        self._segment = fresh
        return fresh

    def _fresh(self, payload_length: int) -> Segment:
        segment = self._supply.take(round_up(BLOCK + GROUP_HEADER_SIZE + payload_length))
        self._supply.prepare()
        return segment

    def _make(self, size: int, enough: Enough) -> Segment:
        # Strictly later than all before, whatever the clock does: names tell the order. One
        # segment is made at a time, so this needs no lock.
        self._newest_us = max(self._clock.now_us(), self._newest_us + 1)
        return create_segment(
            self._calls,
            self._home.writer,
            self._newest_us,
            size,
            enough=enough,
            leave_free=self._leave_free,
        )

    def _poison(self, segment: Segment, error: OSError) -> None:
        SEGMENTS_POISONED.inc()
        log.error(
            "a journal file is given up after an I/O error, or a write that took too long",
            journal=self.name,
            segment=str(segment.uuid),
            errno=error.errno,
            error=error.strerror or str(error),
        )
        self._segment = None
        segment.poison()
