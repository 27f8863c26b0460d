"""An installation on a disk that hangs: every write to it waits until the file system is thawed.

What becomes durable late, after its vendor was told 503, is delivered and known as not
acknowledged. That every lead is answered while a disk hangs is the experiment `slow-disks`.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.disks.asking import (
    PATIENCE_SECONDS,
    SETTINGS,
    acknowledged,
    post,
    post_or_refused,
    settled,
)
from tests.faults.rig.brain import Brain
from tests.faults.rig.installation import LEADKEEP, Installation
from tests.faults.rig.volumes import Volume, ext4
from tests.faults.rig.waiting import wait_until

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Volume]:
    with ext4(tmp_path, "disk", 48) as volume:
        yield volume


@contextmanager
def serving(installation: Installation, disk: Volume) -> Iterator[Installation]:
    try:
        installation.start()
        yield installation
    finally:
        disk.thaw()  # What hangs cannot even be killed.
        installation.abandon()


@contextmanager
def frozen(disk: Volume) -> Iterator[None]:
    disk.freeze()
    try:
        yield
    finally:
        disk.thaw()


def two_journals(tmp_path: Path, disk: Volume) -> dict[str, str]:
    folders = f'["{disk.path}/journal", "{tmp_path}/second"]'
    return {**SETTINGS, "journal.folders": folders}


def state_of(pid: int) -> str:
    """As the kernel says: `S` sleeps, `Z` has ended; empty: gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


@contextmanager
def door_alone(installation: Installation, disk: Volume) -> Iterator[subprocess.Popen[bytes]]:
    """`leadkeep intake`, without anybody beside it."""
    with (installation.folder / "log").open("ab") as log:
        door = subprocess.Popen([*LEADKEEP, "intake"], cwd=installation.folder, stderr=log)
    try:
        yield door
    finally:
        disk.thaw()
        door.kill()
        door.wait()


def test_without_a_second_journal_the_answer_is_503_until_the_thaw(
    tmp_path: Path, brain: Brain, disk: Volume
) -> None:
    settings = {**SETTINGS, "journal.folders": f'["{disk.path}/journal"]'}
    with serving(Installation(tmp_path, brain, settings=settings), disk) as installation:
        assert post(installation.port, range(5)) == [200] * 5
        with frozen(disk):
            assert post(installation.port, range(100, 110)) == [503] * 10
        wait_until("leads are taken again", lambda: post(installation.port, [200]) == [200])
        told = [*range(5), 200]
        wait_until("they are in the store", lambda: set(told) <= set(acknowledged(installation)))
        wait_until("all is delivered", lambda: not installation.waiting())
        found = acknowledged(installation)
        # The one that hung became durable after its vendor was told 503; the others never were.
        late = sorted(number for number, was_told in found.items() if not was_told)
        assert late == [100]
        assert sorted(set(found) - set(late)) == told
        installation.stop()


def test_a_vendors_second_try_is_linked_to_the_first_and_both_are_seen(
    tmp_path: Path, brain: Brain, disk: Volume
) -> None:
    settings = {**SETTINGS, "journal.folders": f'["{disk.path}/journal"]'}
    with serving(Installation(tmp_path, brain, settings=settings), disk) as installation:
        with frozen(disk):
            assert post(installation.port, [1]) == [503]
        wait_until("the second try is taken", lambda: post(installation.port, [1]) == [200])
        tries = "SELECT count(*) FROM leads WHERE json_extract(body, '$.number') = 1 "
        wait_until(
            "the first is there as well, and known to have been told 503",
            lambda: installation.rows(tries + "AND NOT acknowledged") == [(1,)],
        )
        wait_until("it is delivered", lambda: brain.received[1] == 1)
        linked = "SELECT count(*) FROM leads WHERE duplicate_of IS NOT NULL"
        wait_until("the other is linked to it", lambda: installation.rows(linked) == [(1,)])
        settled = "SELECT count(*) FROM lead_queue WHERE status IN ('completed', 'cancelled')"
        wait_until("and settled with it", lambda: installation.rows(settled) == [(2,)])
        assert brain.received[1] == 1
        assert installation.rows(tries + "AND acknowledged") == [(1,)]
        installation.stop()


def test_a_door_can_be_stopped_while_a_journal_hangs(
    tmp_path: Path, brain: Brain, disk: Volume
) -> None:
    settings = two_journals(tmp_path, disk)
    with serving(Installation(tmp_path, brain, settings=settings), disk) as installation:
        door = installation.pid("intake")
        assert door is not None
        with frozen(disk):
            assert post(installation.port, [1]) == [200]
            os.kill(door, signal.SIGTERM)
            # It has answered, closed and left, as far as the kernel lets it: a thread that waits
            # for a frozen disk cannot be ended by anybody.
            wait_until("it has left", lambda: state_of(door) in ("Z", ""))
        wait_until("it is gone", lambda: installation.pid("intake") not in (door, None))
        wait_until("the next one serves", lambda: post_or_refused(installation.port, 2) == 200)
        settled(installation, 2)
        installation.stop()


def test_a_door_opens_although_its_data_folder_and_first_journal_hang(
    tmp_path: Path, brain: Brain, disk: Volume
) -> None:
    settings = {
        **SETTINGS,
        "journal.folders": f'["{disk.path}/data/journal", "{tmp_path}/second"]',
    }
    installation = Installation(tmp_path, brain, data=disk.path / "data", settings=settings)
    with serving(installation, disk):
        assert post(installation.port, [1]) == [200]
        settled(installation, 1)
        installation.stop()
    disk.boot()  # The kernel knows no name on it any more: to look one up may wait as well.
    with frozen(disk), door_alone(installation, disk) as door:
        wait_until("it serves", lambda: post_or_refused(installation.port, 2) == 200)
        assert post(installation.port, [3, 4]) == [200, 200]
        disk.thaw()
        door.send_signal(signal.SIGTERM)
        assert door.wait(PATIENCE_SECONDS * 3) == 0
    installation.process_queue()
    wait_until("all is delivered", lambda: set(brain.received) == {1, 2, 3, 4})
    assert acknowledged(installation) == dict.fromkeys(range(1, 5), 1)
