"""One lead on one screen: request, what was read from it, and its timeline."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from leadkeep.cli.lead_parts import (
    masked_contact,
    masked_facts,
    part_lines,
    parts_json,
    to_where,
)
from leadkeep.cli.masking import mask_email, mask_headers, mask_phone, mask_text
from leadkeep.cli.render import SIGNS, local_time
from leadkeep.cli.visible import visible
from leadkeep.models import AttemptView, DeliveryView, LeadView, RecordFlag
from leadkeep.states import Disposition, Status
from leadkeep.wording import duration

if TYPE_CHECKING:
    from rich.text import Text

SHOWN_PAYLOAD = 16 * 1024
"""Characters of a payload that one screen shows; --body writes all of it."""

SHOWN_REPLY = 200
"""Bytes of a destination's reply that stand beside a failed try."""

SHOWN_TRACE = 4 * 1024
"""Bytes of a Python function's traceback that stand below a failed try: the last ones tell."""


_NO_CONTACT = "the payload holds no contact"

_OUT_OF_ORDER = {
    "overtook": "out of order: sent before a lead that it had to wait for",
    "overtaken": "out of order: a later lead of its key was sent before it",
}


def lead_json(lead: LeadView, *, reveal: bool) -> dict[str, object]:
    """The lead for programs. Revealed, it has the exact body as Base64; masked, it has none."""
    plain: dict[str, object] = msgspec.to_builtins(lead, str_keys=True)
    texts = {
        "target": lead.target.decode("utf-8", "backslashreplace"),
        "headers": lead.headers.decode("latin-1"),
        "payload_text": lead.payload_text,
    }
    del plain["body"]
    plain["parts"] = parts_json(lead, reveal=reveal)
    if reveal:
        return {**plain, **texts, "body_base64": b64encode(lead.body).decode("ascii")}
    deliveries = [
        msgspec.structs.replace(view, phone=mask_phone(view.phone), email=mask_email(view.email))
        for view in lead.deliveries
    ]
    return {
        **plain,
        "target": mask_text(texts["target"]),
        "headers": mask_headers(texts["headers"]),
        "payload_text": mask_text(texts["payload_text"]),
        "contact": msgspec.to_builtins(masked_contact(lead.contact)),
        "facts": msgspec.to_builtins(masked_facts(lead.facts)),
        "deliveries": msgspec.to_builtins(deliveries),
        "attempts": {
            str(delivery): [
                msgspec.to_builtins(msgspec.structs.replace(attempt, response_body=b""))
                for attempt in attempts
            ]
            for delivery, attempts in lead.attempts.items()
        },
    }


def lead_lines(lead: LeadView, *, reveal: bool) -> "Iterator[Text]":
    """The page, line by line."""
    from rich.text import Text

    yield Text(f"Lead {lead.lead_number:013d}", style="bold")
    for name, value in _facts(lead, reveal):
        if value:
            yield Text.assemble((f"{name:<12}", "dim"), visible(value))
    yield from part_lines(lead, reveal=reveal)
    yield Text()
    yield Text("Timeline", style="bold")
    yield from _timeline(lead, reveal)
    yield Text()
    yield Text("Request", style="bold")
    mask = (lambda text: text) if reveal else mask_text
    target = mask(lead.target.decode("utf-8", "backslashreplace"))
    yield Text(visible(f"{lead.method} {target}"))
    headers = lead.headers.decode("latin-1")
    for header in (headers if reveal else mask_headers(headers)).splitlines():
        yield Text(visible(header), style="dim")
    yield Text()
    payload = _readable(lead.payload_text)
    yield Text(visible(mask(payload[:SHOWN_PAYLOAD]), keep_newlines=True))
    if len(payload) > SHOWN_PAYLOAD:
        yield Text(f"… and more, {len(lead.body):,} bytes in all: --body writes them", style="dim")


def _facts(lead: LeadView, reveal: bool) -> Iterator[tuple[str, str]]:
    contact = lead.contact
    yield "id", lead.lead_id
    yield "name", contact.name
    yield "phone", contact.phone if reveal else mask_phone(contact.phone)
    yield "e-mail", contact.email if reveal else mask_email(contact.email)
    if not (contact.name or contact.phone or contact.email):
        yield "contact", _NO_CONTACT if lead.body or b"?" in lead.target else ""
    yield "vendor's id", contact.vendor_lead_id
    yield "several", f"not told apart: {lead.unparted}" if lead.unparted else ""
    yield "source", lead.source or "none claims its path"
    if lead.disposition is not Disposition.ROUTED:
        yield "disposition", lead.disposition.value
    if lead.same_delivery_as is not None:
        yield "repeats", f"lead {lead.same_delivery_as:013d}"
    if lead.same_person_as is not None:
        yield "same person", f"lead {lead.same_person_as:013d}, and perhaps earlier ones"
    yield from _said(lead, reveal)
    yield "sent from", lead.peer
    yield "body", f"{len(lead.body):,} bytes"


