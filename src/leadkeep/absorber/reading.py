"""From journal groups to batches for the store: reads, counts, finds contact and route.

Runs in a thread beside the loop and touches nothing shared. Invariant: a batch ends where a group
ends, its counts are those of the segment up to there, and every record that the journal gave is in
exactly one batch.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from leadkeep.absorber.importing import as_it_stood
from leadkeep.journal.base import Damage, Group, JournalReader, SegmentInfo, SegmentState, TornTail
from leadkeep.models import (
    AbsorbBatch,
    NewLead,
    Position,
    Record,
    RecordFlag,
    RecordKind,
    SegmentProgress,
    is_imported,
)
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.order import OrderReader
from leadkeep.sources.payload import content_type_of
from leadkeep.sources.readable import payload_text
from leadkeep.sources.routes import Route, SourceTable
from leadkeep.sources.routing import Request, Routes
from leadkeep.sources.several import WHOLE, seen_whole
from leadkeep.sources.vendor import Vendor, certificate_expires_at_ms
from leadkeep.states import Disposition

BATCH_LEADS = 500
BATCH_RECORDS = 2_000
BATCH_BYTES = 4 * 1024**2


class Chunk(msgspec.Struct, frozen=True):
    """What one reading step brings: a batch, and what was found wrong on the way to it."""

    batch: AbsorbBatch
    damage: tuple[Damage, ...]
    torn: bool
    """The segment ends in a write that was cut short; nobody was told 2xx for it."""
    doubt: Damage | None
    """Damage that was met and not yet passed over: it may be a disk's passing fault."""


class LeadMaker:
    """Turns a record into a lead: whose it is, where it goes, who it is about.

    Args:
        sources: which source's leads go where.
        contacts: reads payloads.
        vendors: what is known of each source's vendor.
        conditional: sources whose leads are routed one by one.
        orders: reads which leads stand in a line with others; None: none do.
    """

    def __init__(
        self,
        sources: SourceTable,
        contacts: ContactReader,
        vendors: Mapping[str, Vendor] = MappingProxyType({}),
        conditional: Mapping[str, Routes] | None = None,
        orders: OrderReader | None = None,
    ) -> None:
        self._sources = sources
        self._conditional = conditional or {}
        self._orders = orders
        self._contacts = contacts
        self._vendors = vendors
        self._routes: dict[str, Route] = {}

    def lead(self, record: Record, position: Position, *, acknowledged: bool) -> NewLead:
        """The record with what could be found out about it; never raises."""
        lead = self._read(record, position, acknowledged=acknowledged)
        return as_it_stood(lead) if is_imported(record) else lead

    def _read(self, record: Record, position: Position, *, acknowledged: bool) -> NewLead:
        content_type = content_type_of(record.headers)
        contact, facts = self._contacts.read_all(content_type, record.target, record.body)
        route = self._route(record)
        vendor = self._vendors.get(record.source)
        likeness, parted, splits = None, WHOLE, False
        if vendor is not None:
            contact, facts = vendor.read(record, contact, facts)
            parted = vendor.parts(record)
            if parted is not WHOLE:
                contact, facts = seen_whole(parted, contact, facts)
                splits = vendor.splits(parted)
            route, proof = vendor.route(record, route, facts)
            route = vendor.whole(route, parted)
            likeness = vendor.likeness(record, route, proof)
        return NewLead(
            record=record,
            position=position,
            acknowledged=acknowledged,
            disposition=route.disposition,
            destinations=route.destinations,
            hold_reason=route.hold_reason,
            contact=contact,
            payload_text=payload_text(content_type, record.target, record.body),
            facts=facts,
            certificate_expires_at_ms=certificate_expires_at_ms(record, facts),
            likeness=likeness,
            order=None if self._orders is None else self._orders.read(record, contact),
            parts=parted.parts,
            splits=splits,
            unparted=parted.unparted,
        )

    def _route(self, record: Record) -> Route:
        # With plain numbers: each operation on flags makes a new flag, slowly.
        if int.__and__(record.flags, RecordFlag.NO_ROUTE):
            return self._sources.route(record.source, record.flags, record.target)
        route = self._routes.get(record.source)
        if route is None:
            routes = self._conditional.get(record.source)
            if routes is not None:
                return routes.route(Request.of(record))
            route = self._sources.route(record.source, record.flags, record.target)
            # Of a source that is configured: any number of others may have been.
            if route.disposition is not Disposition.QUARANTINED:
                self._routes[record.source] = route
        return route


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
        for record in entry.records:
            if record.kind is RecordKind.LEAD:
                lead = self._maker.lead(record, position, acknowledged=entry.acknowledged)
                self.leads.append(lead)
                if lead.parts:
                    self._parts += len(lead.parts)
            else:
                self.notices.append(record)

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
