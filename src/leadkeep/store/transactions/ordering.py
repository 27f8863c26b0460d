"""Leads of one key one after another, and leads that wait for the one they refer to.

The lines themselves are kept by triggers (migration 0006), in the transaction of whatever moves a
delivery: at most one of a line is claimable, none while another of it is under way. What is here
runs inside the caller's write transaction and does what triggers cannot: it looks at the clock, and
it finds out which lead a reference means.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from leadkeep.models import Claim, DeliveryView, NewLead
from leadkeep.states import SETTLED, Status
from leadkeep.store.engine.session import Bindings, Session

_ROUNDS = 4
"""A claim looks so often for others after waits had to be counted anew."""
_LINES_AT_ONCE = 32
"""So many lines at least are looked through, however little is to be claimed: of more, the first in
line may go again before those whose patience has ended."""

# ---------------------------------------------------------------- absorbing


def note_orders(session: Session, leads: Mapping[str, NewLead], first: int) -> None:
    """Keep what was read of the order of new leads, before their deliveries are written.

    Args:
        leads: in the order of their rows.
        first: the first of these rows.
    """
    rows = [
        (
            row,
            order.key or None,
            order.wait_ms,
            order.refers_to or None,
            order.refers_to_name or None,
            order.name or None,
        )
        for row, lead in enumerate(leads.values(), first)
        if (order := lead.order) is not None
    ]
    if rows:
        session.change("watch_moves")
        session.each("insert_lead_order", rows)


class _Follower(NamedTuple):
    """A place that waits for a lead, and what is known of that."""

    delivery: int
    lead: int
    destination: str
    refers_to: str | None
    refers_to_name: bytes | None


def resolve_references(session: Session, first: int, last: int) -> None:
    """Find out what the leads of these rows refer to, and who referred to them before they came.

    A reference to nothing stays open: its lead waits no longer than its patience.
    """
    if session.row("anybody_awaits_unknown") is not None:
        _resolve(session, first, last)


def resolve_references_of(session: Session, leads: Iterable[int]) -> None:
    """The same for leads here and there."""
    if session.row("anybody_awaits_unknown") is not None:
        for lead in leads:
            _resolve(session, lead, lead)


def _resolve(session: Session, first: int, last: int) -> None:
    for row in session.rows("unresolved_places", {"first": first, "last": last}):
        follower = _Follower(*row)
        meant = _leads_meant(session, follower)
        if meant:
            _wait_for_one_of(session, follower, meant)


def _leads_meant(session: Session, follower: _Follower) -> list[int]:
    """The leads that a reference means: by id or number, or else by their vendor's name."""
    if follower.refers_to is not None:
        reference: Bindings = {"refers_to": follower.refers_to, "lead": follower.lead}
        rows = session.rows("leads_meant_by_reference", reference)
        if rows:
            return [lead for (lead,) in rows]
    name: Bindings = {"name": follower.refers_to_name, "lead": follower.lead}
    return [lead for (lead,) in session.rows("leads_meant_by_name", name)]


def _wait_for_one_of(session: Session, follower: _Follower, leads: Sequence[int]) -> None:
    where: Bindings = {"leads": json.dumps(leads), "destination": follower.destination}
    found = session.rows("deliveries_meant", where)
    there = [(delivery, Status(status)) for delivery, is_there, status, _ in found if is_there]
    done = _is_delivered(found)
    if not there and any(Status(status) not in SETTLED for _, _, status, _ in found):
        return  # It has no destination yet: asked again once it has.
    target = None
    for delivery, status in there:
        pair: Bindings = {"delivery": follower.delivery, "target": delivery}
        # Who goes round in a circle waits for nobody.
        if not done and status not in SETTLED and not session.row("comes_round", pair):
            target = delivery
            session.change("watch_for_settling", {"target": target})
            break
    session.change("set_awaited", {"delivery": follower.delivery, "target": target})


def _is_delivered(found: Sequence[tuple[Any, ...]]) -> bool:
    """Whether one of the leads meant is completed at the destination, with all its parts."""
    by_lead: dict[int, set[Status]] = {}
    for _, is_there, status, lead in found:
        if is_there:
            by_lead.setdefault(lead, set()).add(Status(status))
    return any(statuses == {Status.COMPLETED} for statuses in by_lead.values())


