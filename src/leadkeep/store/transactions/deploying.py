"""Deployments, from the hold to how they ended, and the addresses they switch to.

Every function that changes something runs inside the caller's write transaction, so that the end of
a deployment and everything that follows from it (a hold that stays, another address) are one.
"""

from collections.abc import Sequence
from typing import Any

from leadkeep.clock import Clock
from leadkeep.deployments import (
    Backlog,
    Deployment,
    DeploymentResult,
    Ending,
    SwitchedUrl,
    bare_url,
)
from leadkeep.errors import AlreadyRunning, NotFound
from leadkeep.states import Verb
from leadkeep.store.engine.session import Gate, Session
from leadkeep.store.transactions import holding, steering
from leadkeep.terms import Term, left_ms, term_of


def begin(
    session: Session,
    destination: str,
    *,
    actor: str,
    note: str,
    at_most_ms: int,
    clock: Clock,
) -> Deployment:
    """Begin a deployment; see `Deployments.begin_deployment`."""
    session.pass_gate(Gate.DESTINATION, destination)
    holding.end_what_is_over(session, destination, clock)
    other = session.value("deployment_under_way", {"destination": destination})
    if other is not None:
        raise AlreadyRunning(
            f"deployment {other} of {destination} is under way",
            hint=f"Wait for it, or end it with `leadkeep deploy end {other}`; "
            "`leadkeep deploy list` tells who began it.",
        )
    now_ms = clock.now_us() // 1_000
    term = term_of(at_most_ms, clock)
    row = session.row(
        "begin_deployment",
        {
            "destination": destination,
            "actor": actor,
            "note": note,
            "now_ms": now_ms,
            **holding.term_columns(term),
        },
    )
    assert row is not None
    reason = f"deployment {row[0]} begins"
    _note(session, destination, actor, Verb.HOLD, reason, now_ms=now_ms)
    return Deployment(row[0], destination, actor, note, now_ms, term)


def end(session: Session, deployment: int, ending: Ending, *, actor: str, clock: Clock) -> bool:
    """End a deployment with all that follows; False: it had ended already."""
    now_ms = clock.now_us() // 1_000
    known = one(session, deployment, clock)
    destination = known.destination
    session.pass_gate(Gate.DESTINATION, destination)
    holding.end_what_is_over(session, destination, clock)
    ended = session.change(
        "end_deployment",
        {
            "deployment": deployment,
            "now_ms": now_ms,
            "result": ending.result,
            "detail": ending.detail,
            "exit_code": ending.exit_code,
            "switched_to": bare_url(ending.switch_to),
            "canary_lead_id": ending.canary_lead_id,
            "waited": ending.waited,
            "longest_wait_ms": ending.longest_wait_ms,
        },
    )
    if not ended:
        return False
    if ending.switch_to:
        _switch(session, destination, deployment, ending, now_ms=now_ms)
    if ending.keep_held_because:
        session.change(
            "keep_held",
            {
                "destination": destination,
                "deployment": deployment,
                "reason": ending.keep_held_because,
                "now_ms": now_ms,
            },
        )
    elif ending.result is not DeploymentResult.CANCELLED:
        session.change("keep_held_no_more", {"destination": destination})
        reason = f"deployment {deployment} has ended"
        steering.ramp(session, destination, reason=reason, owner=actor, clock=clock)
    verb = Verb.HOLD if ending.keep_held_because else Verb.RESUME
    reason = f"deployment {deployment} ended: {ending.result}"
    _note(session, destination, actor, verb, reason, now_ms=now_ms)
    return True


def let_go(session: Session, destination: str, *, actor: str, now_ms: int) -> int | None:
    """A person resumes: end what deployments hold; returns the one that was under way, if any."""
    session.change("keep_held_no_more", {"destination": destination})
    deployment: int | None = session.value("deployment_under_way", {"destination": destination})
    if deployment is not None:
        why = f"{actor} resumed {destination}"
        holding.abandon(session, deployment, why=why, now_ms=now_ms)
    return deployment


