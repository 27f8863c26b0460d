"""Where a lead stands that was imported from another system's queue.

Invariant: what was completed there is delivered to nobody here; what had failed there, or has a
status that nobody knows, waits for a person; only the rest goes where leads of its source go.
"""

import msgspec

from leadkeep.models import Contact, NewLead, Origin, origin_of
from leadkeep.states import Disposition, Status

UNREADABLE = "what the queue that it was imported from knew of it cannot be read"
FAILED_THERE = "it had failed in the queue that it was imported from"


def as_it_stood(lead: NewLead) -> NewLead:
    """An imported lead as its old queue left it; never raises.

    Args:
        lead: as it would be if it had been pushed.
    """
    origin = origin_of(lead.record)
    if origin is None:
        return _held(lead, UNREADABLE)
    lead = msgspec.structs.replace(lead, contact=_contact(lead.contact, origin), origin=origin)
    if origin.destination:
        lead = _sent_to(lead, origin.destination)
    match origin.standing:
        case Status.PENDING:
            return lead
        case Status.COMPLETED:
            return _completed(lead)
        case Status.FAILED:
            return _failed(lead)
        case _:
            shown = "".join(char if char.isprintable() else "\ufffd" for char in origin.status)
            known = f"its status in the queue that it was imported from was {shown!r}"
            return _held(lead, known if shown else "it had no status where it was imported from")


def _sent_to(lead: NewLead, destination: str) -> NewLead:
    """Somebody has said where these leads go: only what the lead itself is still holds it."""
    reason = lead.hold_reason if lead.disposition is Disposition.ROUTED else ""
    return msgspec.structs.replace(
        lead,
        disposition=Disposition.ROUTED,
        destinations=(destination,),
        hold_reason=reason,
    )


def _completed(lead: NewLead) -> NewLead:
    """One delivery, and of several destinations none: nobody said which of them has it."""
    destinations = lead.destinations if len(lead.destinations) == 1 else ()
    return msgspec.structs.replace(
        lead,
        disposition=Disposition.ROUTED if destinations else Disposition.UNROUTED,
        destinations=destinations,
        hold_reason="",
        certificate_expires_at_ms=None,
        order=None,
        splits=False,
    )


def _failed(lead: NewLead) -> NewLead:
    """Failed is only what went somewhere; a lead without a destination is held instead."""
    if lead.hold_reason or not lead.destinations:
        return _held(lead, FAILED_THERE)
    return msgspec.structs.replace(lead, order=None)


def _held(lead: NewLead, why: str) -> NewLead:
    reason = f"{why}; {lead.hold_reason}" if lead.hold_reason else why
    return msgspec.structs.replace(lead, hold_reason=reason)


def _contact(read: Contact, origin: Origin) -> Contact:
    return msgspec.structs.replace(
        read, name=read.name or origin.name, phone=read.phone or origin.phone
    )
