"""What steers a destination: its circuit, its rates, and where a person sends its leads."""

import msgspec

from leadkeep.states import CircuitState, Status


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
    part: int = 0
