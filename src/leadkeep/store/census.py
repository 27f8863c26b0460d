"""How many leads the store holds, and where they stand: its side of the ledger.

Counted from the rows themselves, all of one moment, never from counters.
"""

from typing import NamedTuple
from uuid import UUID

import msgspec

from leadkeep.models import SegmentProgress
from leadkeep.states import LeadClass

NO_SEGMENT = UUID(int=0)
"""Stands for a segment that the store itself does not know."""


class Cell(NamedTuple):
    """What leads are counted by."""

    day: str
    """The UTC day on which they were received, `YYYY-MM-DD`."""
    source: str
    """Empty: no source claims their path."""


class StoredSegment(msgspec.Struct, frozen=True):
    """What the store holds of one segment, at one moment."""

    finished: bool
    """All of it is absorbed."""
    leads: dict[Cell, int]
    """Leads that are stored under it."""


class AbsorbedLead(NamedTuple):
    """A lead in the store, and where it came from."""

    lead_id: bytes
    cell: Cell
    answer_status: int
    group_offset: int
    """Where its group began in the segment's file."""
    acknowledged: bool
    """Its vendor may have been told 2xx; False: it was certainly not."""


class Census(msgspec.Struct, frozen=True):
    """Every lead in the store, counted once, at one moment."""

    segments: dict[UUID, SegmentProgress]
    leads: dict[UUID, dict[Cell, int]]
    """Segment under which they are stored → leads."""
    classes: dict[Cell, dict[LeadClass, int]]
    """Leads by where they stand."""
    without_delivery: dict[Cell, int]
    """Leads that should have a delivery and have none; in no class."""


NOTHING_STORED = Census(segments={}, leads={}, classes={}, without_delivery={})
"""The census of a store that is not there."""
