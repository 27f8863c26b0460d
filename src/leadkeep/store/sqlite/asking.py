"""Where the deliveries stand that vendors wait for, and where a ping may go.

Looks only. Invariant: what is said to be claimable is a first try; whether it may really be made
now is for `claim` to say, by the same rules as for every other.
"""

from collections.abc import Sequence

import apsw
from msgspec.structs import replace

from leadkeep.clock import Clock
from leadkeep.states import Status
from leadkeep.store.asked import LiveAsk, LiveStanding, PingWay
from leadkeep.store.sqlite.connections import first_row, first_value
from leadkeep.store.sqlite.holding import is_held

NO_ROUTE = "no_route"
HELD = "held"
FAILED = "failed"
SEVERAL = "several"
"""It is one of several leads of a request: no answer is that of the whole."""


def standings(
    connection: apsw.Connection, asks: Sequence[LiveAsk], *, clock: Clock
) -> list[LiveStanding]:
    """Where each delivery stands; see `Store.standings`."""
    return [_standing(connection, ask, clock) for ask in asks]


def ping_way(connection: apsw.Connection, destination: str, *, clock: Clock) -> PingWay:
    """Whether and where a ping may go; see `Store.ping_way`."""
    return PingWay(
        held=is_held(connection, destination, clock),
        url=first_value(connection, "switched_url", {"destination": destination}) or "",
    )


def _standing(connection: apsw.Connection, ask: LiveAsk, clock: Clock) -> LiveStanding:
    standing = LiveStanding(ask.lead_id, "")
    row = first_row(
        connection, "asked_delivery", {"lead_id": ask.lead_id, "destination": ask.destination}
    )
    if row is None:
        return standing
    delivery, destination, status, attempts, is_several = row
    if delivery is None:
        return replace(standing, reason=NO_ROUTE)
    if is_several:
        return replace(standing, reason=SEVERAL)
    standing = LiveStanding(ask.lead_id, destination, delivery_id=delivery)
    if status == Status.COMPLETED:
        reply = first_row(connection, "confirmed_reply", {"delivery": delivery}) or (0, b"", b"")
        code, headers, body = reply
        return replace(
            standing, response_status=code or 0, response_headers=headers, response_body=body
        )
    if status != Status.PROCESSING:
        held = status == Status.HELD or is_held(connection, destination, clock)
        reason = _why_not(status, attempts=attempts, held=held)
        standing = replace(standing, reason=reason, is_claimable=not reason)
    return standing


def _why_not(status: str, *, attempts: int, held: bool) -> str:
    """Why a delivery that is neither completed nor under way will not be tried now."""
    if status in {Status.FAILED, Status.CANCELLED} or attempts:
        return FAILED
    return HELD if held else ""
