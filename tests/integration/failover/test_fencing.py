"""A worker that was thought dead reports late: what others have done since is not undone."""

import asyncio
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.fakes.postgres import Cluster
from tests.faults.rig.brain import Brain
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.leads import payload
from tests.faults.rig.waiting import wait_until

LEADS = range(1, 11)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(durable=True) as server:
        yield server


@pytest.fixture
def url(cluster: Cluster) -> str:
    """An empty database."""
    return asyncio.run(cluster.new_database(migrated=False))


def redelivered(folder: Path, url: str, *, careless: str = "") -> int:
    """Leads that were delivered again after the late reports, though somebody had confirmed them.

    Args:
        careless: of both nodes, and of the database: without it its triggers refuse such a move.
    """
    settings = {"store.url": f'"{url}"', "destinations.brain.breaker.enabled": "false"}
    with (
        Brain() as brain,
        Installation(folder / "a", brain, FAULTY, settings=settings) as hangs,
        Installation(folder / "b", brain, FAULTY, settings=settings) as other,
    ):
        for one in (hangs, other):
            one.faults = {"node": one.folder.name, "careless": careless}
        brain.gate = threading.Event()
        hangs.start()
        for number in LEADS:
            connection = http.client.HTTPConnection("127.0.0.1", hangs.port, timeout=10)
            connection.request("POST", "/hooks/lqf", payload(number))
            assert connection.getresponse().status == 200
            connection.close()
        wait_until("all are under way", lambda: brain.waiting == len(LEADS))
        hangs.freeze("worker")
        gate, brain.gate = brain.gate, None
        if careless:
            asyncio.run(_let_every_move_pass(url))
        other.start()
        wait_until("another delivers them", lambda: set(LEADS) == set(brain.received))
        wait_until("it is recorded", lambda: other.status()[1]["counts"]["completed"] == len(LEADS))
        gate.set()  # Now the first worker's requests are answered 503,
        hangs.thaw("worker")  # and it hears of it.
        late = "SELECT count(*) AS n FROM attempts WHERE stale"
        wait_until("the late reports are in", lambda: other.done("sql", late)[0]["n"] == len(LEADS))
        wait_until("nothing waits", lambda: other.status()[1]["counts"]["pending"] == 0)
        assert other.status()[1]["counts"]["completed"] == len(LEADS)
        return sum(count - 1 for count in brain.received.values())


async def _let_every_move_pass(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "ALTER TABLE deliveries DISABLE TRIGGER refuse_a_move_outside_the_graph"
        )
    finally:
        await connection.close()


def test_a_late_report_undoes_nothing(tmp_path: Path, url: str) -> None:
    assert redelivered(tmp_path, url) == 0


def test_control_without_a_fence_leads_are_delivered_twice(tmp_path: Path, url: str) -> None:
    assert redelivered(tmp_path, url, careless="knows no fence") > 0
