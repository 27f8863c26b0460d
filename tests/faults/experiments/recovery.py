"""Backed up under load and restored elsewhere; the whole store lost, and rebuilt under load.

Every lead must come back byte for byte, with what was proved to be delivered as completed and
nothing else; and until a person lets it go, nothing may be delivered that may have been before.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge
from tests.faults.rig.recovering import completed, let_go, nothing_is_under_way, unasked
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until

_VENDORS = 3
_SETTINGS = {"journal.segment_bytes": '"2 MiB"', "intake.max_body_bytes": '"512 KiB"'}
_FILLING = 1_000
"""Of leads of 2 KB, so that segments go to the archive while vendors post."""


class _Running(NamedTuple):
    """An installation under load."""

    here: Installation
    brain: Brain
    vendors: Vendors
    chance: random.Random

    def stop(self) -> list[int]:
        """Let vendors end, all be delivered, and Leadkeep end; the answered leads."""
        answered = self.vendors.stop()
        wait_until("all is delivered", lambda: set(answered) <= set(self.brain.received))
        wait_until("it is recorded", lambda: not self.here.waiting())
        self.here.stop()
        return answered


def _restore_elsewhere(running: _Running) -> Findings:
    """A backup under load comes back in another folder; what came after it is not in it."""
    here, brain, vendors = running.here, running.brain, running.vendors
    if running.chance.random() < 0.5:
        # Some have not been delivered when the backup is made.
        brain.status = 503
        vendors.wait_for_answers()
    before = vendors.answered
    made = here.done("backup", str(here.folder / "backup"))
    brain.status = 200
    vendors.wait_for_answers()
    running.stop()
    assert made["findings"] == []
    with Installation(here.folder / "elsewhere", brain, FAULTY, settings=_SETTINGS) as there:
        there.done("restore", str(here.folder / "backup"))
        received = brain.received.copy()
        there.process_queue()
        by_itself = unasked(there, received, brain.received)
        assert there.done("verify")["ok"]
        let_go(there)
        found = judge(there, brain, before, posted=vendors.posted, faults=1)
    return found + Findings(unasked=by_itself)


def _lose_the_store(running: _Running, *, careless: str = "") -> Findings:
    """The store is gone; the door goes on; a rebuild brings everything back."""
    here, brain, vendors = running.here, running.brain, running.vendors
    if running.chance.random() < 0.5:
        brain.status = 503  # What waits may have been delivered, as far as a rebuild knows.
        vendors.wait_for_answers()
    here.stop()
    proved = completed(here)
    _remove_the_store(here)
    received = brain.received.copy()
    brain.status = 200
    here.start(("intake",))
    vendors.wait_for_answers()
    assert not here.store.exists(), "an empty one was begun"
    here.faults = {"careless": careless}
    rebuilt = here.done("rebuild")
    here.faults = {}
    here.wait_until_they_serve()
    forgotten = len(proved - completed(here))
    delivered = len(brain.received)
    wait_until("new leads are delivered", lambda: len(brain.received) > delivered + 20)
    answered = vendors.stop()
    wait_until("nothing is under way", lambda: nothing_is_under_way(here))
    here.stop()
    assert rebuilt["findings"] == []
    by_itself = unasked(here, received, brain.received)
    assert here.done("verify")["ok"]
    let_go(here)
    found = judge(here, brain, answered, posted=vendors.posted, faults=1, failed=forgotten)
    return found + Findings(unasked=by_itself)


def _lose_the_logs_end_too(running: _Running, *, careless: str = "") -> Findings:
    """The end of the log of outcomes is lost with the store: what it does not prove is held."""
    here, brain = running.here, running.brain
    answered = running.stop()
    _remove_the_store(here)
    kept = running.chance.randrange(len(answered))
    (log,) = (here.data / "archive/outcomes").glob("*.jsonl")
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:kept]))
    received = brain.received.copy()
    here.faults = {"careless": careless}
    here.done("rebuild")
    here.faults = {}
    here.process_queue()
    by_itself = unasked(here, received, brain.received)
    assert here.done("verify")["ok"]
    let_go(here)
    found = judge(here, brain, answered, posted=running.vendors.posted, faults=1)
    return found + Findings(unasked=by_itself)


def _remove_the_store(installation: Installation) -> None:
    for path in installation.store.parent.glob("leadkeep.db*"):
        path.unlink()


_LOSSES: tuple[Callable[[_Running], Findings], ...] = (
    _restore_elsewhere,
    _lose_the_store,
    _lose_the_logs_end_too,
)


@contextmanager
def _under_load(folder: Path, seed: int, leads: int) -> Iterator[_Running]:
    with Brain() as brain, Installation(folder, brain, FAULTY, settings=_SETTINGS) as here:
        here.start()
        vendors = Vendors(_VENDORS, here.port, itertools.count(1), filling=_FILLING)
        wait_until("leads were delivered", lambda: len(brain.received) >= leads)
        yield _Running(here, brain, vendors, random.Random(seed))


def lose_and_recover(
    folder: Path, seed: int, *, leads: int, loss: Callable[[_Running], Findings] | None = None
) -> Findings:
    """Lose what can be lost, and bring it back.

    Args:
        seed: picks what is lost: so many seeds in a row go through all of it.
        leads: at least so many were delivered before.
        loss: instead of that.
    """
    with _under_load(folder, seed, leads) as running:
        return (loss or _LOSSES[seed % len(_LOSSES)])(running)


EXPERIMENT = Experiment(
    name="recovery",
    claim="Restored or rebuilt, every lead is there, and nothing is delivered again unless a "
    "person lets it go.",
    fault="recoveries",
    run=partial(lose_and_recover, leads=2_000),
    short=partial(lose_and_recover, leads=150),
    controls=(
        Control(
            "a rebuild that does not hold what may have been delivered",
            partial(
                lose_and_recover,
                leads=150,
                loss=partial(_lose_the_logs_end_too, careless="forgets what to hold"),
            ),
        ),
        Control(
            "a rebuild that forgets the log of outcomes",
            partial(
                lose_and_recover,
                leads=150,
                loss=partial(_lose_the_store, careless="forgets the outcomes"),
            ),
        ),
    ),
    short_rounds=2,
    long_rounds=20 * len(_LOSSES),
)
