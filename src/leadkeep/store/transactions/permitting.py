"""Permits: how many attempts the rates of a destination leave, over all workers.

Attempts are counted in the transaction that claims for them, in slots of the boot clock, so that no
permit is ever hoarded, lost or used twice. A slot counts until it has left the span whole, and one
slot longer: what is claimed begins a moment later. So no span ever sees more than its rate, and a
steady flow reaches 96 % of it.

What another boot counted is taken as begun when this boot began: never earlier than it was.
"""

from collections.abc import Sequence
from typing import Any

from leadkeep.clock import Clock
from leadkeep.models import Rate
from leadkeep.store.engine.session import Bindings, Session

SLOTS = 50
"""Slots in the span of a rate."""


def left(session: Session, destination: str, rates: Sequence[Rate], *, clock: Clock) -> int:
    """How many attempts may begin now, in a write transaction."""
    return min(_left(session, destination, rate, clock) for rate in rates)


def use(
    session: Session,
    destination: str,
    rates: Sequence[Rate],
    *,
    used: int,
    clock: Clock,
) -> None:
    """So many attempts begin now."""
    for rate in rates:
        where = _where(destination, rate, clock)
        session.change("drop_old_permits", where)
        session.change(
            "use_permits",
            {
                "destination": destination,
                "per_ms": rate.per_ms,
                "boot_id": clock.boot_id,
                "slot": clock.boottime_ms() // _slot_ms(rate),
                "used": used,
            },
        )


def wait_ms(session: Session, destination: str, rates: Sequence[Rate], *, clock: Clock) -> int:
    """How long until at least one attempt may begin; 0: now."""
    return max((_wait_ms(session, destination, rate, clock) for rate in rates), default=0)


def _left(session: Session, destination: str, rate: Rate, clock: Clock) -> int:
    where = _where(destination, rate, clock)
    ours, of_another_boot = session.row("permits_used", where) or (0, 0)
    if of_another_boot:
        moved = {name: where[name] for name in ("destination", "per_ms", "boot_id")}
        session.change("drop_permits_of_another_boot", moved)
        session.change("use_permits", {**moved, "slot": 0, "used": of_another_boot})
        ours, _ = session.row("permits_used", where) or (0, 0)
    free: int = rate.count - ours
    return max(free, 0)


def _wait_ms(session: Session, destination: str, rate: Rate, clock: Clock) -> int:
    where = _where(destination, rate, clock)
    slots: list[tuple[Any, ...]] = session.rows("permit_slots", where)
    free = rate.count - sum(used for _, used in slots)
    last: int | None = None
    for slot, used in slots:
        if free > 0:
            break
        free += used
        last = slot
    if last is None:
        return 0
    counts_until_ms = rate.per_ms + (last + 2) * _slot_ms(rate)
    return max(counts_until_ms - clock.boottime_ms(), 1)


def _where(destination: str, rate: Rate, clock: Clock) -> Bindings:
    return {
        "destination": destination,
        "per_ms": rate.per_ms,
        "boot_id": clock.boot_id,
        "first_slot": (clock.boottime_ms() - rate.per_ms) // _slot_ms(rate) - 1,
    }


def _slot_ms(rate: Rate) -> int:
    return max(rate.per_ms // SLOTS, 1)
