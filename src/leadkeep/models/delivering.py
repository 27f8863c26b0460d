"""A delivery under way: what is leased, what came of it, what else may become of it."""

import msgspec

from leadkeep.states import Status

_UUID_CHARS = 36


def key_of_part(lead_id: str, part: int) -> str:
    """What a part of a lead is called outside of the store; the whole (0) by the lead's id."""
    return f"{lead_id}-{part}" if part else lead_id


def lead_and_part(key: str) -> tuple[str, int]:
    """The lead and the part that `key_of_part` named; what it did not name is a lead of its own."""
    lead_id, dash, part = (
        key[:_UUID_CHARS],
        key[_UUID_CHARS : _UUID_CHARS + 1],
        key[_UUID_CHARS + 1 :],
    )
    return (lead_id, int(part)) if dash == "-" and part.isdecimal() else (key, 0)


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A delivery leased by this worker, with all that an attempt needs."""

    delivery_id: int
    fence: int
    """Fencing token: grows with each claim; a report with an older one changes no status."""
    destination: str
    attempt: int
    """Number of this try, from 1."""
    first_attempt_at_ms: int | None
    """When the first try began; None: this is it."""
    lead_id: str
    lead_number: int
    source: str
    received_at_ms: int
    method: str
    target: bytes
    headers: bytes
    body: bytes
    url: str = ""
    """Where to instead of the configured url, since a deployment switched; empty: there."""
    in_line: bool = False
    """Somebody's order depends on what becomes of it."""
    out_of_order: str = ""
    """`overtook` one that it had to wait for, or was `overtaken` by a later one; else empty."""
    part: int = 0
    """Which lead of the request this is, from 1; 0: the request as it came."""
    parts: int = 0
    """How many leads the request holds, if this is one of them."""
    is_ping: bool = False
    """It stands for a ping, which is no delivery: put once, and not recorded as an attempt."""

    @property
    def idempotency_key(self) -> str:
        """The same in every attempt, and another for each part."""
        return key_of_part(self.lead_id, self.part)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What one attempt came to, and what shall happen to its delivery."""

    delivery_id: int
    fence: int
    lead_id: str
    """Whose delivery it is. A store that was set back, by a failover to a standby that lagged, may
    have given its number to another lead."""
    attempt: int
    status: Status
    """COMPLETED, PENDING (another try at `next_attempt_at_ms`) or FAILED. HELD: it cannot be sent
    at all, for the reason in `error_message`; it is no try, and `Store.set_aside` takes it."""
    started_at_ms: int
    duration_ms: int
    next_attempt_at_ms: int | None
    error_class: str
    """Short machine-readable class (`connect`, `timeout`, `http_503`, …); empty on success."""
    error_message: str
    """Why, in words, without personal data; empty on success."""
    response_status: int | None
    response_headers: bytes
    response_body: bytes
    """The reply, capped by `reply_max_bytes`."""
    needs_mending: bool = False
    """It is tried again, but somebody must mend something first: alerts hear of it."""


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """How the store took one outcome."""

    delivery_id: int
    stale: bool
    """The lease was no longer ours: the attempt is recorded."""
    status: Status
    """The delivery's status afterwards."""
    at_ms: int
    """When it was recorded, by the store's own time: what it notes as `processed_at`, if the
    outcome completed the delivery."""


class SetAside(msgspec.Struct, frozen=True, gc=False):
    """A claim that cannot be sent at all, whatever its destination would say."""

    delivery_id: int
    fence: int
    reason: str
    """Why, in words for a person, without personal data."""


class CopiesSettled(msgspec.Struct, frozen=True):
    """What became of copies of deliveries."""

    cancelled: int
    """Deliveries whose original is confirmed."""
    shown: int
    """Leads whose original a person has stopped: a person decides about them, too."""
