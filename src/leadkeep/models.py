"""The nouns of Leadkeep: what is accepted, absorbed, delivered and shown.

Everything here is a value. The request inside a record is exactly what came in; whatever was read
from it stands beside it and may be wrong without harm.
"""

from enum import IntEnum, IntFlag
from uuid import UUID

import msgspec

from leadkeep.states import CircuitState, Disposition, Status

# ---------------------------------------------------------------- at the door


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
    """For a rejection or handshake: why or which."""


class Position(msgspec.Struct, frozen=True, gc=False):
    """A place in a journal: everything before it has been read."""

    segment: UUID
    offset: int


# ---------------------------------------------------------------- what absorbing writes


class Contact(msgspec.Struct, frozen=True, gc=False):
    """What could be read from a payload, for display and search only."""

    name: str = ""
    phone: str = ""
    """E.164 (`+16145550142`) where the number could be normalised, else as sent."""
    email: str = ""
    vendor_lead_id: str = ""


class Facts(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a payload says beside who it is about; empty where it says nothing."""

    first_name: str = ""
    last_name: str = ""
    address: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    campaign: str = ""
    price: str = ""
    trusted_form: str = ""
    """URL of a TrustedForm certificate; it must be claimed within 72 hours of its making."""
    jornaya: str = ""
    """Jornaya's LeadiD token."""
    consent: str = ""
    """What the person agreed to, in the words of the form, or whether they did."""
    landing_page: str = ""
    ip_address: str = ""
    is_test: bool = False
    """The sender says that it is no real lead."""


NO_FACTS = Facts()


OTHER_BITS = 20
"""Low bits of a fingerprint: leads that differ in them alone are found together."""


class Likeness(msgspec.Struct, frozen=True, gc=False):
    """By what a new lead is compared with earlier ones."""

    fingerprint: int
    """44 bits of what is the same in a request that comes again, and below them `OTHER_BITS` of
    where it goes; 0: the delivery is not compared."""
    delivery_since_ms: int
    """The same delivery was received then or later."""
    person_since_ms: int | None
    """The same person's lead was received then or later; None: persons are not compared."""
    across_sources: bool
    """Leads of other sources are compared, too, for the person."""
    signature: bytes = b""
    """How its proof stands in its headers. Another request with the same is a replay; empty: it
    proves nothing by a signature."""


class NewLead(msgspec.Struct, frozen=True, gc=False):
    """A record on its way into the store, with what absorbing found out."""

    record: Record
    position: Position
    """Where the group that holds the record begins."""
    acknowledged: bool
    """False if it is known that the vendor got no 2xx (read past the durable mark)."""
    disposition: Disposition
    destinations: tuple[str, ...]
    """One delivery for each; empty: one delivery without destination."""
    hold_reason: str
    """Not empty: its deliveries start `held`, and this says why in words."""
    contact: Contact
    payload_text: str | None
    """Readable payload where the body itself is not UTF-8 text; None: the body is the text."""
    facts: Facts = NO_FACTS
    certificate_expires_at_ms: int | None = None
    """When the certificate of consent that it names can no longer be claimed."""
    likeness: Likeness | None = None
    """None: it is compared with no other."""
    order: "LeadOrder | None" = None
    """What was read of its order among others; None: there is none."""


class LeadOrder(msgspec.Struct, frozen=True, gc=False):
    """How a lead stands to others; keys and names are digests of 16 bytes."""

    key: bytes = b""
    """Leads of one key go to a destination one after another; empty: it waits for nobody."""
    wait_ms: int = 0
    """It waits no longer than this for others, and then goes out of order."""
    refers_to: str = ""
    """The lead id or 13-digit number of the lead that it waits for; empty: by name, or none."""
    refers_to_name: bytes = b""
    """The name of the lead that it waits for, if none is known by `refers_to`."""
    name: bytes = b""
    """What others may call it; empty: nobody refers to leads of its source by their names."""


class SegmentProgress(msgspec.Struct, frozen=True, gc=False):
    """How far one journal segment has been absorbed, with the journal's own counts."""

    segment: UUID
    journal: str
    offset: int
    """Absorbed up to here."""
    finished: bool
    """Nothing more will come: the writer has left it and all of it is absorbed."""
    leads: int
    probes: int
    rejections: int
    handshakes: int
    pings: int = 0


class AbsorbBatch(msgspec.Struct, frozen=True):
    """What goes into the store in one transaction: leads, notices, and how far we read."""

    expected_offset: int
    """The offset the store must hold for this segment (0: none yet), else nothing is written."""
    progress: SegmentProgress
    """The segment after this batch; counts are totals of the segment, not of the batch."""
    leads: tuple[NewLead, ...]
    notices: tuple[Record, ...]
    """Probes, rejections, handshakes and pings: shown, never delivered."""


class AbsorbReport(msgspec.Struct, frozen=True):
    """What one batch did to the store."""

    absorbed: int
    """Leads that are new."""
    already_known: int
    """Leads whose id was in the store already (the same record in a second journal)."""
    renumbered: int
    """Leads whose number was taken (or missing) and that got another: an alert."""
    moved: bool
    """False: another absorber had moved the position; nothing was written, read again."""


# ---------------------------------------------------------------- delivering


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

    @property
    def is_ping(self) -> bool:
        """It stands for a ping, which is no delivery: put once, and not recorded as an attempt."""
        return self.delivery_id == 0

    in_line: bool = False
    """Somebody's order depends on what becomes of it."""
    out_of_order: str = ""
    """`overtook` one that it had to wait for, or was `overtaken` by a later one; else empty."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What one attempt came to, and what shall happen to its delivery."""

    delivery_id: int
    fence: int
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
    """It is tried again, but somebody must mend something first: alerts hear of it. Not stored."""


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """How the store took one outcome."""

    delivery_id: int
    stale: bool
    """The lease was no longer ours: the attempt is recorded."""
    status: Status
    """The delivery's status afterwards."""


class AtStake(msgspec.Struct, frozen=True):
    """Leads that wait while their certificate of consent runs out."""

    leads: int
    first_at_ms: int | None
    """When the first of the certificates can no longer be claimed."""


class CopiesSettled(msgspec.Struct, frozen=True):
    """What became of copies of deliveries."""

    cancelled: int
    """Deliveries whose original is confirmed."""
    shown: int
    """Leads whose original a person has stopped: a person decides about them, too."""


class SetAside(msgspec.Struct, frozen=True, gc=False):
    """A claim that cannot be sent at all, whatever its destination would say."""

    delivery_id: int
    fence: int
    reason: str
    """Why, in words for a person, without personal data."""


class Heading(msgspec.Struct, frozen=True, gc=False):
    """Where one lead shall go by today's routes, and which of its deliveries may be moved."""

    lead_id: str
    deliveries: tuple[int, ...]
    """Those that a person has selected."""
    destinations: tuple[str, ...]
    """Empty: no route takes it."""
    hold_reason: str
    """Why no route takes it; empty if one does."""


class Rerouted(msgspec.Struct, frozen=True):
    """What rerouting did, or would do."""

    leads: int = 0
    """Leads that were changed."""
    sent: int = 0
    """Deliveries to a destination that their lead did not go to before; held if it was."""
    cancelled: int = 0
    """Deliveries to a destination that no route names any more."""
    held: int = 0
    """Deliveries of leads that no route takes any more."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What was decided about one delivery otherwise than by a try: by a person, or by a rule."""

    delivery_id: int
    lead_id: str
    destination: str | None
    status: Status
    """The delivery's status afterwards."""
    at_ms: int


# ---------------------------------------------------------------- steering


class Circuit(msgspec.Struct, frozen=True, gc=False):
    """A destination's circuit, as all workers share it. The default: nobody has ever moved it.

    Durations are by the store's own lease clock, which nobody can set, at the time of reading.
    """

    state: CircuitState = CircuitState.CLOSED
    version: int = 0
    """Grows with each move; a move names the version it is based on."""
    since_ms: int = 0
    """When it came into this state."""
    opened_at_ms: int | None = None
    """When it left CLOSED; None while it is CLOSED."""
    due_in_ms: int = 0
    """OPEN: until the next probe. HALF_OPEN: until another may take the probe over. RAMPING: until
    the next step. Negative: it has been due for so long."""
    openings: int = 0
    """How many openings and failed probes in a row, without a lead confirmed in between."""
    ramp_limit: int = 0
    """RAMPING: so many deliveries at once, per worker."""
    reason: str = ""
    """Why it opened, in words, without personal data."""
    owner: str = ""
    """Who moved it last; HALF_OPEN: who probes."""


class CircuitMove(msgspec.Struct, frozen=True, gc=False):
    """What a circuit shall become; see `Circuit` for the fields."""

    state: CircuitState
    due_in_ms: int = 0
    openings: int = 0
    ramp_limit: int = 0
    reason: str = ""
    owner: str = ""


class CircuitEvent(msgspec.Struct, frozen=True, gc=False):
    """A circuit opened, opened again while ramping, or closed."""

    at_ms: int
    destination: str
    event: str
    """`opened`, `reopened` or `closed`."""
    reason: str
    openings: int
    """How many openings and failed probes in a row there had been, this one included."""
    outage_ms: int | None
    """`closed`: how long it had not been CLOSED."""
    owner: str
    """Which worker or person."""


class Rate(msgspec.Struct, frozen=True, gc=False):
    """At most so many attempts in any span of this length, over all workers."""

    count: int
    per_ms: int


# ---------------------------------------------------------------- recovering


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Where a delivery stood at a time, as a log outside of the store has it."""

    lead_id: str
    destination: str
    """Empty: it had none."""
    status: Status
    attempt: int
    """Number of the try that brought it there; 0: no try did."""
    at_ms: int

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


# ---------------------------------------------------------------- looking


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


class Selection(msgspec.Struct, frozen=True):
    """Which deliveries an operator means. All given conditions hold together.

    An empty selection means none, so that a forgotten filter never means "everything":
    `everything=True` says so.
    """

    refs: tuple[str, ...] = ()
    """Lead ids or 13-digit lead numbers."""
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
