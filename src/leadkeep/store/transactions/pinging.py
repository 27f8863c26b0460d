"""Pings in the store: what came of each, looking at them, forgetting the old.

Every function runs inside the caller's transaction. A ping and its outcome are rows of their own,
because either may come first: the absorber writes the one, the worker that was asked the other.
"""

from collections.abc import Sequence

from leadkeep.models import Record
from leadkeep.store.asked import PingOutcome, PingView
from leadkeep.store.engine.session import Session, Value

_LAST_ROW = 2**63 - 1


def ping_row(record: Record, ping_id: str) -> tuple[Value, ...]:
    """The values of a ping's row, in the order of `insert_ping`."""
    path = record.target.partition(b"?")[0].decode("utf-8", "replace")
    return (
        ping_id,
        record.source,
        record.received_at_us // 1_000,
        record.peer,
        record.method,
        path,
        record.answer_status,
    )


def record_pings(session: Session, outcomes: Sequence[PingOutcome]) -> None:
    """Write what came of pings; what is known of one already stays."""
    session.each(
        "insert_ping_outcome",
        (
            (
                one.ping_id,
                one.destination,
                one.started_at_ms,
                one.duration_ms,
                one.result,
                one.message,
                one.response_status,
                one.response_body,
            )
            for one in outcomes
        ),
    )


def pings(
    session: Session,
    *,
    limit: int,
    after: int | None,
    source: str | None,
    ping_id: str | None,
) -> list[PingView]:
    """Pings, newest first; see `Store.pings`."""
    rows = session.rows(
        "pings",
        {
            "before": _LAST_ROW if after is None else after,
            "source": source,
            "ping_id": ping_id,
            "limit": limit,
        },
    )
    return [PingView(*row) for row in rows]


def prune_pings(session: Session, *, before_ms: int, limit: int) -> int:
    """Forget at most `limit` pings of before a time, and as many outcomes; returns how many."""
    digits = f"{max(before_ms, 0):012x}"
    below: dict[str, Value] = {"below": f"{digits[:8]}-{digits[8:]}", "limit": limit}
    forgotten = session.change("prune_pings", below)
    return max(forgotten, session.change("prune_ping_outcomes", below))
