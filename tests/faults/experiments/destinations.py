"""A destination that misbehaves in one of some fifty ways, and in the end takes each lead."""

import itertools
from functools import partial
from pathlib import Path

from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge, settle
from tests.faults.rig.moody_brain import MOODS, MoodyBrain
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until
from tests.faults.rig.wayward import WAYS

VENDORS = 2
_MOODS = tuple(MOODS)
_WAYS = tuple(WAYS)
_SETTINGS = {
    "destinations.brain.timeout_seconds": "0.5",
    # Of a thousand leads each hangs twice: not sixteen at a time.
    "destinations.brain.concurrency": "100",
    # Each lead has to fail by itself: a breaker would let one in a minute meet it.
    "destinations.brain.breaker.enabled": "false",
}


def deliver(folder: Path, seed: int, *, leads: int) -> Findings:
    """Every lead meets the same misbehaviour.

    Args:
        seed: picks it: so many seeds in a row go through all of them, those of the way there last.
        leads: at least so many are answered.
    """
    number = seed % (len(_MOODS) + len(_WAYS))
    if number < len(_MOODS):
        return deliver_to_a_moody_brain(folder, _MOODS[number], leads=leads)
    return deliver_by_a_wayward_way(folder, _WAYS[number - len(_MOODS)], leads=leads)


def deliver_both(folder: Path, seed: int, *, leads: int) -> Findings:
    """One misbehaviour of each kind, for the short run."""
    return deliver_to_a_moody_brain(
        folder / "mood", _MOODS[seed % len(_MOODS)], leads=leads
    ) + deliver_by_a_wayward_way(folder, _WAYS[seed % len(_WAYS)], leads=leads)


def deliver_to_a_moody_brain(
    folder: Path, mood: str, *, leads: int, careless: str = ""
) -> Findings:
    """The destination treats each lead so twice."""
    with (
        MoodyBrain(mood) as brain,
        Installation(folder, brain, FAULTY, settings=_SETTINGS) as installation,
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


def deliver_by_a_wayward_way(folder: Path, name: str, *, leads: int) -> Findings:
    """The way to the destination fails until every lead has been tried in vain."""
    with (
        WAYS[name](folder) as way,
        Installation(
            folder, way.destination, FAULTY, settings={**_SETTINGS, **way.settings}
        ) as installation,
    ):
        installation.faults = {**way.faults}
        installation.start()
        vendors = Vendors(VENDORS, installation.port, itertools.count(1))
        vendors.wait_for_answers(leads)
        answered = vendors.stop()
        wait_until("they are in the store", installation.store.exists)
        tried = "SELECT COUNT(DISTINCT delivery) FROM attempts WHERE error_class <> ''"
        wait_until("all were tried", lambda: installation.rows(tried)[0][0] >= len(answered))
        way.mend()
        wait_until("all is delivered", lambda: not installation.waiting())
        ((failed,),) = installation.rows("SELECT COUNT(*) FROM attempts WHERE error_class <> ''")
        installation.stop()
        settle(installation)
        return judge(
            installation, way.destination, answered, posted=vendors.posted, faults=int(failed)
        )


def believe_any_reply(folder: Path, seed: int) -> Findings:
    """The same with a worker that takes every reply for a success."""
    mood = _MOODS[seed % len(_MOODS)]
    return deliver_to_a_moody_brain(folder, mood, leads=20, careless="believes any reply")


EXPERIMENT = Experiment(
    name="destinations",
    claim=f"In none of {len(MOODS) + len(WAYS)} ways in which a destination misbehaves is a lead "
    "lost.",
    fault="misbehaviours",
    run=partial(deliver, leads=1_000),
    short=partial(deliver_both, leads=40),
    controls=(Control("any reply counts as success", believe_any_reply),),
    short_rounds=3,
    long_rounds=len(MOODS) + len(WAYS),
)
