"""SIGKILL at named points and at random: whatever was answered is read, once, byte for byte."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from leadkeep.journal.base import SegmentState
from leadkeep.journal.reader import DiskJournalReader
from tests.faults.journal.committing_child import POINTS, numbered
from tests.unit.journal.journal_parts import Reading, number_of, read_all

ROOT = Path(__file__).parents[3]


def _start(folder: Path, point: str, group: int) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.journal.committing_child", folder, point, str(group)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )


def _answered(child: "subprocess.Popen[bytes]") -> list[int]:
    """What the child had answered when it died; a line cut short was answered to nobody."""
    said, _ = child.communicate(timeout=30)
    assert child.returncode == -signal.SIGKILL
    return [int(line) for line in said.split(b"\n")[:-1]]


def _check(folder: Path, answered: list[int]) -> Reading:
    reader = DiskJournalReader(folder)
    assert {info.state for info in reader.segments()} <= {SegmentState.DEAD, SegmentState.SEALED}
    reading = read_all(reader)
    assert len(reading.numbers) == len(set(reading.numbers)), "a lead is there twice"
    assert set(answered) <= set(reading.numbers), "an answered lead is lost"
    for group in reading.groups:
        for record in group.records:
            assert record == numbered(number_of(record))
    assert not set(answered) & set(reading.unacknowledged)
    assert reading.damage == []
    return reading


@pytest.mark.parametrize("group", [1, 7, 40])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(tmp_path: Path, point: str, group: int) -> None:
    answered = _answered(_start(tmp_path / "journal", point, group))
    reading = _check(tmp_path / "journal", answered)
    unanswered = set(reading.numbers) - set(answered)
    if point in {"before the write", "half way through the write", "after the answer"}:
        assert unanswered == set()
    elif point == "after the mark, before the answer":
        # Durable and published: it counts as acknowledged, and the vendor's retry is linked to it.
        assert unanswered
        assert reading.unacknowledged == []
    else:
        assert unanswered == set(reading.unacknowledged) != set()
    assert bool(reading.torn) == (point == "half way through the write")


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_again_and_again(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folder = tmp_path / "journal"
    answered: list[int] = []
    child = _start(folder, "never", seed)
    assert child.stdout is not None
    wanted = chance.randint(1, 4_000)
    # Unbuffered: what is not taken here is left for `communicate`.
    said = b""
    while said.count(b"\n") < wanted:
        part = os.read(child.stdout.fileno(), 4_096)
        assert part, "the child died by itself"
        said += part
    child.kill()
    rest, _ = child.communicate(timeout=30)
    answered = [int(line) for line in (said + rest).split(b"\n")[:-1]]
    assert len(answered) >= wanted
    _check(folder, answered)


def test_the_next_writer_starts_beside_what_the_killed_one_left(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    first = _answered(_start(folder, "after the sync, before the mark", 9))
    second = _answered(_start(folder, "after the answer", 3))
    reading = read_all(DiskJournalReader(folder))
    assert [path.name for path in folder.iterdir()] == ["writer-1"]
    for answered in (first, second):
        assert set(answered) <= set(reading.numbers)
