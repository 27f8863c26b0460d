"""Claims of leads whose vendors wait: each by name, one transaction for all who ask at once.

Runs inside the caller's write transaction. Invariant: only a first try is claimed here, and only
what any worker could claim: due, at a destination that is not held.
"""

from collections.abc import Mapping, Sequence

import apsw
from msgspec.structs import replace

from leadkeep.clock import Clock
from leadkeep.models import Claim, LiveAsk, LiveStanding
from leadkeep.states import Status
from leadkeep.store.sqlite.connections import SQL, Bindings, first_row
from leadkeep.store.sqlite.delivering import CLAIM_BYTES

NO_ROUTE = "no_route"
HELD = "held"
NOT_DUE = "not_due"
FAILED = "failed"


def claim_asked(
    connection: apsw.Connection,
    asks: Sequence[LiveAsk],
    *,
    longest_wait_ms: Mapping[str, int],
    lease_ms: int,
    worker: str,
    clock: Clock,
) -> list[LiveStanding]:
    """Claim what is due, and say of the rest where it stands; see `Store.claim_asked`."""
    lease: Bindings = {
        "boot_id": clock.boot_id,
        "lease_until_boot_ms": clock.boottime_ms() + lease_ms,
        "worker": worker,
        "now_ms": clock.now_us() // 1_000,
    }
    found = []
    size = 0
    for ask in asks:
        standing = _standing(connection, ask, longest_wait_ms, lease)
        found.append(standing)
        size += len(standing.claim.body) if standing.claim else 0
        if size >= CLAIM_BYTES:
            break
    return found


def _standing(
    connection: apsw.Connection,
    ask: LiveAsk,
    longest_wait_ms: Mapping[str, int],
    lease: Bindings,
) -> LiveStanding:
    standing = LiveStanding(ask.lead_id, "", "")
    row = first_row(
        connection,
        "asked_delivery",
        {
            "lead_id": ask.lead_id,
            "destination": ask.destination,
            "now_ms": lease["now_ms"],
        },
    )
    if row is None:
        return standing
    lead, delivery, destination, status, fence, attempts, first_at_ms, due_in_ms, held = row
    if delivery is None or destination not in longest_wait_ms:
        return replace(standing, reason=NO_ROUTE)
    standing = LiveStanding(ask.lead_id, destination, "", delivery)
    if status == Status.COMPLETED:
        answer = first_row(connection, "confirmed_reply", {"delivery": delivery}) or (0, b"", b"")
        return LiveStanding(ask.lead_id, destination, "", delivery, None, *answer)
    if status == Status.PROCESSING:
        return standing
    due = due_in_ms is not None and not 0 < due_in_ms <= longest_wait_ms[destination]
    reason = _why_not(status, attempts=attempts, held=held, due=due)
    if reason:
        return replace(standing, reason=reason)
    request = first_row(connection, "asked_request", {"lead": lead})
    assert request is not None
    claim = Claim(delivery, fence + 1, destination, attempts + 1, first_at_ms, *request)
    connection.execute(
        SQL["lease"],
        {**lease, "delivery": delivery, "fence": claim.fence, "attempt": claim.attempt},
    )
    return replace(standing, claim=claim)


def _why_not(status: str, *, attempts: int, held: bool, due: bool) -> str:
    """Why a delivery that is not under way will not be tried now; empty: it will."""
    if status == Status.HELD:
        return HELD
    if status != Status.PENDING or attempts:
        return FAILED
    if held:
        return HELD
    return "" if due else NOT_DUE
