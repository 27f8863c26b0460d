"""An installation on disks that are really full: of the journal, of the store, of both.

Vendors keep their own record. Whatever the disk does, what was answered 2xx is stored once, byte
for byte, and delivered; nothing dies; and all goes on by itself when there is room again.
"""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.disks.volumes import Volume, ext4, tmpfs
from tests.faults.installation.rig import (
    DEADLINE_SECONDS,
    Brain,
    Installation,
    Vendor,
    Verdict,
    wait_until,
)

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

GREEDY = (sys.executable, "-P", str(Path(__file__).with_name("greedy_leadkeep.py")))
MIB = 1024**2
BALLAST = 8 * MIB
LARGE = 6_000
"""Filling that makes a lead of 12 KB, so that journal files are used up soon."""
SMALL_DISK = {
    "worker.ballast_bytes": f'"{BALLAST // MIB} MiB"',
    "journal.segment_bytes": '"2 MiB"',
    "intake.max_body_bytes": '"512 KiB"',
}


class Crowd:
    """Vendors who post until they are told to stop; what they were answered, all together."""

    def __init__(self, port: int, numbers: Iterator[int], size: int = 3) -> None:
        # At leisure: what counts is that they never stop, and each lead has to be delivered.
        self._vendors = [
            Vendor(port, numbers, pause_seconds=0.02, filling=LARGE) for _ in range(size)
        ]

    @property
    def answered(self) -> list[int]:
        return [number for vendor in self._vendors for number in vendor.answered]

    @property
    def refused(self) -> int:
        return sum(len(vendor.refused) for vendor in self._vendors)

    def wait_for(self, what: str, counted: Callable[[], int], more: int) -> None:
        """Wait until a count has grown by `more`."""
        before = counted()
        wait_until(what, lambda: counted() >= before + more)

    def wait_for_refusals(self) -> None:
        """Wait until they are refused, and nothing else, for a while."""

        def refused_only() -> bool:
            answered, refused = len(self.answered), self.refused
            time.sleep(0.5)
            return len(self.answered) == answered and self.refused > refused

        wait_until("every lead is refused", refused_only)

    def wait_for_answers(self) -> None:
        """Wait until they are answered 2xx again."""
        self.wait_for("leads are taken again", lambda: len(self.answered), 20)

    def stop(self) -> list[int]:
        """The leads that were answered 2xx."""
        for vendor in self._vendors:
            vendor.stop()
        assert [vendor.unanswered for vendor in self._vendors if vendor.unanswered] == []
        return self.answered


@contextmanager
def serving(installation: Installation) -> Iterator[Installation]:
    try:
        installation.start()
        yield installation
    finally:
        installation.abandon()


def delivered(brain: Brain, answered: list[int]) -> Callable[[], bool]:
    return lambda: set(answered) <= set(brain.received)


def ballast_stands(folder: Path) -> bool:
    ballast = folder / "ballast"
    return ballast.exists() and ballast.stat().st_size == BALLAST


def nothing_died(installation: Installation) -> Callable[[], None]:
    """To be called later: the same processes still run."""
    before = {role: installation.pid(role) for role in ("intake", "worker")}

    def check() -> None:
        assert {role: installation.pid(role) for role in before} == before

    return check


def assert_kept(answered: list[int], installation: Installation, brain: Brain) -> None:
    """All that was answered is stored once, unchanged, and delivered."""
    verdict = Verdict(answered, installation, brain, filling=LARGE)
    assert (verdict.lost, verdict.twice, verdict.changed, verdict.undelivered) == ([], [], [], [])
    assert verdict.answered >= 20


def risks(installation: Installation) -> str:
    code, told = installation.status()
    assert code == (0 if told["safe"] else 3)
    return "; ".join(reason["what"] for reason in told["reasons"])


def drained_while_full(
    installation: Installation, brain: Brain, disk: Volume, seconds: float = DEADLINE_SECONDS
) -> list[int]:
    """Fill the only disk under load, and let what was answered arrive while others go on posting.

    The worker sleeps until no room is left, so that it depends on what the door has left it.

    Raises:
        AssertionError: it does not arrive.
    """
    wait_until("the ballast stands", lambda: ballast_stands(installation.data))
    worker = installation.pid("worker")
    assert worker is not None
    crowd = Crowd(installation.port, itertools.count(1))
    try:
        crowd.wait_for_answers()
        os.kill(worker, signal.SIGSTOP)
        disk.fill(but=14 * MIB)
        crowd.wait_for_refusals()
        disk.fill()
        os.kill(worker, signal.SIGCONT)
        answered, give_up_at = crowd.answered, time.monotonic() + seconds
        wait_until(
            "all that was answered is delivered",
            delivered(brain, answered),
            lambda: time.monotonic() < give_up_at,
        )
    finally:
        os.kill(worker, signal.SIGCONT)
        crowd.stop()
    assert not ballast_stands(installation.data)
    return crowd.answered