def _said(lead: LeadView, reveal: bool) -> Iterator[tuple[str, str]]:
    """What the payload says beside who it is about."""
    facts = lead.facts
    place = ", ".join(filter(None, (facts.city, facts.region, facts.postal_code)))
    if reveal and facts.address:
        place = ", ".join(filter(None, (facts.address, place)))
    yield "place", place
    yield "campaign", facts.campaign
    yield "price", facts.price
    yield "test", "no real lead, by what it says or by its source's rule" if facts.is_test else ""
    yield "certificate", facts.trusted_form
    if lead.certificate_expires_at_ms is not None:
        yield "claim it by", local_time(lead.certificate_expires_at_ms)
    yield "Jornaya", facts.jornaya
    yield "consent", facts.consent
    yield "landing page", facts.landing_page
    yield "IP address", facts.ip_address if reveal else ""


def _timeline(lead: LeadView, reveal: bool) -> "Iterator[Text]":
    from rich.text import Text

    received = "received"
    answered = (
        f"durable, and answered {lead.answer_status}"
        if lead.acknowledged
        else "kept, but perhaps not answered: the vendor may send it again"
    )
    if RecordFlag.IMPORTED in lead.flags:
        received, answered = "received by the system whose queue was imported", "kept"
    where = f"(journal segment {lead.position.segment} at {lead.position.offset:,})"
    yield Text(f"{local_time(lead.received_at_ms)}  {received}")
    yield Text(f"{'':<23}  {answered} {where}")
    later = duration((lead.absorbed_at_ms - lead.received_at_ms) / 1_000)
    yield Text(f"{local_time(lead.absorbed_at_ms)}  taken into the store, {later} later")
    for view in lead.deliveries:
        for attempt in lead.attempts.get(view.delivery_id, ()):
            yield _attempt_line(view, attempt, reveal)
        yield _standing(view)


def _attempt_line(view: DeliveryView, attempt: AttemptView, reveal: bool) -> "Text":
    from rich.text import Text

    ended = attempt.error_message or "confirmed"
    status = f" (HTTP {attempt.response_status})" if attempt.response_status else ""
    text = Text(
        f"{local_time(attempt.started_at_ms)}  {to_where(view)}: "
        f"try {attempt.attempt}, {attempt.duration_ms:,} ms: "
    )
    text.append(visible(f"{ended}{status}"), style="red" if attempt.error_class else "green")
    if attempt.error_class and attempt.response_body and attempt.response_status is None:
        trace = attempt.response_body[-SHOWN_TRACE:].decode("utf-8", "backslashreplace").rstrip()
        for line in (trace if reveal else mask_text(trace)).splitlines():
            text.append(f"\n{'':<25}{visible(line)}", style="dim")
    elif attempt.error_class and attempt.response_body:
        reply = attempt.response_body[:SHOWN_REPLY].decode("utf-8", "backslashreplace")
        text.append(visible(f" | {reply if reveal else mask_text(reply)}"), style="dim")
    return text


def _standing(view: DeliveryView) -> "Text":
    from rich.text import Text

    sign, style = SIGNS[view.status]
    text = Text(f"{local_time(view.processed_at_ms):<23}  {to_where(view)}: ")
    text.append(f"{sign} {view.status.value}", style=style)
    if view.stands_in_for:
        text.append(f", in place of {view.stands_in_for}")
    if view.status is Status.PENDING and view.next_attempt_at_ms is not None:
        if view.waits_for_lead is None:
            text.append(f", next try {local_time(view.next_attempt_at_ms)}")
        else:
            text.append(_waiting(view))
    elif view.status in (Status.HELD, Status.CANCELLED, Status.FAILED) and view.error_message:
        text.append(visible(f": {view.error_message}"))
    if view.out_of_order:
        text.append(f", {_OUT_OF_ORDER.get(view.out_of_order, 'out of order')}", style="yellow")
    return text


def _waiting(view: DeliveryView) -> str:
    """For whom a lead waits that is not due because of its order."""
    number = view.waits_for_lead
    whom = f"for lead {number:013d}" if number else "for a lead that has not come yet"
    return f", waits {whom}, until {local_time(view.waits_until_ms)} at the latest"


def _readable(payload: str) -> str:
    """JSON indented if nothing of it is lost by that; anything else as it is."""
    if len(payload) > SHOWN_PAYLOAD or payload[:1] not in "{[":
        return payload
    try:
        read = json.loads(payload, object_pairs_hook=_without_repeats, parse_float=_exact)
        return json.dumps(read, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return payload


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice: reading it would hide one")
    return dict(pairs)


def _exact(number: str) -> float:
    if repr(float(number)) != number:
        raise ValueError("this number would be shown otherwise than it was sent")
    return float(number)
