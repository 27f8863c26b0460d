"""Copies of a delivery: what becomes of them once it is known what became of the original.

Each function runs inside the caller's write transaction. A copy waits held while its original is on
its way. Confirmed, it is cancelled with the reason; if a person has stopped the original, the copy
is shown to a person, too: nobody's decision is undone behind their back.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from leadkeep.models import Decision
from leadkeep.states import Status
from leadkeep.store.engine.session import Bindings, Gate, Session


class Settled(NamedTuple):
    """What a look at copies came to."""

    cancelled: list[Decision]
    """Their original is confirmed."""
    shown: int
    """Copies whose original a person has stopped."""
    last: int
    """The last one looked at; 0: none is left to look at."""


def held_because(lead_number: int) -> str:
    """The reason for which a copy waits."""
    return f"the same delivery as lead {lead_number:013d}, which is on its way"


def replay_held_because(lead_number: int) -> str:
    """The reason for which a request waits that has another's signature and is not the same."""
    return (
        f"signed as lead {lead_number:013d} was, and sent in another way: a vendor signs each "
        "request anew, so somebody may have copied it"
    )


def settle(session: Session, *, after: int, limit: int, now_ms: int) -> Settled:
    """Look at copies that wait, in order."""
    session.pass_gate(Gate.COPIES)
    wanted: Bindings = {"after": after, "limit": limit}
    rows: list[tuple[Any, ...]] = session.rows("open_copies", wanted)
    cancelled: list[Decision] = []
    shown = 0
    for lead, original, confirmed, stopped in rows:
        if confirmed or stopped is not None:
            session.keep_still("lock_deliveries_of_lead", {"lead": lead})
        if stopped is not None:
            reason = f"the same delivery as lead {original:013d}, which is {stopped}"
            change: Bindings = {"lead": lead, "reason": reason, "now_ms": now_ms}
            session.change("show_copy", change)
            session.change("make_own_lead", {"lead": lead})
            shown += 1
        elif confirmed:
            waiting: list[tuple[Any, ...]] = session.rows("held_deliveries_of_copy", {"lead": lead})
            cancelled += [
                Decision(delivery, lead_id, destination, Status.CANCELLED, now_ms, part)
                for delivery, lead_id, destination, part in waiting
            ]
            reason = f"the same delivery as lead {original:013d}, which was delivered"
            change = {"lead": lead, "reason": reason, "now_ms": now_ms}
            session.change("cancel_copy", change)
        else:
            continue
        session.change("close_copy", {"lead": lead})
    return Settled(cancelled, shown, rows[-1][0] if len(rows) == limit else 0)


def deliver_anyway(
    session: Session,
    lead_ids: Sequence[str],
    lead_numbers: Sequence[int],
    *,
    unlink: bool,
    actor: str,
    now_ms: int,
) -> int:
    """Deliver copies as leads of their own; returns how many leads."""
    session.pass_gate(Gate.COPIES)
    meant: Bindings = {
        "lead_ids": json.dumps(lead_ids),
        "lead_numbers": json.dumps(lead_numbers),
    }
    leads = [lead for (lead,) in session.rows("copies_meant", meant)]
    for lead in leads:
        session.change("close_copy", {"lead": lead})
        session.change("make_own_lead", {"lead": lead})
        if unlink:
            session.change("unlink_lead", {"lead": lead})
        gone = session.rows("let_copy_go", {"lead": lead, "now_ms": now_ms})
        session.each(
            "note_copy_action",
            [
                {
                    "now_ms": now_ms,
                    "actor": actor,
                    "verb": "unlink" if unlink else "deliver-anyway",
                    "delivery": delivery,
                    "reason": "",
                }
                for delivery, _ in gone
            ],
        )
    return len(leads)