def test_one_full_disk_for_all_is_drained_with_the_ballast_and_goes_on(
    tmp_path: Path, brain: Brain
) -> None:
    with ext4(tmp_path, "disk", 128) as disk:
        data = disk.path / "data"
        with serving(Installation(tmp_path, brain, data=data, settings=SMALL_DISK)) as installation:
            nobody_died = nothing_died(installation)
            answered = drained_while_full(installation, brain, disk)
            at_risk = risks(installation)
            assert "no ballast left to throw off" in at_risk
            assert "no journal has room for a new file" in at_risk
            disk.make_room()
            crowd = Crowd(installation.port, itertools.count(1_000_000))
            crowd.wait_for_answers()
            answered += crowd.stop()
            wait_until("the ballast stands again", lambda: ballast_stands(data))
            wait_until("all is delivered", delivered(brain, answered))
            wait_until("it is recorded", lambda: not installation.waiting())
            assert risks(installation) == ""
            nobody_died()
            assert_kept(answered, installation, brain)
            installation.stop()


def test_control_a_door_that_leaves_no_room_keeps_leads_from_being_absorbed(
    tmp_path: Path, brain: Brain
) -> None:
    with ext4(tmp_path, "disk", 128) as disk:
        greedy = Installation(tmp_path, brain, GREEDY, data=disk.path / "data", settings=SMALL_DISK)
        stuck = pytest.raises(AssertionError, match="never: all that was answered is delivered")
        with serving(greedy), stuck:
            drained_while_full(greedy, brain, disk, seconds=20)


def test_leads_wait_in_their_journal_while_the_stores_disk_is_full(
    tmp_path: Path, brain: Brain
) -> None:
    with ext4(tmp_path, "store", 128) as disk, tmpfs(tmp_path, "journal", 256) as other:
        settings = {**SMALL_DISK, "journal.folders": f'["{other.path}/journal"]'}
        installation = Installation(tmp_path, brain, data=disk.path / "data", settings=settings)
        with serving(installation):
            wait_until("the ballast stands", lambda: ballast_stands(installation.data))
            nobody_died = nothing_died(installation)
            crowd = Crowd(installation.port, itertools.count(1), size=1)
            crowd.wait_for_answers()
            disk.fill()
            wait_until("the ballast is thrown off", lambda: not ballast_stands(installation.data))
            disk.fill()  # Others take that as well: now nothing can be absorbed or recorded.
            crowd.wait_for("leads are taken all the same", lambda: len(crowd.answered), 100)
            assert crowd.refused == 0
            assert "no ballast left to throw off" in risks(installation)
            spent = processor_seconds(installation.pid("worker"))
            time.sleep(2)
            assert processor_seconds(installation.pid("worker")) - spent < 1, "it spins"
            disk.make_room()
            answered = crowd.stop()
            wait_until("all is delivered", delivered(brain, answered))
            wait_until("it is recorded", lambda: not installation.waiting())
            nobody_died()
            assert_kept(answered, installation, brain)
            outcomes = [path.name for path in (installation.data / "archive/outcomes").iterdir()]
            assert not [name for name in outcomes if name.count(".") > 1], "one file a day"
            installation.stop()


def test_a_second_journal_takes_over_while_the_first_ones_disk_is_full(
    tmp_path: Path, brain: Brain
) -> None:
    with tmpfs(tmp_path, "first", 24) as disk, tmpfs(tmp_path, "data", 256) as other:
        first, second = disk.path / "journal", other.path / "journal"
        settings = {**SMALL_DISK, "journal.folders": f'["{first}", "{second}"]'}
        installation = Installation(tmp_path, brain, data=other.path / "data", settings=settings)
        with serving(installation):
            nobody_died = nothing_died(installation)
            crowd = Crowd(installation.port, itertools.count(1))
            crowd.wait_for_answers()
            disk.fill()
            wait_until("the second is used", lambda: is_used(second))
            assert risks(installation) == "", "leads are safe there"
            assert "there is no room for a new file" in str(installation.status()[1]["wishes"])
            crowd.wait_for_answers()
            disk.make_room()
            known = set(first.rglob("*.segment"))
            wait_until("the first is used again", lambda: set(first.rglob("*.segment")) > known)
            crowd.wait_for_answers()
            answered = crowd.stop()
            assert crowd.refused == 0
            wait_until("all is delivered", delivered(brain, answered))
            wait_until("it is recorded", lambda: not installation.waiting())
            nobody_died()
            assert_kept(answered, installation, brain)
            installation.stop()


