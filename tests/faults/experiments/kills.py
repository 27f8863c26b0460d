"""SIGKILL of every process, at named points and at random, while vendors post."""

import itertools
import random
import time
from functools import partial
from pathlib import Path

from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.faulty_leadkeep import POINTS
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge, settle
from tests.faults.rig.vendors import Vendors

LIVES = 3
"""Times that the whole installation is started in one round."""
KILLS = 4
"""Kills from outside in one life without a named point."""
VENDORS = 4
VICTIMS = [
    ("intake",),
    ("worker",),
    ("intake", "worker"),
    ("supervisor",),
    ("supervisor", "intake", "worker"),
]


def kill_under_load(folder: Path, seed: int, *, careless: str = "") -> Findings:
    """Kill, restart and kill again; each life of the installation ends with all of it killed."""
    chance = random.Random(seed)
    numbers = itertools.count(1)
    answered: list[int] = []
    posted = kills = 0
    with Brain() as brain, Installation(folder, brain, FAULTY) as installation:
        for life in range(LIVES):
            at_a_point = life > 0 and not careless
            installation.faults = {"careless": careless}
            if at_a_point:
                installation.faults |= {
                    "die_at": chance.choice([*POINTS]),
                    "die_after": chance.randint(3, 40),
                }
            installation.start()
            vendors = Vendors(VENDORS, installation.port, numbers)
            if at_a_point:
                time.sleep(chance.uniform(1.0, 2.5))
            else:
                for _ in range(KILLS):
                    time.sleep(chance.uniform(0.1, 0.5))
                    victims = chance.choice(VICTIMS)
                    kills += len(victims)
                    installation.kill(*victims)
            kills += installation.abandon()
            answered += vendors.stop()
            posted += vendors.posted
        settle(installation)
        # A restart that no kill from outside explains was a death at the named point.
        kills = max(kills, installation.restarts)
        return judge(installation, brain, answered, posted=posted, faults=kills)


EXPERIMENT = Experiment(
    name="kills",
    claim="SIGKILL of any process at any moment loses no lead that was answered 2xx.",
    fault="kills",
    run=kill_under_load,
    controls=(
        Control("the door answers first", partial(kill_under_load, careless="answers first")),
    ),
    long_rounds=100,
)
