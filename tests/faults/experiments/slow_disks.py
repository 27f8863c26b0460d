"""The journal's disk takes seconds for each flush, or hangs, while vendors post.

Every request must be answered long before the disk is done: 2xx by the next journal, or 503 where
there is none. What becomes durable late is known, by its id, as the lead that the next journal has.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.faulty_disk import FaultyDisk, faulty_disk, why_not_here
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.waiting import wait_until

PATIENCE_SECONDS = 3.0
"""How long a vendor waits for its answer: twelve times the journal's deadline."""
_FLUSH_SECONDS = 4.0
"""How long a slow disk takes: who waits for it is too late."""
_VENDORS = 4
_SETTINGS = {
    "journal.deadline_ms": '"250ms"',
    "journal.segment_bytes": '"2 MiB"',
    "intake.max_body_bytes": '"512 KiB"',
    "intake.lame_duck_seconds": '"500ms"',
}


@contextmanager
def frozen(disk: FaultyDisk) -> Iterator[None]:
    """Its file system hangs."""
    disk.freeze()
    try:
        yield
    finally:
        disk.thaw()


@contextmanager
def slow(disk: FaultyDisk) -> Iterator[None]:
    """Each flush takes longer than a vendor waits."""
    disk.be_slow(_FLUSH_SECONDS)
    try:
        yield
    finally:
        disk.be_slow(0)


_TROUBLES: tuple[tuple[Callable[[FaultyDisk], AbstractContextManager[None]], int], ...] = (
    (frozen, 2),
    (slow, 2),
    (frozen, 1),
    (slow, 1),
)
"""What the first journal's disk does, and how many journals there are."""


def hang_under_load(
    folder: Path, seed: int, *, hangs: int, careless: str = "", trouble: int | None = None
) -> Findings:
    """Let the first journal's disk hang again and again while vendors post.

    Args:
        seed: picks the trouble: so many seeds in a row go through all of them.
        trouble: instead of that.
    """
    chance = random.Random(seed)
    hang, journals = _TROUBLES[(seed if trouble is None else trouble) % len(_TROUBLES)]
    with ExitStack() as resources:
        brain = resources.enter_context(Brain())
        disk = resources.enter_context(faulty_disk(folder / "disk"))
        folders = [disk.mounted / "journal", folder / "second"][:journals]
        settings = {**_SETTINGS, "journal.folders": str([str(path) for path in folders])}
        installation = resources.enter_context(
            Installation(folder, brain, FAULTY, settings=settings)
        )
        installation.faults = {"careless": careless}
        installation.start()
        vendors = Vendors(
            _VENDORS,
            installation.port,
            itertools.count(1),
            pause_seconds=0.01,
            timeout_seconds=PATIENCE_SECONDS,
        )
        for _ in range(hangs):
            vendors.wait_for_answers(100)
            with hang(disk):
                time.sleep(chance.uniform(1.0, 2.0))
                if careless:
                    wait_until("vendors gave up", lambda: bool(vendors.unanswered))
        vendors.wait_for_answers(100)
        answered = vendors.stop()
        # What came late is read and delivered as well.
        wait_until("all is delivered", lambda: set(answered) <= set(brain.received))
        wait_until("it is recorded", lambda: not installation.waiting())
        installation.stop()
        installation.process_queue()
        wait_until("nothing is left", lambda: not installation.waiting())
        _check_what_is_acknowledged(installation, answered)
        failed = len(vendors.unanswered) + len(vendors.refused if journals > 1 else ())
        posted = vendors.posted
        return judge(installation, brain, answered, posted=posted, faults=hangs, failed=failed)


def _check_what_is_acknowledged(installation: Installation, answered: list[int]) -> None:
    """Whoever was told 2xx is not said to have been told otherwise."""
    sql = "SELECT json_extract(body, '$.number') FROM leads WHERE NOT acknowledged"
    unacknowledged = {number for (number,) in installation.rows(sql)}
    assert not unacknowledged & set(answered)


EXPERIMENT = Experiment(
    name="slow-disks",
    claim="While the journal's disk hangs or takes seconds, every request is answered in time, "
    "through the next journal.",
    fault="hangs",
    run=partial(hang_under_load, hangs=4),
    short=partial(hang_under_load, hangs=1),
    controls=(
        Control(
            "the door waits for a journal for ever",
            partial(
                hang_under_load,
                hangs=1,
                careless="waits for ever",
                trouble=_TROUBLES.index((frozen, 2)),
            ),
        ),
    ),
    why_not_here=why_not_here,
    short_rounds=3,
    long_rounds=15 * len(_TROUBLES),
    long_control_rounds=2,
)
