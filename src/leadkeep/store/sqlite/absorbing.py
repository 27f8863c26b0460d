"""From a journal's batch into rows: leads, deliveries, notices and position, in one transaction.

Every function runs inside the caller's write transaction. What is known already is never written a
second time: the position is compared first, then each lead's id.
"""

import json
from collections.abc import Iterator, Sequence
from uuid import UUID

import apsw

from leadkeep.models import AbsorbBatch, AbsorbReport, NewLead, Record, RecordKind, SegmentProgress
from leadkeep.states import Status
from leadkeep.store.sqlite.connections import SQL, Value, first_value

_KINDS = {
    RecordKind.PROBE: "probe",
    RecordKind.REJECTION: "rejection",
    RecordKind.HANDSHAKE: "handshake",
}
_FIRST_NUMBER = 1_000_000_000_000
_LAST_NUMBER = 9_999_999_999_999


def progress(connection: apsw.Connection) -> dict[UUID, SegmentProgress]:
    """How far each known segment has been absorbed."""
    found = {}
    for row in connection.execute(SQL["segment_progress"]):
        segment, journal, position, finished, *counts = row
        key = UUID(segment)
        found[key] = SegmentProgress(key, journal, position, bool(finished), *counts)
    return found


def absorb(connection: apsw.Connection, batch: AbsorbBatch, *, now_ms: int) -> AbsorbReport:
    """Write one batch if nobody else has; see `Store.absorb`."""
    name = str(batch.progress.segment)
    position = first_value(connection, "segment_position", {"segment": name}) or 0
    if position != batch.expected_offset:
        return AbsorbReport(absorbed=0, already_known=0, renumbered=0, moved=False)
    segment = _move_segment(connection, batch.progress, now_ms)
    fresh, known = _without_known(connection, batch.leads, now_ms)
    renumbered = 0
    if fresh:
        numbers, renumbered = _numbers(connection, fresh, now_ms)
        first: int = first_value(connection, "last_lead") + 1
        connection.executemany(
            SQL["insert_lead"], _lead_rows(fresh, numbers, first, segment, now_ms)
        )
        connection.executemany(SQL["insert_delivery"], _delivery_rows(fresh, first, now_ms))
        ends = {"segment": segment, "first_lead": first, "last_lead": first + len(fresh) - 1}
        connection.execute(SQL["widen_segment"], ends)
    connection.executemany(SQL["insert_notice"], map(_notice_row, batch.notices))
    return AbsorbReport(absorbed=len(fresh), already_known=known, renumbered=renumbered, moved=True)


def _move_segment(connection: apsw.Connection, progress: SegmentProgress, now_ms: int) -> int:
    moved: int = first_value(
        connection,
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
            "now_ms": now_ms,
        },
    )
    return moved


def _without_known(
    connection: apsw.Connection, leads: Sequence[NewLead], now_ms: int
) -> tuple[list[NewLead], int]:
    """The leads that are new, and how many were not.

    If the copy we know was not acknowledged and this one is, this one decides what becomes of it.
    """
    names = [_uuid_text(lead.record.lead_id) for lead in leads]
    rows = connection.execute(SQL["known_leads"], {"lead_ids": json.dumps(names)})
    stored = {lead_id: (row, acknowledged, why) for row, lead_id, acknowledged, why in rows}
    fresh: dict[str, NewLead] = {}
    for name, lead in zip(names, leads, strict=True):
        if name in stored:
            row, acknowledged, why = stored[name]
            if lead.acknowledged and not acknowledged:
                _acknowledge(connection, row, why, lead, now_ms)
        elif name not in fresh or (lead.acknowledged and not fresh[name].acknowledged):
            fresh[name] = lead
    return list(fresh.values()), len(leads) - len(fresh)


def _acknowledge(
    connection: apsw.Connection, row: int, held_because: str, lead: NewLead, now_ms: int
) -> None:
    """Let go what was held only because nobody was known to have been answered."""
    held = connection.execute(
        SQL["deliveries_held_since_absorbed"], {"lead": row, "quarantine_reason": held_because}
    ).fetchall()
    present = {name for (name,) in connection.execute(SQL["destinations_of_lead"], {"lead": row})}
    missing = [name for name in lead.destinations if name not in present]
    connection.execute(
        SQL["acknowledge_lead"],
        {"lead": row, "disposition": lead.disposition, "quarantine_reason": lead.hold_reason},
    )
    status, due_at_ms = _start(lead, now_ms)
    for delivery, destination in held:
        if destination is None and missing:
            destination = missing.pop(0)  # noqa: PLW2901 - it gets one now
        connection.execute(
            SQL["redo_delivery"],
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
        connection.executemany(
            SQL["insert_delivery"],
            ((row, name, status, due_at_ms, lead.hold_reason, now_ms, now_ms) for name in missing),
        )


def _numbers(
    connection: apsw.Connection, leads: Sequence[NewLead], now_ms: int
) -> tuple[list[int], int]:
    """A number for each lead, its own where it is free, and how many got another.

    A new number is above every number known here and above epoch milliseconds.
    """
    wanted = [lead.record.lead_number for lead in leads]
    taken = {
        number
        for (number,) in connection.execute(
            SQL["taken_numbers"], {"lead_numbers": json.dumps(wanted)}
        )
    }
    next_number = 0
    numbers = []
    renumbered = 0
    for own in wanted:
        number = own
        if own == 0 or own in taken:
            if next_number == 0:
                next_number = _first_free(connection, wanted, now_ms)
            number = next_number
            next_number += 1
            renumbered += 1
        taken.add(number)
        numbers.append(number)
    return numbers, renumbered


def _first_free(connection: apsw.Connection, wanted: Sequence[int], now_ms: int) -> int:
    stored: int = first_value(connection, "highest_lead_number")
    possible = [number for number in wanted if number < _LAST_NUMBER]
    return max(stored, now_ms, _FIRST_NUMBER, *possible) + 1


def _lead_rows(
    leads: Sequence[NewLead], numbers: Sequence[int], first: int, segment: int, now_ms: int
) -> Iterator[tuple[Value, ...]]:
    for row, (lead, number) in enumerate(zip(leads, numbers, strict=True), first):
        record, contact = lead.record, lead.contact
        yield (
            row,
            _uuid_text(record.lead_id),
            number,
            record.source,
            lead.disposition,
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
            int(record.flags),
            record.answer_status,
            record.target,
            record.headers,
            lead.payload_text,
            record.body,
        )


def _delivery_rows(
    leads: Sequence[NewLead], first: int, now_ms: int
) -> Iterator[tuple[Value, ...]]:
    nowhere: tuple[str | None, ...] = (None,)
    for row, lead in enumerate(leads, first):
        status, due_at_ms = _start(lead, now_ms)
        for destination in lead.destinations or nowhere:
            yield (row, destination, status, due_at_ms, lead.hold_reason, now_ms, now_ms)


def _start(lead: NewLead, now_ms: int) -> tuple[str, int | None]:
    """The status a lead's deliveries begin with, and when they are due."""
    if lead.hold_reason:
        return Status.HELD.value, None
    return Status.PENDING.value, now_ms


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
