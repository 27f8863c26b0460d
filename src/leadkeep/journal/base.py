"""What a journal is to those who write to it and to the absorber who reads it.

A writer appends whole groups of records and returns once they are on stable storage. A reader finds
segments, and reads groups only as far as they may be believed.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec

from leadkeep.journal.records import Head
from leadkeep.models import Position, Record

_ON = " on "


def journal_name(folder: Path, node: str) -> str:
    """What a journal on a disk is called, among nodes that share a store.

    Args:
        node: whose disk it is; empty: there is only this one.
    """
    return f"{folder}{_ON}{node}" if node else str(folder)


def is_elsewhere(journal: str, node: str) -> bool:
    """Whether a journal of this name is on another node's disk, where only that one can look."""
    _, on, its = journal.rpartition(_ON)
    return bool(node and on) and its != node


class JournalWriter(Protocol):
    """One place where acceptance becomes durable. Used by one thread at a time."""

    @property
    def name(self) -> str:
        """What people call it: its folder."""

    def commit(self, records: Sequence[bytes]) -> Position:
        """Make encoded records durable as one group; returns where the group begins.

        On any I/O error the segment is poisoned (never acknowledged from again) and one new
        segment is tried before giving up.

        Args:
            records: what `journal.records.encode` returned, in order.

        Raises:
            JournalUnavailable: the group is not durable here. It may all the same be readable
                later; the absorber then knows it as not acknowledged.
        """

    def close(self) -> None:
        """Seal the segment and let go of the folder's lock."""


class SegmentState(StrEnum):
    """What the reader knows about a segment's writer."""

    LIVE = "live"
    """Its writer runs and may append: read no further than the durable mark."""
    SEALED = "sealed"
    """Its writer left it in good order: it ends at the durable mark."""
    POISONED = "poisoned"
    """An I/O error hit it: nothing after the durable mark was acknowledged."""
    DEAD = "dead"
    """Its writer is gone without a word: to be judged by what is readable."""


class SegmentInfo(msgspec.Struct, frozen=True):
    """One segment as found in a journal folder."""

    segment: UUID
    path: Path
    journal: str
    """Name of the journal (its folder)."""
    state: SegmentState
    durable: int | None
    """Offset up to which the writer said it is durable; None: not known (mark lost)."""
    created_at_us: int


class Group(msgspec.Struct, frozen=True):
    """A whole, valid group."""

    offset: int
    end: int
    """Where the next group begins (a multiple of 4096)."""
    sequence: int
    records: tuple[Record, ...]
    acknowledged: bool
    """False: known to lie behind the durable mark, so nobody was told 2xx."""


class GroupHeads(msgspec.Struct, frozen=True):
    """A whole, valid group of which only the heads of its records were read, to count them."""

    offset: int
    end: int
    heads: tuple[Head, ...]
    acknowledged: bool
    """As for `Group`."""


class Damage(msgspec.Struct, frozen=True):
    """Bytes between valid groups, or before the durable mark, that are no valid group.

    They were acknowledged: a person must know.
    """

    offset: int
    end: int
    reason: str
    records: int = 1
    """How many records stood there, at least, as far as anything still tells."""


class TornTail(msgspec.Struct, frozen=True):
    """The last write of a dead writer, cut short; nobody was told 2xx for it."""

    offset: int


class StrayMark(msgspec.Struct, frozen=True):
    """A mark whose segment is not beside it: archived a moment ago, or removed by somebody."""

    segment: UUID
    path: Path
    durable: int
    """How far the segment was durable; further than its header."""


class JournalReader(Protocol):
    """Reads what writers left. Never changes a segment."""

    def segments(self) -> list[SegmentInfo]:
        """Every segment, oldest first."""

    def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
        """Groups from `offset` (0: the first) as far as `info` allows them to be believed."""

    def refresh(self, info: SegmentInfo) -> SegmentInfo | None:
        """A live segment as it is now, cheaply; None: no longer live, list the folders again."""


class CountingReader(JournalReader, Protocol):
    """A reader for those who only count: nothing is copied that is not counted."""

    def heads(self, info: SegmentInfo, offset: int) -> Iterator[GroupHeads | Damage | TornTail]:
        """As `read`, but only what is counted of each record."""

    def stray_marks(self) -> list[StrayMark]:
        """Marks that tell of segments which held something and are not there."""
