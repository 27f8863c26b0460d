"""Nodes that share one PostgreSQL: each has its own door and journal, and any delivers for all."""

import asyncio
import http.client
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.fakes.postgres import Cluster
from tests.faults.rig.brain import Brain
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.waiting import wait_until


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server that syncs, as one in use does."""
    with Cluster(durable=True) as server:
        yield server


@pytest.fixture
def brain() -> Iterator[Brain]:
    with Brain() as made:
        yield made


@pytest.fixture
def url(cluster: Cluster) -> str:
    """An empty database."""
    return asyncio.run(cluster.new_database(migrated=False))


def node(folder: Path, brain: Brain, url: str) -> Installation:
    return Installation(folder, brain, settings={"store.url": f'"{url}"'})


def post(installation: Installation, number: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=10)
    connection.request("POST", "/hooks/lqf", f'{{"number": {number}}}'.encode())
    assert connection.getresponse().status == 200
    connection.close()


def all_of(brain: Brain, leads: range) -> bool:
    return set(leads) <= set(brain.received)


def test_a_lead_posted_to_a_node_on_postgresql_is_delivered_and_shown(
    tmp_path: Path, brain: Brain, url: str
) -> None:
    with node(tmp_path, brain, url) as one:
        one.start()
        post(one, 1)
        wait_until("it is delivered", lambda: all_of(brain, range(1, 2)))
        wait_until("it is recorded", lambda: one.status()[1]["counts"]["completed"] == 1)
        (lead,) = one.done("leads", "list")
        shown = one.done("leads", "show", str(lead["lead_number"]))
        assert shown["deliveries"][0]["status"] == "completed"
        assert one.risks() == ""
        assert one.unexplained() == 0
        assert one.done("migrate")["migrations"] == []
        assert one.done("sql", "SELECT status FROM lead_queue") == [{"status": "completed"}]
        for words in (["backup", str(tmp_path / "copy")], ["rebuild", "--yes"]):
            refused = one.command(*words)
            assert refused.returncode == 2
            assert "PostgreSQL" in refused.stderr
            assert "hint: " in refused.stderr


def test_a_node_that_dies_leaves_its_claims_to_another(
    tmp_path: Path, brain: Brain, url: str
) -> None:
    brain.status = 503
    with node(tmp_path / "a", brain, url) as one, node(tmp_path / "b", brain, url) as other:
        one.start()
        other.start()
        for number in range(1, 21):
            post(one if number % 2 else other, number)
        wait_until("both have absorbed", lambda: sum(other.status()[1]["counts"].values()) == 20)
        one.abandon()
        brain.status = 200
        wait_until("the other delivers all", lambda: all_of(brain, range(1, 21)))
        wait_until("all is recorded", lambda: other.status()[1]["counts"]["completed"] == 20)
        assert max(brain.received.values()) <= 2


def test_the_ledger_of_one_node_knows_what_came_from_another_ones_disk(
    tmp_path: Path, brain: Brain, url: str
) -> None:
    nodes = []
    for name in ("a", "b"):
        one = Installation(tmp_path / name, brain, FAULTY, settings={"store.url": f'"{url}"'})
        one.faults = {"node": f"node-{name}"}
        nodes.append(one)
    with nodes[0] as one, nodes[1] as other:
        one.start()
        other.start()
        for number in range(1, 11):
            post(one if number % 2 else other, number)
        wait_until("both have absorbed", lambda: sum(other.status()[1]["counts"].values()) == 10)
        for ledger in (node.done("ledger") for node in nodes):
            assert ledger["unexplained"] == 0
            assert ledger["total"]["received"] == 10
            assert len(ledger["notes"]) == 1
        assert "node-a" in other.done("ledger")["notes"][0]
        assert other.command("verify").returncode == 0
        logged = (tmp_path / "a" / "log").read_text() + (tmp_path / "b" / "log").read_text()
        assert "a journal segment is not there" not in logged
        # What the store has lost of it is a riddle here as well.
        asyncio.run(_lose_one(url))
        assert other.unexplained() > 0


async def _lose_one(url: str) -> None:
    """Take a lead that came from node-a out of the store, behind its back."""
    connection = await asyncpg.connect(url)
    try:
        for table in ("deliveries", "leads"):
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        lead = await connection.fetchval(
            "SELECT max(l.id) FROM leads AS l JOIN segments AS s ON s.id = l.segment "
            "WHERE s.journal LIKE '%node-a'"
        )
        await connection.execute(
            "DELETE FROM attempts WHERE delivery IN (SELECT id FROM deliveries WHERE lead = $1)",
            lead,
        )
        await connection.execute("DELETE FROM deliveries WHERE lead = $1", lead)
        await connection.execute("DELETE FROM leads WHERE id = $1", lead)
    finally:
        await connection.close()


def test_the_door_takes_leads_while_the_database_is_gone_and_they_are_delivered_after(
    tmp_path: Path, brain: Brain, url: str, cluster: Cluster
) -> None:
    with node(tmp_path, brain, url) as one:
        one.start()
        post(one, 1)
        wait_until("the first is delivered", lambda: all_of(brain, range(1, 2)))
        cluster.stop()
        try:
            for number in range(2, 6):
                post(one, number)
            code, told = one.status()
            assert code == 3, told
        finally:
            cluster.start()
        wait_until("the others are delivered", lambda: all_of(brain, range(1, 6)))


def test_a_worker_that_starts_before_its_database_waits_for_it(
    tmp_path: Path, brain: Brain, url: str, cluster: Cluster
) -> None:
    cluster.stop()
    with node(tmp_path, brain, url) as one:
        try:
            one.start(["intake"])
            post(one, 1)
        finally:
            cluster.start()
        wait_until("it is delivered", lambda: all_of(brain, range(1, 2)))
