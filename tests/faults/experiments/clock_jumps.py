"""Wall time jumps by a day and by ten years, forwards and back, over kills, restarts and boots."""

import itertools
import random
import time
from functools import partial
from pathlib import Path

from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge, settle
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until

DAY = 86_400
JUMPS = (DAY, -DAY, 3_650 * DAY, -3_650 * DAY)
LIVES = 2
VENDORS = 2
# Leads have to be tried over the jumps: a breaker would soon let none be.
SETTINGS = {"destinations.brain.breaker.enabled": "false"}


def jump_under_load(folder: Path, seed: int, *, careless: str = "") -> Findings:
    """Jump while leads are tried in vain and leases are held, and while nothing runs."""
    chance = random.Random(seed)
    clock = folder / "clock"
    clock.write_text("0")
    numbers = itertools.count(1)
    answered: list[int] = []
    posted = jumps = 0
    shift = 0
    with Brain() as brain, Installation(folder, brain, FAULTY, settings=SETTINGS) as installation:
        for life in range(LIVES):
            installation.faults = {
                "boot_id": f"{seed}-{life // chance.choice([1, 2])}",
                "clock_file": str(clock),
                "careless": careless,
            }
            brain.status = 503  # So that every lead has a first try before the clock jumps.
            installation.start()
            vendors = Vendors(VENDORS, installation.port, numbers)
            _wait_for_tries(installation)
            for _ in range(2):
                time.sleep(chance.uniform(0.1, 0.3))
                # Ten years forwards at least once: the jump that makes everything look old.
                shift += JUMPS[2] if jumps == 0 else chance.choice(JUMPS)
                _set(clock, shift)
                jumps += 1
                _wait_for_tries(installation)
            installation.abandon()
            answered += vendors.stop()
            posted += vendors.posted
            shift += chance.choice(JUMPS)
            _set(clock, shift)
            jumps += 1
        installation.faults["boot_id"] = f"{seed}-end"
        installation.start()
        _wait_for_tries(installation)  # In vain, after the last jump.
        installation.abandon()
        brain.status = 200
        settle(installation)
        return judge(installation, brain, answered, posted=posted, faults=jumps)


def _set(clock: Path, shift: int) -> None:
    """At one moment: whoever reads it meanwhile reads the time before or the time after."""
    new = clock.with_suffix(".new")
    new.write_text(str(shift))
    new.replace(clock)


def _wait_for_tries(installation: Installation) -> None:
    """Until leads that were tried before have been tried again, some more of them than now."""
    wait_until("the store exists", installation.store.exists)
    wait_until("it can be asked", lambda: bool(installation.rows(_TABLE)))
    before = _tries_again(installation)
    wait_until("leads are tried again", lambda: _tries_again(installation) > before + VENDORS)


_TABLE = "SELECT 1 FROM sqlite_schema WHERE name = 'attempts'"


def _tries_again(installation: Installation) -> int:
    ((tries,),) = installation.rows("SELECT COUNT(*) FROM attempts WHERE attempt > 1")
    return int(tries)


EXPERIMENT = Experiment(
    name="clock-jumps",
    claim="Whatever the wall clock does, no lead expires, none is stuck, and no number is given "
    "twice.",
    fault="jumps",
    run=jump_under_load,
    controls=(
        Control("ages are believed", partial(jump_under_load, careless="believes the clock")),
    ),
    long_rounds=50,
)
