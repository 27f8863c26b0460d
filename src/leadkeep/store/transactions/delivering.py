"""Claim, record, release, renew, rescue: each fenced by the token of the latest claim.

Every function runs inside the caller's write transaction. Leases end by the boot clock, which no
one can set; a lease of another boot has ended.
"""

import json
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from leadkeep.clock import Clock
from leadkeep.errors import StoreError
from leadkeep.models import Claim, Outcome, Rate, Recorded
from leadkeep.states import Status
from leadkeep.store.engine.session import Bindings, Gate, Session
from leadkeep.store.transactions import ordering, parting, permitting, steering
from leadkeep.store.transactions.holding import is_held, may_claim

CLAIM_BYTES = 32 * 1024 * 1024
"""One claim stops after so many bytes of bodies, however many deliveries were asked for."""

_OUTCOMES = (Status.COMPLETED, Status.PENDING, Status.FAILED)


def claim(
    session: Session,
    destination: str,
    *,
    limit: int,
    lease_ms: int,
    longest_wait_ms: int,
    worker: str,
    clock: Clock,
    among: Sequence[int] | None = None,
    steady_since_ms: int | None = None,
    probe: int | None = None,
    rates: Sequence[Rate] = (),
    deployment: int | None = None,
) -> list[Claim]:
    """Lease due deliveries; see `Store.claim`."""
    in_lines = ordering.has_lines(session, destination)
    session.pass_gate(Gate.DESTINATION, destination, together=not (in_lines or rates))
    if not may_claim(session, destination, clock, deployment=deployment):
        return []
    if deployment is None and steering.is_shut(session, destination, probe=probe):
        return []
    if rates:
        limit = min(limit, permitting.left(session, destination, rates, clock=clock))
        if not limit:
            return []
    now_ms = clock.now_us() // 1_000
    patience = ordering.Patience(now_ms, steady_since_ms, longest_wait_ms)
    turns: dict[int, int] | None = None
    if in_lines:
        turns = ordering.let_the_impatient_go(session, destination, patience, limit=limit)
    wanted: Bindings = {
        "destination": destination,
        "now_ms": now_ms,
        "longest_wait_ms": longest_wait_ms,
        "limit": limit,
        "bytes": CLAIM_BYTES,
    }
    claims = _due(session, destination, wanted, among)
    lease: Bindings = {
        "boot_id": clock.boot_id,
        "lease_until_boot_ms": clock.boottime_ms() + lease_ms,
        "worker": worker,
        "now_ms": now_ms,
    }
    claims = _lease(session, claims, lease, by_name=among is not None)
    if rates and claims:
        permitting.use(session, destination, rates, used=len(claims), clock=clock)
    if turns is None:
        return claims
    ordering.end_turns(session, turns, claims)
    return ordering.told_of_order(session, claims)


def _due(
    session: Session, destination: str, wanted: Bindings, among: Sequence[int] | None
) -> list[Claim]:
    """What is due, with the url that a deployment has switched to."""
    if among is None:
        due = session.each_row("due", wanted)
    else:
        due = session.each_row("due_among", {**wanted, "among": json.dumps(among)})
    claims: list[Claim] = []
    size = 0
    for delivery, fence, attempt, first_at_ms, *request, part in due:
        one = Claim(delivery, fence, destination, attempt, first_at_ms, *request)
        claims.append(msgspec.structs.replace(one, part=part) if part else one)
        size += len(one.body)
        if size >= CLAIM_BYTES:
            break
    claims = parting.with_parts(session, claims)
    switched_url = session.value("switched_url", {"destination": destination})
    if switched_url is not None:
        claims = [msgspec.structs.replace(one, url=switched_url) for one in claims]
    return claims


def _lease(
    session: Session, claims: Sequence[Claim], lease: Bindings, *, by_name: bool
) -> list[Claim]:
    """Lease them; returns those that are leased now."""
    leases = [
        {**lease, "delivery": one.delivery_id, "fence": one.fence, "attempt": one.attempt}
        for one in claims
    ]
    if not by_name:
        session.each("lease", leases)
        return list(claims)
    # Asked for by name, not found by being next: the statement itself may refuse one.
    return [one for one, its in zip(claims, leases, strict=True) if _leased(session, its)]


def _leased(session: Session, lease: Bindings) -> bool:
    return session.change("lease", lease) == 1


