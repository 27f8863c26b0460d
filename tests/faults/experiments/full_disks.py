"""Disks that are really full, of the journal, of the store and of both, while vendors post.

What was answered 2xx must not be stuck for want of room where the ballast can help; where another
journal has room every request must be answered 2xx; and all goes on by itself, in the same
processes, once there is room again.
"""

import itertools
import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Control, Experiment, Findings
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import judge
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.volumes import Volume, ext4, tmpfs, why_not_here
from tests.faults.rig.waiting import wait_until

MIB = 1024**2
BALLAST_BYTES = 24 * MIB
"""More than SQLite's log grows to before it is written back (16 MB), as the default is."""
DISK_MIB = 256
SMALL_DISK = {
    "worker.ballast_bytes": f'"{BALLAST_BYTES // MIB} MiB"',
    "journal.segment_bytes": '"2 MiB"',
    "intake.max_body_bytes": '"512 KiB"',
}
"""Settings for small disks."""
LARGE = 6_000
"""Filling that makes a lead of 12 KB, so that journal files are used up soon."""
_LEISURE_SECONDS = 0.02
"""What counts is that vendors never stop, and each lead has to be delivered."""
_VENDORS = 3


class Disks(NamedTuple):
    """Where an installation keeps what, and what becomes full of it."""

    data: Path
    journals: Sequence[Path]
    filled: Sequence[Volume]
    always_taken: bool
    """Another place has room: every request is answered 2xx."""
    drained: bool
    """What was answered is delivered while they are full."""


def _one_for_all(mounted: ExitStack, folder: Path) -> Disks:
    disk = mounted.enter_context(ext4(folder, "disk", DISK_MIB))
    data = disk.path / "data"
    return Disks(data, [data / "journal"], [disk], always_taken=False, drained=True)


def _the_stores(mounted: ExitStack, folder: Path) -> Disks:
    disk = mounted.enter_context(ext4(folder, "store", DISK_MIB))
    other = mounted.enter_context(tmpfs(folder, "journal", 256))
    journals = [other.path / "journal"]
    return Disks(disk.path / "data", journals, [disk], always_taken=True, drained=False)


def _the_first_journals(mounted: ExitStack, folder: Path) -> Disks:
    disk = mounted.enter_context(tmpfs(folder, "first", 24))
    other = mounted.enter_context(tmpfs(folder, "data", 256))
    journals = [disk.path / "journal", other.path / "journal"]
    return Disks(other.path / "data", journals, [disk], always_taken=True, drained=True)


def _each_of_its_own(mounted: ExitStack, folder: Path) -> Disks:
    disk = mounted.enter_context(ext4(folder, "store", DISK_MIB))
    other = mounted.enter_context(tmpfs(folder, "journal", 24))
    journals = [other.path / "journal"]
    return Disks(disk.path / "data", journals, [disk, other], always_taken=False, drained=False)


_LAYOUTS: tuple[Callable[[ExitStack, Path], Disks], ...] = (
    _one_for_all,
    _the_stores,
    _the_first_journals,
    _each_of_its_own,
)


