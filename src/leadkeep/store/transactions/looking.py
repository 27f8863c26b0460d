"""What people and programs see: lists, one lead whole, counters, and their own read-only SQL."""

import json
from uuid import UUID

import msgspec

from leadkeep.clock import Clock
from leadkeep.deployments import bare_url
from leadkeep.errors import NotFound
from leadkeep.models import (
    NO_FACTS,
    AtStake,
    AttemptView,
    Contact,
    DeliveryView,
    DestinationView,
    Facts,
    LeadView,
    Position,
    RecordFlag,
    Selection,
)
from leadkeep.states import Disposition, Status
from leadkeep.store.engine.session import Session
from leadkeep.store.transactions.deploying import switched_urls
from leadkeep.store.transactions.holding import FREE, shown_holds
from leadkeep.store.transactions.ordering import with_order
from leadkeep.store.transactions.parting import parts_of, why_unparted
from leadkeep.store.transactions.selecting import END, Picker, place_of, ref_of

_WAITING = (Status.PENDING, Status.PROCESSING)


def counts(session: Session) -> dict[Status, int]:
    """Deliveries by status."""
    found = dict.fromkeys(Status, 0)
    for status, number in session.rows("counts_by_status"):
        found[Status(status)] = number
    return found


def destinations(session: Session, *, clock: Clock) -> list[DestinationView]:
    """Every destination that is held, switched or has deliveries, by name."""
    depths: dict[str, dict[Status, int]] = {}
    for name, status, number in session.rows("counts_by_destination"):
        depths.setdefault(name, dict.fromkeys(Status, 0))[Status(status)] = number
    holds = shown_holds(session, clock)
    switched = switched_urls(session)
    for name in (*holds, *switched):
        depths.setdefault(name, dict.fromkeys(Status, 0))
    return [
        DestinationView(
            name=name,
            counts=depth,
            oldest_waiting_at_ms=_oldest_waiting(session, name, depth),
            switched_url=bare_url(switched[name].url) if name in switched else "",
            switched_instead_of=switched[name].instead_of if name in switched else "",
            **holds.get(name, FREE)._asdict(),
        )
        for name, depth in sorted(depths.items())
    ]


def find(
    session: Session, selection: Selection, *, limit: int, after: int | None
) -> list[DeliveryView]:
    """A page of deliveries, newest first."""
    if selection.is_empty:
        return []
    picker = Picker(session, selection)
    start = END if after is None else place_of(session, after)
    places = picker.newest(session, selection.statuses, start, limit)
    return delivery_views(session, [place.delivery for place in places])


def delivery_views(session: Session, deliveries: list[int]) -> list[DeliveryView]:
    """These deliveries as shown in lists, newest first."""
    rows = session.rows("delivery_views", {"deliveries": json.dumps(deliveries)})
    views = [
        DeliveryView(
            delivery_id=row[0],
            lead_id=row[1],
            lead_number=row[2],
            source=row[3],
            destination=row[4],
            status=Status(row[5]),
            attempts=row[6],
            next_attempt_at_ms=row[7],
            error_message=row[8],
            processed_at_ms=row[9],
            received_at_ms=row[10],
            updated_at_ms=row[11],
            name=row[12],
            phone=row[13],
            email=row[14],
            stands_in_for=row[15] or "",
            part=row[16],
            parts=row[17],
        )
        for row in rows
    ]
    return with_order(session, views)


def lead(session: Session, ref: str) -> LeadView:
    """One lead, whole.

    Raises:
        NotFound: no lead has this id or number.
        UsageError: it is neither an id nor a number, nor one lead of several.
    """
    named = ref_of(ref)
    row = session.row(
        "lead_by_id" if named.is_id else "lead_by_number",
        {"ref": named.lead if named.is_id else int(named.lead)},
    )
    if row is None:
        raise NotFound(
            f"there is no lead {ref}",
            hint="a lead accepted a moment ago appears once it is absorbed",
        )
    found = session.rows("deliveries_of_lead", {"lead": row[0]})
    deliveries = [delivery for (delivery,) in found]
    views = delivery_views(session, deliveries)[::-1]
    parts = parts_of(session, row[0])
    contact = Contact(*row[15:19])
    facts = NO_FACTS if row[21] is None else msgspec.json.decode(row[21], type=Facts)
    if named.part is not None:
        parts = tuple(part for part in parts if part.part == named.part)
        views = [view for view in views if view.part == named.part]
        deliveries = [view.delivery_id for view in views]
        if not parts:
            raise NotFound(
                f"the request {named.lead} holds no lead {named.part}",
                hint=f"`leadkeep leads show {named.lead}` lists those that it holds",
            )
        contact, facts = parts[0].contact, parts[0].facts
    return LeadView(
        lead_id=row[1],
        lead_number=row[2],
        source=row[3],
        disposition=Disposition(row[4]),
        acknowledged=bool(row[5]),
        received_at_ms=row[6],
        absorbed_at_ms=row[7],
        peer=row[8],
        method=row[9],
        target=row[10],
        headers=row[11],
        body=row[12],
        payload_text=row[13],
        answer_status=row[14],
        contact=contact,
        facts=facts,
        certificate_expires_at_ms=row[22],
        same_delivery_as=row[23],
        same_person_as=row[24],
        position=Position(UUID(row[19]), row[20]),
        deliveries=tuple(views),
        attempts={delivery: _attempts(session, delivery) for delivery in deliveries},
        parts=parts,
        unparted=why_unparted(session, row[0]),
        flags=RecordFlag(row[25]),
    )


def certificates_at_stake(session: Session, *, now_ms: int, before_ms: int) -> AtStake:
    """Leads that wait while their certificates of consent run out."""
    row = session.row("certificates_at_stake", {"now_ms": now_ms, "before_ms": before_ms})
    assert row is not None
    return AtStake(*row)


def notice_counts(session: Session) -> dict[str, int]:
    """Probes, rejections and handshakes recorded, by kind; each kind is a key."""
    found = dict.fromkeys(("probe", "rejection", "handshake"), 0)
    found.update(session.rows("notice_counts"))
    return found


def _oldest_waiting(session: Session, destination: str, depth: dict[Status, int]) -> int | None:
    times = [
        session.value("oldest_waiting", {"status": status, "destination": destination})
        for status in _WAITING
        if depth[status]
    ]
    return min((time_ms for time_ms in times if time_ms is not None), default=None)


def _attempts(session: Session, delivery: int) -> tuple[AttemptView, ...]:
    rows = session.rows("attempts_of_delivery", {"delivery": delivery})
    return tuple(AttemptView(*row) for row in rows)