def record(session: Session, outcomes: Sequence[Outcome], *, now_ms: int) -> list[Recorded]:
    """Record attempts and move their deliveries; see `Store.record`."""
    for outcome in outcomes:
        _check(outcome)
    ids = sorted({outcome.delivery_id for outcome in outcomes})
    session.keep_still("lock_deliveries", {"deliveries": json.dumps(ids)})
    news: dict[tuple[int, int], tuple[Outcome, str | None]] = {}
    for outcome, (status, fence, owner, stale, _) in _standings(session, outcomes):
        if stale is not None:
            continue  # reported before: it decides nothing again
        ours = status == Status.PROCESSING and fence == outcome.fence
        news.setdefault((outcome.delivery_id, outcome.fence), (outcome, owner if ours else None))
    session.each(
        "insert_attempt",
        (_attempt_row(outcome, owner, now_ms) for outcome, owner in news.values()),
    )
    session.each("move_recorded", (_move(outcome, now_ms) for outcome, _ in news.values()))
    return [
        Recorded(outcome.delivery_id, bool(stale), Status(status), at_ms or now_ms)
        for outcome, (status, _, _, stale, at_ms) in _standings(session, outcomes)
    ]


def release(session: Session, claims: Iterable[Claim], *, now_ms: int) -> int:
    """Return leases without having tried; returns how many were still ours."""
    rows = ({"delivery": c.delivery_id, "fence": c.fence, "now_ms": now_ms} for c in claims)
    return len(list(session.each("release", rows)))


def renew(session: Session, claims: Sequence[Claim], *, lease_ms: int, clock: Clock) -> list[Claim]:
    """Prolong leases; returns the claims that are no longer ours."""
    until = clock.boottime_ms() + lease_ms
    rows: Iterator[Bindings] = (
        {
            "delivery": c.delivery_id,
            "fence": c.fence,
            "lease_until_boot_ms": until,
            "boot_id": clock.boot_id,
        }
        for c in claims
    )
    ours = {delivery for (delivery,) in session.each("renew", rows)}
    return [one for one in claims if one.delivery_id not in ours]


def rescue(session: Session, *, limit: int, clock: Clock) -> int:
    """Return at most `limit` leases that ran out; returns how many."""
    return session.change(
        "rescue",
        {
            "boot_id": clock.boot_id,
            "boottime_ms": clock.boottime_ms(),
            "now_ms": clock.now_us() // 1_000,
            "limit": limit,
        },
    )


def next_due_at_ms(session: Session, destination: str, *, clock: Clock) -> int | None:
    """When the next claimable delivery of a destination is due."""
    where = {"destination": destination}
    if is_held(session, destination, clock):
        return None
    row = session.row("next_due", {**where})
    times = (row[0] if row else None, ordering.next_overtaking_ms(session, destination))
    return min((time_ms for time_ms in times if time_ms is not None), default=None)


def _check(outcome: Outcome) -> None:
    if outcome.status not in _OUTCOMES:
        raise StoreError(f"an attempt cannot end {outcome.status}")
    if (outcome.status is Status.PENDING) != (outcome.next_attempt_at_ms is not None):
        raise StoreError("an outcome names a next try if, and only if, there shall be one")


def _standings(
    session: Session, outcomes: Sequence[Outcome]
) -> list[tuple[Outcome, tuple[str, int, str | None, bool | None, int | None]]]:
    """Each outcome with status, fence and lease owner of its delivery, and its record."""
    asked: Iterator[Bindings] = (
        {"delivery": one.delivery_id, "fence": one.fence, "lead_id": one.lead_id}
        for one in outcomes
    )
    rows = session.each("standing", asked)
    if len(rows) != len(outcomes):
        known = {row[0] for row in rows}
        lost = next(one for one in outcomes if one.delivery_id not in known)
        raise StoreError(
            f"there is no delivery {lost.delivery_id} of the lead {lost.lead_id} to record an "
            "attempt of"
        )
    return [
        (outcome, (row[1], row[2], row[3], row[4], row[5]))
        for outcome, row in zip(outcomes, rows, strict=True)
    ]


def _attempt_row(outcome: Outcome, owner: str | None, now_ms: int) -> Bindings:
    """The row of one try; `owner` holds the lease it was made under, None if it had run out."""
    return {
        "delivery": outcome.delivery_id,
        "fence": outcome.fence,
        "attempt": outcome.attempt,
        "worker": owner or "",
        "stale": owner is None,
        "outcome": outcome.status,
        "started_at_ms": outcome.started_at_ms,
        "duration_ms": outcome.duration_ms,
        "now_ms": now_ms,
        "error_class": outcome.error_class,
        "error_message": outcome.error_message,
        "response_status": outcome.response_status,
        "response_headers": outcome.response_headers,
        "response_body": outcome.response_body,
    }


def _move(outcome: Outcome, now_ms: int) -> Bindings:
    return {
        "delivery": outcome.delivery_id,
        "fence": outcome.fence,
        "status": outcome.status,
        "next_attempt_at_ms": outcome.next_attempt_at_ms,
        "started_at_ms": outcome.started_at_ms,
        "processed_at_ms": now_ms if outcome.status is Status.COMPLETED else None,
        "error_message": outcome.error_message,
        "to_mend": outcome.needs_mending,
        "now_ms": now_ms,
    }
