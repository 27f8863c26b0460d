"""What a stored lead would be sent as: the same parts that send it, and nothing sent."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from leadkeep.app.store import existing_store
from leadkeep.errors import NotFound
from leadkeep.models import Claim, LeadView
from leadkeep.settings.model import Settings
from leadkeep.sources.body_headers import headers_for_json


class Preview(msgspec.Struct, frozen=True):
    """One request as the next attempt would make it."""

    destination: str
    rewritten: bool
    """The destination has a transformation."""
    head: bytes
    """Request line and header lines; empty if it cannot be sent."""
    body: bytes
    unsendable: str
    """Why it cannot be sent; empty if it can."""


async def preview(settings: Settings, ref: str, destination: str) -> Preview:
    """The request that would deliver a lead to a destination.

    Args:
        ref: the lead's id or number.
        destination: by name; the lead need not go there.

    Raises:
        NotFound: there is no such lead or destination.
        SettingsError: the destination's settings are wrong.
        StoreError: the store cannot be read.
    """
    from leadkeep.destinations.request import RequestForm, Unsendable
    from leadkeep.destinations.transform import Transform

    chosen = settings.destinations.get(destination)
    if chosen is None:
        known = ", ".join(settings.destinations) or "none"
        raise NotFound(
            f"no destination is called {destination!r}", hint=f"Configured are: {known}."
        )
    async with existing_store(settings) as store:
        if store is None:
            raise NotFound(f"no lead has the id or number {ref}", hint="There is no store yet.")
        claim = _claim(await store.lead(ref), destination)
        switched = (await store.switched_urls()).get(destination)
    if switched is not None:
        chosen = replace(chosen, url=switched.url)
    transform = Transform.of(destination, chosen)
    is_http = chosen.url.startswith(("http://", "https://"))
    head, body, why = b"", b"", ""
    try:
        sent = claim if transform is None else transform.apply(claim)
        body = sent.body
        if is_http:
            head = RequestForm(destination, chosen).head(sent)
        else:
            # No request: what the function, or the package that adds this scheme, is handed.
            head = f"{chosen.url} gets\r\n".encode() + sent.headers
    except Unsendable as error:
        why = str(error)
    return Preview(destination, transform is not None, head, body, why)


def _claim(lead: LeadView, destination: str) -> Claim:
    """As its next attempt would have it; of a request that is split, as that of its first lead."""
    there = [view for view in lead.deliveries if view.destination == destination]
    part = min((view.part for view in there or lead.deliveries), default=0)
    there = [view for view in there if view.part == part]
    return Claim(
        delivery_id=-1,  # 0 would be a ping
        fence=0,
        destination=destination,
        attempt=max((view.attempts for view in there), default=0) + 1,
        first_attempt_at_ms=None,
        lead_id=lead.lead_id,
        lead_number=lead.lead_number,
        source=lead.source,
        received_at_ms=lead.received_at_ms,
        method=lead.method,
        target=lead.target,
        headers=headers_for_json(lead.headers) if part else lead.headers,
        body=lead.parts[part - 1].body if part else lead.body,
        out_of_order=next((view.out_of_order for view in there), ""),
        part=part,
        parts=len(lead.parts) if part else 0,
    )
