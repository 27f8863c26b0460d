"""A person's verbs, each change with its line in the log of actions, in the same transaction."""

import json
from collections.abc import Sequence
from typing import Any

from leadkeep.clock import Clock
from leadkeep.errors import UsageError
from leadkeep.models import Decision
from leadkeep.states import GRAPH, Status, Verb, statuses_for
from leadkeep.store.engine.session import Bindings, Gate, Row, Session
from leadkeep.store.transactions import deploying, ordering, steering
from leadkeep.store.transactions.holding import term_columns
from leadkeep.terms import Term

CHUNK = 500
"""Deliveries per write transaction of a person's verb."""

ROUTABLE = (Status.PENDING, Status.HELD)
"""Statuses in which a delivery without destination may be given one."""

_STATEMENTS = {
    Verb.HOLD: "apply_hold",
    Verb.RESUME: "apply_resume",
    Verb.RETRY: "apply_retry",
    Verb.CANCEL: "apply_cancel",
}


def statuses_to_visit(verb: Verb, wanted: Sequence[Status]) -> list[Status]:
    """The statuses in which a person's verb is to be applied, in the order to do so.

    Pending comes first: what RETRY moves there must not be met again.

    Raises:
        UsageError: the verb is not a person's.
    """
    if verb not in _STATEMENTS:
        raise UsageError(f"{verb} is no verb for a person")
    allowed = statuses_for(verb)
    order = [Status.PENDING, *(status for status in Status if status is not Status.PENDING)]
    return [status for status in order if status in allowed and (not wanted or status in wanted)]


def apply(
    session: Session,
    verb: Verb,
    deliveries: Sequence[int],
    before: Status,
    *,
    reason: str,
    actor: str,
    now_ms: int,
) -> list[Decision]:
    """Apply a person's verb to those of `deliveries` that are still in `before`."""
    change: Bindings = {
        "deliveries": json.dumps(deliveries),
        "before": before,
        "reason": reason,
        "now_ms": now_ms,
    }
    meant: list[tuple[Any, ...]] = session.rows("meant", {**change})
    session.change("note_actions", {**change, "actor": actor, "verb": verb})
    session.change(_STATEMENTS[verb], change)
    after = GRAPH[verb][before]
    return [Decision(row, lead, where, after, now_ms, part) for row, lead, where, part in meant]


def route(
    session: Session,
    deliveries: Sequence[int],
    destinations: Sequence[str],
    *,
    actor: str,
    now_ms: int,
) -> int:
    """Give those of `deliveries` that have none these destinations; their status stays."""
    rows = session.rows("deliveries_to_route", {"deliveries": json.dumps(deliveries)})
    for row in rows:
        session.change(
            "note_actions",
            {
                "deliveries": json.dumps([row[0]]),
                "before": row[2],
                "reason": "to " + ", ".join(destinations),
                "actor": actor,
                "verb": "route",
                "now_ms": now_ms,
            },
        )
    _spread(session, rows, destinations, now_ms)
    return len(rows)


def adopt_unrouted(
    session: Session, destinations: Sequence[str], *, limit: int, now_ms: int
) -> int:
    """Give leads that came while no destination existed to these; returns how many."""
    session.pass_gate(Gate.ABSORBING)
    rows = session.rows("unrouted_deliveries", {"limit": limit})
    _spread(session, rows, destinations, now_ms)
    return len(rows)


def hold_destination(
    session: Session,
    name: str,
    *,
    reason: str,
    actor: str,
    term: Term | None,
    now_ms: int,
) -> None:
    """A person lets a destination's leads wait, for a term or until it is resumed."""
    session.pass_gate(Gate.DESTINATION, name)
    _set_destination_state(
        session, name, Verb.HOLD, reason=reason, actor=actor, term=term, now_ms=now_ms
    )


def resume_destination(session: Session, name: str, *, actor: str, clock: Clock) -> int | None:
    """A person lets them go; returns the deployment that is abandoned by this, if there is one."""
    session.pass_gate(Gate.DESTINATION, name)
    now_ms = clock.now_us() // 1_000
    abandoned = deploying.let_go(session, name, actor=actor, now_ms=now_ms)
    _set_destination_state(
        session, name, Verb.RESUME, reason="", actor=actor, term=None, now_ms=now_ms
    )
    steering.vouch(session, name, actor=actor, clock=clock)
    return abandoned


def _set_destination_state(
    session: Session,
    name: str,
    verb: Verb,
    *,
    reason: str,
    actor: str,
    term: Term | None,
    now_ms: int,
) -> None:
    session.change(
        "set_destination_state",
        {
            "name": name,
            "held": verb is Verb.HOLD,
            "reason": reason,
            "now_ms": now_ms,
            **term_columns(term),
        },
    )
    session.change(
        "note_destination_action",
        {
            "destination": name,
            "actor": actor,
            "verb": verb,
            "reason": reason,
            "now_ms": now_ms,
        },
    )


def _spread(
    session: Session,
    rows: Sequence[Row],
    destinations: Sequence[str],
    now_ms: int,
) -> None:
    """The delivery gets the first destination; each other one gets a delivery of its own."""
    first, *others = destinations
    session.each(
        "give_destination",
        ({"delivery": row[0], "destination": first, "now_ms": now_ms} for row in rows),
    )
    session.each(
        "insert_delivery_of_part",
        [
            (lead, name, status, due_at_ms, hold_reason, now_ms, now_ms, part)
            for _, lead, status, due_at_ms, hold_reason, part in rows
            for name in others
        ],
    )
    leads = sorted({row[1] for row in rows})
    session.each("mark_routed", ({"lead": lead} for lead in leads))
    ordering.resolve_references_of(session, leads)
