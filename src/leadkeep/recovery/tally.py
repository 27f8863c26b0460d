"""What a segment holds, counted from its own bytes: a few numbers for each day and source.

Nothing here knows the store. Invariant: what is counted of a record is what its bytes say, and each
record is counted once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias
from uuid import UUID

import msgspec

from leadkeep.clock import DAY_US, utc_day
from leadkeep.journal.base import Damage, GroupHeads, TornTail
from leadkeep.models import RecordKind
from leadkeep.store.census import Cell

ID_BYTES = 16

Entries: TypeAlias = Iterator[GroupHeads | Damage | TornTail]
"""A segment as it is read to be counted."""

Key: TypeAlias = tuple[int, bytes, int, int, bool]
"""What records are counted by: day since 1970, source, kind, answer status, acknowledged. A plain
tuple: one is made for every record."""


class TallyRow(msgspec.Struct):
    """One day and source of one segment."""

    day: str
    source: str
    answers: dict[int, int] = {}
    """HTTP status of the answer → leads. A lead that stands in two segments is counted in the one
    it is stored under."""
    unacknowledged: int = 0
    """How many of these leads are known to have got no answer."""
    probes: int = 0
    rejections: dict[int, int] = {}
    """HTTP status of the answer → requests that could not be taken whole."""
    handshakes: int = 0
    pings: int = 0
    copies: dict[UUID, bytes] = {}
    """Other segment → ids of leads (16 bytes each, one after the other) that stand here too, but
    are stored, and counted, there."""

    @property
    def cell(self) -> Cell:
        """The day and source."""
        return Cell(self.day, self.source)

    @property
    def leads(self) -> int:
        """Leads, without copies."""
        return sum(self.answers.values())


class Tally(msgspec.Struct, frozen=True):
    """One segment, counted."""

    segment: UUID
    journal: str
    rows: tuple[TallyRow, ...]
    damage: tuple[Damage, ...] = ()
    """Places that were acknowledged and could not be read when it was counted."""

    def leads(self) -> Counter[Cell]:
        """Leads by day and source, without copies."""
        return Counter({row.cell: row.leads for row in self.rows})

    def copies(self) -> Iterator[tuple[Cell, UUID, bytes]]:
        """Each lead that is stored under another segment: its cell, that segment, its id."""
        for row in self.rows:
            for owner, ids in row.copies.items():
                for at in range(0, len(ids), ID_BYTES):
                    yield row.cell, owner, ids[at : at + ID_BYTES]


class Count:
    """A running count of records."""

    def __init__(self) -> None:
        self.records: Counter[Key] = Counter()
        self.damage: list[Damage] = []
        self.end = 0
        """Where the last group ends that could be read."""

    def take(self, entry: GroupHeads | Damage | TornTail) -> None:
        """Add what was read; a torn tail was acknowledged to nobody and counts for nothing."""
        if isinstance(entry, GroupHeads):
            acknowledged = entry.acknowledged
            self.end = entry.end
            self.records.update(
                (received_at_us // DAY_US, source, kind, status, acknowledged)
                for kind, _, received_at_us, status, source in entry.heads
            )
        elif isinstance(entry, Damage):
            self.damage.append(entry)

    def leads(self) -> Counter[Cell]:
        """Leads by day and source."""
        return leads_by_cell(self.records)


class SegmentCount:
    """One segment, counted in two parts: what the store has absorbed of it, and what it has not.

    Args:
        position: everything before this offset is absorbed; None: all of it is.
    """

    def __init__(self, entries: Entries, position: int | None) -> None:
        self.absorbed = Count()
        self.waiting = Count()
        self.waiting_leads: dict[bytes, Key] = {}
        """Leads that are not absorbed, by id."""
        self._keys: dict[Key, Key] = {}
        for entry in entries:
            if position is None or isinstance(entry, TornTail) or entry.end <= position:
                self.absorbed.take(entry)
                continue
            self.waiting.take(entry)
            if isinstance(entry, GroupHeads):
                self._note_waiting(entry)

    def _note_waiting(self, group: GroupHeads) -> None:
        for lead_id, key in _leads(group, self._keys):
            if lead_id in self.waiting_leads:
                self.waiting.records[key] -= 1  # It stands here twice.
            self.waiting_leads[lead_id] = key


def leads_before(entries: Entries, position: int | None) -> tuple[dict[bytes, Key], Counter[Key]]:
    """The leads of the absorbed part of a segment by id, and those that stand in it again.

    Args:
        position: as for `SegmentCount`.
    """
    found: dict[bytes, Key] = {}
    repeated: Counter[Key] = Counter()
    keys: dict[Key, Key] = {}
    for entry in entries:
        if isinstance(entry, GroupHeads) and (position is None or entry.end <= position):
            for lead_id, key in _leads(entry, keys):
                if lead_id in found:
                    repeated[key] += 1
                else:
                    found[lead_id] = key
    return found, repeated


def cell_of(key: Key) -> Cell:
    """Day and source of a key, as the store has them."""
    return Cell(utc_day(key[0] * DAY_US), key[1].decode("utf-8", "replace"))


def leads_by_cell(records: Counter[Key]) -> Counter[Cell]:
    """Only leads, by day and source."""
    found: Counter[Cell] = Counter()
    for key, number in records.items():
        if key[2] == RecordKind.LEAD:
            found[cell_of(key)] += number
    return found


def rows_of(records: Counter[Key], copies: Iterable[tuple[Key, UUID, bytes]]) -> list[TallyRow]:
    """Counts of records as rows, in order of day and source.

    Args:
        copies: leads that are in no count, with the segment they are stored under and their ids.
    """
    rows: dict[Cell, TallyRow] = {}

    def row_of(key: Key) -> TallyRow:
        cell = cell_of(key)
        return rows.setdefault(cell, TallyRow(cell.day, cell.source))

    for key, number in sorted(records.items()):
        if number > 0:
            _add(row_of(key), key, number)
    elsewhere: defaultdict[tuple[Cell, UUID], list[bytes]] = defaultdict(list)
    for key, owner, lead_id in copies:
        row_of(key)
        elsewhere[cell_of(key), owner].append(lead_id)
    for (cell, owner), ids in elsewhere.items():
        rows[cell].copies[owner] = b"".join(ids)
    return [rows[cell] for cell in sorted(rows)]


def _add(row: TallyRow, key: Key, number: int) -> None:
    _, _, kind, status, acknowledged = key
    if kind == RecordKind.LEAD:
        row.answers[status] = row.answers.get(status, 0) + number
        row.unacknowledged += 0 if acknowledged else number
    elif kind == RecordKind.REJECTION:
        row.rejections[status] = row.rejections.get(status, 0) + number
    elif kind == RecordKind.PROBE:
        row.probes += number
    elif kind == RecordKind.PING:
        row.pings += number
    else:
        row.handshakes += number


def _leads(group: GroupHeads, keys: dict[Key, Key]) -> Iterator[tuple[bytes, Key]]:
    """Each lead's id and key; equal keys are the same object, since there may be millions."""
    for kind, lead_id, received_at_us, status, source in group.heads:
        if kind == RecordKind.LEAD:
            key = (received_at_us // DAY_US, source, kind, status, group.acknowledged)
            yield lead_id, keys.setdefault(key, key)
