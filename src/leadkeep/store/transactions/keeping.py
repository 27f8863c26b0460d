"""What the archive wants to know before it lets segments go."""

from uuid import UUID

from leadkeep.store.engine.session import Session


def unsettled(session: Session, segment: UUID) -> int:
    """How many deliveries of a segment's leads are neither completed nor cancelled."""
    number: int = session.value("unsettled", {"segment": str(segment)})
    return number


def forget_segment(session: Session, segment: UUID, *, now_ms: int) -> None:
    """Note that a segment has left the archive."""
    session.change("forget_segment", {"segment": str(segment), "now_ms": now_ms})


def highest_lead_number(session: Session) -> int:
    """The highest lead number known; 0 if there is none."""
    number: int = session.value("highest_lead_number")
    return number
