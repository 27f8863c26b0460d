"""The store is locked, slow, frozen, read-only, damaged, held by a long reader: the door must not
notice, and what was answered must arrive."""

import contextlib
import itertools
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.experiments.store_damage import DAMAGES, an_old_page, damage_the_store
from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.faulty_disk import FaultyDisk, faulty_disk, why_not_here
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge, settle
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until

_VENDORS = 3
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
    disk.freeze()
    try:
        yield
    finally:
        disk.thaw()


@contextlib.contextmanager
def _stopped(installation: Installation, disk: FaultyDisk) -> Iterator[None]:
    """The worker hangs."""
    installation.freeze("worker")
    try:
        yield
    finally:
        installation.thaw("worker")


@contextlib.contextmanager
def _read_only(installation: Installation, disk: FaultyDisk) -> Iterator[None]:
    """Somebody mounts it read-only, in the moment in which a new worker begins."""
    installation.signal("worker", signal.SIGKILL)
    wait_until("it is read-only", disk.make_read_only)
    try:
        yield
    finally:
        disk.make_writable()


@contextlib.contextmanager
def _broken(installation: Installation, disk: FaultyDisk) -> Iterator[None]:
    """Its file system finds errors, makes itself read-only under the worker, and is repaired."""
    disk.find_errors()
    try:
        yield
    finally:
        disk.repair()


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
    "read-only": _read_only,
    "broken": _broken,
}


def settings_for(disk: FaultyDisk) -> dict[str, str]:
    """Those of an installation whose store alone is on that disk."""
    return {"store.path": f'"{disk.mounted / "leadkeep.db"}"'}


def trouble_the_store(folder: Path, seed: int) -> Findings:
    """Every request is answered 2xx meanwhile, and everything is absorbed and delivered afterwards.

    Args:
        seed: picks the trouble: so many seeds in a row go through all of them.
    """
    chance = random.Random(seed)
    # By turns, so that two seeds in a row try one of each kind.
    turn, is_damage = divmod(seed % (2 * len(TROUBLES)), 2)
    if is_damage:
        return damage_the_store(folder, DAMAGES[turn % len(DAMAGES)], chance)
    return _trouble(folder, [*TROUBLES.values()][turn], chance)


def _trouble(
    folder: Path, trouble: Trouble, chance: random.Random, *, journal_too: bool = False
) -> Findings:
    """One trouble.

    Args:
        journal_too: the control: journal and store share their fate.
    """
    with contextlib.ExitStack() as resources:
        brain = resources.enter_context(Brain())
        disk = resources.enter_context(faulty_disk(folder / "disk"))
        installation = resources.enter_context(
            Installation(
                folder,
                brain,
                FAULTY,
                data=disk.mounted / "data" if journal_too else None,
                settings=settings_for(disk),
            )
        )
        installation.start()
        vendors = Vendors(_VENDORS, installation.port, itertools.count(1))
        time.sleep(chance.uniform(0.2, 0.6))
        with trouble(installation, disk):
            time.sleep(_SECONDS)
        time.sleep(0.3)
        answered = vendors.stop()
        wait_until("all is delivered", lambda: not installation.waiting())
        installation.stop()
        settle(installation)
        posted = vendors.posted
        failed = posted - len(answered)
        return judge(installation, brain, answered, posted=posted, faults=1, failed=failed)


def freeze_everything(folder: Path, seed: int) -> Findings:
    """The control: a journal on the store's own disk hangs with it."""
    return _trouble(folder, _frozen, random.Random(seed), journal_too=True)


def trust_a_damaged_store(folder: Path, seed: int) -> Findings:
    """The control: whoever starts anew believes that a file that was damaged is whole again."""
    careless = "goes on with a damaged store"
    return damage_the_store(folder, an_old_page, random.Random(seed), careless=careless)


EXPERIMENT = Experiment(
    name="store-troubles",
    claim="Whatever happens to the store, every request is answered 2xx, and what was answered "
    "arrives; after damage, once a person has it rebuilt.",
    fault="troubles",
    run=trouble_the_store,
    controls=(
        Control("the journal lies on the store's disk, which hangs", freeze_everything),
        Control("a store that was found damaged is trusted again", trust_a_damaged_store),
    ),
    why_not_here=why_not_here,
    short_rounds=2,
    long_rounds=20 * len(TROUBLES),
    long_control_rounds=2,
)
