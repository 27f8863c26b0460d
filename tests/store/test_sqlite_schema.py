"""The database itself refuses nonsense, whoever writes: tried from a plain SQL connection."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from leadkeep.deployments import DeploymentResult
from leadkeep.states import GRAPH, Status, Verb, allowed_moves
from leadkeep.store.sqlite.connections import SQL, open_reader
from leadkeep.store.sqlite.migrations import migrate

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "store.md"

COMPANIONS: dict[Status, dict[str, object]] = {
    Status.PENDING: {"next_attempt_at_ms": 1},
    Status.PROCESSING: {
        "next_attempt_at_ms": 1,
        "destination": "crm",
        "lease_boot_id": "boot",
        "lease_until_boot_ms": 1,
        "lease_owner": "w",
    },
    Status.COMPLETED: {"processed_at_ms": 1},
    Status.FAILED: {},
    Status.HELD: {"hold_reason": "why"},
    Status.CANCELLED: {},
}
"""What each status needs beside it, and what therefore must be absent from the others."""

WAY_TO: dict[Status, list[Status]] = {
    Status.PENDING: [],
    Status.PROCESSING: [Status.PROCESSING],
    Status.COMPLETED: [Status.COMPLETED],
    Status.FAILED: [Status.PROCESSING, Status.FAILED],
    Status.HELD: [Status.HELD],
    Status.CANCELLED: [Status.CANCELLED],
}


@pytest.fixture
def shell(database: Path) -> Iterator[sqlite3.Connection]:
    """What a person has who opens the file with the distribution's SQLite."""
    migrate(database)
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute(
        "INSERT INTO segments VALUES (1, '01234567-0123-0123-0123-0123456789ab', 'journal', 0, 0,"
        " 1, 0, 0, 0, 1, 1, 0, NULL, 0)"
    )
    yield connection
    connection.close()


def insert_lead(shell: sqlite3.Connection, **overrides: object) -> int:
    values: dict[str, object] = {
        "lead_id": "01234567-0123-7123-8123-0123456789ab",
        "lead_number": 1_786_802_449_123,
        "source": "lqf",
        "disposition": "routed",
        "acknowledged": 1,
        "quarantine_reason": "",
        "received_at_ms": 1_786_802_449_123,
        "absorbed_at_ms": 1_786_802_449_200,
        "name": "Ada",
        "phone": "",
        "email": "",
        "vendor_lead_id": "",
        "segment": 1,
        "group_offset": 0,
        "peer": "",
        "method": "POST",
        "flags": 0,
        "answer_status": 200,
        "target": b"/",
        "headers": b"",
        "body": b"{}",
    } | overrides
    row = insert(shell, "leads", values)
    assert row is not None
    return row


def insert_delivery(shell: sqlite3.Connection, lead: int, **overrides: object) -> int:
    values: dict[str, object] = {
        "lead": lead,
        "destination": "crm",
        "status": "pending",
        "next_attempt_at_ms": 1,
        "created_at_ms": 1,
        "updated_at_ms": 1,
    } | overrides
    row = insert(shell, "deliveries", values)
    assert row is not None
    return row


def insert(shell: sqlite3.Connection, table: str, values: dict[str, object]) -> int | None:
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    return shell.execute(
        f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values())
    ).lastrowid


def move(shell: sqlite3.Connection, delivery: int, status: Status, **overrides: object) -> None:
    columns: dict[str, object] = dict.fromkeys(
        ("next_attempt_at_ms", "processed_at_ms", "lease_boot_id", "lease_until_boot_ms")
    )
    columns |= {"lease_owner": None, "hold_reason": "", "status": status.value}
    columns |= COMPANIONS[status] | overrides
    assignments = ", ".join(f"{name} = ?" for name in columns)
    if status is Status.PROCESSING:
        assignments += ", fence = fence + 1"
    shell.execute(
        f"UPDATE deliveries SET {assignments} WHERE id = ?", (*columns.values(), delivery)
    )


def a_delivery_in(shell: sqlite3.Connection, status: Status) -> int:
    delivery = insert_delivery(shell, insert_lead(shell))
    for step in WAY_TO[status]:
        move(shell, delivery, step)
    return delivery


