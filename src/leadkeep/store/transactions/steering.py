"""Circuits: who may claim at a destination now, moved by compare-and-set, with what became of it.

Every function runs inside the caller's transaction. Due times are kept by the boot clock, which no
one can set; those of another boot have come.
"""

import json
from collections.abc import Sequence

from leadkeep.clock import Clock
from leadkeep.models import Circuit, CircuitEvent, CircuitMove
from leadkeep.states import CircuitState
from leadkeep.store.engine.session import Bindings, Gate, Session

EVENTS_KEPT = 1_000
"""For each destination."""

_CLOSED, _OPEN, _RAMPING = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.RAMPING


def circuits(session: Session, *, clock: Clock) -> dict[str, Circuit]:
    """Every circuit that has ever moved, by destination."""
    now: Bindings = {"boot_id": clock.boot_id, "boottime_ms": clock.boottime_ms()}
    return {
        row[0]: Circuit(CircuitState(row[1]), *row[2:]) for row in session.rows("circuits", now)
    }


def is_shut(session: Session, destination: str, *, probe: int | None) -> bool:
    """True if nothing may be claimed, except by the probe of the circuit's present version."""
    where: Bindings = {"destination": destination, "probe": probe}
    return session.row("circuit_is_shut", where) is not None


def move_circuit(
    session: Session,
    destination: str,
    expected_version: int,
    new: CircuitMove,
    *,
    clock: Clock,
) -> bool:
    """Move a circuit that is still at this version; see `Store.move_circuit`."""
    session.pass_gate(Gate.DESTINATION, destination)
    before = session.row("circuit", {"destination": destination})
    state, version, since_ms, opened_at_ms, openings = before or (_CLOSED, 0, 0, None, 0)
    if version != expected_version:
        return False
    now_ms = clock.now_us() // 1_000
    leaves_closed = state == _CLOSED and new.state is not _CLOSED
    bindings: Bindings = {
        "destination": destination,
        "state": new.state,
        "since_ms": since_ms if state == new.state else now_ms,
        "opened_at_ms": now_ms if leaves_closed else opened_at_ms,
        "boot_id": clock.boot_id,
        "due_boot_ms": clock.boottime_ms() + new.due_in_ms,
        "openings": new.openings,
        "ramp_limit": new.ramp_limit,
        "reason": new.reason,
        "owner": new.owner,
    }
    if new.state is _CLOSED:
        bindings["opened_at_ms"] = None
    if version:
        session.change("move_circuit", {**bindings, "expected_version": version})
    else:
        session.change("begin_circuit", bindings)
    event = _event(CircuitState(state), new.state)
    if event == "closed" and not _is_told_open(session, destination):
        event = ""  # after a deployment a circuit ramps that had not been open
    if event:
        outage_ms = None if new.state is not _CLOSED else max(now_ms - (opened_at_ms or now_ms), 0)
        _note_event(
            session,
            {
                "now_ms": now_ms,
                "destination": destination,
                "event": event,
                "reason": new.reason,
                "openings": new.openings or openings,
                "outage_ms": outage_ms,
                "owner": new.owner,
            },
        )
    return True


def vouch(session: Session, destination: str, *, actor: str, clock: Clock) -> None:
    """A person says that a destination works: a circuit that is open begins to ramp at once."""
    circuit = circuits(session, clock=clock).get(destination, Circuit())
    if circuit.state in {CircuitState.OPEN, CircuitState.HALF_OPEN}:
        ramp(session, destination, reason=circuit.reason, owner=actor, clock=clock)


def ramp(session: Session, destination: str, *, reason: str, owner: str, clock: Clock) -> None:
    """Whatever state a circuit is in, it begins to ramp now: it works, and has much to catch up."""
    circuit = circuits(session, clock=clock).get(destination, Circuit())
    ramping = CircuitMove(
        _RAMPING, openings=circuit.openings, ramp_limit=1, reason=reason, owner=owner
    )
    move_circuit(session, destination, circuit.version, ramping, clock=clock)


def events(session: Session, destination: str | None, *, limit: int) -> list[CircuitEvent]:
    """What opened and closed, newest first."""
    rows = session.rows("circuit_events", {"destination": destination, "limit": limit})
    return [CircuitEvent(*row) for row in rows]


def waiting_in_vain(
    session: Session,
    destination: str,
    *,
    tried_before_ms: int,
    now_ms: int,
    limit: int,
) -> list[int]:
    """Deliveries that wait for another try because their destination did not work."""
    rows = session.rows(
        "waiting_in_vain",
        {
            "destination": destination,
            "tried_before_ms": tried_before_ms,
            "now_ms": now_ms,
            "limit": limit,
        },
    )
    return [delivery for (delivery,) in rows]


def hasten(session: Session, deliveries: Sequence[int], *, now_ms: int) -> int:
    """Make those of these that still wait due now; returns how many."""
    return session.change("hasten", {"deliveries": json.dumps(deliveries), "now_ms": now_ms})


def _event(before: CircuitState, after: CircuitState) -> str:
    if after is _OPEN and before is _CLOSED:
        return "opened"
    if after is _OPEN and before is _RAMPING:
        return "reopened"
    return "closed" if after is _CLOSED and before is not _CLOSED else ""


def _is_told_open(session: Session, destination: str) -> bool:
    """The last event says that it opened."""
    told = events(session, destination, limit=1)
    return bool(told) and told[0].event != "closed"


def _note_event(session: Session, event: Bindings) -> None:
    session.change("note_circuit_event", event)
    session.change(
        "forget_circuit_events",
        {"destination": event["destination"], "kept": EVENTS_KEPT},
    )
