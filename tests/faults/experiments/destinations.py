"""A destination that misbehaves in one of some forty ways, and in the end takes each lead."""

import itertools
from functools import partial
from pathlib import Path

from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge, settle
from tests.faults.rig.moody_brain import MOODS, MoodyBrain
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until

VENDORS = 2
_MOODS = tuple(MOODS)


def deliver_to_a_moody_brain(
    folder: Path, seed: int, *, leads: int, careless: str = ""
) -> Findings:
    """Every lead meets the same misbehaviour twice.

    Args:
        seed: picks the misbehaviour: so many seeds in a row go through all of them.
        leads: at least so many are answered.
    """
    settings = {
        "destinations.brain.timeout_seconds": "0.5",
        # Of a thousand leads each hangs twice: not sixteen at a time.
        "destinations.brain.concurrency": "100",
        # Each lead has to fail by itself: a breaker would let one in a minute meet it.
        "destinations.brain.breaker.enabled": "false",
    }
    with (
        MoodyBrain(_MOODS[seed % len(_MOODS)]) as brain,
        Installation(folder, brain, FAULTY, settings=settings) as installation,
    ):
        installation.faults = {"careless": careless}
        installation.start()
        vendors = Vendors(VENDORS, installation.port, itertools.count(1))
        vendors.wait_for_answers(leads)
        answered = vendors.stop()
        wait_until("they are in the store", installation.store.exists)
        wait_until("all is delivered", lambda: not installation.waiting())
        installation.stop()
        settle(installation)
        return judge(installation, brain, answered, posted=vendors.posted, faults=brain.misbehaved)


EXPERIMENT = Experiment(
    name="destinations",
    claim=f"In none of {len(MOODS)} ways in which a destination misbehaves is a lead lost.",
    fault="misbehaviours",
    run=partial(deliver_to_a_moody_brain, leads=1_000),
    short=partial(deliver_to_a_moody_brain, leads=40),
    controls=(
        Control(
            "any reply counts as success",
            partial(deliver_to_a_moody_brain, leads=20, careless="believes any reply"),
        ),
    ),
    short_rounds=3,
    long_rounds=len(MOODS),
)
