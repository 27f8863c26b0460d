"""Whether the store is sound, and what it has of the leads that a journal names."""

import json
from collections.abc import Sequence
from uuid import UUID

from leadkeep.models import StoredRequest
from leadkeep.store.engine.session import Session


def drift(session: Session) -> list[str]:
    """What does not fit together in a whole database, in words; nothing: an empty list."""
    found = [
        f"the counter of {status} deliveries to {destination or 'nowhere yet'} says {counted:,}, "
        f"there are {there:,}"
        for destination, status, counted, there in session.rows("drifted_counters")
    ]
    found += [
        f"the counter of notices of the kind {kind} says {counted:,}, there are {there:,}"
        for kind, counted, there in session.rows("drifted_notice_counters")
    ]
    found += [
        f"the lead {lead_id} has no delivery"
        for (lead_id,) in session.rows("leads_without_deliveries")
    ]
    found += [
        f"a delivery of the lead {lead_id} is of a part that is not there"
        for (lead_id,) in session.rows("parts_that_are_not_there")
    ]
    found += [
        f"a part of the lead {lead_id} has no delivery"
        for (lead_id,) in session.rows("parts_without_delivery")
    ]
    found += [
        f"the lead {lead_id} waits in a line in which it will never be its turn"
        for statement in ("forgotten_in_line", "behind_nobody")
        for (lead_id,) in session.rows(statement)
    ]
    return found


def requests(session: Session, lead_ids: Sequence[str]) -> dict[str, StoredRequest]:
    """What the store has of these leads' requests, by id."""
    rows = session.rows("requests", {"lead_ids": json.dumps(lead_ids)})
    return {lead_id: StoredRequest(*request) for lead_id, *request in rows}


def numbers_in_use(session: Session, numbers: Sequence[int]) -> set[int]:
    """Those of these lead numbers that some lead has."""
    rows = session.rows("taken_numbers", {"lead_numbers": json.dumps(numbers)})
    return {number for (number,) in rows}


def forgotten_segments(session: Session) -> set[UUID]:
    """Segments that have left the archive."""
    return {UUID(segment) for (segment,) in session.rows("forgotten_segments")}
