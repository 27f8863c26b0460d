"""Where the deliveries stand that vendors wait for, and where a ping may go.

Looks only. Invariant: what is said to be claimable is a first try; whether it may really be made
now is for `claim` to say, by the same rules as for every other.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from leadkeep.clock import Clock
from leadkeep.states import Status
from leadkeep.store.asked import LiveAsk, LiveStanding, PingWay
from leadkeep.store.engine.session import Session
from leadkeep.store.transactions.holding import is_held

NO_ROUTE = "no_route"
HELD = "held"
FAILED = "failed"
SEVERAL = "several"
"""It is one of several leads of a request: no answer is that of the whole."""


def standings(session: Session, asks: Sequence[LiveAsk], *, clock: Clock) -> list[LiveStanding]:
    """Where each delivery stands; see `Store.standings`."""
    return [_standing(session, ask, clock) for ask in asks]


def ping_way(session: Session, destination: str, *, clock: Clock) -> PingWay:
    """Whether and where a ping may go; see `Store.ping_way`."""
    return PingWay(
        held=is_held(session, destination, clock),
        url=session.value("switched_url", {"destination": destination}) or "",
    )


def _standing(session: Session, ask: LiveAsk, clock: Clock) -> LiveStanding:
    standing = LiveStanding(ask.lead_id, "")
    row = session.row("asked_delivery", {"lead_id": ask.lead_id, "destination": ask.destination})
    if row is None:
        return standing
    delivery, destination, status, attempts, is_several = row
    if delivery is None:
        return replace(standing, reason=NO_ROUTE)
    if is_several:
        return replace(standing, reason=SEVERAL)
    standing = LiveStanding(ask.lead_id, destination, delivery_id=delivery)
    if status == Status.COMPLETED:
        reply = session.row("confirmed_reply", {"delivery": delivery}) or (0, b"", b"")
        code, headers, body = reply
        return replace(
            standing, response_status=code or 0, response_headers=headers, response_body=body
        )
    if status != Status.PROCESSING:
        held = status == Status.HELD or is_held(session, destination, clock)
        reason = _why_not(status, attempts=attempts, held=held)
        standing = replace(standing, reason=reason, is_claimable=not reason)
    return standing


def _why_not(status: str, *, attempts: int, held: bool) -> str:
    """Why a delivery that is neither completed nor under way will not be tried now."""
    if status in {Status.FAILED, Status.CANCELLED} or attempts:
        return FAILED
    return HELD if held else ""
