"""The leads that one request holds, on its page: who each is about."""

from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from leadkeep.cli.masking import HIDDEN, mask_email, mask_phone
from leadkeep.cli.visible import visible
from leadkeep.models import Contact, DeliveryView, Facts, LeadView

if TYPE_CHECKING:
    from rich.text import Text


def masked_contact(contact: Contact) -> Contact:
    """A contact as it is shown to everybody."""
    return msgspec.structs.replace(
        contact, phone=mask_phone(contact.phone), email=mask_email(contact.email)
    )


def masked_facts(facts: Facts) -> Facts:
    """Facts as they are shown to everybody."""
    return msgspec.structs.replace(facts, address=HIDDEN if facts.address else "", ip_address="")


def parts_json(lead: LeadView, *, reveal: bool) -> list[dict[str, object]]:
    """The parts for programs. Revealed, each has its exact bytes as Base64; masked, none."""
    shown: list[dict[str, object]] = []
    for part in lead.parts:
        contact = part.contact if reveal else masked_contact(part.contact)
        facts = part.facts if reveal else masked_facts(part.facts)
        one: dict[str, object] = {
            "part": part.part,
            "contact": msgspec.to_builtins(contact),
            "facts": msgspec.to_builtins(facts),
        }
        if reveal:
            one["body_base64"] = b64encode(part.body).decode("ascii")
        shown.append(one)
    return shown


def part_lines(lead: LeadView, *, reveal: bool) -> "Iterator[Text]":
    """The parts for people, one a line; nothing if the request is one lead."""
    from rich.text import Text

    if not lead.parts:
        return
    yield Text()
    yield Text(f"Leads in this request: {len(lead.parts):,}", style="bold")
    for part in lead.parts:
        contact = part.contact if reveal else masked_contact(part.contact)
        person = [contact.name, contact.phone, contact.email]
        said = [*filter(None, person)] or ["no contact"]
        if contact.vendor_lead_id:
            said.append(f"vendor's id {contact.vendor_lead_id}")
        if part.facts.is_test:
            said.append("a test")
        yield Text.assemble((f"{part.part:>5}  ", "dim"), visible(", ".join(said)))


def to_where(view: DeliveryView) -> str:
    """A delivery's destination, and which part of its request it delivers."""
    where = view.destination or "no destination"
    return f"{where}, lead {view.part} of {view.parts}" if view.part else where
