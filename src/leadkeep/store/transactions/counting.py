"""Counting leads for the ledger: from the rows themselves, never from a counter.

Every function runs inside the caller's read transaction, so that what it counts is of one moment.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from leadkeep.clock import DAY_US, utc_day
from leadkeep.states import URGENCY, LeadClass, Status
from leadkeep.store.census import NO_SEGMENT, AbsorbedLead, Cell, Census, StoredSegment
from leadkeep.store.engine.session import Bindings, Session
from leadkeep.store.transactions.absorbing import progress

_IDS_AT_ONCE = 5_000
_RANKS = [status for status in URGENCY if status is not Status.COMPLETED]
"""A lead that is in none of these and has a delivery is completed."""


def census(session: Session) -> Census:
    """Every lead, counted once; see `Store.census`."""
    leads: defaultdict[UUID, Counter[Cell]] = defaultdict(Counter)
    totals: Counter[Cell] = Counter()
    for segment, day, source, number in session.rows("leads_by_segment"):
        cell = _cell(day, source)
        leads[NO_SEGMENT if segment is None else UUID(segment)][cell] += number
        totals[cell] += number
    homeless = _without_delivery(session)
    return Census(
        segments=progress(session),
        leads={segment: dict(cells) for segment, cells in leads.items()},
        classes=_classes(session, totals - Counter(homeless)),
        without_delivery=homeless,
    )


def stored_segment(session: Session, segment: UUID) -> StoredSegment:
    """What is stored of one segment; see `Store.stored_segment`."""
    name: Bindings = {"segment": str(segment)}
    return StoredSegment(
        finished=bool(session.value("segment_is_finished", name)),
        leads=_by_cell(session, "leads_of_segment", name),
    )


def whereabouts(session: Session, lead_ids: Sequence[bytes]) -> dict[bytes, UUID]:
    """Under which segment each of these leads is stored; one that is not is left out."""
    found = {}
    for begin in range(0, len(lead_ids), _IDS_AT_ONCE):
        names = [str(UUID(bytes=one)) for one in lead_ids[begin : begin + _IDS_AT_ONCE]]
        for name, segment in session.rows("whereabouts", {"lead_ids": json.dumps(names)}):
            found[UUID(name).bytes] = UUID(segment)
    return found


def leads_of_groups(session: Session, segment: UUID, offset: int, end: int) -> dict[Cell, int]:
    """Leads of a segment that were absorbed from groups that begin in a range."""
    return _by_cell(
        session, "leads_of_groups", {"segment": str(segment), "offset": offset, "end": end}
    )


def absorbed_leads(session: Session, segment: UUID, offset: int, end: int) -> list[AbsorbedLead]:
    """The same, one by one."""
    where: Bindings = {"segment": str(segment), "offset": offset, "end": end}
    return [
        AbsorbedLead(UUID(lead_id).bytes, _cell(day, source), status, group_offset, bool(answered))
        for lead_id, day, source, status, group_offset, answered in session.rows(
            "absorbed_leads", where
        )
    ]


def _classes(session: Session, totals: Mapping[Cell, int]) -> dict[Cell, dict[LeadClass, int]]:
    """Where these leads stand: whatever is not told to be elsewhere is completed."""
    found: dict[Cell, Counter[LeadClass]] = {cell: Counter() for cell in totals}
    for day, source, disposition, number in session.rows("leads_set_aside"):
        found[_cell(day, source)][LeadClass(disposition)] += number
    ranks = {status: rank for rank, status in enumerate(_RANKS)}
    rows = session.rows("leads_by_urgency", {"urgency": json.dumps(ranks), "last": len(_RANKS) - 1})
    for day, source, rank, number in rows:
        found[_cell(day, source)][URGENCY[_RANKS[rank]]] += number
    for cell, classes in found.items():
        classes[LeadClass.COMPLETED] = totals[cell] - classes.total()
    return {cell: dict(+classes) for cell, classes in found.items()}


def _without_delivery(session: Session) -> dict[Cell, int]:
    if not session.value("leads_not_in_any_delivery"):
        return {}
    return _by_cell(session, "leads_without_delivery")


def _by_cell(session: Session, statement: str, bindings: Bindings | None = None) -> dict[Cell, int]:
    """A statement's rows of day, source and number."""
    found: Counter[Cell] = Counter()
    for day, source, number in session.rows(statement, bindings):
        found[_cell(day, source)] += number
    return dict(found)


def _cell(day: int, source: str) -> Cell:
    return Cell(utc_day(day * DAY_US), source)