def test_with_every_disk_full_nothing_is_answered_2xx_and_all_goes_on_by_itself(
    tmp_path: Path, brain: Brain
) -> None:
    with ext4(tmp_path, "store", 128) as disk, tmpfs(tmp_path, "journal", 24) as other:
        settings = {**SMALL_DISK, "journal.folders": f'["{other.path}/journal"]'}
        installation = Installation(tmp_path, brain, data=disk.path / "data", settings=settings)
        with serving(installation):
            wait_until("the ballast stands", lambda: ballast_stands(installation.data))
            nobody_died = nothing_died(installation)
            crowd = Crowd(installation.port, itertools.count(1))
            crowd.wait_for_answers()
            disk.fill()
            wait_until("the ballast is thrown off", lambda: not ballast_stands(installation.data))
            disk.fill()
            other.fill()
            crowd.wait_for_refusals()
            disk.make_room()
            other.make_room()
            crowd.wait_for_answers()
            answered = crowd.stop()
            wait_until("all is delivered", delivered(brain, answered))
            wait_until("it is recorded", lambda: not installation.waiting())
            nobody_died()
            assert_kept(answered, installation, brain)
            installation.stop()


def test_it_starts_on_a_full_disk_and_throws_off_the_ballast_first(
    tmp_path: Path, brain: Brain
) -> None:
    with ext4(tmp_path, "disk", 128) as disk:
        installation = Installation(tmp_path, brain, data=disk.path / "data", settings=SMALL_DISK)
        with serving(installation):
            wait_until("the ballast stands", lambda: ballast_stands(installation.data))
            crowd = Crowd(installation.port, itertools.count(1))
            crowd.wait_for_answers()
            answered = crowd.stop()
            wait_until("all is delivered", delivered(brain, answered))
            installation.stop()
            disk.fill()
            installation.start()
            assert not ballast_stands(installation.data)
            # Nothing is written that is not about leads that are here already.
            crowd = Crowd(installation.port, itertools.count(1_000_000))
            crowd.wait_for_refusals()
            assert crowd.stop() == []
            assert not (installation.data / "leadkeep.db.poisoned").exists()
            wait_until("all is recorded", lambda: not installation.waiting())
            disk.make_room()
            crowd = Crowd(installation.port, itertools.count(2_000_000))
            crowd.wait_for_answers()
            answered += crowd.stop()
            wait_until("all is delivered", delivered(brain, answered))
            wait_until("it is recorded", lambda: not installation.waiting())
            assert_kept(answered, installation, brain)
            installation.stop()


def test_a_worker_that_starts_without_any_room_waits_for_it(tmp_path: Path, brain: Brain) -> None:
    with ext4(tmp_path, "store", 128) as disk:
        settings = {**SMALL_DISK, "store.path": f'"{disk.path}/store/leadkeep.db"'}
        installation = Installation(tmp_path, brain, settings=settings)
        with serving(installation):
            wait_until("the ballast stands", lambda: ballast_stands(disk.path / "store"))
            installation.stop()
            # The next worker would throw it off, but others have been faster.
            (disk.path / "store/ballast").unlink()
            disk.fill()
            installation.start(("intake",))
            worker = installation.pid("worker")
            crowd = Crowd(installation.port, itertools.count(1))
            crowd.wait_for_answers()
            wait_until("it says why it waits", lambda: "cannot be opened yet" in installation.log())
            disk.make_room()
            answered = crowd.stop()
            wait_until("all is delivered", delivered(brain, answered))
            wait_until("it is recorded", lambda: not installation.waiting())
            assert installation.pid("worker") == worker
            assert_kept(answered, installation, brain)
            installation.stop()


def is_used(journal: Path) -> bool:
    """Whether a group is in one of its files."""
    for segment in journal.rglob("*.segment"):
        try:
            with segment.open("rb") as file:
                file.seek(4096)
                if file.read(4) == b"LKGP":
                    return True
        except FileNotFoundError:
            continue
    return False


def processor_seconds(pid: int | None) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
