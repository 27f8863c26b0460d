"""From a journal's batch into rows: leads, deliveries, notices and position, in one transaction.

Every function runs inside the caller's write transaction. What is known already is never written a
second time: the position is compared first, then each lead's id.
"""

import json
from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from leadkeep.models import (
    NO_FACTS,
    AbsorbBatch,
    AbsorbReport,
    NewLead,
    Record,
    RecordKind,
    SegmentProgress,
)
from leadkeep.states import Disposition, Status
from leadkeep.store.engine.session import Gate, Session, Value
from leadkeep.store.transactions import importing, ordering, parting
from leadkeep.store.transactions.likening import Kin, kin_of
from leadkeep.store.transactions.pinging import ping_row

_KINDS = {
    RecordKind.PROBE: "probe",
    RecordKind.REJECTION: "rejection",
    RecordKind.HANDSHAKE: "handshake",
}
_FIRST_NUMBER = 1_000_000_000_000
_LAST_NUMBER = 9_999_999_999_999

_HELD, _PENDING = Status.HELD.value, Status.PENDING.value
_DUPLICATE = Disposition.DUPLICATE.value
_facts_text = msgspec.json.Encoder().encode


def progress(session: Session) -> dict[UUID, SegmentProgress]:
    """How far each known segment has been absorbed."""
    found = {}
    for row in session.rows("segment_progress"):
        segment, journal, position, finished, *counts = row
        key = UUID(segment)
        found[key] = SegmentProgress(key, journal, position, bool(finished), *counts)
    return found


def absorb(session: Session, batch: AbsorbBatch, *, now_ms: int) -> AbsorbReport:
    """Write one batch if nobody else has; see `Store.absorb`."""
    session.pass_gate(Gate.ABSORBING)
    name = str(batch.progress.segment)
    position = session.value("segment_position", {"segment": name}) or 0
    if position != batch.expected_offset:
        return AbsorbReport(absorbed=0, already_known=0, renumbered=0, moved=False)
    segment = _move_segment(session, batch.progress, now_ms)
    fresh = _without_known(session, batch.leads, now_ms)
    renumbered = 0
    if fresh:
        numbers, renumbered = _numbers(session, tuple(fresh.values()), now_ms)
        first: int = session.value("last_lead") + 1
        kin = kin_of(session, fresh, numbers, first)
        values = _lead_values(fresh, numbers, kin, first, segment, now_ms)
        session.insert("insert_lead", values)
        ordering.note_orders(session, fresh, first)
        session.insert("insert_delivery", _delivery_values(fresh, kin, first, now_ms))
        if any(lead.parts or lead.unparted for lead in fresh.values()):
            parting.note_parts(session, fresh, kin, first, now_ms)
        importing.stand_as_before(session, fresh, first)
        session.each(
            "open_copy",
            [
                (row, one.copy_of.row)
                for row, one in enumerate(kin, first)
                if one.copy_of and not one.replayed
            ],
        )
        ends = {"segment": segment, "first_lead": first, "last_lead": first + len(fresh) - 1}
        session.change("widen_segment", ends)
        ordering.resolve_references(session, ends["first_lead"], ends["last_lead"])
    _insert_notices(session, batch.notices)
    return AbsorbReport(
        absorbed=len(fresh),
        already_known=len(batch.leads) - len(fresh),
        renumbered=renumbered,
        moved=True,
    )


def _move_segment(session: Session, progress: SegmentProgress, now_ms: int) -> int:
    moved: int = session.value(
        "move_segment",
        {
            "segment": str(progress.segment),
            "journal": progress.journal,
            "position": progress.offset,
            "finished": progress.finished,
            "leads": progress.leads,
            "probes": progress.probes,
            "rejections": progress.rejections,
            "handshakes": progress.handshakes,
            "pings": progress.pings,
            "now_ms": now_ms,
        },
    )
    return moved


def _without_known(session: Session, leads: Sequence[NewLead], now_ms: int) -> dict[str, NewLead]:
    """The leads that are new, by the text of their ids.

    If the copy we know was not acknowledged and this one is, this one decides what becomes of it.
    """
    names = [_uuid_text(lead.record.lead_id) for lead in leads]
    if not names:
        return {}
    fresh = dict(zip(names, leads, strict=True))
    highest = session.value("highest_lead_id")
    if len(fresh) == len(names) and min(names) > highest:
        # Ids begin with their time: nearly every batch is newer than everything that is known.
        return fresh
    rows = session.rows("known_leads", {"lead_ids": json.dumps(names)})
    stored = {lead_id: (row, acknowledged, why) for row, lead_id, acknowledged, why in rows}
    fresh.clear()
    for name, lead in zip(names, leads, strict=True):
        if name in stored:
            row, acknowledged, why = stored[name]
            if lead.acknowledged and not acknowledged:
                _acknowledge(session, row, why, lead, now_ms)
        elif name not in fresh or (lead.acknowledged and not fresh[name].acknowledged):
            fresh[name] = lead
    return fresh