def one(session: Session, deployment: int, clock: Clock) -> Deployment:
    """One deployment, as it stands.

    Raises:
        NotFound: none has this id.
    """
    found = _find(session, clock, deployment=deployment)
    if not found:
        raise NotFound(
            f"there is no deployment {deployment}", hint="`leadkeep deploy list` shows them."
        )
    return found[0]


def several(
    session: Session,
    *,
    destination: str | None,
    under_way: bool,
    limit: int,
    clock: Clock,
) -> list[Deployment]:
    """Deployments, newest first; see `Deployments.deployments`."""
    found = _find(session, clock, destination=destination, noted_under_way=under_way, limit=limit)
    return [one for one in found if one.result is None] if under_way else found


def switched_urls(session: Session) -> dict[str, SwitchedUrl]:
    """By destination: where leads go instead of the configured address."""
    return {row[0]: SwitchedUrl(*row) for row in session.rows("switched_urls")}


def drop_switched_url(
    session: Session, destination: str, *, reason: str, actor: str, now_ms: int
) -> bool:
    """Let leads go to the configured address again; False: they did already."""
    dropped = bool(session.change("drop_switched_url", {"destination": destination}))
    if dropped:
        _note(session, destination, actor, "switch", reason, now_ms=now_ms)
    return dropped


def under_way(session: Session, destination: str) -> int:
    """How many deliveries of a destination are leased."""
    return session.value("under_way", {"destination": destination}) or 0


def backlog(session: Session, destination: str, *, now_ms: int) -> Backlog:
    """What is due at a destination and waits."""
    row = session.row("backlog", {"destination": destination, "now_ms": now_ms})
    return Backlog(*row) if row else Backlog(0, None)


def _switch(
    session: Session,
    destination: str,
    deployment: int,
    ending: Ending,
    *,
    now_ms: int,
) -> None:
    if ending.switch_to == ending.configured_url:
        session.change("drop_switched_url", {"destination": destination})
        return
    session.change(
        "switch_url",
        {
            "destination": destination,
            "url": ending.switch_to,
            "instead_of": bare_url(ending.configured_url),
            "deployment": deployment,
            "now_ms": now_ms,
        },
    )


def _note(
    session: Session,
    destination: str,
    actor: str,
    verb: str,
    reason: str,
    *,
    now_ms: int,
) -> None:
    session.change(
        "note_destination_action",
        {
            "destination": destination,
            "actor": actor,
            "verb": verb,
            "reason": reason,
            "now_ms": now_ms,
        },
    )


def _find(
    session: Session,
    clock: Clock,
    *,
    deployment: int | None = None,
    destination: str | None = None,
    noted_under_way: bool = False,
    limit: int = 1,
) -> list[Deployment]:
    rows = session.rows(
        "deployments",
        {
            "deployment": deployment,
            "destination": destination,
            "under_way": noted_under_way,
            "limit": limit,
        },
    )
    return [_deployment(row, clock) for row in rows]


def _deployment(row: Sequence[Any], clock: Clock) -> Deployment:
    number, destination, actor, note, begun_at_ms = row[:5]
    term = Term(*row[5:9])
    ended_at_ms, result, detail = row[9:12]
    exit_code, switched_to, canary_lead_id, waited, longest_wait_ms = row[12:17]
    if result is None and left_ms(term, clock) <= 0:
        # Nobody has written since its time was over; it is so all the same.
        ended_at_ms, result, detail = (
            clock.now_us() // 1_000,
            DeploymentResult.ABANDONED,
            holding.TIME_OVER,
        )
    return Deployment(
        deployment_id=number,
        destination=destination,
        actor=actor,
        note=note,
        begun_at_ms=begun_at_ms,
        term=term,
        ended_at_ms=ended_at_ms,
        result=None if result is None else DeploymentResult(result),
        detail=detail,
        exit_code=exit_code,
        switched_to=switched_to,
        canary_lead_id=canary_lead_id,
        waited=waited,
        longest_wait_ms=longest_wait_ms,
    )
