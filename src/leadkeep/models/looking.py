"""What is shown to people and programs, and how they say what they mean."""

import msgspec

from leadkeep.models.leads import Contact, Facts
from leadkeep.models.records import Position, RecordFlag
from leadkeep.states import Disposition, Status


class AttemptView(msgspec.Struct, frozen=True, gc=False):
    """One try, as shown."""

    attempt: int
    started_at_ms: int
    duration_ms: int
    outcome: str
    error_class: str
    error_message: str
    response_status: int | None
    response_body: bytes


class DeliveryView(msgspec.Struct, frozen=True, gc=False):
    """One delivery, as shown in lists."""

    delivery_id: int
    lead_id: str
    lead_number: int
    source: str
    destination: str | None
    status: Status
    attempts: int
    next_attempt_at_ms: int | None
    error_message: str
    processed_at_ms: int | None
    received_at_ms: int
    updated_at_ms: int
    name: str
    phone: str
    email: str
    out_of_order: str = ""
    """`overtook` one that it had to wait for, or was `overtaken` by a later one; else empty."""
    waits_for_lead: int | None = None
    """Number of the lead that must be delivered first; 0: of one that is not known yet."""
    waits_until_ms: int | None = None
    """Then it goes all the same."""
    stands_in_for: str = ""
    """The destination that failed for so long that this one got the lead in its place."""
    part: int = 0
    """Which lead of the request it delivers, from 1; 0: the request as it came."""
    parts: int = 0
    """How many leads the request holds, if this is one of them."""


class PartView(msgspec.Struct, frozen=True, gc=False):
    """One lead of several in a request, as shown."""

    part: int
    contact: Contact
    facts: Facts
    body: bytes


class LeadView(msgspec.Struct, frozen=True, gc=False):
    """One lead, whole: the request, what was read, its deliveries and their attempts."""

    lead_id: str
    lead_number: int
    source: str
    disposition: Disposition
    acknowledged: bool
    received_at_ms: int
    absorbed_at_ms: int
    peer: str
    method: str
    target: bytes
    headers: bytes
    body: bytes
    payload_text: str
    answer_status: int
    contact: Contact
    facts: Facts
    certificate_expires_at_ms: int | None
    same_delivery_as: int | None
    """Number of the lead that it repeats byte for byte."""
    same_person_as: int | None
    """Number of the latest earlier lead with the same phone or email."""
    position: Position
    deliveries: tuple[DeliveryView, ...]
    attempts: dict[int, tuple[AttemptView, ...]]
    """delivery id → its tries, oldest first."""
    parts: tuple[PartView, ...] = ()
    """The leads that the request holds, if they are told apart."""
    unparted: str = ""
    """Why the leads that it holds could not be told apart."""
    flags: RecordFlag = RecordFlag.NONE
    """What the door knew about the request."""


class DestinationView(msgspec.Struct, frozen=True, gc=False):
    """A destination's own state and the depth of its queue."""

    name: str
    held: bool
    hold_reason: str
    counts: dict[Status, int]
    oldest_waiting_at_ms: int | None
    """When the oldest pending or processing lead was received."""
    held_by_person: bool = False
    """A person holds it, whatever deployments do."""
    hold_until_ms: int | None = None
    """When the hold ends by itself; None: it does not, or nothing holds."""
    deployment: int | None = None
    """The deployment under way, which holds it too."""
    switched_url: str = ""
    """Where leads go instead of the configured url, without query; empty: there."""
    switched_instead_of: str = ""
    """The url that was configured then, without query."""


CERTIFICATE_NEAR_MS = 12 * 3_600_000
"""A certificate that can be claimed no longer than this is near its end."""


class AtStake(msgspec.Struct, frozen=True):
    """Leads that wait while their certificate of consent runs out."""

    leads: int
    first_at_ms: int | None
    """When the first of the certificates can no longer be claimed."""


class Selection(msgspec.Struct, frozen=True):
    """Which deliveries an operator means. All given conditions hold together.

    An empty selection means none, so that a forgotten filter never means "everything":
    `everything=True` says so.
    """

    refs: tuple[str, ...] = ()
    """Lead ids or 13-digit lead numbers; one lead of several in a request: `1795470000001/3`."""
    statuses: tuple[Status, ...] = ()
    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    received_from_ms: int | None = None
    received_before_ms: int | None = None
    held_because: str = ""
    """A part of the reason for which they are held."""
    certificate_before_ms: int | None = None
    """Their certificate of consent can no longer be claimed then."""
    everything: bool = False

    @property
    def is_empty(self) -> bool:
        """True if it selects nothing."""
        return not (
            self.everything
            or self.refs
            or self.statuses
            or self.sources
            or self.destinations
            or self.received_from_ms is not None
            or self.received_before_ms is not None
            or self.held_because
            or self.certificate_before_ms is not None
        )
