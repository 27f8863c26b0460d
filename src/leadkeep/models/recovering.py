"""What is compared and brought back when a store is rebuilt or checked."""

import msgspec

from leadkeep.states import Status


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Where a delivery stood at a time, as a log outside of the store has it."""

    lead_id: str
    destination: str
    """Empty: it had none."""
    status: Status
    attempt: int
    """Number of the try that brought it there; 0: no try did."""
    at_ms: int
    part: int = 0
    """Which lead of the request; 0: the whole."""

    @property
    def why(self) -> str:
        """What can be said of the reason: such a log keeps none."""
        words = {
            Status.HELD: "it had been held",
            Status.CANCELLED: "it had been cancelled",
            Status.FAILED: "it had been given up",
            Status.PENDING: "the try had failed",
        }
        known = words.get(self.status)
        return f"{known}; the log of outcomes does not say why" if known else ""


class Replayed(msgspec.Struct, frozen=True):
    """What became of some standings."""

    moved: int
    """Deliveries that stand elsewhere now."""
    unknown: int
    """Standings of leads that are not in the store."""


class StoredRequest(msgspec.Struct, frozen=True, gc=False):
    """What the store has of a lead's request, to compare it with the journal's record."""

    lead_number: int
    source: str
    received_at_ms: int
    flags: int
    answer_status: int
    peer: str
    method: str
    target: bytes
    headers: bytes
    body: bytes
    quarantine_reason: str
    """Why it was quarantined; empty if it was not."""
    erased: int
    """Not 0: its personal data was removed at a person's request."""
