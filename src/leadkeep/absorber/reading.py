"""From journal groups to batches for the store: reads, counts, has leads made of records.

Runs in a thread beside the loop and touches nothing shared. Invariant: a batch ends where a group
ends, its counts are those of the segment up to there, and every record that the journal gave is in
exactly one batch.
"""

from collections.abc import Container, Iterator, Sequence

import msgspec

from leadkeep.absorber.making import LeadMaker
from leadkeep.journal.base import Damage, Group, JournalReader, SegmentInfo, SegmentState, TornTail
from leadkeep.models import (
    AbsorbBatch,
    NewLead,
    Position,
    Record,
    RecordKind,
    SegmentProgress,
)

BATCH_LEADS = 500
BATCH_RECORDS = 2_000
BATCH_BYTES = 4 * 1024**2

# Looked up once: a member of an enum costs as much at each use as comparing it does ten times.
_LEAD = RecordKind.LEAD


class Chunk(msgspec.Struct, frozen=True):
    """What one reading step brings: a batch, and what was found wrong on the way to it."""

    batch: AbsorbBatch
    damage: tuple[Damage, ...]
    torn: bool
    """The segment ends in a write that was cut short; nobody was told 2xx for it."""
    doubt: Damage | None
    """Damage that was met and not yet passed over: it may be a disk's passing fault."""


def nothing_yet(info: SegmentInfo) -> SegmentProgress:
    """The progress of a segment that no batch has been read from."""
    return SegmentProgress(
        segment=info.segment,
        journal=info.journal,
        offset=0,
        finished=False,
        leads=0,
        probes=0,
        rejections=0,
        handshakes=0,
    )


class SegmentReading:
    """Reads one segment onward from a position, a batch at a time. Used by one thread at a time.

    Args:
        info: as listed before reading: what it says about the writer decides whether the end that
            is found here is the segment's end.
        progress: how far the store has it.
        believed: offsets of damage that is beyond doubt; reading stops before any other.
    """

    def __init__(
        self,
        reader: JournalReader,
        info: SegmentInfo,
        progress: SegmentProgress,
        maker: LeadMaker,
        believed: Container[int] = (),
    ) -> None:
        self._info = info
        self._progress = progress
        self._maker = maker
        self._reader = reader
        self._entries: Iterator[Group | Damage | TornTail] | None = None
        self._believed = believed
        self._ended = False

    def next_chunk(self, most_leads: int = BATCH_LEADS) -> Chunk | None:
        """The next batch, of about `most_leads` at most; None: nothing more to read now.

        Raises:
            JournalError: the segment cannot be read.
            OSError: likewise.
        """
        if self._ended:
            return None
        before = self._progress
        if self._entries is None:
            self._entries = self._reader.read(self._info, before.offset)
        gathered = _Gathered(self._maker, self._info, before)
        doubt: Damage | None = None
        while not gathered.full(most_leads):
            entry = next(self._entries, None)
            if entry is None:
                self._ended = True
                break
            if isinstance(entry, Damage) and not self._beyond_doubt(entry):
                self._ended, doubt = True, entry
                break
            gathered.take(entry)
        # A writer that is gone, or has moved on, adds nothing: the end is the end.
        finished = self._ended and doubt is None and self._info.state is not SegmentState.LIVE
        if gathered.empty and doubt is None and not finished:
            return None
        self._progress = gathered.progress(finished=finished)
        return Chunk(
            batch=AbsorbBatch(
                expected_offset=before.offset,
                progress=self._progress,
                leads=tuple(gathered.leads),
                notices=tuple(gathered.notices),
            ),
            damage=tuple(gathered.damage),
            torn=gathered.torn,
            doubt=doubt,
        )

    def _beyond_doubt(self, damage: Damage) -> bool:
        # A damage of no length is a record inside a group whose checksum holds: no disk did that.
        return damage.end <= damage.offset or damage.offset in self._believed

    def close(self) -> None:
        """Let go of the segment's file."""
        close = getattr(self._entries, "close", None)
        if close is not None:
            close()


class _Gathered:
    """Entries on their way into one batch."""

    def __init__(self, maker: LeadMaker, info: SegmentInfo, before: SegmentProgress) -> None:
        self.leads: list[NewLead] = []
        self.notices: list[Record] = []
        self.damage: list[Damage] = []
        self.torn = False
        self._maker = maker
        self._info = info
        self._before = before
        self._offset = before.offset
        self._bytes = 0
        self._parts = 0

    @property
    def empty(self) -> bool:
        return self._offset == self._before.offset and not (self.leads or self.notices)

    def full(self, most_leads: int) -> bool:
        return (
            len(self.leads) >= most_leads
            or len(self.leads) + len(self.notices) + self._parts >= BATCH_RECORDS
            or self._bytes >= BATCH_BYTES
        )

    def take(self, entry: Group | Damage | TornTail) -> None:
        if isinstance(entry, TornTail):
            self.torn = True
            return
        self._offset = max(self._offset, entry.end)
        if isinstance(entry, Damage):
            self.damage.append(entry)
            return
        self._bytes += entry.end - entry.offset
        position = Position(self._info.segment, entry.offset)
        leads = [record for record in entry.records if record.kind is _LEAD]
        if len(leads) < len(entry.records):
            self.notices += [record for record in entry.records if record.kind is not _LEAD]
        made = self._maker.leads(leads, position, acknowledged=entry.acknowledged)
        self.leads += made
        self._parts += sum([len(lead.parts) for lead in made if lead.parts])

    def progress(self, *, finished: bool) -> SegmentProgress:
        before = self._before
        return SegmentProgress(
            segment=before.segment,
            journal=before.journal,
            offset=self._offset,
            finished=finished,
            leads=before.leads + len(self.leads),
            probes=before.probes + _count(self.notices, RecordKind.PROBE),
            rejections=before.rejections + _count(self.notices, RecordKind.REJECTION),
            handshakes=before.handshakes + _count(self.notices, RecordKind.HANDSHAKE),
            pings=before.pings + _count(self.notices, RecordKind.PING),
        )


def _count(notices: Sequence[Record], kind: RecordKind) -> int:
    return sum(1 for notice in notices if notice.kind is kind)
