"""What the door writes into the journal.

The request inside a record is exactly what came in.
"""

from enum import IntEnum, IntFlag
from uuid import UUID

import msgspec


class RecordKind(IntEnum):
    """What a journal record tells."""

    LEAD = 1
    """A complete request that will be delivered or shown."""
    PROBE = 2
    """A bare GET, HEAD or OPTIONS: somebody looked whether we are there."""
    REJECTION = 3
    """A request that could not be taken whole (too large, cut off, malformed); no body kept."""
    HANDSHAKE = 4
    """A vendor's verification of the URL, answered at the door."""
    PING = 5
    """A question for a bid: put to a destination once, never queued; no lead."""


class RecordFlag(IntFlag):
    """What the door knew about the request and the body does not tell."""

    NONE = 0
    TLS = 1
    """It came over TLS."""
    NO_ROUTE = 2
    """No source claims its path; absorbed into quarantine."""
    PUSHED = 4
    """Pushed by a program through the API, not received over HTTP."""
    LIVE = 8
    """Its destination's own answer is waited for; `answer_status` is what is answered without."""
    IMPORTED = 16
    """Taken over from another system's queue; `detail` says how it stood there (`Origin`)."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One request as the door took it: the unit of the journal."""

    kind: RecordKind
    lead_id: bytes
    """UUIDv7 (RFC 9562), 16 bytes, made at acceptance."""
    lead_number: int
    """13 digits; 0 if no block was left: it is numbered when absorbed."""
    received_at_us: int
    flags: RecordFlag
    source: str
    """Name of the source that claims the path; empty if none does."""
    peer: str
    """Address of the sender, without port."""
    method: str
    target: bytes
    """The request target exactly as received: path and query."""
    headers: bytes
    """`Name: value\\r\\n` lines in the order, case and number received."""
    body: bytes
    answer_status: int
    """The HTTP status that the door answers once this is durable."""
    detail: str = ""
    """For a rejection or handshake: why or which. For an imported lead: its `Origin`."""


class Position(msgspec.Struct, frozen=True, gc=False):
    """A place in a journal: everything before it has been read."""

    segment: UUID
    offset: int
