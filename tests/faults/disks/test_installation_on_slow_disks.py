"""An installation on a disk whose every sync takes longer than a journal may take.

The delay is put into the door's own system calls from outside, so that nothing of it knows.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leadkeep.journal.base import SegmentState
from leadkeep.journal.reader import DiskJournalReader
from tests.faults.disks.asking import (
    SETTINGS,
    acknowledged,
    in_use,
    post,
    settled,
)
from tests.faults.disks.volumes import tmpfs
from tests.faults.installation.rig import Brain, Installation, Verdict, free_port, wait_until

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

DELAY_US = 1_200_000


@contextmanager
def slow(pid: int, call: str) -> Iterator[None]:
    """Let each such system call of a process and its threads begin late."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:delay_enter={DELAY_US}", "-p", str(pid)],
    )  # fmt: skip
    try:
        wait_until("it is traced", lambda: _is_traced(pid))
        yield
    finally:
        tracer.terminate()
        tracer.wait(30)


def _is_traced(pid: int) -> bool:
    statuses = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return all("TracerPid:\t0\n" not in status for status in statuses)


def test_leads_are_answered_by_the_next_journal_while_syncs_take_seconds(
    tmp_path: Path, brain: Brain
) -> None:
    admin = free_port()
    # In memory a group is brought to stable storage by fdatasync, on the second disk by the write.
    with tmpfs(tmp_path, "disk", 64) as disk:
        first, second = disk.path / "journal", tmp_path / "second"
        settings = {
            **SETTINGS,
            "journal.folders": f'["{first}", "{second}"]',
            "intake.admin_listen": f'"127.0.0.1:{admin}"',
        }
        installation = Installation(tmp_path, brain, settings=settings)
        try:
            installation.start()
            door = installation.pid("intake")
            assert door is not None
            assert post(installation.port, range(3)) == [200] * 3
            with slow(door, "fdatasync"):
                assert post(installation.port, range(100, 110)) == [200] * 10
                assert in_use(admin) == [False, True]
            wait_until("the first is used again", lambda: in_use(admin) == [True, True])
            late = [
                info
                for info in DiskJournalReader(first).segments()
                if info.state is SegmentState.POISONED
            ]
            assert post(installation.port, range(200, 203)) == [200] * 3
            answered = [*range(3), *range(100, 110), *range(200, 203)]
            settled(installation, len(answered))
            verdict = Verdict(answered, installation, brain)
            assert (verdict.lost, verdict.twice, verdict.changed) == ([], [], [])
            assert (verdict.undelivered, verdict.duplicates) == ([], 0)
            assert acknowledged(installation) == dict.fromkeys(answered, 1)
            assert late, "what came late is not published as acknowledged"
            installation.stop()
        finally:
            installation.abandon()
