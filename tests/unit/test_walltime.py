"""Since when wall time has been steady: within a process, over restarts, and over boots."""

from pathlib import Path

import pytest

from leadkeep.walltime import GAP_US, TOLERATED_US, WallTime
from tests.fakes.clock import FakeClock

DAY_SECONDS = 86_400


def test_corrections_of_the_clock_are_no_jumps() -> None:
    clock = FakeClock()
    wall = WallTime(clock)
    began = clock.now_us()
    clock.advance(30 * DAY_SECONDS)
    clock.jump(TOLERATED_US / 1_000_000)
    assert wall.steady_since_us() == began
    clock.jump(-TOLERATED_US / 1_000_000)
    assert wall.steady_since_us() == began
    clock.jump(-TOLERATED_US / 1_000_000 - 1)
    assert wall.steady_since_us() == clock.now_us()


@pytest.mark.parametrize("days", [1, -1, 3650, -3650])
def test_after_a_jump_steadiness_begins_anew(days: int) -> None:
    clock = FakeClock()
    wall = WallTime(clock)
    clock.jump(days * DAY_SECONDS)
    jumped_at = clock.now_us()
    assert wall.steady_since_us() == jumped_at
    clock.advance(3_600)
    assert wall.steady_since_us() == jumped_at


def test_it_is_remembered_over_a_restart_and_over_a_boot(tmp_path: Path) -> None:
    clock = FakeClock()
    began = clock.now_us()
    WallTime(clock, tmp_path / "wall-time")
    clock.advance(10 * DAY_SECONDS)  # Of the same boot: nobody watched, and nothing jumped.
    assert WallTime(clock, tmp_path / "wall-time").steady_since_us() == began
    clock.advance(3_600)
    clock.reboot()
    assert WallTime(clock, tmp_path / "wall-time").steady_since_us() == began


@pytest.mark.parametrize("days", [2, 3650, -1])
@pytest.mark.parametrize("reboots", [True, False])
def test_a_jump_while_nobody_watched_is_noticed(tmp_path: Path, days: int, reboots: bool) -> None:
    clock = FakeClock()
    WallTime(clock, tmp_path / "wall-time")
    clock.jump(days * DAY_SECONDS)
    if reboots:
        clock.reboot()
    assert GAP_US == DAY_SECONDS * 1_000_000
    assert WallTime(clock, tmp_path / "wall-time").steady_since_us() == clock.now_us()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"boot_id": 1}'])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, content: bytes) -> None:
    clock = FakeClock()
    (tmp_path / "wall-time").write_bytes(content)
    assert WallTime(clock, tmp_path / "wall-time").steady_since_us() == clock.now_us()


def test_without_a_folder_to_remember_in_it_watches_all_the_same(tmp_path: Path) -> None:
    clock = FakeClock()
    assert WallTime(clock, tmp_path / "no" / "wall-time").steady_since_us() == clock.now_us()
