"""What PostgreSQL itself guarantees, whoever writes: the same as SQLite's file does."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from leadkeep.models import Contact, Selection
from leadkeep.states import GRAPH, Status, Verb
from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.opening import open_postgres
from leadkeep.store.postgres.store import PostgresStore
from leadkeep.store.sqlite.store import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.postgres import Cluster
from tests.store.builders import a_batch, a_lead, a_quarantined_lead, an_outcome

EVERYTHING = Selection(everything=True)
ONLY_SQLITE = {"lines": {"stirred"}}
"""Columns by which SQLite's triggers call each other; here they are functions."""

AS_IN = {
    Status.PENDING: "status = 'pending', next_attempt_at_ms = 1",
    Status.PROCESSING: (
        "status = 'processing', next_attempt_at_ms = 1, fence = fence + 1, lease_boot_id = 'b', "
        "lease_until_boot_ms = 1, lease_owner = 'w'"
    ),
    Status.COMPLETED: "status = 'completed', processed_at_ms = 1",
    Status.FAILED: "status = 'failed'",
    Status.HELD: "status = 'held'",
    Status.CANCELLED: "status = 'cancelled'",
}
BLANK = {
    "next_attempt_at_ms": "NULL",
    "lease_boot_id": "NULL",
    "lease_until_boot_ms": "NULL",
    "lease_owner": "NULL",
    "processed_at_ms": "NULL",
    "hold_reason": "''",
}


@pytest.fixture
async def url(cluster: Cluster) -> str:
    """A migrated database."""
    return await cluster.new_database()


@pytest.fixture
async def store(url: str, clock: FakeClock) -> AsyncIterator[PostgresStore]:
    """The store in it."""
    opened = await open_postgres(Target(url), clock=clock, migrates=False)
    yield opened
    await opened.close()


@pytest.fixture
async def shell(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody's own connection."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


def set_to(status: Status) -> str:
    wanted = AS_IN[status]
    rest = ", ".join(f"{name} = {value}" for name, value in BLANK.items() if name not in wanted)
    return f"UPDATE deliveries SET {wanted}{', ' if rest else ''}{rest}"


async def refused(shell: asyncpg.Connection, sql: str) -> bool:
    """Whether the database refuses a statement; whatever it did is undone."""
    transaction = shell.transaction()
    await transaction.start()
    try:
        await shell.execute(sql)
    except asyncpg.IntegrityConstraintViolationError:
        return True
    finally:
        await transaction.rollback()
    return False


async def test_the_database_allows_exactly_the_moves_of_the_graph(
    store: PostgresStore, shell: asyncpg.Connection
) -> None:
    await store.absorb(a_batch(a_lead()))
    allowed = {(before, after) for moves in GRAPH.values() for before, after in moves.items()} | {
        (status, status) for status in Status
    }
    # A claim needs a new fence also from itself: that is no move.
    for before, after in itertools.product(Status, Status):
        outer = shell.transaction()
        await outer.start()
        await shell.execute("SET session_replication_role = replica")  # no triggers: just there
        await shell.execute(set_to(before))
        await shell.execute("SET session_replication_role = origin")
        assert await refused(shell, set_to(after)) is ((before, after) not in allowed), (
            before,
            after,
        )
        await outer.rollback()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE deliveries SET status = 'lost'",
        "UPDATE deliveries SET next_attempt_at_ms = NULL",
        "UPDATE deliveries SET hold_reason = 'why'",
        "UPDATE deliveries SET lease_owner = 'w'",
        "UPDATE deliveries SET fence = -1",
        "DELETE FROM deliveries",
        "DELETE FROM leads",
        "UPDATE leads SET body = 'x'",
        "UPDATE leads SET lead_number = lead_number + 1",
        "INSERT INTO deliveries (lead, lead_id, destination, status, next_attempt_at_ms, "
        "created_at_ms, updated_at_ms) SELECT lead, lead_id, destination, status, 1, 1, 1 "
        "FROM deliveries",
        "INSERT INTO deliveries (lead, lead_id, destination, status, created_at_ms, updated_at_ms) "
        "SELECT lead, lead_id, 'other', 'failed', 1, 1 FROM deliveries",
    ],
)
async def test_the_database_refuses_nonsense(
    store: PostgresStore, shell: asyncpg.Connection, sql: str
) -> None:
    await store.absorb(a_batch(a_lead()))
    assert await refused(shell, sql)


