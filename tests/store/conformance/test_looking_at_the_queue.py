"""Lists, one lead, counters and a person's own SQL tell the truth and change nothing."""

import pytest

from leadkeep.errors import NotFound, UsageError
from leadkeep.models import Selection
from leadkeep.states import Status, Verb
from leadkeep.store.base import Store
from tests.fakes.clock import FakeClock
from tests.store.builders import (
    RECEIVED_AT_US,
    a_batch,
    a_lead,
    a_quarantined_lead,
    a_record,
    an_outcome,
    an_unrouted_lead,
)

EVERYTHING = Selection(everything=True)


async def test_every_status_has_a_count(store: Store) -> None:
    assert await store.counts() == dict.fromkeys(Status, 0)


async def test_destinations_show_their_depth_and_their_oldest_lead(store: Store) -> None:
    old, new = RECEIVED_AT_US - 9_000_000, RECEIVED_AT_US
    await store.absorb(
        a_batch(
            a_lead(received_at_us=old),
            a_lead(received_at_us=new),
            a_lead(destinations=("crm",), received_at_us=new),
            an_unrouted_lead(received_at_us=new),
        )
    )
    await store.hold_destination("later", reason="not yet", actor="ada")

    views = {view.name: view for view in await store.destinations()}

    assert set(views) == {"", "crm", "default", "later"}
    assert views["default"].counts[Status.PENDING] == 2
    assert views["default"].oldest_waiting_at_ms == old // 1_000
    assert views["crm"].oldest_waiting_at_ms == new // 1_000
    assert views["later"].held
    assert views["later"].oldest_waiting_at_ms is None

    (claim,) = await store.claim("default", limit=1, lease_ms=9, longest_wait_ms=9, worker="w")
    views = {view.name: view for view in await store.destinations()}
    assert views["default"].oldest_waiting_at_ms == old // 1_000
    await store.record([an_outcome(claim)])
    views = {view.name: view for view in await store.destinations()}
    assert views["default"].oldest_waiting_at_ms == new // 1_000


async def test_pages_go_from_the_newest_to_the_oldest_without_gaps(store: Store) -> None:
    await store.absorb(a_batch(*(a_lead(destinations=("crm", "dialer")) for _ in range(5))))
    seen: list[int] = []
    after = None
    while page := await store.find(EVERYTHING, limit=3, after=after):
        seen += [one.delivery_id for one in page]
        after = seen[-1]
    assert len(seen) == len(set(seen)) == 10
    assert seen == sorted(seen, reverse=True)


async def test_pages_show_deliveries_made_later_beside_their_lead_once(store: Store) -> None:
    await store.absorb(a_batch(an_unrouted_lead(), a_lead(), a_lead()))
    await store.adopt_unrouted(["crm", "dialer"])
    seen: list[int] = []
    while page := await store.find(EVERYTHING, limit=1, after=seen[-1] if seen else None):
        seen += [one.delivery_id for one in page]
        assert len(seen) <= 4
    assert seen == [3, 2, 4, 1]


async def test_pages_over_several_statuses_are_one_list(store: Store) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(9))))
    claims = await store.claim("default", limit=6, lease_ms=9, longest_wait_ms=9, worker="w")
    await store.record([an_outcome(claim) for claim in claims[::2]])
    wanted = Selection(statuses=(Status.PENDING, Status.COMPLETED))
    first = await store.find(wanted, limit=4)
    rest = await store.find(wanted, limit=9, after=first[-1].delivery_id)
    ids = [one.delivery_id for one in first + rest]
    assert ids == [9, 8, 7, 5, 3, 1]


async def test_an_empty_selection_finds_nothing(store: Store) -> None:
    await store.absorb(a_batch(a_lead()))
    assert await store.find(Selection(), limit=5) == []


async def test_leads_are_found_by_id_and_by_number(store: Store) -> None:
    first, second, third = a_record(), a_record(), a_record()
    await store.absorb(a_batch(*(a_lead(record=one) for one in (first, second, third))))
    lead_id = (await store.lead(str(first.lead_number))).lead_id
    found = await store.find(
        Selection(refs=(lead_id.upper(), str(third.lead_number), "9999999999999")), limit=5
    )
    assert [one.lead_number for one in found] == [third.lead_number, first.lead_number]


async def test_refs_and_statuses_hold_together(store: Store) -> None:
    record = a_record()
    await store.absorb(a_batch(a_lead(record=record)))
    refs = (str(record.lead_number),)
    assert await store.find(Selection(refs=refs, statuses=(Status.FAILED,)), limit=5) == []
    pending = Selection(refs=refs, statuses=(Status.PENDING,))
    assert len(await store.find(pending, limit=5)) == 1


@pytest.mark.parametrize("ref", ["", "12", "not-an-id", "0198c0de", "' OR 1=1 --", "9" * 14])
async def test_a_ref_of_another_shape_is_refused(store: Store, ref: str) -> None:
    with pytest.raises(UsageError):
        await store.lead(ref)
    with pytest.raises(UsageError):
        await store.find(Selection(refs=(ref,)), limit=5)


