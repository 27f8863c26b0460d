"""Taken again and again while leads pour in and processes die, the ledger never cries wolf."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadkeep import app
from leadkeep.recovery.ledger import Ledger
from leadkeep.states import LeadClass
from tests.faults.rig.brain import Brain
from tests.faults.rig.installation import Installation
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until

VENDORS = 4
ROUNDS = 12
VICTIMS = [(), ("worker",), (), ("intake",), (), ("intake", "worker")]
"""A worker archives when it starts, so each kill moves segments; a door begins new ones."""


@pytest.fixture
def installation(tmp_path: Path, brain: Brain) -> Iterator[Installation]:
    settings = {"journal.segment_bytes": '"2MiB"', "intake.max_body_bytes": '"64KiB"'}
    with Installation(tmp_path, brain, settings=settings) as made:
        yield made


def taken(installation: Installation) -> Ledger:
    settings = app.load_settings(installation.config, {"data": str(installation.folder / "data")})
    return asyncio.run(app.ledger(settings))


@pytest.mark.timeout(240)
def test_beside_a_running_installation_nothing_is_ever_unexplained(
    installation: Installation,
) -> None:
    chance = random.Random(20261124)
    installation.start()
    vendors = Vendors(VENDORS, installation.port, itertools.count(1))
    received = [0]
    for turn in range(ROUNDS):
        time.sleep(chance.uniform(0.05, 0.2))
        if VICTIMS[turn % len(VICTIMS)]:
            installation.kill(*VICTIMS[turn % len(VICTIMS)])
        for _ in range(3):
            ledger = taken(installation)
            assert ledger.problems == ()
            assert ledger.notes == ()
            received.append(ledger.received)
    answered = vendors.stop()
    wait_until("the store exists", installation.store.exists)
    wait_until("all is absorbed", lambda: taken(installation).not_absorbed == 0)
    wait_until("all is delivered", lambda: not installation.waiting())
    installation.stop()

    last = taken(installation)
    assert received == sorted(received), "what was received is received for ever"
    assert received[-1] > received[1]
    assert last.problems == ()
    # A door that was killed between commit and answer keeps a lead that nobody was told of.
    assert 200 < len(answered) <= last.received <= vendors.posted
    assert last.by_class[LeadClass.COMPLETED] == last.received
    assert installation.rows("SELECT count(*) FROM leads") == [(last.received,)]
    assert list((installation.folder / "data/archive/tallies").iterdir())
