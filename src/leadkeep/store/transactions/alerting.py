"""Incidents and what people are told of them. Every function runs inside the caller's transaction.

An incident is changed only from the version that its change is based on, and its notice is queued
in the same transaction: whoever else saw the same tells nothing.
"""

from collections.abc import Sequence

import msgspec

from leadkeep.clock import Clock
from leadkeep.errors import NotFound
from leadkeep.models import Incident, IncidentStep, Notice, Outbox, Problem, QueuedNotice, Refused
from leadkeep.store.engine.session import Bindings, Session, Value

KEPT_MS = 90 * 86_400_000
"""Incidents are remembered for so long after their end."""
_FORGOTTEN_AT_ONCE = 100


def refused(session: Session) -> list[Refused]:
    """Destinations that refuse leads as they are."""
    return [Refused(*row) for row in session.rows("refused")]


def incidents(session: Session, *, resolved_since_ms: int, limit: int) -> list[Incident]:
    """Open ones, and those resolved since then, newest first."""
    rows = session.rows("incidents", {"since_ms": resolved_since_ms, "limit": limit})
    return [_incident(row) for row in rows]


def incident(session: Session, incident_id: int) -> Incident:
    """One incident.

    Raises:
        NotFound: none has this id.
    """
    row = session.row("incident", {"incident": incident_id})
    if row is None:
        raise NotFound(
            f"there is no incident {incident_id}", hint="`leadkeep alerts list --all` lists them"
        )
    return _incident(row)


def note_incidents(session: Session, steps: Sequence[IncidentStep], *, now_ms: int) -> int:
    """Take those steps that nobody has taken; returns how many."""
    taken = 0
    for step in steps:
        incident_id = _take(session, step.incident)
        if incident_id is None:
            continue
        taken += 1
        if step.notice is not None:
            told = msgspec.structs.replace(
                step.notice,
                incident=msgspec.structs.replace(step.notice.incident, incident_id=incident_id),
            )
            notice = msgspec.json.encode(told).decode()
            bindings: Bindings = {"incident": incident_id, "notice": notice, "now_ms": now_ms}
            session.change("queue_notice", bindings)
    session.change("forget_incidents", {"before_ms": now_ms - KEPT_MS, "limit": _FORGOTTEN_AT_ONCE})
    return taken


def claim_notices(
    session: Session, *, limit: int, lease_ms: int, longest_wait_ms: int, clock: Clock
) -> list[QueuedNotice]:
    """Take notices that are due."""
    boottime_ms = clock.boottime_ms()
    rows = session.rows(
        "claim_notices",
        {
            "boot_id": clock.boot_id,
            "boottime_ms": boottime_ms,
            "until_boot_ms": boottime_ms + lease_ms,
            "now_ms": clock.now_us() // 1_000,
            "longest_wait_ms": longest_wait_ms,
            "limit": limit,
        },
    )
    claimed = [
        QueuedNotice(notice_id, attempts, queued, msgspec.json.decode(notice, type=Notice))
        for notice_id, attempts, queued, notice in rows
    ]
    return sorted(claimed, key=lambda queued: queued.notice_id)


def notices_sent(session: Session, notices: Sequence[int], *, now_ms: int) -> None:
    """They were handed over."""
    session.each("notice_sent", ({"notice": notice, "now_ms": now_ms} for notice in notices))


def notices_unsent(
    session: Session, notices: Sequence[int], *, error: str, next_try_at_ms: int
) -> None:
    """They were not, and are tried again then."""
    session.each(
        "notice_unsent",
        (
            {"notice": notice, "error": error, "next_try_at_ms": next_try_at_ms}
            for notice in notices
        ),
    )


def outbox(session: Session) -> Outbox:
    """What waits to be sent."""
    row = session.row("outbox")
    return Outbox() if row is None else Outbox(*row)


def _take(session: Session, new: Incident) -> int | None:
    """Open or change one; its id, or None if somebody else was first."""
    bindings: Bindings = {
        "problem": msgspec.json.encode(new.problem).decode(),
        "seen_at_ms": new.seen_at_ms,
        "told_at_ms": new.told_at_ms,
        "told": new.told,
    }
    if not new.version:
        opened: Bindings = {
            "kind": new.problem.kind,
            "subject": new.problem.subject,
            "fired_at_ms": new.fired_at_ms,
        }
        return _id_of(session.value("open_incident", {**bindings, **opened}))
    changed: Bindings = {
        "incident": new.incident_id,
        "version": new.version,
        "resolved_at_ms": new.resolved_at_ms,
        "acknowledged_at_ms": new.acknowledged_at_ms,
        "acknowledged_by": new.acknowledged_by,
        "silenced_until_ms": new.silenced_until_ms,
    }
    return _id_of(session.value("change_incident", {**bindings, **changed}))


def _id_of(value: Value) -> int | None:
    assert value is None or isinstance(value, int)
    return value


def _incident(row: tuple[Value, ...]) -> Incident:
    incident_id, version, problem, fired, seen, told_at, told, resolved, *hand = row
    return msgspec.convert(
        {
            "incident_id": incident_id,
            "version": version,
            "problem": msgspec.json.decode(str(problem), type=Problem),
            "fired_at_ms": fired,
            "seen_at_ms": seen,
            "told_at_ms": told_at,
            "told": told,
            "resolved_at_ms": resolved,
            "acknowledged_at_ms": hand[0],
            "acknowledged_by": hand[1],
            "silenced_until_ms": hand[2],
        },
        Incident,
    )
