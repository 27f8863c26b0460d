"""Deliveries of imported leads begin where the queue that they came from had left them.

Runs inside the absorber's write transaction, so that nobody ever sees, and no worker ever claims, a
delivery that was completed elsewhere. Every move is one that the graph allows.
"""

from collections.abc import Mapping

from leadkeep.models import NewLead, Origin
from leadkeep.states import Status, way
from leadkeep.store.engine.session import Bindings, Session

_SETTLED_THERE = (Status.COMPLETED, Status.FAILED)


def stand_as_before(session: Session, leads: Mapping[str, NewLead], first: int) -> None:
    """Move the deliveries of imported leads to where they stood; a held one stays held.

    Args:
        leads: new ones, in the order of their rows.
        first: the first of these rows.
    """
    for row, lead in enumerate(leads.values(), first):
        if lead.origin is not None:
            _stand(session, row, lead, lead.origin)


def _stand(session: Session, row: int, lead: NewLead, origin: Origin) -> None:
    at_us = lead.record.received_at_us if origin.processed_at_us is None else origin.processed_at_us
    at_ms = at_us // 1_000
    for delivery, status in session.rows("deliveries_of_import", {"lead": row}):
        moves = status == Status.PENDING and origin.standing in _SETTLED_THERE
        if moves:
            for step in way(Status.PENDING, origin.standing):
                here: Bindings = {"delivery": delivery, "at_ms": at_ms}
                session.change("step", {**here, "status": step, "why": origin.error})
        if origin.attempts or origin.error or moves:
            _note_tries(session, delivery, origin, at_ms)


def _note_tries(session: Session, delivery: int, origin: Origin, at_ms: int) -> None:
    """What is known of the tries there: how many, and what became of the last."""
    attempt = max(origin.attempts, 1 if origin.standing in _SETTLED_THERE else 0)
    outcome = origin.standing if origin.standing in _SETTLED_THERE else Status.PENDING
    if outcome is not Status.COMPLETED:
        session.change("note_import", {"delivery": delivery, "error": origin.error})
    if not attempt:
        return
    this: Bindings = {"delivery": delivery, "attempt": attempt}
    session.change(
        "insert_attempt",
        {
            **this,
            "fence": session.value("count_try", this),
            "worker": "",
            "stale": False,
            "outcome": outcome,
            "started_at_ms": at_ms,
            "duration_ms": 0,
            "now_ms": at_ms,
            "error_class": "" if outcome is Status.COMPLETED else "imported",
            "error_message": origin.error,
            "response_status": None,
            "response_headers": b"",
            "response_body": b"",
        },
    )
