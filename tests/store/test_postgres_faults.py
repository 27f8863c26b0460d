"""A server that hangs, dies or is cut off: the caller is told in time, and nothing is half done."""

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from leadkeep.errors import StoreError, StoreUnavailable, StoreUncertain
from leadkeep.models import Selection
from leadkeep.states import Status
from leadkeep.store.engine.session import Session
from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.opening import open_postgres
from leadkeep.store.postgres.store import PostgresStore
from tests.fakes.postgres import Cluster
from tests.store.builders import a_batch, a_lead, an_outcome
from tests.store.cutting_proxy import CuttingProxy

EVERYTHING = Selection(everything=True)


@pytest.fixture
async def target(cluster: Cluster) -> Target:
    """A database, and little patience with it."""
    return Target(
        await cluster.new_database(),
        connect_seconds=1.0,
        statement_ms=500,
        look_ms=500,
        lock_ms=200,
    )


@pytest.fixture
async def store(target: Target) -> AsyncIterator[PostgresStore]:
    """A store in that database."""
    opened = await open_postgres(target, migrates=False)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def durable() -> Iterator[Cluster]:
    """A server that syncs, and may be crashed."""
    with Cluster(durable=True) as server:
        yield server


def note(session: Session) -> None:
    """Any change of one statement."""
    session.change(
        "note_destination_action",
        {"destination": "crm", "actor": "ada", "verb": "x", "reason": "", "now_ms": 1},
    )


async def notes(store: PostgresStore) -> int:
    _, rows = await store.query("SELECT count(*) FROM actions", limit=1)
    return int(rows[0][0])


async def test_a_server_that_hangs_is_given_up_in_time_and_used_again_later(
    cluster: Cluster, store: PostgresStore
) -> None:
    await store.absorb(a_batch(a_lead()))
    cluster.signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(30):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await store.absorb(a_batch(a_lead()))
            with pytest.raises(StoreUnavailable):
                await store.counts()
            with pytest.raises(StoreUnavailable):  # nor does it take a new connection
                await store.counts()
    finally:
        cluster.signal(signal.SIGCONT)
    assert (await store.absorb(a_batch(a_lead()))).absorbed == 1
    assert await store.flaws() == []


async def test_a_session_that_is_killed_amid_a_transaction_leaves_nothing_of_it(
    cluster: Cluster, target: Target, store: PostgresStore
) -> None:
    tries = []

    def killed(session: Session) -> None:
        tries.append(1)
        note(session)
        asyncio.run(cluster.kill_sessions(target.url, saying="INSERT INTO actions"))
        note(session)

    with pytest.raises(StoreUnavailable):
        await store._writer.transact(killed)
    assert tries
    assert await notes(store) == 0


async def test_a_connection_that_was_closed_while_idle_is_opened_anew(
    cluster: Cluster, target: Target, store: PostgresStore
) -> None:
    await store.absorb(a_batch(a_lead()))
    assert await cluster.kill_sessions(target.url)
    assert (await store.absorb(a_batch(a_lead()))).absorbed == 1
    assert (await store.counts())[Status.PENDING] == 2


async def test_what_was_absorbed_outlasts_a_crash_and_what_comes_after_it_is_absorbed(
    durable: Cluster,
) -> None:
    url = await durable.new_database()
    store = await open_postgres(Target(url, connect_seconds=1.0), migrates=False)
    try:
        batch = a_batch(a_lead(), a_lead())
        await store.absorb(batch)
        durable.stop()
        with pytest.raises(StoreUnavailable):
            await store.absorb(a_batch(a_lead()))
        durable.start()
        assert not (await store.absorb(batch)).moved
        assert (await store.absorb(a_batch(a_lead()))).absorbed == 1
        assert await store.lead_count() == 3
        assert await store.flaws() == []
    finally:
        await store.close()


async def test_a_commit_whose_answer_is_lost_is_uncertain_and_repeating_it_does_nothing_twice(
    cluster: Cluster,
) -> None:
    url = await cluster.new_database()
    with CuttingProxy(cluster.folder / ".s.PGSQL.5432", after=b"COMMIT") as proxy:
        through = Target(url.replace(str(cluster.folder), str(proxy.folder)))
        store = await open_postgres(through, migrates=False)
        try:
            batch = a_batch(a_lead())
            proxy.cut = True
            with pytest.raises(StoreUncertain):
                await store.absorb(batch)
            proxy.cut = False
            assert not (await store.absorb(batch)).moved
            assert await store.lead_count() == 1
        finally:
            await store.close()


async def test_who_waits_too_long_for_another_gives_up(
    target: Target, store: PostgresStore
) -> None:
    await store.absorb(a_batch(a_lead()))
    (claim,) = await store.claim(
        "default", limit=1, lease_ms=60_000, longest_wait_ms=900_000, worker="w"
    )
    locked, done = threading.Event(), threading.Event()

    def hold_the_row(session: Session) -> None:
        session.keep_still("lock_deliveries_of_lead", {"lead": 1})
        locked.set()
        done.wait(30)

    patient = await open_postgres(target._replace(statement_ms=30_000), migrates=False)
    holding = asyncio.create_task(patient._writer.transact(hold_the_row))
    try:
        await asyncio.to_thread(locked.wait, 30)
        with pytest.raises(StoreUnavailable, match="in the way"):
            await store.record([an_outcome(claim)])
    finally:
        done.set()
        await holding
        await patient.close()
    assert [one.status for one in await store.record([an_outcome(claim)])] == [Status.COMPLETED]


class LocksTwo:
    """Locks one lead's deliveries and then another's; at the first try only once both have one."""

    def __init__(self, first: int, second: int, both: threading.Barrier) -> None:
        self._leads = (first, second)
        self._both = both
        self.tries = 0

    def __call__(self, session: Session) -> None:
        self.tries += 1
        session.keep_still("lock_deliveries_of_lead", {"lead": self._leads[0]})
        if self.tries == 1:
            self._both.wait(30)
        session.keep_still("lock_deliveries_of_lead", {"lead": self._leads[1]})


async def test_two_that_wait_for_each_other_both_get_through(target: Target) -> None:
    store = await open_postgres(
        target._replace(statement_ms=30_000, lock_ms=30_000), migrates=False
    )
    try:
        await store.absorb(a_batch(a_lead(), a_lead()))
        both = threading.Barrier(2)
        one, other = LocksTwo(1, 2, both), LocksTwo(2, 1, both)
        await asyncio.gather(store._writer.transact(one), store._writer.transact(other))
        assert sorted((one.tries, other.tries)) == [1, 2]
    finally:
        await store.close()


async def test_a_mistake_inside_a_transaction_is_told_and_undone(store: PostgresStore) -> None:
    def wrong(session: Session) -> None:
        note(session)
        session.rows("lead_by_id", {"ref": "no id at all, but somebody's secret"})

    with pytest.raises(StoreError) as caught:
        await store._writer.transact(wrong)
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert await notes(store) == 0


async def test_a_database_that_is_not_there_is_told(cluster: Cluster) -> None:
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="no such database"):
        await open_postgres(Target(cluster.url("nowhere")))
    nobody = cluster.url("x").replace(str(cluster.folder), "/nonexistent")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await open_postgres(Target(nobody))
    assert time.monotonic() - began < 60
