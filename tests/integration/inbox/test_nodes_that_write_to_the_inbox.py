"""Whole nodes whose first journal is the database: disks thrown away, databases that hang."""

import asyncio
import itertools
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.fakes.postgres import Cluster
from tests.faults.rig.brain import Brain
from tests.faults.rig.installation import Installation
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until
from tests.integration.inbox.judged import judged


@pytest.fixture
def brain() -> Iterator[Brain]:
    with Brain() as made:
        yield made


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    """An empty database; its server goes on when the test ends, whatever it suffered."""
    yield asyncio.run(cluster.new_database(migrated=False))
    cluster.signal(signal.SIGCONT)


def node(folder: Path, brain: Brain, url: str, *, disk: bool = True) -> Installation:
    journals = ["store", f"disk:{folder / 'journal'}"] if disk else ["store"]
    settings = {"store.url": f'"{url}"', "journals": str(journals), "journal.deadline_ms": "300"}
    return Installation(folder, brain, settings=settings)


def sql(one: Installation, statement: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = one.done("sql", statement)
    return found


def in_inbox(one: Installation) -> int:
    """Groups that are in the inbox, beside each segment's first block."""
    (row,) = sql(one, "SELECT count(*) AS n FROM inbox WHERE begins > 0")
    return int(str(row["n"]))


def test_a_node_whose_disk_is_thrown_away_loses_nothing(
    tmp_path: Path, brain: Brain, url: str
) -> None:
    with node(tmp_path / "a", brain, url, disk=False) as one:
        one.start()
        one.freeze("worker")  # So that what it takes is nowhere but in the inbox.
        vendors = Vendors(2, one.port, itertools.count(1))
        vendors.wait_for_answers(100)
        one.abandon()
        answered = vendors.stop()
        shutil.rmtree(tmp_path / "a")
    with node(tmp_path / "b", brain, url, disk=False) as other:
        other.start()
        judged(other, brain, answered, url)


def test_a_database_that_hangs_holds_up_no_vendor(
    tmp_path: Path, brain: Brain, url: str, cluster: Cluster
) -> None:
    with node(tmp_path, brain, url) as one:
        one.start()
        vendors = Vendors(2, one.port, itertools.count(1))
        vendors.wait_for_answers(50)
        cluster.signal(signal.SIGSTOP)
        vendors.wait_for_answers(200)
        cluster.signal(signal.SIGCONT)
        before = in_inbox(one)
        wait_until("the inbox is used again", lambda: in_inbox(one) > before + 20)
        answered = vendors.stop()
        assert vendors.refused == []
        assert vendors.unanswered == []
        assert "a journal is passed over" in (tmp_path / "log").read_text()
        journals = {row["journal"] for row in sql(one, "SELECT journal FROM segments")}
        assert journals == {"store", f"{tmp_path / 'journal'} on {socket.gethostname()}"}
        judged(one, brain, answered, url)


def test_without_a_disk_a_hanging_database_means_503_and_never_200(
    tmp_path: Path, brain: Brain, url: str, cluster: Cluster
) -> None:
    with node(tmp_path, brain, url, disk=False) as one:
        one.start()
        vendors = Vendors(2, one.port, itertools.count(1))
        vendors.wait_for_answers(50)
        cluster.signal(signal.SIGSTOP)
        vendors.wait_for_refusals()
        cluster.signal(signal.SIGCONT)
        vendors.wait_for_answers(50)
        answered = vendors.stop()
        judged(one, brain, answered, url)


def test_a_server_that_crashes_under_load_loses_nothing(
    tmp_path: Path, brain: Brain, url: str, cluster: Cluster
) -> None:
    with node(tmp_path, brain, url) as one:
        one.start()
        vendors = Vendors(3, one.port, itertools.count(1))
        for _ in range(3):
            vendors.wait_for_answers(60)
            cluster.stop()
            vendors.wait_for_answers(60)
            cluster.start()
        answered = vendors.stop()
        assert vendors.unanswered == []
        judged(one, brain, answered, url)


def test_doors_and_workers_of_several_nodes_share_one_inbox(
    tmp_path: Path, brain: Brain, url: str
) -> None:
    nodes = [node(tmp_path / name, brain, url, disk=False) for name in "abc"]
    with nodes[0], nodes[1], nodes[2]:
        for one in nodes:
            one.start()
        numbers = itertools.count(1)
        vendors = [Vendors(1, one.port, numbers) for one in nodes]
        for some in vendors:
            some.wait_for_answers(50)
        nodes[0].kill("worker")
        for some in vendors:
            some.wait_for_answers(50)
        answered = [number for some in vendors for number in some.stop()]
        judged(nodes[1], brain, answered, url)
        doors = sql(nodes[1], "SELECT DISTINCT lead_number / 100000000 AS range FROM leads")
        assert len(doors) == 3  # Each has its own lead numbers.


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("fsync = off", "fsync off"),
        ("full_page_writes = off", "full_page_writes off"),
        ("synchronous_commit = off", "synchronous_commit off"),
        ("synchronous_standby_names = 'nobody'\nsynchronous_commit = local", "none is connected"),
    ],
)
def test_status_says_plainly_what_a_200_is_worth(
    tmp_path: Path, brain: Brain, setting: str, words: str
) -> None:
    with Cluster(durable=True, settings=f"{setting}\n") as careless:
        its = asyncio.run(careless.new_database())
        one = node(tmp_path, brain, its)
        code, told = one.status()
        assert code == 3
        assert [reason["what"] for reason in told["reasons"] if words in reason["what"]]
        assert told["a_200_is_worth"].startswith("A 200 is on the database's disk alone")


def test_a_database_that_may_lose_leads_is_told_by_mail(tmp_path: Path, brain: Brain) -> None:
    with Cluster(durable=True, settings="fsync = off\n") as careless:
        its = asyncio.run(careless.new_database())
        with node(tmp_path, brain, its) as one:
            one.start()
            wait_until("it is an incident", lambda: bool(_undurable(one)))
            (incident,) = _undurable(one)
            assert "fsync off" in str(incident)


def _undurable(one: Installation) -> list[dict[str, object]]:
    found = one.done("alerts", "list")
    return [each for each in found if each["kind"] == "durability"]


def test_status_names_what_stays_in_the_inbox_for_good(
    tmp_path: Path, brain: Brain, url: str
) -> None:
    with node(tmp_path, brain, url) as one:
        one.start()
        wait_until("it is safe", lambda: one.risks() == "")
        aside = (
            "INSERT INTO inbox_segments (segment, slot, door, sealed_at, kept_because) VALUES "
            "('00000000-0000-4000-8000-000000000001', -1, 'a', now(), 'damaged at offset 8192')"
        )
        asyncio.run(_done(url, aside))
        assert "accepted leads may be damaged" in one.risks()
        assert "damaged at offset 8192" in one.risks()


async def _done(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_status_finds_nothing_wrong_with_a_database_that_syncs(
    tmp_path: Path, brain: Brain, url: str
) -> None:
    with node(tmp_path, brain, url) as one:
        one.start()
        wait_until("it is safe", lambda: one.risks() == "")
        told = one.status()[1]
        assert "while the database is away, on that of its door" in told["a_200_is_worth"]