@pytest.mark.parametrize("after", list(Status))
@pytest.mark.parametrize("before", list(Status))
def test_the_database_allows_exactly_the_moves_of_the_graph(
    shell: sqlite3.Connection, before: Status, after: Status
) -> None:
    delivery = a_delivery_in(shell, before)
    if before is after or (before, after) in allowed_moves():
        move(shell, delivery, after)
    else:
        with pytest.raises(sqlite3.IntegrityError, match="cannot go from this status"):
            move(shell, delivery, after)


@pytest.mark.parametrize("status", list(Status))
def test_the_database_knows_every_status(shell: sqlite3.Connection, status: Status) -> None:
    a_delivery_in(shell, status)
    assert shell.execute("SELECT status FROM deliveries").fetchall() == [(status.value,)]


def test_the_database_knows_no_other_status(shell: sqlite3.Connection) -> None:
    (sql,) = shell.execute("SELECT sql FROM sqlite_schema WHERE name = 'deliveries'").fetchone()
    check = re.search(r"status_is_known CHECK\s+\(CASE status(.*?)ELSE 0 END\)", sql, re.S)
    assert check
    known = re.findall(r"WHEN '(\w+)' THEN 1", check[1])
    assert set(known) == {status.value for status in Status}


def test_the_documented_graph_is_the_graph() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| `(\w+)` \|", DOCS.read_text("utf-8"), re.M)
    documented = {
        (Verb(verb), Status(before), Status(after))
        for verb, befores, after in rows
        for before in re.findall(r"`(\w+)`", befores)
    }
    assert documented == {
        (verb, before, after) for verb, moves in GRAPH.items() for before, after in moves.items()
    }


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize(
    "column",
    [
        "next_attempt_at_ms",
        "processed_at_ms",
        "lease_boot_id",
        "lease_until_boot_ms",
        "lease_owner",
    ],
)
def test_a_status_has_its_times_and_only_those(
    shell: sqlite3.Connection, status: Status, column: str
) -> None:
    delivery = a_delivery_in(shell, status)
    wrong = None if column in COMPANIONS[status] else "7"
    with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
        shell.execute(f"UPDATE deliveries SET {column} = ? WHERE id = ?", (wrong, delivery))


def test_only_a_held_delivery_has_a_hold_reason(shell: sqlite3.Connection) -> None:
    delivery = a_delivery_in(shell, Status.PENDING)
    with pytest.raises(sqlite3.IntegrityError, match="only_held_has_a_reason"):
        shell.execute("UPDATE deliveries SET hold_reason = 'x' WHERE id = ?", (delivery,))


def test_nothing_is_processed_without_a_destination(shell: sqlite3.Connection) -> None:
    delivery = insert_delivery(shell, insert_lead(shell), destination=None)
    with pytest.raises(sqlite3.IntegrityError, match="processing_has_a_destination"):
        move(shell, delivery, Status.PROCESSING, destination=None)


def test_a_claim_without_a_new_fence_is_refused(shell: sqlite3.Connection) -> None:
    delivery = a_delivery_in(shell, Status.PENDING)
    with pytest.raises(sqlite3.IntegrityError, match="each claim has a new fence"):
        shell.execute(
            "UPDATE deliveries SET status = 'processing', lease_boot_id = 'b',"
            " lease_until_boot_ms = 1, lease_owner = 'w' WHERE id = ?",
            (delivery,),
        )


def test_a_fence_never_goes_back(shell: sqlite3.Connection) -> None:
    delivery = a_delivery_in(shell, Status.FAILED)
    with pytest.raises(sqlite3.IntegrityError, match="each claim has a new fence"):
        shell.execute("UPDATE deliveries SET fence = 0 WHERE id = ?", (delivery,))


@pytest.mark.parametrize("status", [Status.PROCESSING, Status.COMPLETED, Status.FAILED])
def test_no_delivery_begins_as_tried(shell: sqlite3.Connection, status: Status) -> None:
    columns: dict[str, object] = {"next_attempt_at_ms": None, **COMPANIONS[status]}
    lead = insert_lead(shell)
    with pytest.raises(sqlite3.IntegrityError, match="begins pending or held"):
        insert_delivery(shell, lead, status=status.value, **columns)


@pytest.mark.parametrize("status", list(Status))
def test_only_settled_deliveries_can_be_deleted(shell: sqlite3.Connection, status: Status) -> None:
    delivery = a_delivery_in(shell, status)
    if status in {Status.COMPLETED, Status.CANCELLED}:
        shell.execute("DELETE FROM deliveries WHERE id = ?", (delivery,))
    else:
        with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            shell.execute("DELETE FROM deliveries WHERE id = ?", (delivery,))


