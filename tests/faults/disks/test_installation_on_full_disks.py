"""An installation on full disks: what it says and spends meanwhile, and how it starts on one.

That nothing is lost or stuck, whichever disk is full, is the experiment `full-disks`.
"""

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.experiments.full_disks import DISK_MIB, LARGE, SMALL_DISK, ballast_stands
from tests.faults.rig.brain import Brain
from tests.faults.rig.installation import Installation
from tests.faults.rig.judging import judge
from tests.faults.rig.vendors import Vendors
from tests.faults.rig.volumes import ext4, tmpfs
from tests.faults.rig.waiting import wait_until

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


def crowd_at(installation: Installation, first: int = 1, size: int = 3) -> Vendors:
    """Vendors who post large leads at leisure until they are told to stop."""
    numbers = itertools.count(first)
    return Vendors(size, installation.port, numbers, pause_seconds=0.02, filling=LARGE)


def delivered(brain: Brain, answered: list[int]) -> Callable[[], bool]:
    return lambda: set(answered) <= set(brain.received)


def assert_kept(answered: list[int], installation: Installation, brain: Brain) -> None:
    """All that was answered is delivered, stored once, unchanged, and accounted for."""
    wait_until("all is delivered", delivered(brain, answered))
    wait_until("it is recorded", lambda: not installation.waiting())
    assert len(answered) >= 20
    assert judge(installation, brain, answered, posted=len(answered), faults=1).losses == 0


def test_while_the_stores_disk_is_full_it_says_so_and_rests(tmp_path: Path, brain: Brain) -> None:
    with ext4(tmp_path, "store", DISK_MIB) as disk, tmpfs(tmp_path, "journal", 256) as other:
        settings = {**SMALL_DISK, "journal.folders": f'["{other.path}/journal"]'}
        with Installation(
            tmp_path, brain, data=disk.path / "data", settings=settings
        ) as installation:
            installation.start()
            wait_until("the ballast stands", lambda: ballast_stands(installation.data))
            crowd = crowd_at(installation, size=1)
            crowd.wait_for_answers()
            disk.fill()
            wait_until("the ballast is thrown off", lambda: not ballast_stands(installation.data))
            disk.fill()  # Others take that as well: now nothing can be absorbed or recorded.
            crowd.wait_for_answers()
            assert "no ballast left to throw off" in installation.risks()
            spent = processor_seconds(installation.pid("worker"))
            time.sleep(2)
            assert processor_seconds(installation.pid("worker")) - spent < 1, "it spins"
            disk.make_room()
            assert_kept(crowd.stop(), installation, brain)
            wait_until("nobody is at risk", lambda: installation.risks() == "")
            outcomes = [path.name for path in (installation.data / "archive/outcomes").iterdir()]
            assert not [name for name in outcomes if name.count(".") > 1], "one file a day"
            installation.stop()


def test_while_the_first_journals_disk_is_full_a_person_is_told(
    tmp_path: Path, brain: Brain
) -> None:
    with tmpfs(tmp_path, "first", 24) as disk:
        folders = f'["{disk.path}/journal", "{tmp_path}/second"]'
        settings = {**SMALL_DISK, "journal.folders": folders}
        with Installation(tmp_path, brain, settings=settings) as installation:
            installation.start()
            disk.fill()
            crowd = crowd_at(installation)
            crowd.wait_for_answers()
            assert installation.risks() == "", "leads are safe in the other"
            assert "there is no room for a new file" in str(installation.status()[1]["wishes"])
            assert_kept(crowd.stop(), installation, brain)
            installation.stop()


def test_it_starts_on_a_full_disk_and_throws_off_the_ballast_first(
    tmp_path: Path, brain: Brain
) -> None:
    with (
        ext4(tmp_path, "disk", DISK_MIB) as disk,
        Installation(tmp_path, brain, data=disk.path / "data", settings=SMALL_DISK) as installation,
    ):
        installation.start()
        wait_until("the ballast stands", lambda: ballast_stands(installation.data))
        crowd = crowd_at(installation)
        crowd.wait_for_answers()
        answered = crowd.stop()
        wait_until("all is delivered", delivered(brain, answered))
        installation.stop()
        disk.fill()
        installation.start()
        assert not ballast_stands(installation.data)
        # Nothing is written that is not about leads that are here already.
        crowd = crowd_at(installation, 1_000_000)
        crowd.wait_for_refusals()
        assert crowd.stop() == []
        assert not (installation.data / "leadkeep.db.poisoned").exists()
        wait_until("all is recorded", lambda: not installation.waiting())
        at_risk = installation.risks()
        assert "no ballast left to throw off" in at_risk
        assert "no journal has room for a new file" in at_risk
        disk.make_room()
        crowd = crowd_at(installation, 2_000_000)
        crowd.wait_for_answers()
        answered += crowd.stop()
        assert_kept(answered, installation, brain)
        installation.stop()


def test_a_worker_that_starts_without_any_room_waits_for_it(tmp_path: Path, brain: Brain) -> None:
    with ext4(tmp_path, "store", DISK_MIB) as disk:
        settings = {**SMALL_DISK, "store.path": f'"{disk.path}/store/leadkeep.db"'}
        with Installation(tmp_path, brain, settings=settings) as installation:
            installation.start()
            wait_until("the ballast stands", lambda: ballast_stands(disk.path / "store"))
            installation.stop()
            # The next worker would throw it off, but others have been faster.
            (disk.path / "store/ballast").unlink()
            disk.fill()
            installation.start(("intake",))
            worker = installation.pid("worker")
            crowd = crowd_at(installation)
            crowd.wait_for_answers()
            wait_until("it says why it waits", lambda: "cannot be opened yet" in installation.log())
            disk.make_room()
            assert_kept(crowd.stop(), installation, brain)
            assert installation.pid("worker") == worker
            installation.stop()


def processor_seconds(pid: int | None) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