def _acknowledge(session: Session, row: int, held_because: str, lead: NewLead, now_ms: int) -> None:
    """Let go what was held only because nobody was known to have been answered."""
    held = session.rows(
        "deliveries_held_since_absorbed", {"lead": row, "quarantine_reason": held_because}
    )
    present = set(session.rows("destinations_of_lead", {"lead": row}))
    missing = {
        part: [name for name in lead.destinations if (name, part) not in present]
        for part in sorted({part for _, part in present})
    }
    session.change(
        "acknowledge_lead",
        {"lead": row, "disposition": lead.disposition, "quarantine_reason": lead.hold_reason},
    )
    status, due_at_ms = _start(lead, now_ms)
    for delivery, destination, part in held:
        if destination is None and missing[part]:
            destination = missing[part].pop(0)  # noqa: PLW2901 - it gets one now
        session.change(
            "redo_delivery",
            {
                "delivery": delivery,
                "destination": destination,
                "status": status,
                "next_attempt_at_ms": due_at_ms,
                "hold_reason": lead.hold_reason,
                "now_ms": now_ms,
            },
        )
    if held:  # else a person has decided about it since: no new deliveries behind their back
        session.each(
            "insert_delivery_of_part",
            [
                (row, name, status, due_at_ms, lead.hold_reason, now_ms, now_ms, part)
                for part, names in missing.items()
                for name in names
            ],
        )
    ordering.resolve_references(session, row, row)


def _numbers(session: Session, leads: Sequence[NewLead], now_ms: int) -> tuple[list[int], int]:
    """A number for each lead, its own where it is free, and how many got another.

    A new number is above every number known here and above epoch milliseconds.
    """
    wanted = [lead.record.lead_number for lead in leads]
    highest: int = session.value("highest_lead_number")
    if min(wanted) > highest and len(set(wanted)) == len(wanted):
        return wanted, 0
    taken = {
        number for (number,) in session.rows("taken_numbers", {"lead_numbers": json.dumps(wanted)})
    }
    next_number = 0
    numbers = []
    renumbered = 0
    for own in wanted:
        number = own
        if own == 0 or own in taken:
            if next_number == 0:
                next_number = _first_free(highest, wanted, now_ms)
            number = next_number
            next_number += 1
            renumbered += 1
        taken.add(number)
        numbers.append(number)
    return numbers, renumbered


def _first_free(stored: int, wanted: Sequence[int], now_ms: int) -> int:
    possible = [number for number in wanted if number < _LAST_NUMBER]
    return max(stored, now_ms, _FIRST_NUMBER, *possible) + 1


def _lead_values(  # noqa: PLR0917 - all of them are columns
    leads: Mapping[str, NewLead],
    numbers: Sequence[int],
    kin: Sequence[Kin],
    first: int,
    segment: int,
    now_ms: int,
) -> list[Value]:
    """The values of all rows, one row after the other."""
    values: list[Value] = []
    for row, ((lead_id, lead), number, like) in enumerate(
        zip(leads.items(), numbers, kin, strict=True), first
    ):
        record, contact, facts = lead.record, lead.contact, lead.facts
        likeness, original = lead.likeness, like.copy_of
        values += (
            row,
            lead_id,
            number,
            record.source,
            lead.disposition if original is None else _DUPLICATE,
            lead.acknowledged,
            lead.hold_reason,
            record.received_at_us // 1_000,
            now_ms,
            contact.name,
            contact.phone,
            contact.email,
            contact.vendor_lead_id,
            segment,
            lead.position.offset,
            record.peer,
            record.method,
            record.flags,
            record.answer_status,
            record.target,
            record.headers,
            lead.payload_text,
            record.body,
            None if facts is NO_FACTS else _facts_text(facts).decode(),
            facts.is_test,
            lead.certificate_expires_at_ms,
            None if original is None else original.row,
            like.same_person_as,
            (likeness.fingerprint or None) if likeness is not None else None,
        )
    return values


def _delivery_values(
    leads: Mapping[str, NewLead], kin: Sequence[Kin], first: int, now_ms: int
) -> list[Value]:
    """The values of all rows, one row after the other."""
    nowhere: tuple[str | None, ...] = (None,)
    values: list[Value] = []
    for row, (lead, like) in enumerate(zip(leads.values(), kin, strict=True), first):
        if lead.splits:
            continue  # one for each part: see `parting.note_parts`
        status, due_at_ms = _start(lead, now_ms)
        why = lead.hold_reason
        if like.copy_of is not None:
            status, due_at_ms, why = _HELD, None, like.held_because
        for destination in lead.destinations or nowhere:
            values += (row, destination, status, due_at_ms, why, now_ms, now_ms)
    return values


def _start(lead: NewLead, now_ms: int) -> tuple[str, int | None]:
    """The status a lead's deliveries begin with, and when they are due."""
    if lead.hold_reason:
        return _HELD, None
    return _PENDING, now_ms


def _insert_notices(session: Session, notices: Sequence[Record]) -> None:
    """Pings have a table of their own, since something comes of them."""
    others = [record for record in notices if record.kind is not RecordKind.PING]
    session.each("insert_notice", map(_notice_row, others))
    if len(others) < len(notices):
        pings = (record for record in notices if record.kind is RecordKind.PING)
        rows = (ping_row(record, _uuid_text(record.lead_id)) for record in pings)
        session.each("insert_ping", rows)


def _notice_row(record: Record) -> tuple[Value, ...]:
    path = record.target.partition(b"?")[0].decode("utf-8", "replace")
    return (
        _KINDS[record.kind],
        record.received_at_us // 1_000,
        record.source,
        record.peer,
        record.method,
        path,
        record.answer_status,
        record.detail,
    )


def _uuid_text(lead_id: bytes) -> str:
    """`0198…-….`: as `str(UUID(bytes=…))`, at a third of its price."""
    digits = lead_id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
