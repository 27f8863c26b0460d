"""When ballast is thrown off and when it is made, and that the door never gets what that brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.disks.room import Reserve, Step, next_step

MIB = 1024**2
RESERVE = Reserve(128 * MIB)
SIZES = st.integers(0, 2**45)


def step(free: int, ballast: int, *, met_full: bool = False, lied: bool = False) -> Step:
    return next_step(RESERVE, free=free, ballast=ballast, met_full=met_full, lied_lately=lied)


@pytest.mark.parametrize(
    ("free", "ballast", "expected"),
    [
        (10_000 * MIB, 0, Step.MAKE),
        (384 * MIB, 0, Step.MAKE),
        (384 * MIB - 1, 0, Step.NOTHING),
        (64 * MIB, 128 * MIB, Step.NOTHING),
        (64 * MIB - 1, 128 * MIB, Step.THROW_OFF),
        (0, 128 * MIB, Step.THROW_OFF),
        (0, 0, Step.NOTHING),
        (10_000 * MIB, 128 * MIB, Step.NOTHING),
        (10_000 * MIB, 64 * MIB, Step.MAKE),
        (0, 64 * MIB, Step.THROW_OFF),
    ],
)
def test_what_to_do(free: int, ballast: int, expected: Step) -> None:
    assert step(free, ballast) is expected


def test_a_refused_write_counts_more_than_the_room_the_disk_claims() -> None:
    assert step(10_000 * MIB, 128 * MIB, met_full=True) is Step.THROW_OFF
    assert step(10_000 * MIB, 0, lied=True) is Step.NOTHING


def test_ballast_that_is_no_longer_wanted_is_removed() -> None:
    none = Reserve(0)
    assert next_step(none, free=1, ballast=9, met_full=False, lied_lately=False) is Step.THROW_OFF
    assert next_step(none, free=1, ballast=0, met_full=True, lied_lately=False) is Step.NOTHING


@given(size=st.integers(1, 2**40), free=SIZES)
def test_what_throwing_off_brings_is_less_than_the_door_leaves(size: int, free: int) -> None:
    reserve = Reserve(size)
    if next_step(reserve, free=free, ballast=size, met_full=False, lied_lately=False) is (
        Step.THROW_OFF
    ):
        assert free + size < reserve.left_by_door


@given(size=st.integers(2, 2**40), free=SIZES)
def test_new_ballast_is_neither_thrown_off_at_once_nor_crowds_out_the_door(
    size: int, free: int
) -> None:
    reserve = Reserve(size)
    if next_step(reserve, free=free, ballast=0, met_full=False, lied_lately=False) is Step.MAKE:
        left = free - size
        assert left >= reserve.left_by_door
        after = next_step(reserve, free=left, ballast=size, met_full=False, lied_lately=False)
        assert after is Step.NOTHING