def test_a_lead_with_deliveries_cannot_be_deleted(shell: sqlite3.Connection) -> None:
    a_delivery_in(shell, Status.COMPLETED)
    with pytest.raises(sqlite3.IntegrityError, match="never deleted before its deliveries"):
        shell.execute("DELETE FROM leads")


@pytest.mark.parametrize("column", ["body", "headers", "target", "method", "lead_id", "source"])
def test_what_was_accepted_never_changes(shell: sqlite3.Connection, column: str) -> None:
    insert_lead(shell)
    with pytest.raises(sqlite3.IntegrityError, match="never changes"):
        shell.execute(f"UPDATE leads SET {column} = {column}")


def test_erasing_may_overwrite_a_request(shell: sqlite3.Connection) -> None:
    insert_lead(shell)
    shell.execute("UPDATE leads SET disposition = 'erased', body = x'', headers = x'', name = ''")
    assert shell.execute("SELECT body FROM leads").fetchone() == (b"",)


def insert_deployment(shell: sqlite3.Connection, **overrides: object) -> int:
    values: dict[str, object] = {
        "destination": "crm",
        "actor": "ada",
        "note": "",
        "begun_at_ms": 1,
        "span_ms": 1,
        "until_ms": 2,
        "boot_id": "boot",
        "until_boot_ms": 2,
    } | overrides
    row = insert(shell, "deployments", values)
    assert row is not None
    return row


def test_the_database_knows_every_result_of_a_deployment_and_no_other(
    shell: sqlite3.Connection,
) -> None:
    for result in DeploymentResult:
        insert_deployment(shell, ended_at_ms=2, result=result)
    with pytest.raises(sqlite3.IntegrityError, match="result_is_known"):
        insert_deployment(shell, ended_at_ms=2, result="lost")
    with pytest.raises(sqlite3.IntegrityError, match="what_has_ended_has_a_result"):
        insert_deployment(shell, ended_at_ms=2)
    table = DOCS.read_text().partition("## Deployments")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(DeploymentResult)


def test_an_ended_deployment_never_changes_and_one_alone_is_under_way(
    shell: sqlite3.Connection,
) -> None:
    ended = insert_deployment(shell, ended_at_ms=2, result="completed")
    insert_deployment(shell)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        insert_deployment(shell)
    insert_deployment(shell, destination="erp")
    with pytest.raises(sqlite3.IntegrityError, match="never changes"):
        shell.execute("UPDATE deployments SET result = 'abandoned' WHERE id = ?", (ended,))


def test_a_term_is_whole_and_only_a_hold_has_one(shell: sqlite3.Connection) -> None:
    values = {"name": "crm", "held": 1, "hold_reason": "", "since_ms": 1}
    term: dict[str, object] = {
        "term_span_ms": 1,
        "term_until_ms": 2,
        "term_boot_id": "boot",
        "term_until_boot_ms": 2,
    }
    for wrong in [{**term, "term_boot_id": None}, {**term, "held": 0}]:
        with pytest.raises(sqlite3.IntegrityError, match="only_a_hold_has_a_whole_term"):
            insert(shell, "destination_states", {**values, **wrong})
    insert(shell, "destination_states", {**values, **term})


def test_a_lead_goes_once_to_each_destination(shell: sqlite3.Connection) -> None:
    lead = insert_lead(shell)
    for destination in ("crm", None):
        insert_delivery(shell, lead, destination=destination)
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            insert_delivery(shell, lead, destination=destination)


def test_counters_follow_whatever_a_shell_does(shell: sqlite3.Connection) -> None:
    lead = insert_lead(shell)
    first = insert_delivery(shell, lead)
    second = insert_delivery(shell, lead, destination=None)
    move(shell, first, Status.PROCESSING)
    move(shell, first, Status.COMPLETED)
    shell.execute("UPDATE deliveries SET destination = 'dialer' WHERE id = ?", (second,))
    move(shell, second, Status.CANCELLED)
    shell.execute("DELETE FROM deliveries WHERE id = ?", (second,))
    shell.execute("BEGIN")
    insert_delivery(shell, lead, destination="undone")
    shell.execute("ROLLBACK")

    kept = shell.execute("SELECT * FROM delivery_counts WHERE n <> 0").fetchall()

    counted = shell.execute(
        "SELECT ifnull(destination, ''), status, count(*) FROM deliveries GROUP BY 1, 2"
    ).fetchall()
    assert kept == counted == [("crm", "completed", 1)]


