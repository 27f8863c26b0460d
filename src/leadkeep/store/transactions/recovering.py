"""Bringing deliveries to where a log outside of the store says they stood.

Runs inside the caller's write transaction. Deliveries are found by lead and destination: their row
ids are those of a store that may be gone. Every move is one that the graph allows.
"""

from collections.abc import Sequence
from typing import NamedTuple

from leadkeep.models import Replayed, Standing
from leadkeep.states import Status, way
from leadkeep.store.engine.session import Bindings, Session

_OUTCOMES = (Status.COMPLETED, Status.PENDING, Status.FAILED)


class _Found(NamedTuple):
    """A delivery, and what the store knows of when it came to stand there."""

    delivery: int
    status: Status
    updated_at_ms: int
    untouched: bool
    """It was absorbed by this recovery: whatever a log says of it is news."""

    def is_behind(self, standing: Standing) -> bool:
        """Whether the standing is later than what is known. A confirmation always counts."""
        if self.status is Status.COMPLETED:
            return False
        late = self.untouched or standing.at_ms >= self.updated_at_ms
        return late or standing.status is Status.COMPLETED


def replay(session: Session, standings: Sequence[Standing], *, lead_mark: int) -> Replayed:
    """Move each delivery to its standing; see `Store.replay`."""
    moved = unknown = 0
    for standing in standings:
        found = _find(session, standing, lead_mark)
        if found is None:
            unknown += 1
        elif found.is_behind(standing):
            moved += _move(session, found, standing)
    return Replayed(moved=moved, unknown=unknown)


def _find(session: Session, standing: Standing, lead_mark: int) -> _Found | None:
    """The delivery meant; made, if its lead is there; None if its lead is not."""
    where: Bindings = {
        "lead_id": standing.lead_id,
        "destination": standing.destination,
        "part": standing.part,
        "lead_mark": lead_mark,
    }
    row = session.row("standing_of", where)
    if row is not None and row[1] is None:
        if not _has_part(session, row[0], standing.part):
            return None  # It was split otherwise then; what stands in its place is held.
        _give(session, row[0], standing)
        row = session.row("standing_of", where)
    if row is None:
        return None
    return _Found(row[1], Status(row[2]), row[3], bool(row[4]))


def _has_part(session: Session, lead: int, part: int) -> bool:
    """Whether a lead has the part that a log speaks of; the whole it always has."""
    return not part or session.row("has_part", {"lead": lead, "part": part}) is not None


def _give(session: Session, lead: int, standing: Standing) -> None:
    """A lead had gone to a destination to which it would not go by today's configuration."""
    at_ms, part = standing.at_ms, standing.part
    homeless = session.value("homeless_delivery", {"lead": lead, "part": part})
    if homeless is None or not standing.destination:
        where = standing.destination or None
        row = (lead, where, Status.HELD, None, standing.why, at_ms, at_ms, part)
        session.change("insert_delivery_of_part", row)
        return
    change = {"delivery": homeless, "destination": standing.destination, "now_ms": at_ms}
    session.change("give_destination", change)
    session.change("mark_routed", {"lead": lead})


def _move(session: Session, found: _Found, standing: Standing) -> bool:
    # What was under way then has ended somehow since.
    waiting = standing.status is Status.PROCESSING
    after = Status.PENDING if waiting else standing.status
    steps = way(found.status, after)
    here: Bindings = {"delivery": found.delivery, "at_ms": standing.at_ms}
    for status in steps:
        session.change("step", {**here, "status": status, "why": standing.why})
    if after in _OUTCOMES and standing.attempt > 0 and not waiting:
        _note_try(session, found.delivery, standing)
    session.change("note_standing", {**here, "untouched": found.untouched})
    return bool(steps)


def _note_try(session: Session, delivery: int, standing: Standing) -> None:
    this: Bindings = {"delivery": delivery, "attempt": standing.attempt}
    if session.row("is_tried", this):
        return
    completed = standing.status is Status.COMPLETED
    session.change(
        "insert_attempt",
        {
            **this,
            "fence": session.value("count_try", this),
            "worker": "",
            "stale": False,
            "outcome": standing.status,
            "started_at_ms": standing.at_ms,
            "duration_ms": 0,
            "now_ms": standing.at_ms,
            "error_class": "" if completed else "not_logged",
            "error_message": standing.why,
            "response_status": None,
            "response_headers": b"",
            "response_body": b"",
        },
    )
