"""Through PgBouncer in transaction mode, where each transaction may be on another connection."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from leadkeep.models import Rate, Selection
from leadkeep.states import Status, Verb
from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.listening import Listener
from leadkeep.store.postgres.opening import open_postgres
from leadkeep.store.postgres.store import PostgresStore
from tests.fakes.pgbouncer import PgBouncer
from tests.fakes.postgres import Cluster
from tests.store.builders import a_batch, a_lead, an_outcome

EVERYTHING = Selection(everything=True)


@pytest.fixture(scope="module")
def bouncer(cluster: Cluster) -> Iterator[PgBouncer]:
    """Two server connections for however many clients."""
    with PgBouncer(cluster, size=2) as running:
        yield running


@pytest.fixture
async def url(cluster: Cluster) -> str:
    """A database without any table."""
    return await cluster.new_database(migrated=False)


@pytest.fixture
async def stores(bouncer: PgBouncer, url: str) -> AsyncIterator[list[PostgresStore]]:
    """Two nodes at one pooled database, migrated through the pooler too."""
    target = Target(bouncer.through(url), prepares=False)
    opened = [await open_postgres(target), await open_postgres(target)]
    yield opened
    for store in opened:
        await store.close()


async def test_every_kind_of_verb_works(stores: list[PostgresStore]) -> None:
    async def churn(store: PostgresStore, worker: str) -> None:
        for _ in range(5):
            await store.absorb(a_batch(*(a_lead(lead_id=uuid4().bytes) for _ in range(4))))
            claims = await store.claim(
                "default",
                limit=4,
                lease_ms=60_000,
                longest_wait_ms=900_000,
                worker=worker,
                rates=(Rate(count=1_000, per_ms=1_000),),
            )
            await store.renew(claims, lease_ms=60_000)
            await store.record([an_outcome(claim) for claim in claims])
            await store.find(EVERYTHING, limit=5)

    await asyncio.gather(*(churn(store, f"w{n}") for n, store in enumerate(stores * 3)))
    first, second = stores
    await first.hold_destination("default", reason="", actor="ada", for_ms=60_000)
    assert [view.held for view in await second.destinations()] == [True]
    await second.resume_destination("default", actor="ada")
    await first.apply(Verb.CANCEL, EVERYTHING, reason="", actor="ada")
    assert sum((await second.counts()).values()) == 120
    assert (await second.counts())[Status.PENDING] == 0
    assert await first.flaws() == []


async def test_what_a_transaction_sets_is_not_left_to_the_next_client(
    stores: list[PostgresStore],
) -> None:
    await stores[0].counts()
    _, rows = await stores[1].query(
        "SELECT name FROM pg_settings WHERE source = 'session' AND name LIKE '%timeout'", limit=9
    )
    assert {name for (name,) in rows} <= {"statement_timeout", "lock_timeout"}


async def test_leads_are_heard_of_on_a_connection_without_the_pooler(
    stores: list[PostgresStore], url: str
) -> None:
    heard, stop = asyncio.Event(), asyncio.Event()
    listener = Listener(Target(url), heard.set)
    running = asyncio.create_task(listener.run(stop))
    try:
        async with asyncio.timeout(30):
            await listener.listens.wait()
            heard.clear()
            await stores[0].absorb(a_batch(a_lead()))
            await heard.wait()
    finally:
        stop.set()
        await running
