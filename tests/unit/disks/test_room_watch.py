"""The watch throws ballast off, makes it again, says so once, and never raises."""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from leadkeep.disks import watch
from leadkeep.disks.watch import RoomWatch

BALLAST = 1024**2
PLENTY = 3 * BALLAST
Told = list[MutableMapping[str, Any]]


class Disk:
    """How much room the disk of every folder claims to have, and the time."""

    def __init__(self) -> None:
        self.free = 100 * BALLAST
        self.seconds = 0.0
        self.broken = False

    def free_bytes(self, _folder: Path) -> int:
        if self.broken:
            raise OSError(5, "Input/output error")
        return self.free


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(watch, "free_bytes", made.free_bytes)
    return made


@pytest.fixture
def told() -> Iterator[Told]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def room(tmp_path: Path, disk: Disk) -> RoomWatch:
    folders = (tmp_path, tmp_path / "archive")
    return RoomWatch(folders, BALLAST, now=lambda: disk.seconds)


def ballasts(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.rglob("ballast*")]


def events(told: Told) -> list[str]:
    return [line["event"] for line in told]


def test_folders_on_one_disk_share_one_ballast(tmp_path: Path, room: RoomWatch) -> None:
    assert not room.look()
    assert ballasts(tmp_path) == [BALLAST]
    [detail] = room.details()
    assert detail["folder"] == str(tmp_path)
    assert detail["ballast_bytes"] == detail["ballast_wanted_bytes"] == BALLAST


def test_at_low_water_it_is_thrown_off_and_with_plenty_of_room_made_again(
    tmp_path: Path, room: RoomWatch, disk: Disk, told: Told
) -> None:
    room.look()
    disk.free = BALLAST // 2 - 1
    assert room.look(), "room is scarce"
    assert ballasts(tmp_path) == []
    disk.free = PLENTY - 1
    assert room.look(), "still"
    assert ballasts(tmp_path) == []
    disk.free = PLENTY
    assert not room.look()
    assert ballasts(tmp_path) == [BALLAST]
    assert events(told) == [
        "the ballast stands",
        "a disk is nearly full; its ballast is thrown off, to go on absorbing and recording",
        "the ballast stands",
    ]


def test_while_room_is_scarce_that_is_said_every_five_minutes(
    room: RoomWatch, disk: Disk, told: Told
) -> None:
    disk.free = 0
    for _ in range(600):
        room.look()
        disk.seconds += 1
    assert events(told) == ["a disk is nearly full and there is no ballast left to throw off"] * 2


def test_a_refused_write_is_believed_more_than_the_disk(
    tmp_path: Path, room: RoomWatch, disk: Disk
) -> None:
    room.look()
    room.met_full(tmp_path / "archive")
    room.look()
    assert ballasts(tmp_path) == []
    disk.seconds = 599
    room.look()
    assert ballasts(tmp_path) == [], "it claims to have room, and has not"
    disk.seconds = 601
    room.look()
    assert ballasts(tmp_path) == [BALLAST]


def test_a_disk_that_was_full_and_said_so_is_believed_when_it_says_that_it_is_not(
    tmp_path: Path, room: RoomWatch, disk: Disk
) -> None:
    room.look()
    disk.free = 0
    room.met_full(tmp_path)
    disk.free = PLENTY
    room.look()
    assert ballasts(tmp_path) == []
    room.look()
    assert ballasts(tmp_path) == [BALLAST]


def test_looking_before_the_start_makes_nothing_but_throws_off(
    tmp_path: Path, room: RoomWatch, disk: Disk
) -> None:
    room.look(make=False)
    assert ballasts(tmp_path) == []
    room.look()
    disk.free = 0
    room.look(make=False)
    assert ballasts(tmp_path) == []


def test_ballast_of_another_size_is_replaced_and_unwanted_one_removed(
    tmp_path: Path, room: RoomWatch, disk: Disk
) -> None:
    room.look()
    RoomWatch([tmp_path], 2 * BALLAST).look()
    assert ballasts(tmp_path) == [2 * BALLAST]
    RoomWatch([tmp_path], 0).look()
    assert ballasts(tmp_path) == []


def test_a_disk_that_cannot_be_looked_at_is_said_once_and_looked_at_again(
    tmp_path: Path, room: RoomWatch, disk: Disk, told: Told
) -> None:
    disk.broken = True
    for _ in range(5):
        room.look()
    room.met_full(tmp_path)
    assert events(told) == ["the room on a disk cannot be looked after"]
    assert room.details()[0]["error"] == "Input/output error"
    disk.broken = False
    room.look()
    assert ballasts(tmp_path) == [BALLAST]
    assert room.details()[0]["error"] == ""
