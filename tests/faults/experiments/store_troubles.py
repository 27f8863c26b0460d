"""The store is locked, slow, frozen, held by a long reader; the door must not notice."""

import contextlib
import itertools
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tests.faults.experiments.kills import FAULTY
from tests.faults.installation.rig import Brain, Installation, wait_until
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.faulty_disk import FaultyDisk, faulty_disk, why_not_here
from tests.faults.rig.judging import Vendors, judge, settle

VENDORS = 3
_SECONDS = 1.5

Trouble = Callable[[Installation, FaultyDisk], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def _locked(installation: Installation, disk: FaultyDisk) -> Iterator[None]:
    """Somebody else writes, and does not end."""
    db = sqlite3.connect(installation.store, isolation_level=None, timeout=10)
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")
    finally:
        db.close()


@contextlib.contextmanager
def _read_at_length(installation: Installation, disk: FaultyDisk) -> Iterator[None]:
    """Somebody reads without end: the write-ahead log can only grow."""
    db = sqlite3.connect(f"file:{installation.store}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute("BEGIN")
        db.execute("SELECT COUNT(*) FROM leads").fetchall()
        yield
    finally:
        db.close()


@contextlib.contextmanager
def _frozen(installation: Installation, disk: FaultyDisk) -> Iterator[None]:
    """Its file system hangs."""
    subprocess.run(["fsfreeze", "-f", disk.mounted], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "-u", disk.mounted], check=True)


@contextlib.contextmanager
def _stopped(installation: Installation, disk: FaultyDisk) -> Iterator[None]:
    """The worker hangs."""
    installation.freeze("worker")
    try:
        yield
    finally:
        installation.signal("worker", signal.SIGCONT)


@contextlib.contextmanager
def _slow(installation: Installation, disk: FaultyDisk) -> Iterator[None]:
    """Each flush takes half a second."""
    disk.be_slow(0.5)
    try:
        yield
    finally:
        disk.be_slow(0)


TROUBLES: dict[str, Trouble] = {
    "locked": _locked,
    "read at length": _read_at_length,
    "frozen": _frozen,
    "the worker stopped": _stopped,
    "slow": _slow,
}


def trouble_the_store(folder: Path, seed: int, *, journal_too: bool = False) -> Findings:
    """Every request is answered 2xx meanwhile, and everything is absorbed and delivered afterwards.

    Args:
        seed: picks the trouble: so many seeds in a row go through all of them.
        journal_too: the control: journal and store share their fate.
    """
    chance = random.Random(seed)
    trouble = [*TROUBLES.values()][seed % len(TROUBLES)]
    brain = Brain()
    try:
        with faulty_disk(folder / "disk") as disk:
            installation = Installation(
                folder,
                brain,
                FAULTY,
                data=disk.mounted / "data" if journal_too else None,
                settings={"store.path": f'"{disk.mounted / "leadkeep.db"}"'},
            )
            try:
                installation.start()
                vendors = Vendors(VENDORS, installation.port, itertools.count(1))
                time.sleep(chance.uniform(0.2, 0.6))
                with trouble(installation, disk):
                    time.sleep(_SECONDS)
                time.sleep(0.3)
                answered, posted = vendors.stop()
                wait_until("all is delivered", lambda: not installation.waiting())
                installation.stop()
                settle(installation)
                found = judge(installation, brain, answered, posted=posted, faults=1)
                return msgspec.structs.replace(found, failed=posted - len(answered))
            finally:
                installation.abandon()
    finally:
        brain.shutdown()
        brain.server_close()


def freeze_everything(folder: Path, seed: int) -> Findings:
    """The control: a journal on the store's own disk hangs with it."""
    return trouble_the_store(folder, [*TROUBLES].index("frozen"), journal_too=True)


EXPERIMENT = Experiment(
    name="store-troubles",
    claim="Whatever happens to the store, every request is answered 2xx, and absorbing resumes.",
    fault="troubles",
    run=trouble_the_store,
    controls=(Control("the journal lies on the store's disk, which hangs", freeze_everything),),
    why_not_here=why_not_here,
    short_rounds=2,
    long_rounds=10 * len(TROUBLES),
    long_control_rounds=2,
)
