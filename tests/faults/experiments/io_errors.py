"""Transient I/O errors of the disk, on write and on flush, and then a power cut."""

import itertools
import random
import sqlite3
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.faulty_disk import FaultyDisk, faulty_disk, why_not_here
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge, settle
from tests.faults.rig.plain_queue import PlainQueue
from tests.faults.rig.vendors import Vendors

ERRORS = 6
VENDORS = 4


def fail_then_cut(
    folder: Path, seed: int, *, careless: str = "", what: str | None = None
) -> Findings:
    """Errors on the disk of everything, of the journal or of the store; then a power cut.

    Args:
        what: stands on the failing disk; None: chance picks it.
    """
    chance = random.Random(seed)
    what = what or chance.choice(["everything", "everything", "journal", "store"])
    with ExitStack() as resources:
        brain = resources.enter_context(Brain())
        disk = resources.enter_context(faulty_disk(folder / "disk"))
        data = disk.mounted if what == "everything" else folder
        journals = [str((disk.mounted if what == "journal" else data) / "journal")]
        if not careless and chance.random() < 0.5:
            journals.append(str(folder / "second-journal"))
        store = (disk.mounted if what == "store" else data) / "leadkeep.db"
        settings = {
            "store.path": f'"{store}"',
            "journal.segment_bytes": '"12 MiB"',
            "journal.folders": str(journals),
        }
        installation = resources.enter_context(
            Installation(folder, brain, FAULTY, data=data / "data", settings=settings)
        )
        installation.faults = {"boot_id": f"{seed}-1", "careless": careless}
        installation.start()
        if careless or chance.random() < 0.5:
            # Then the journal alone has the leads.
            installation.freeze("worker")
        vendors = Vendors(VENDORS, installation.port, itertools.count(1))
        time.sleep(0.3)
        for _ in range(ERRORS):
            disk.fail(**{chance.choice(["writes", "flushes"]): 1})
            time.sleep(chance.uniform(0.05, 0.3))
        disk.lose_power()
        answered = vendors.stop()
        installation.abandon()
        disk.power_on(None)
        installation.faults = {"boot_id": f"{seed}-2"}
        settle(installation)
        return judge(installation, brain, answered, posted=vendors.posted, faults=ERRORS)


APPENDING = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
number = 0
while True:
    number += 1
    os.write(fd, b"%016d" % number + bytes(4080))
    try:
        os.fdatasync(fd)
    except OSError:
        os.fdatasync(fd)  # Once more, and its success is believed.
    print(number, flush=True)
"""
SQLITE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE IF NOT EXISTS leads (number INTEGER PRIMARY KEY)")
number = 0
failures = 0
while failures < 100:  # Then its file system allows no more writes.
    number += 1
    try:
        db.execute("INSERT INTO leads VALUES (?)", (number,))
    except sqlite3.OperationalError:
        failures += 1
        continue
    failures = 0
    print(number, flush=True)
"""


def fail_a_plain_queue(folder: Path, seed: int, *, program: str) -> Findings:
    """The same for what goes on in the same file after an error."""
    with faulty_disk(folder / "disk") as disk:
        store = disk.mounted / "plain"
        disk.spare_the_journal()
        with PlainQueue(program, str(store), said=folder / "said") as queue:
            queue.wait_for_answers()
            for _ in range(ERRORS):
                failed = disk.failed()
                disk.fail(writes=1)
                queue.wait_for("the error came", partial(_more_failed, disk, failed))
                queue.wait_for_answers()
            disk.lose_power()
        answered = queue.answered()
        disk.power_on(None)
        kept = _appended(store) if program is APPENDING else _inserted(store)
    return Findings(
        rounds=1,
        faults=1,
        posted=len(answered),
        answered=len(answered),
        lost=len(answered - kept),
    )


def _more_failed(disk: FaultyDisk, before: int) -> bool:
    return disk.failed() > before


def _appended(path: Path) -> set[int]:
    content = path.read_bytes()
    words = (content[at : at + 16] for at in range(0, len(content), 4096))
    return {int(word) for word in words if word.isdigit()}


def _inserted(path: Path) -> set[int]:
    db = sqlite3.connect(path)
    try:
        return {number for (number,) in db.execute("SELECT number FROM leads")}
    except sqlite3.OperationalError:
        return set()  # Not even the table was on the disk.
    finally:
        db.close()


EXPERIMENT = Experiment(
    name="io-errors",
    claim="Transient I/O errors on write and on flush, and then a power cut, lose no lead that was "
    "answered 2xx.",
    fault="injected errors",
    run=fail_then_cut,
    controls=(
        Control(
            "the journal goes on in the same file",
            partial(fail_then_cut, careless="goes on after an error", what="journal"),
        ),
        Control("a file that is appended to", partial(fail_a_plain_queue, program=APPENDING)),
        Control(
            "a queue in stock SQLite (WAL, synchronous=FULL)",
            partial(fail_a_plain_queue, program=SQLITE),
        ),
    ),
    why_not_here=why_not_here,
    long_rounds=100,
)
