"""What is read from a lead: who it is about, what else it says, how it stands to others.

All of it stands beside the request, for display, search and order, and may be wrong without harm.
"""

import msgspec


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


class LeadPart(msgspec.Struct, frozen=True, gc=False):
    """One lead of several in a request, with what was read of it."""

    contact: Contact
    body: bytes
    """It alone, as JSON."""
    facts: Facts = NO_FACTS
    hold_reason: str = ""
    """Not empty: its own deliveries start `held` while the others go, and this says why."""


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