def fill_under_load(
    folder: Path,
    seed: int,
    *,
    fillings: int,
    careless: str = "",
    patience_seconds: float = 60,
    layout: int | None = None,
    filling_bytes: int = LARGE,
    left_mib: int | None = None,
) -> Findings:
    """Fill the disks again and again while vendors post, and give the room back each time.

    Args:
        seed: picks the layout: so many seeds in a row go through all of them.
        patience_seconds: for what must be delivered while they are full; what is not then counts
            as undelivered, and ends the round.
        layout: instead of that.
        filling_bytes: of each lead; see `payload`.
        left_mib: room that is left to a door whose worker sleeps; None: chance picks it.
    """
    chance = random.Random(seed)
    with ExitStack() as resources:
        make = _LAYOUTS[(seed if layout is None else layout) % len(_LAYOUTS)]
        disks = make(resources, folder)
        brain = resources.enter_context(Brain())
        folders = ", ".join(f'"{path}"' for path in disks.journals)
        settings = {**SMALL_DISK, "journal.folders": f"[{folders}]"}
        installation = resources.enter_context(
            Installation(folder, brain, FAULTY, data=disks.data, settings=settings)
        )
        installation.faults = {"careless": careless}
        installation.start()
        processes = [installation.pid(role) for role in ("intake", "worker")]
        vendors = Vendors(
            _VENDORS,
            installation.port,
            itertools.count(1),
            pause_seconds=_LEISURE_SECONDS,
            filling=filling_bytes,
        )
        for filling in range(fillings):
            wait_until("the ballast stands", lambda: ballast_stands(installation.data))
            vendors.wait_for_answers()
            _fill(installation, vendors, disks, chance, left_mib or chance.randint(3, 8))
            if disks.drained and (stuck := _stuck(vendors, brain, patience_seconds)):
                vendors.stop()
                faults, posted = filling + 1, vendors.posted
                return Findings(rounds=1, faults=faults, posted=posted, undelivered=stuck)
            for disk in disks.filled:
                disk.make_room()
            vendors.wait_for_answers()
        answered = vendors.stop()
        wait_until("all is delivered", lambda: set(answered) <= set(brain.received))
        wait_until("it is recorded", lambda: not installation.waiting())
        assert [installation.pid(role) for role in ("intake", "worker")] == processes, "one died"
        installation.stop()
        failed = len(vendors.unanswered) + len(vendors.refused if disks.always_taken else ())
        posted = vendors.posted
        return judge(installation, brain, answered, posted=posted, faults=fillings, failed=failed)


def ballast_stands(folder: Path) -> bool:
    """Whether there is ballast in a folder, of its whole size."""
    ballast = folder / "ballast"
    return ballast.exists() and ballast.stat().st_size == BALLAST_BYTES


def _fill(
    installation: Installation,
    vendors: Vendors,
    disks: Disks,
    chance: random.Random,
    left_mib: int,
) -> None:
    """Take all the room, and wait until that is felt."""
    if not disks.always_taken and disks.drained:
        # The worker sleeps until no room is left, so that it depends on what the door has left it.
        installation.freeze("worker")
        disks.filled[0].fill(but=left_mib * MIB)
        vendors.wait_for_refusals()
        disks.filled[0].fill()
        installation.thaw("worker")
        return
    for disk in disks.filled:
        disk.fill(but=chance.choice([0, 0, chance.randrange(MIB)]))
    if installation.data.is_relative_to(disks.filled[0].path):
        wait_until("the ballast is thrown off", lambda: not ballast_stands(installation.data))
        disks.filled[0].fill()  # Others take that as well: now nothing can be recorded.
    if disks.always_taken:
        vendors.wait_for_answers(100)
    else:
        vendors.wait_for_refusals()


def _stuck(vendors: Vendors, brain: Brain, patience_seconds: float) -> int:
    """Answered leads that are not delivered in time, while others go on posting."""
    answered = set(vendors.answered)
    give_up_at = time.monotonic() + patience_seconds
    while (missing := answered - set(brain.received)) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return len(missing)


EXPERIMENT = Experiment(
    name="full-disks",
    claim="Whichever disk is full, no lead that was answered 2xx is lost or stuck, and all goes on "
    "by itself.",
    fault="fillings",
    run=partial(fill_under_load, fillings=4),
    short=partial(fill_under_load, fillings=1),
    controls=(
        Control(
            "the door uses up the room that absorbing needs",
            partial(
                fill_under_load,
                fillings=1,
                careless="leaves no room",
                patience_seconds=5,
                layout=_LAYOUTS.index(_one_for_all),
                # More than the ballast's room can take into the store.
                filling_bytes=10 * LARGE,
                left_mib=40,
            ),
        ),
    ),
    why_not_here=why_not_here,
    short_rounds=len(_LAYOUTS),
    long_rounds=15 * len(_LAYOUTS),
)