# ---------------------------------------------------------------- the view and the plans


def plan(connection: sqlite3.Connection | apsw.Connection, sql: str) -> str:
    names = set(re.findall(r":(\w+)", sql))
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", dict.fromkeys(names, 1))
    return "\n".join(str(row[3]) for row in rows)


@pytest.fixture(params=["distribution's SQLite", "our SQLite"])
def either(
    request: pytest.FixtureRequest, shell: sqlite3.Connection, database: Path
) -> Iterator[sqlite3.Connection | apsw.Connection]:
    if request.param == "our SQLite":
        connection = apsw.Connection(str(database))
        yield connection
        connection.close()
    else:
        yield shell


def test_counting_the_queue_reads_no_lead(either: sqlite3.Connection | apsw.Connection) -> None:
    steps = plan(either, "SELECT status, COUNT(*) FROM lead_queue GROUP BY status")
    assert steps == "SCAN d USING COVERING INDEX deliveries_by_status"


def test_the_queue_of_one_status_is_looked_up(
    either: sqlite3.Connection | apsw.Connection,
) -> None:
    steps = plan(either, "SELECT * FROM lead_queue WHERE status = 'pending'")
    assert "SEARCH d USING INDEX deliveries_by_status (status=?)" in steps
    assert "SCAN" not in steps.replace("SCALAR", "")


def test_the_view_shows_times_and_text(either: sqlite3.Connection | apsw.Connection) -> None:
    body = '{"name":"Zoë"}'.encode()
    either.execute(
        "INSERT INTO leads (lead_id, lead_number, source, disposition, acknowledged,"
        " quarantine_reason, received_at_ms, absorbed_at_ms, name, phone, email, vendor_lead_id,"
        " segment, group_offset, peer, method, flags, answer_status, target, headers, body)"
        " VALUES ('01234567-0123-7123-8123-0123456789ab', 1786802449123, 's', 'routed', 1, '',"
        " 1786802449123, 1, '', '', '', '', 1, 0, '', '', 0, 200, x'', x'', ?)",
        (body,),
    )
    either.execute(
        "INSERT INTO deliveries (lead, destination, status, next_attempt_at_ms, created_at_ms,"
        " updated_at_ms) VALUES (1, 'crm', 'pending', 1786802449999, 0, 1786802449050)"
    )
    found = list(
        either.execute(
            "SELECT payload, created_at, updated_at, processed_at, next_attempt_at FROM lead_queue"
        )
    )
    assert found == [
        (
            '{"name":"Zoë"}',
            "2026-08-15T14:00:49.123Z",
            "2026-08-15T14:00:49.050Z",
            None,
            "2026-08-15T14:00:49.999Z",
        )
    ]


