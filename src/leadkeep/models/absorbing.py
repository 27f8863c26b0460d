"""What absorbing writes into the store, and what the store says to it."""

from uuid import UUID

import msgspec

from leadkeep.models.importing import Origin
from leadkeep.models.leads import NO_FACTS, Contact, Facts, LeadOrder, LeadPart, Likeness
from leadkeep.models.records import Position, Record
from leadkeep.states import Disposition

REFUSED_BY_STORE = "the store refused it"
"""How the reason begins for which a lead is held that the store takes in no other form. Of its
request, target, headers and body are exact; the rest may have been made harmless."""


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
    order: LeadOrder | None = None
    """What was read of its order among others; None: there is none."""
    parts: tuple[LeadPart, ...] = ()
    """The leads that the request holds, if they are told apart."""
    splits: bool = False
    """Each part is delivered by itself, and not the request as it came."""
    unparted: str = ""
    """Why the leads that it holds could not be told apart; empty: nothing was in the way."""
    origin: Origin | None = None
    """Not None: its deliveries begin as it stood in the queue that it was imported from, except
    those that are held."""


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
