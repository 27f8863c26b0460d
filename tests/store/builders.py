"""Leads, records and batches with sensible values; a test overrides what it is about."""

import itertools
from typing import Any
from uuid import UUID, uuid4

import msgspec

from leadkeep.models import (
    AbsorbBatch,
    Claim,
    Contact,
    NewLead,
    Outcome,
    Position,
    Record,
    RecordFlag,
    RecordKind,
    SegmentProgress,
)
from leadkeep.states import Disposition, Status

RECEIVED_AT_US = 1_786_802_449_123_456
BODY = b'{"contact": {"first_name": "Ada", "last_name": "Example", "phone": "614-555-0142"}}'

_sequence = itertools.count(1)


def a_record(**overrides: Any) -> Record:
    """A lead's record with its own id and number."""
    count = next(_sequence)
    values: dict[str, Any] = {
        "kind": RecordKind.LEAD,
        "lead_id": _a_lead_id(count),
        "lead_number": 1_786_802_000_000 + count,
        "received_at_us": RECEIVED_AT_US,
        "flags": RecordFlag.NONE,
        "source": "default",
        "peer": "127.0.0.1",
        "method": "POST",
        "target": b"/webhook.php?campaign=7",
        "headers": b"Host: example.test\r\nContent-Type: application/json\r\n",
        "body": BODY,
        "answer_status": 200,
    }
    return Record(**(values | overrides))


def a_probe(**overrides: Any) -> Record:
    """Somebody looked whether we are there."""
    values: dict[str, Any] = {"kind": RecordKind.PROBE, "method": "GET", "body": b""}
    return a_record(**(values | overrides))


def a_lead(**overrides: Any) -> NewLead:
    """A routed lead for the destination `default`.

    Overrides may name fields of the lead or, for short, of its record.
    """
    of_record = {
        name: overrides.pop(name)
        for name in Record.__struct_fields__
        if name in overrides and name not in NewLead.__struct_fields__
    }
    record = overrides.pop("record", None) or a_record(**of_record)
    values: dict[str, Any] = {
        "record": record,
        "position": Position(UUID(int=7), 4096),
        "acknowledged": True,
        "disposition": Disposition.ROUTED,
        "destinations": ("default",),
        "hold_reason": "",
        "contact": Contact(name="Ada Example", phone="+16145550142", email="ada@example.test"),
        "payload_text": None,
    }
    return NewLead(**(values | overrides))


def an_unrouted_lead(**overrides: Any) -> NewLead:
    """A lead that came while no destination existed."""
    values: dict[str, Any] = {"disposition": Disposition.UNROUTED, "destinations": ()}
    return a_lead(**(values | overrides))


def a_quarantined_lead(**overrides: Any) -> NewLead:
    """A lead on a path that no source claims."""
    values: dict[str, Any] = {
        "disposition": Disposition.QUARANTINED,
        "destinations": (),
        "hold_reason": "no source claims the path /nowhere",
    }
    return a_lead(**(values | overrides))


def a_batch(*leads: NewLead, **overrides: Any) -> AbsorbBatch:
    """A batch that begins a segment of its own.

    Overrides: `segment`, `journal`, `expected_offset`, `offset`, `finished`, `notices`.
    """
    segment: UUID = overrides.pop("segment", None) or uuid4()
    expected: int = overrides.pop("expected_offset", 0)
    notices: tuple[Record, ...] = overrides.pop("notices", ())
    kinds = [notice.kind for notice in notices]
    values: dict[str, Any] = {
        "segment": segment,
        "journal": "journal",
        "offset": expected + 4096,
        "finished": False,
        "leads": len(leads),
        "probes": kinds.count(RecordKind.PROBE),
        "rejections": kinds.count(RecordKind.REJECTION),
        "handshakes": kinds.count(RecordKind.HANDSHAKE),
        "pings": kinds.count(RecordKind.PING),
    }
    here = Position(segment, expected)
    return AbsorbBatch(
        expected_offset=expected,
        progress=SegmentProgress(**(values | overrides)),
        leads=tuple(msgspec.structs.replace(lead, position=here) for lead in leads),
        notices=notices,
    )


def an_outcome(claim: Claim, status: Status = Status.COMPLETED, **overrides: Any) -> Outcome:
    """What an attempt of `claim` came to; by default the destination confirmed it."""
    succeeded = status is Status.COMPLETED
    values: dict[str, Any] = {
        "delivery_id": claim.delivery_id,
        "fence": claim.fence,
        "lead_id": claim.lead_id,
        "attempt": claim.attempt,
        "status": status,
        "started_at_ms": RECEIVED_AT_US // 1_000,
        "duration_ms": 12,
        "next_attempt_at_ms": RECEIVED_AT_US // 1_000 if status is Status.PENDING else None,
        "error_class": "" if succeeded else "http_503",
        "error_message": "" if succeeded else "the destination answered 503",
        "response_status": 200 if succeeded else 503,
        "response_headers": b"Content-Type: text/plain\r\n",
        "response_body": b"ok" if succeeded else b"busy",
    }
    return Outcome(**(values | overrides))


def _a_lead_id(count: int) -> bytes:
    """A UUIDv7 whose order is the order of making."""
    milliseconds = (RECEIVED_AT_US // 1_000).to_bytes(6, "big")
    return milliseconds + b"\x70\x00\x80\x00" + count.to_bytes(6, "big")