# ---------------------------------------------------------------- claiming


class Patience(NamedTuple):
    """How the waits of a claim are judged."""

    now_ms: int
    steady_since_ms: int | None
    """Since when wall time has not jumped; None: nobody watched it."""
    longest_wait_ms: int
    """No try is put off further than this."""

    @property
    def counted_from_ms(self) -> int:
        """Where a wait is counted from that cannot be believed."""
        return (
            self.now_ms if self.steady_since_ms is None else min(self.steady_since_ms, self.now_ms)
        )

    @property
    def bindings(self) -> Bindings:
        """For statements."""
        return {
            "now_ms": self.now_ms,
            "steady_since_ms": self.steady_since_ms or 0,
            "longest_wait_ms": self.longest_wait_ms,
        }


def has_lines(session: Session, destination: str) -> bool:
    """Whether any lead of a destination has a place in a line."""
    return session.row("has_lines", {"destination": destination}) is not None


def let_the_impatient_go(
    session: Session, destination: str, patience: Patience, *, limit: int
) -> dict[int, int]:
    """Make claimable who has waited long enough, one in each line, until `end_turns`.

    A wait that began before the clock jumped is counted from the jump.

    Returns:
        delivery → its line.
    """
    most = max(limit, _LINES_AT_ONCE)
    here = {**patience.bindings, "destination": destination, "limit": most}
    for (line,) in session.rows("out_of_time", here):
        _recount(session, line, patience)
    turns: dict[int, int] = {}
    for _ in range(_ROUNDS):
        recounted = False
        for line, turn, delivery, is_over in session.rows("out_of_patience", here):
            if not is_over:
                _recount(session, line, patience)
                recounted = True
                continue
            session.change("step_back", {"delivery": turn})
            session.change("step_forward", {"delivery": delivery})
            session.change("give_turn", {"delivery": delivery, "line": line})
            turns[delivery] = line
        if not recounted or len(turns) >= most:
            break
    return turns


def end_turns(session: Session, turns: Mapping[int, int], claims: Sequence[Claim]) -> None:
    """Who was given a turn out of order and was not claimed has had it."""
    claimed = {claim.delivery_id for claim in claims}
    for delivery, line in turns.items():
        if delivery not in claimed:
            session.change("stir_line", {"line": line})


def _recount(session: Session, line: int, patience: Patience) -> None:
    here: Bindings = {**patience.bindings, "line": line}
    session.change("recount_waits", {**here, "since_ms": patience.counted_from_ms})
    session.change("recount_patience", here)
    session.change("stir_line", {"line": line})


def told_of_order(session: Session, claims: Sequence[Claim]) -> list[Claim]:
    """The claims, those on which an order depends marked."""
    ids = json.dumps([claim.delivery_id for claim in claims])
    how: dict[int, str] = dict(session.rows("claimed_in_order", {"deliveries": ids}))
    return [
        msgspec.structs.replace(claim, in_line=True, out_of_order=how[claim.delivery_id])
        if claim.delivery_id in how
        else claim
        for claim in claims
    ]


def next_overtaking_ms(session: Session, destination: str) -> int | None:
    """When the next wait of a destination ends."""
    at_ms: int | None = session.value("next_overtaking", {"destination": destination})
    return at_ms


# ---------------------------------------------------------------- looking


def with_order(session: Session, views: Sequence[DeliveryView]) -> list[DeliveryView]:
    """The deliveries, with what they wait for and whether they went out of order."""
    ids = json.dumps([view.delivery_id for view in views])
    rows = {
        delivery: (how, number, until_ms)
        for delivery, how, number, until_ms in _rows(
            session, "order_of_deliveries", {"deliveries": ids}
        )
    }
    if not rows:
        return list(views)
    told = []
    for view in views:
        how, number, until_ms = rows.get(view.delivery_id, (None, None, None))
        told.append(
            msgspec.structs.replace(
                view, out_of_order=how or "", waits_for_lead=number, waits_until_ms=until_ms
            )
        )
    return told


def _rows(session: Session, statement: str, bindings: Bindings) -> list[tuple[Any, ...]]:
    """All rows of a named statement; their types are those of its columns."""
    rows: list[tuple[Any, ...]] = session.rows(statement, bindings)
    return rows