async def test_erasing_may_overwrite_a_request(
    store: PostgresStore, shell: asyncpg.Connection
) -> None:
    await store.absorb(a_batch(a_lead()))
    assert not await refused(shell, "UPDATE leads SET disposition = 'erased', body = ''")


async def test_counters_follow_whatever_a_shell_does(
    store: PostgresStore, shell: asyncpg.Connection
) -> None:
    await store.absorb(a_batch(a_lead(), a_lead(), a_quarantined_lead()))
    await shell.execute("UPDATE deliveries SET destination = 'crm' WHERE status = 'pending'")
    await store.apply(Verb.CANCEL, EVERYTHING, reason="", actor="ada")
    await shell.execute("DELETE FROM deliveries WHERE destination = 'crm'")
    assert (await store.counts())[Status.CANCELLED] == 1
    flaws = await store.flaws()
    assert [flaw for flaw in flaws if "counter" in flaw] == []
    await shell.execute("UPDATE delivery_count_changes SET n = n + 1")
    assert [flaw for flaw in await store.flaws() if "counter" in flaw]


async def test_the_view_and_the_tables_have_what_sqlites_have(
    store: PostgresStore, sqlite_store: SqliteStore, database: Path
) -> None:
    listed = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    _, tables = await sqlite_store.query(listed, limit=100)
    for (table,) in [*tables, ("lead_queue",)]:
        if table == "schema_migrations":
            continue
        wanted, _ = await sqlite_store.query(f"SELECT * FROM {table}", limit=1)
        found, _ = await store.query(f"SELECT * FROM {table}", limit=1)
        missing = set(wanted) - set(found)
        assert missing == ONLY_SQLITE.get(table, set()), table
        if table == "lead_queue":
            assert found == wanted


async def test_both_views_show_the_same_of_the_same_lead(
    store: PostgresStore, sqlite_store: SqliteStore
) -> None:
    batch = a_batch(a_lead(), a_quarantined_lead())
    shown = []
    for one in (sqlite_store, store):
        await one.absorb(batch)
        (claim,) = await one.claim(
            "default", limit=1, lease_ms=1_000, longest_wait_ms=900_000, worker="w"
        )
        await one.record([an_outcome(claim)])
        columns, rows = await one.query("SELECT * FROM lead_queue ORDER BY id", limit=9)
        shown.append([dict(zip(columns, row, strict=True)) for row in rows])
    assert shown[0] == shown[1]


async def test_a_body_that_is_no_text_is_shown_escaped(store: PostgresStore) -> None:
    await store.absorb(a_batch(a_lead(body=b"\xff\xfeno\x00text")))
    _, rows = await store.query("SELECT payload FROM lead_queue", limit=1)
    assert rows == [("\\377\\376no\\000text",)]


async def test_a_nul_is_kept_in_bytes_and_shown_in_texts(store: PostgresStore) -> None:
    lead = a_lead(
        body=b"a\x00b",
        target=b"/x\x00y",
        payload_text="a\x00b",
        contact=Contact(name="A\x00da", phone="", email=""),
    )
    await store.absorb(a_batch(lead))
    shown = await store.lead(str(lead.record.lead_number))
    assert (shown.body, shown.target) == (b"a\x00b", b"/x\x00y")
    assert (shown.payload_text, shown.contact.name) == ("a\u2400b", "A\u2400da")
