"""Whatever is killed, and whenever: an answered lead is stored once and delivered at least once."""

import itertools
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.installation.rig import Brain, Installation, Vendor, Verdict, wait_until

CARELESS = (sys.executable, "-P", str(Path(__file__).with_name("careless_leadkeep.py")))
VENDORS = 4
VICTIMS = [
    ("intake",),
    ("worker",),
    ("intake", "worker"),
    ("supervisor",),
    ("supervisor", "intake", "worker"),
]


@pytest.fixture
def brain() -> Iterator[Brain]:
    made = Brain()
    yield made
    made.shutdown()
    made.server_close()


def kill_under_load(installation: Installation, brain: Brain, kills: int, seed: int) -> Verdict:
    """Post, kill and restart; then let everything be delivered and compare the records."""
    chance = random.Random(seed)
    installation.start()
    numbers = itertools.count(1)
    vendors = [Vendor(installation.port, numbers) for _ in range(VENDORS)]
    for turn in range(kills):
        time.sleep(chance.uniform(0.1, 0.6))
        installation.kill(*VICTIMS[turn % len(VICTIMS)])
    time.sleep(0.3)
    answered = [number for vendor in vendors for number in vendor.stop()]
    wait_until("the store exists", installation.store.exists)
    wait_until("all is delivered", lambda: not installation.waiting())
    installation.stop()
    installation.process_queue()
    wait_until("all is delivered", lambda: not installation.waiting())
    return Verdict(answered, installation, brain)


@pytest.mark.timeout(240)
def test_random_kills_of_every_process_lose_no_answered_lead(tmp_path: Path, brain: Brain) -> None:
    installation = Installation(tmp_path, brain)
    try:
        verdict = kill_under_load(installation, brain, kills=10, seed=20261123)
    finally:
        installation.abandon()
    assert verdict.answered > 200
    assert verdict.lost == []
    assert verdict.twice == []
    assert verdict.changed == []
    assert verdict.undelivered == []


@pytest.mark.timeout(240)
def test_control_a_door_that_answers_before_the_commit_is_caught(
    tmp_path: Path, brain: Brain
) -> None:
    installation = Installation(tmp_path, brain, program=CARELESS)
    try:
        verdict = kill_under_load(installation, brain, kills=5, seed=20261123)
    finally:
        installation.abandon()
    assert verdict.lost != []
