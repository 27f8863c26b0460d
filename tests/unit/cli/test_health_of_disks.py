"""What `leadkeep status` says when disks are nearly full."""

import pytest

from leadkeep.cli.health import judge
from leadkeep.disks.survey import JournalRoom, Rooms, WorkerRoom
from leadkeep.wording import rough_size
from tests.unit.cli.test_health_judgement import command, found

MIB = 1024**2
BALLAST = 128 * MIB


def worker(free: int, ballast: int = BALLAST, wanted: int = BALLAST) -> Rooms:
    return Rooms(worker=(WorkerRoom("/data", free, ballast, wanted),))


def journals(*free: int) -> Rooms:
    rooms = [JournalRoom(f"/journal {n}", room, 256 * MIB) for n, room in enumerate(free, 1)]
    return Rooms(journals=tuple(rooms))


@pytest.mark.parametrize(
    "rooms",
    [
        worker(10_000 * MIB),
        worker(64 * MIB),
        worker(384 * MIB, ballast=0),
        worker(0, ballast=0, wanted=0),
        journals(257 * MIB),
    ],
)
def test_with_room_nothing_is_said(rooms: Rooms) -> None:
    health = judge(found(rooms=rooms), command)
    assert (health.safe, health.reasons, health.wishes) == (True, (), ())


def test_without_ballast_and_without_room_for_it_leads_are_at_risk() -> None:
    [reason] = judge(found(rooms=worker(120 * MIB, ballast=0)), command).reasons
    assert reason.what == (
        "the disk of /data has 120 MiB left and no ballast left to throw off; free space on it, "
        "or leads will be answered 503"
    )
    assert reason.command == "df -h /data"


def test_below_low_water_leads_are_at_risk_though_the_ballast_stands() -> None:
    [reason] = judge(found(rooms=worker(63 * MIB)), command).reasons
    assert reason.what.startswith("the disk of /data has 63 MiB left; free space")


def test_when_no_journal_has_room_leads_are_at_risk() -> None:
    [reason] = judge(found(rooms=journals(256 * MIB, 0)), command).reasons
    assert "leads are answered 503 once the present files are full" in reason.what
    assert reason.command == "df -h '/journal 1' '/journal 2'"


def test_when_another_journal_has_room_it_is_only_a_wish() -> None:
    health = judge(found(rooms=journals(0, 10_000 * MIB)), command)
    assert health.safe
    [wish] = health.wishes
    assert wish.what == (
        "there is no room for a new file in the journal /journal 1; leads go to another journal"
    )


def test_a_disk_that_cannot_be_looked_at_is_a_risk() -> None:
    [reason] = judge(found(rooms=Rooms(unseen=("/mnt: gone",))), command).reasons
    assert "/mnt: gone" in reason.what


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "2 KiB"), (120 * MIB, "120 MiB"), (2**40, "1,024.0 GiB")],
)
def test_sizes_are_as_exact_as_people_want_them(size: int, text: str) -> None:
    assert rough_size(size) == text