@pytest.mark.parametrize(
    ("statement", "step"),
    [
        ("due", "deliveries_due (destination=? AND next_attempt_at_ms<?)"),
        ("due", "deliveries_due (destination=? AND next_attempt_at_ms>?)"),
        ("next_due", "deliveries_due (destination=?)"),
        ("lease", "deliveries USING INTEGER PRIMARY KEY (rowid=?)"),
        ("move_recorded", "deliveries USING INTEGER PRIMARY KEY (rowid=?)"),
        ("rescue", "deliveries_by_status (status=?)"),
        ("pick_by_status", "deliveries_by_status (status=? AND lead>? AND lead<?)"),
        ("pick_any", "deliveries_by_lead (lead>? AND lead<?)"),
        ("apply_retry", "deliveries USING INTEGER PRIMARY KEY (rowid=?)"),
        ("note_actions", "deliveries USING INTEGER PRIMARY KEY (rowid=?)"),
        ("unsettled", "deliveries_by_status (status=? AND lead>? AND lead<?)"),
        ("unrouted_deliveries", "deliveries_due (destination=?)"),
        ("highest_lead_number", "COVERING INDEX"),
        ("waiting_in_vain", "deliveries_due (destination=? AND next_attempt_at_ms>?)"),
        ("waiting_in_vain", "attempts_1 (delivery=? AND fence=?)"),
        ("hasten", "deliveries USING INTEGER PRIMARY KEY (rowid=?)"),
        ("circuit_is_shut", "circuits USING PRIMARY KEY (destination=?)"),
        ("holds_of_destination", "deployments USING INDEX deployments_under_way (destination=?)"),
        ("holds_of_destination", "destination_states USING PRIMARY KEY (name=?)"),
        ("holds_of_destination", "kept_holds USING PRIMARY KEY (destination=?)"),
        ("switched_url", "switched_urls USING PRIMARY KEY (destination=?)"),
        ("under_way", "delivery_counts USING PRIMARY KEY (destination=? AND status=?)"),
        ("backlog", "INDEX deliveries_due (destination=? AND next_attempt_at_ms<?)"),
        ("permits_used", "permits USING PRIMARY KEY (destination=? AND per_ms=?)"),
        ("has_lines", "lines USING COVERING INDEX"),
        ("next_overtaking", "lines_overtaking (destination=? AND overtakes_at_ms>?)"),
        ("out_of_patience", "lines_overtaking (destination=? AND overtakes_at_ms<?)"),
        ("out_of_patience", "places_by_patience (line=?)"),
        ("out_of_time", "lines_out_of_time (destination=? AND latest_since_ms>?)"),
        ("anybody_awaits_unknown", "places_awaiting (awaits=?)"),
        ("unresolved_places", "lead_orders_by_lead_meant (refers_to=?)"),
        ("unresolved_places", "lead_orders_by_name_meant (refers_to_name=?)"),
        ("leads_meant_by_name", "lead_orders_by_name (name=?"),
        ("claim_notices", "alert_notices USING INDEX alert_notices_unsent"),
        ("incidents", "incidents USING INTEGER PRIMARY KEY (rowid=?)"),
    ],
)
def test_no_verb_walks_a_table(database: Path, statement: str, step: str) -> None:
    migrate(database)
    connection = open_reader(database, busy_timeout_ms=100)
    steps = plan(connection, SQL[statement])
    connection.close()
    assert step in steps
    assert not re.search(r"SCAN (deliveries|leads|attempts|d|l|a)\b", steps), steps
    if statement == "due":
        assert "TEMP B-TREE" not in steps


def test_refused_leads_are_counted_from_the_index_of_them_alone(database: Path) -> None:
    migrate(database)
    connection = open_reader(database, busy_timeout_ms=100)
    steps = plan(connection, SQL["refused"])
    connection.close()
    assert re.findall(r"(?:SCAN|SEARCH) deliveries .*", steps) == [
        "SCAN deliveries USING INDEX deliveries_to_mend"
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "insert_lead",
        "insert_delivery",
        "due",
        "lease",
        "standing",
        "insert_attempt",
        "move_recorded",
    ],
)
def test_what_runs_for_each_lead_builds_no_table_of_its_own(database: Path, statement: str) -> None:
    migrate(database)
    connection = open_reader(database, busy_timeout_ms=100)
    sql = SQL[statement]
    named = dict.fromkeys(re.findall(r":(\w+)", sql), 1)
    steps = connection.execute(f"EXPLAIN {sql}", named or (1,) * sql.count("?")).fetchall()
    connection.close()
    codes = {step[1] for step in steps}
    assert "Program" in codes or statement in {"due", "standing", "insert_attempt", "insert_lead"}
    assert not codes & {"OpenEphemeral", "OpenAutoindex", "SorterOpen"}


@pytest.mark.parametrize(
    ("statement", "walks"),
    [
        ("leads_by_segment", "leads USING INDEX leads_for_the_ledger"),
        ("leads_of_segment", "leads_for_the_ledger (segment=?)"),
        ("leads_of_groups", "leads_for_the_ledger (segment=?)"),
        ("absorbed_leads", "leads_for_the_ledger (segment=?)"),
        ("leads_set_aside", "leads_set_aside (disposition=?)"),
        ("leads_by_urgency", "deliveries_by_status (status=?)"),
        ("leads_by_urgency", "deliveries_by_status (status=? AND lead=?)"),
        ("leads_not_in_any_delivery", "COVERING INDEX deliveries_by_lead"),
        ("leads_without_delivery", "COVERING INDEX leads_by_time"),
        ("whereabouts", "leads_1 (lead_id=?)"),
    ],
)
def test_counting_leads_walks_indexes(database: Path, statement: str, walks: str) -> None:
    migrate(database)
    connection = open_reader(database, busy_timeout_ms=100)
    steps = plan(connection, SQL[statement])
    connection.close()
    assert walks in steps, steps
    assert not re.search(r"SCAN (deliveries|leads|d|l)$", steps, re.MULTILINE), steps
