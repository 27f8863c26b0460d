"""What people and programs see: lists, one lead whole, counters, and their own read-only SQL."""

import json
import time
from typing import Any
from uuid import UUID

import apsw
import msgspec

from leadkeep.clock import Clock
from leadkeep.deployments import bare_url
from leadkeep.errors import NotFound, UsageError
from leadkeep.models import (
    NO_FACTS,
    AtStake,
    AttemptView,
    Contact,
    DeliveryView,
    DestinationView,
    Facts,
    LeadView,
    Position,
    RecordFlag,
    Selection,
)
from leadkeep.states import Disposition, Status
from leadkeep.store.sqlite.connections import SQL, first_row, first_value
from leadkeep.store.sqlite.deploying import switched_urls
from leadkeep.store.sqlite.holding import FREE, shown_holds
from leadkeep.store.sqlite.ordering import with_order
from leadkeep.store.sqlite.parting import parts_of, why_unparted
from leadkeep.store.sqlite.selecting import END, Picker, is_lead_id, place_of

QUERY_SECONDS = 60.0
"""A person's own statement may take so long; a long reader keeps the log from shrinking."""

_STEPS_BETWEEN_LOOKS = 10_000
_WAITING = (Status.PENDING, Status.PROCESSING)
_READ_ONLY_PRAGMAS = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"}
)
_READ_ONLY_ACTIONS = frozenset(
    {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
)


def counts(connection: apsw.Connection) -> dict[Status, int]:
    """Deliveries by status."""
    found = dict.fromkeys(Status, 0)
    for status, number in connection.execute(SQL["counts_by_status"]):
        found[Status(status)] = number
    return found


def destinations(connection: apsw.Connection, *, clock: Clock) -> list[DestinationView]:
    """Every destination that is held, switched or has deliveries, by name."""
    depths: dict[str, dict[Status, int]] = {}
    for name, status, number in connection.execute(SQL["counts_by_destination"]):
        depths.setdefault(name, dict.fromkeys(Status, 0))[Status(status)] = number
    holds = shown_holds(connection, clock)
    switched = switched_urls(connection)
    for name in (*holds, *switched):
        depths.setdefault(name, dict.fromkeys(Status, 0))
    return [
        DestinationView(
            name=name,
            counts=depth,
            oldest_waiting_at_ms=_oldest_waiting(connection, name, depth),
            switched_url=bare_url(switched[name].url) if name in switched else "",
            switched_instead_of=switched[name].instead_of if name in switched else "",
            **holds.get(name, FREE)._asdict(),
        )
        for name, depth in sorted(depths.items())
    ]


def find(
    connection: apsw.Connection, selection: Selection, *, limit: int, after: int | None
) -> list[DeliveryView]:
    """A page of deliveries, newest first."""
    if selection.is_empty:
        return []
    picker = Picker(connection, selection)
    start = END if after is None else place_of(connection, after)
    places = picker.newest(connection, selection.statuses, start, limit)
    return delivery_views(connection, [place.delivery for place in places])


def delivery_views(connection: apsw.Connection, deliveries: list[int]) -> list[DeliveryView]:
    """These deliveries as shown in lists, newest first."""
    rows = connection.execute(SQL["delivery_views"], {"deliveries": json.dumps(deliveries)})
    views = [
        DeliveryView(
            delivery_id=row[0],
            lead_id=row[1],
            lead_number=row[2],
            source=row[3],
            destination=row[4],
            status=Status(row[5]),
            attempts=row[6],
            next_attempt_at_ms=row[7],
            error_message=row[8],
            processed_at_ms=row[9],
            received_at_ms=row[10],
            updated_at_ms=row[11],
            name=row[12],
            phone=row[13],
            email=row[14],
            stands_in_for=row[15] or "",
            part=row[16],
            parts=row[17],
        )
        for row in rows
    ]
    return with_order(connection, views)


def lead(connection: apsw.Connection, ref: str) -> LeadView:
    """One lead, whole.

    Raises:
        NotFound: no lead has this id or number.
        UsageError: it is neither an id nor a number.
    """
    by_id = is_lead_id(ref)
    row = first_row(
        connection,
        "lead_by_id" if by_id else "lead_by_number",
        {"ref": ref.lower() if by_id else int(ref)},
    )
    if row is None:
        raise NotFound(
            f"there is no lead {ref}",
            hint="a lead accepted a moment ago appears once it is absorbed",
        )
    found = connection.execute(SQL["deliveries_of_lead"], {"lead": row[0]})
    deliveries = [delivery for (delivery,) in found]
    views = delivery_views(connection, deliveries)[::-1]
    return LeadView(
        lead_id=row[1],
        lead_number=row[2],
        source=row[3],
        disposition=Disposition(row[4]),
        acknowledged=bool(row[5]),
        received_at_ms=row[6],
        absorbed_at_ms=row[7],
        peer=row[8],
        method=row[9],
        target=row[10],
        headers=row[11],
        body=row[12],
        payload_text=row[13],
        answer_status=row[14],
        contact=Contact(*row[15:19]),
        facts=NO_FACTS if row[21] is None else msgspec.json.decode(row[21], type=Facts),
        certificate_expires_at_ms=row[22],
        same_delivery_as=row[23],
        same_person_as=row[24],
        position=Position(UUID(row[19]), row[20]),
        deliveries=tuple(views),
        attempts={delivery: _attempts(connection, delivery) for delivery in deliveries},
        parts=parts_of(connection, row[0]),
        unparted=why_unparted(connection, row[0]),
        flags=RecordFlag(row[25]),
    )


def certificates_at_stake(connection: apsw.Connection, *, now_ms: int, before_ms: int) -> AtStake:
    """Leads that wait while their certificates of consent run out."""
    row = first_row(connection, "certificates_at_stake", {"now_ms": now_ms, "before_ms": before_ms})
    assert row is not None
    return AtStake(*row)


def notice_counts(connection: apsw.Connection) -> dict[str, int]:
    """Probes, rejections and handshakes recorded, by kind; each kind is a key."""
    found = dict.fromkeys(("probe", "rejection", "handshake"), 0)
    found.update(connection.execute(SQL["notice_counts"]))
    return found


def query(
    connection: apsw.Connection, sql: str, *, limit: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one read-only statement of a person's on a reader's connection of its own.

    Raises:
        UsageError: it is wrong, would write, is not one statement, or takes too long.
    """
    columns: list[str] = []
    statements = 0

    def before_each(cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        nonlocal statements
        statements += 1
        columns[:] = [name for name, _ in cursor.get_description()]
        return statements == 1

    deadline = time.monotonic() + QUERY_SECONDS
    connection.authorizer = _authorize
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
    cursor = connection.cursor()
    cursor.exec_trace = before_each
    try:
        rows: list[tuple[Any, ...]] = []
        for row in cursor.execute(sql, can_cache=False):
            if len(rows) == limit:
                break
            rows.append(row)
    except apsw.InterruptError as error:
        raise UsageError(f"the statement took longer than {QUERY_SECONDS:g} s") from error
    except apsw.ExecTraceAbort as error:
        raise UsageError("only one statement at a time") from error
    except (apsw.AuthError, apsw.ReadOnlyError) as error:
        raise UsageError(
            "only reading is allowed here", hint="change leads with `leadkeep leads …`"
        ) from error
    except (apsw.SQLError, apsw.BindingsError, apsw.RangeError, apsw.MismatchError) as error:
        raise UsageError(f"the statement is wrong: {error}") from error
    if not columns:
        raise UsageError("there is no statement to run")
    return columns, rows


def _authorize(
    action: int, first: str | None, second: str | None, _database: str | None, _inner: str | None
) -> int:
    if action in _READ_ONLY_ACTIONS and second != "load_extension":
        return apsw.SQLITE_OK
    if action == apsw.SQLITE_PRAGMA and first in _READ_ONLY_PRAGMAS:
        return apsw.SQLITE_OK
    return apsw.SQLITE_DENY


def _oldest_waiting(
    connection: apsw.Connection, destination: str, depth: dict[Status, int]
) -> int | None:
    times = [
        first_value(connection, "oldest_waiting", {"status": status, "destination": destination})
        for status in _WAITING
        if depth[status]
    ]
    return min((time_ms for time_ms in times if time_ms is not None), default=None)


def _attempts(connection: apsw.Connection, delivery: int) -> tuple[AttemptView, ...]:
    rows = connection.execute(SQL["attempts_of_delivery"], {"delivery": delivery})
    return tuple(AttemptView(*row) for row in rows)
