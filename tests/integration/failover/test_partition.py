"""Nodes in networks of their own, one of which loses sight of the database."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.postgres import Cluster
from tests.faults.rig.brain import Brain
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until
from tests.integration.failover.namespaces import Network, network
from tests.integration.inbox.judged import judged

PORT = 8080
"""Of each door: each has a machine to itself."""


@pytest.fixture
def net() -> Iterator[Network]:
    with network() as made:
        yield made


def node(folder: Path, brain: Brain, url: str, net: Network) -> tuple[Installation, str, str]:
    """A node on a machine of its own; also its namespace and its address."""
    machine, address = net.add()
    settings = {
        "intake.listen": f'["{address}:{PORT}"]',
        "store.url": f'"{url}"',
        "store.connect_timeout_ms": "1000",
        "store.statement_timeout_ms": "2000",
        "journals": f'["store", "disk:{folder / "journal"}"]',
        "journal.deadline_ms": "300",
        "destinations.brain.private_networks": "true",
    }
    one = Installation(folder, brain, ("ip", "netns", "exec", machine, *FAULTY), settings=settings)
    one.faults = {"node": folder.name}
    return one, machine, address


@pytest.mark.root
@pytest.mark.timeout(240)
def test_a_node_that_loses_sight_of_the_database_loses_no_lead(
    tmp_path: Path, net: Network
) -> None:
    with (
        Cluster(durable=True, listens=net.database) as cluster,
        Brain(net.address) as brain,
    ):
        url = asyncio.run(cluster.new_database(migrated=False))
        seen = f"postgresql://leadkeep@{net.database}:5432/{url.split('/')[3].split('?')[0]}"
        nodes = [node(tmp_path / name, brain, seen, net) for name in "abc"]
        with nodes[0][0], nodes[1][0], nodes[2][0]:
            numbers = itertools.count(1)
            for one, _, _ in nodes:
                one.start()
            vendors = [Vendors(1, PORT, numbers, host=address) for _, _, address in nodes]
            for some in vendors:
                some.wait_for_answers(50)
            parted, machine, _ = nodes[0]
            net.part(machine, net.database)
            for some in vendors:
                some.wait_for_answers(100)
            passed_over = "a journal is passed over"
            wait_until("it is noticed", lambda: passed_over in (tmp_path / "a/log").read_text())
            net.join(machine, net.database)
            for some in vendors:
                some.wait_for_answers(50)
            answered = [number for some in vendors for number in some.stop()]
            assert [some.refused + some.unanswered for some in vendors] == [[], [], []]
            judged(parted, brain, answered, url)
            # What was under way when it lost sight, and no more, was delivered twice.
            assert sum(count - 1 for count in brain.received.values()) <= 2 * 16
