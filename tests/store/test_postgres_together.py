"""Several nodes at one PostgreSQL: one claim wins, a hold holds, counters stay exact."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from leadkeep.models import Rate, Selection
from leadkeep.states import Status
from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.listening import Listener
from leadkeep.store.postgres.opening import open_postgres
from leadkeep.store.postgres.store import PostgresStore
from tests.fakes.postgres import Cluster
from tests.store.builders import a_batch, a_lead, an_outcome
from tests.store.processes import run_together

EVERYTHING = Selection(everything=True)
NODES = 4


@pytest.fixture
async def url(cluster: Cluster) -> str:
    """A migrated database."""
    return await cluster.new_database()


@pytest.fixture
async def nodes(url: str) -> AsyncIterator[list[PostgresStore]]:
    """One database, opened as several nodes do, by the database's own clock."""
    target = Target(url)
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(NODES):
            opened.append(await open_postgres(target, migrates=False))
            stack.push_async_callback(opened[-1].close)
        yield opened


async def claimed(store: PostgresStore, limit: int = 10, rates: tuple[Rate, ...] = ()) -> list[int]:
    claims = await store.claim(
        "default",
        limit=limit,
        lease_ms=60_000,
        longest_wait_ms=900_000,
        worker="w",
        rates=rates,
    )
    return [claim.delivery_id for claim in claims]


async def test_processes_that_claim_at_once_never_get_the_same_delivery(url: str) -> None:
    store = await open_postgres(Target(url), migrates=False)
    try:
        await store.absorb(a_batch(*(a_lead() for _ in range(400))))
        said = await asyncio.to_thread(
            run_together,
            "tests.store.claimer_on_postgres",
            [(url, f"worker-{number}") for number in range(3)],
        )
        given = [delivery for one in said for delivery in one]
        assert len(given) == 400
        assert len(set(given)) == 400
        assert (await store.counts())[Status.COMPLETED] == 400
        assert await store.flaws() == []
    finally:
        await store.close()


async def test_nothing_is_claimed_once_a_hold_has_returned(nodes: list[PostgresStore]) -> None:
    person, *workers = nodes
    await person.absorb(a_batch(*(a_lead() for _ in range(300))))
    held = asyncio.Event()
    late: list[list[int]] = []

    async def claim_on(store: PostgresStore) -> None:
        while True:
            was_held = held.is_set()
            found = await claimed(store, limit=1)
            if was_held:
                late.append(found)
                return

    async with asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(claim_on(worker))
        await claimed(person)
        await person.hold_destination("default", reason="", actor="ada")
        held.set()
    assert late == [[], [], []]


async def test_a_rate_is_kept_by_all_nodes_together(nodes: list[PostgresStore]) -> None:
    await nodes[0].absorb(a_batch(*(a_lead() for _ in range(100))))
    rate = Rate(count=5, per_ms=3_600_000)
    found = await asyncio.gather(*(claimed(node, limit=3, rates=(rate,)) for node in nodes * 3))
    assert sum(map(len, found)) == 5


async def test_doors_that_absorb_at_once_lose_nothing_and_number_nothing_twice(
    nodes: list[PostgresStore],
) -> None:
    batches = [
        [a_batch(*(a_lead(lead_number=0, lead_id=uuid4().bytes) for _ in range(20)))] * 2
        for _ in nodes
    ]
    reports = await asyncio.gather(
        *(node.absorb(batch) for node, mine in zip(nodes, batches, strict=True) for batch in mine)
    )
    assert sum(report.absorbed for report in reports) == 20 * NODES
    assert [report.moved for report in reports].count(True) == NODES
    assert await nodes[0].lead_count() == 20 * NODES
    assert await nodes[1].flaws() == []


async def test_the_same_outcome_reported_twice_at_once_is_recorded_once(
    nodes: list[PostgresStore],
) -> None:
    await nodes[0].absorb(a_batch(a_lead()))
    (claim,) = await nodes[0].claim(
        "default", limit=1, lease_ms=60_000, longest_wait_ms=900_000, worker="w"
    )
    recorded = await asyncio.gather(*(node.record([an_outcome(claim)]) for node in nodes))
    assert {one.status for some in recorded for one in some} == {Status.COMPLETED}
    _, rows = await nodes[0].query("SELECT count(*) FROM attempts", limit=1)
    assert rows == [(1,)]


async def test_counters_stay_exact_while_their_changes_are_folded(
    nodes: list[PostgresStore],
) -> None:
    async def churn(node: PostgresStore) -> None:
        for _ in range(5):
            await node.absorb(a_batch(*(a_lead(lead_id=uuid4().bytes) for _ in range(5))))
            claims = await node.claim(
                "default", limit=5, lease_ms=60_000, longest_wait_ms=900_000, worker="w"
            )
            await node.record([an_outcome(claim) for claim in claims])
            await node.rescue()

    await asyncio.gather(*map(churn, nodes))
    await nodes[0].rescue()
    counts = await nodes[1].counts()
    assert sum(counts.values()) == 25 * NODES
    assert await nodes[2].flaws() == []
    _, rows = await nodes[3].query("SELECT count(*) FROM delivery_count_changes", limit=1)
    assert rows == [(0,)]


async def test_leases_end_by_the_databases_time_wherever_they_were_given(
    nodes: list[PostgresStore],
) -> None:
    await nodes[0].absorb(a_batch(a_lead(), a_lead()))
    for lease_ms in (1, 60_000):
        await nodes[0].claim(
            "default", limit=1, lease_ms=lease_ms, longest_wait_ms=900_000, worker="w"
        )
    await nodes[1].query("SELECT pg_sleep(0.05)", limit=1)
    assert await nodes[1].rescue() == 1


async def test_leads_of_another_node_are_heard_of_also_after_the_connection_was_lost(
    cluster: Cluster, url: str, nodes: list[PostgresStore]
) -> None:
    heard = asyncio.Event()
    stop = asyncio.Event()
    listener = Listener(Target(url), heard.set)
    running = asyncio.create_task(listener.run(stop))
    try:
        async with asyncio.timeout(30):
            await listener.listens.wait()
            heard.clear()
            await nodes[0].absorb(a_batch(a_lead()))
            await heard.wait()
            await cluster.kill_sessions(url, saying="LISTEN")
            heard.clear()
            await heard.wait()  # it listens again, and looks what came meanwhile
            heard.clear()
            await nodes[0].absorb(a_batch(a_lead()))
            await heard.wait()
    finally:
        stop.set()
        await running
