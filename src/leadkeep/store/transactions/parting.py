"""Several leads in one request: what each of them is, and deliveries of one of them.

Every function that writes runs inside the caller's write transaction. A request stays one lead,
with one row and one place in the ledger; its parts are kept beside it. Invariant: a delivery is of
the whole request or of a part that is kept, and a lead that is split has one for each part.
"""

import json
from collections.abc import Mapping, Sequence

import msgspec

from leadkeep.models import NO_FACTS, Claim, Contact, Facts, LeadPart, NewLead, PartView
from leadkeep.sources.body_headers import headers_for_json
from leadkeep.states import Status
from leadkeep.store.engine.session import Session, Value
from leadkeep.store.transactions.likening import Kin

_facts_text = msgspec.json.Encoder().encode


def note_parts(
    session: Session,
    leads: Mapping[str, NewLead],
    kin: Sequence[Kin],
    first: int,
    now_ms: int,
) -> None:
    """Keep the parts of new leads, and give those that are split a delivery for each part.

    Args:
        leads: in the order of their rows.
        kin: what each of them is like.
        first: the first of these rows.
    """
    for row, (lead, like) in enumerate(zip(leads.values(), kin, strict=True), first):
        if lead.unparted:
            session.change("insert_unparted", (row, lead.unparted))
        if not lead.parts:
            continue
        session.each(
            "insert_part",
            (_part_row(row, number, part) for number, part in enumerate(lead.parts, 1)),
        )
        if lead.splits:
            copy_of = like.held_because or None
            session.each(
                "insert_delivery_of_part",
                [
                    (row, where, *_start(lead, part, copy_of, now_ms), now_ms, now_ms, number)
                    for number, part in enumerate(lead.parts, 1)
                    for where in lead.destinations or (None,)
                ],
            )


def _part_row(row: int, number: int, part: LeadPart) -> tuple[Value, ...]:
    contact, facts = part.contact, part.facts
    return (
        row,
        number,
        contact.name,
        contact.phone,
        contact.email,
        contact.vendor_lead_id,
        None if facts == NO_FACTS else _facts_text(facts).decode(),
        part.body,
    )


def _start(
    lead: NewLead, part: LeadPart, copy_of: str | None, now_ms: int
) -> tuple[str, int | None, str]:
    """The status that a part's deliveries begin with, when they are due, and why they are held."""
    why = copy_of or lead.hold_reason or part.hold_reason
    return (Status.HELD.value, None, why) if why else (Status.PENDING.value, now_ms, "")


def with_parts(session: Session, claims: list[Claim]) -> list[Claim]:
    """The claims, those of a part with its body, and with headers that are true of that."""
    ids = [claim.delivery_id for claim in claims if claim.part]
    if not ids:
        return claims
    rows = session.rows("claimed_parts", {"deliveries": json.dumps(ids)})
    bodies = {delivery: (body, parts) for delivery, body, parts in rows}
    # One whose part is gone (somebody's own SQL) is not claimed: `verify` names it.
    return [
        _of_part(claim, *bodies[claim.delivery_id]) if claim.part else claim
        for claim in claims
        if not claim.part or claim.delivery_id in bodies
    ]


def _of_part(claim: Claim, body: bytes, parts: int) -> Claim:
    headers = headers_for_json(claim.headers)
    return msgspec.structs.replace(claim, headers=headers, body=body, parts=parts)


def parts_of(session: Session, lead: int) -> tuple[PartView, ...]:
    """The leads that a request holds, if they are told apart."""
    rows = session.rows("parts_of_lead", {"lead": lead})
    return tuple(
        PartView(
            part=part,
            contact=Contact(*contact),
            facts=NO_FACTS if facts is None else msgspec.json.decode(facts, type=Facts),
            body=body,
        )
        for part, *contact, facts, body in rows
    )


def why_unparted(session: Session, lead: int) -> str:
    """Why the leads that a request holds could not be told apart; empty: nothing was in the way."""
    return session.value("why_unparted", {"lead": lead}) or ""