async def test_a_lead_that_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.lead("1786802449123")
    with pytest.raises(NotFound):
        await store.lead("0198c0de-0000-7000-8000-000000000000")


async def test_a_window_of_time_has_a_start_and_an_end(store: Store) -> None:
    seconds = [0, 10, 20, 30]
    await store.absorb(
        a_batch(*(a_lead(received_at_us=RECEIVED_AT_US + s * 1_000_000) for s in seconds))
    )
    start = RECEIVED_AT_US // 1_000

    async def ages(window: Selection) -> list[int]:
        found = await store.find(window, limit=9)
        return sorted((one.received_at_ms - start) // 1_000 for one in found)

    assert await ages(Selection(received_from_ms=start + 10_000)) == [10, 20, 30]
    assert await ages(Selection(received_before_ms=start + 10_000)) == [0]
    assert await ages(
        Selection(received_from_ms=start + 10_000, received_before_ms=start + 20_000)
    ) == [10]
    assert await ages(Selection(received_from_ms=start + 99_000)) == []


async def test_leads_without_destination_stand_under_the_empty_name(store: Store) -> None:
    await store.absorb(a_batch(a_lead(), an_unrouted_lead(), a_quarantined_lead()))
    nowhere = await store.find(Selection(destinations=("",)), limit=9)
    assert [one.destination for one in nowhere] == [None, None]
    only = await store.find(Selection(destinations=("default",)), limit=9)
    assert [one.destination for one in only] == ["default"]


async def test_the_three_queries_of_the_queue_work_as_written(
    store: Store, clock: FakeClock
) -> None:
    record = a_record(body=b'{"x":1}')
    await store.absorb(a_batch(a_lead(record=record), a_lead(), a_lead()))
    claims = await store.claim("default", limit=2, lease_ms=9, longest_wait_ms=9, worker="w")
    await store.record([an_outcome(claims[0], Status.FAILED), an_outcome(claims[1])])

    columns, pending = await store.query(
        "SELECT * FROM lead_queue WHERE status = 'pending'", limit=10
    )
    _, failed = await store.query("SELECT * FROM lead_queue WHERE status = 'failed'", limit=10)
    _, counted = await store.query(
        "SELECT status, COUNT(*) FROM lead_queue GROUP BY status", limit=10
    )

    assert columns[:11] == [
        "id",
        "payload",
        "source",
        "status",
        "attempts",
        "error_message",
        "processed_at",
        "created_at",
        "updated_at",
        "lead_name",
        "phone",
    ]
    assert len(pending) == 1
    row = dict(zip(columns, failed[0], strict=True))
    assert row["payload"] == '{"x":1}'
    assert row["source"] == "default"
    assert row["attempts"] == 1
    assert row["error_message"] == "the destination answered 503"
    assert row["processed_at"] is None
    assert row["created_at"] == "2026-08-15T14:00:49.123Z"
    assert row["lead_name"] == "Ada Example"
    assert row["phone"] == "+16145550142"
    assert row["lead_number"] == record.lead_number
    assert sorted(counted) == [("completed", 1), ("failed", 1), ("pending", 1)]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM leads",
        "UPDATE deliveries SET status = 'completed'",
        "INSERT INTO actions VALUES (1, 2, '', '', 1, '', '')",
        "DROP TABLE leads",
        "PRAGMA journal_mode = DELETE",
        "ATTACH 'other.db' AS other",
        "BEGIN IMMEDIATE",
        "VACUUM",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM leads",
        "SELEKT 1",
        "SELECT ?",
        "SELECT * FROM no_such_table",
        "",
        "-- nothing",
    ],
)
async def test_a_statement_that_is_wrong_or_would_write_is_refused(store: Store, sql: str) -> None:
    await store.absorb(a_batch(a_lead()))
    with pytest.raises(UsageError):
        await store.query(sql, limit=10)
    assert (await store.counts())[Status.PENDING] == 1


async def test_a_query_gives_its_columns_even_without_rows_and_at_most_its_limit(
    store: Store,
) -> None:
    assert await store.query("SELECT id, lead FROM deliveries", limit=5) == (["id", "lead"], [])
    await store.absorb(a_batch(*(a_lead() for _ in range(9))))
    _, rows = await store.query("SELECT id FROM deliveries", limit=4)
    assert len(rows) == 4


async def test_looking_goes_on_while_a_long_query_runs(store: Store) -> None:
    await store.absorb(a_batch(*(a_lead() for _ in range(20))))
    assert await store.apply(Verb.HOLD, EVERYTHING, reason="", actor="ada") == 20
    _, rows = await store.query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
        "SELECT count(*) FROM n, lead_queue",
        limit=1,
    )
    assert rows == [(20_000,)]
