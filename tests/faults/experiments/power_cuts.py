"""Power cuts: the device keeps what was flushed, and of the rest the sectors that chance picks."""

import itertools
import random
import sqlite3
import time
from functools import partial
from pathlib import Path

from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.faulty_disk import faulty_disk, why_not_here
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge, settle
from tests.faults.rig.plain_queue import PlainQueue
from tests.faults.rig.vendors import Vendors

CUTS = 4
VENDORS = 4


def cut_under_load(folder: Path, seed: int, *, careless: str = "") -> Findings:
    """Cut the power of a whole installation several times while vendors post."""
    chance = random.Random(seed)
    settings = {"journal.segment_bytes": '"12 MiB"'}
    with (
        Brain() as brain,
        faulty_disk(folder / "disk") as disk,
        Installation(
            folder, brain, FAULTY, data=disk.mounted / "data", settings=settings
        ) as installation,
    ):
        numbers = itertools.count(1)
        answered: list[int] = []
        posted = 0
        for cut in range(CUTS):
            installation.faults = {"boot_id": f"{seed}-{cut}", "careless": careless}
            installation.start()
            if chance.random() < 0.5:
                # Then the journal alone has the leads.
                installation.freeze("worker")
            vendors = Vendors(VENDORS, installation.port, numbers)
            time.sleep(chance.uniform(0.1, 0.8))
            disk.lose_power()
            answered += vendors.stop()
            posted += vendors.posted
            installation.abandon()
            disk.power_on(chance.choice([None, chance.randrange(2**32)]))
        installation.faults = {"boot_id": f"{seed}-end"}
        settle(installation)
        return judge(installation, brain, answered, posted=posted, faults=CUTS)


PLAIN = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute(f"PRAGMA synchronous={sys.argv[2]}")
db.execute("CREATE TABLE IF NOT EXISTS leads (number INTEGER PRIMARY KEY)")
number = db.execute("SELECT ifnull(max(number), 0) FROM leads").fetchone()[0]
while True:
    number += 1
    db.execute("INSERT INTO leads VALUES (?)", (number,))
    print(number, flush=True)
"""
"""What one would write in an afternoon: a commit for each lead, then the answer."""


def cut_a_plain_queue(folder: Path, seed: int, *, synchronous: str) -> Findings:
    """The same for a queue in SQLite alone."""
    chance = random.Random(seed)
    with faulty_disk(folder / "disk") as disk:
        store = disk.mounted / "plain.db"
        with PlainQueue(PLAIN, str(store), synchronous, said=folder / "said") as queue:
            queue.wait_for_answers()
            time.sleep(chance.uniform(0.2, 0.8))
            queue.wait_for_answers()  # So that it is not just writing back, and flushing.
            disk.lose_power()
        answered = queue.answered()
        disk.power_on(None)
        db = sqlite3.connect(store)
        try:
            kept = {number for (number,) in db.execute("SELECT number FROM leads")}
        except sqlite3.OperationalError:
            kept = set()  # Not even the table was on the disk.
        finally:
            db.close()
    return Findings(
        rounds=1,
        faults=1,
        posted=len(answered),
        answered=len(answered),
        lost=len(answered - kept),
    )


EXPERIMENT = Experiment(
    name="power-cuts",
    claim="A power cut at any moment loses no lead that was answered 2xx.",
    fault="power cuts",
    run=cut_under_load,
    controls=(
        Control("the door does not sync", partial(cut_under_load, careless="never syncs")),
        Control(
            "a queue in SQLite with synchronous=NORMAL",
            partial(cut_a_plain_queue, synchronous="NORMAL"),
        ),
    ),
    why_not_here=why_not_here,
    long_rounds=125,
)
