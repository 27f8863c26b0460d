"""A file that really takes up room, is whole or not there, and is made by one process at a time."""

import errno
import fcntl
import zlib
from pathlib import Path

import pytest

from leadkeep.disks.ballast import Ballast, standing
from leadkeep.journal.syscalls import Data, Syscalls

SIZE = 3 * 1024**2 + 5_000


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_its_blocks_are_written_and_only_its_owner_looks_into_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    ballast = Ballast(folder, SIZE)
    assert ballast.standing() == 0
    assert ballast.make(lambda left: True)
    found = ballast.path.stat()
    assert (ballast.standing(), standing(folder), found.st_size) == (SIZE, SIZE, SIZE)
    assert found.st_blocks * 512 >= SIZE
    assert found.st_mode & 0o777 == 0o600
    # A file system that compresses gains nothing.
    assert len(zlib.compress(ballast.path.read_bytes())) > 0.99 * SIZE
    assert names(folder) == ["ballast"]


def test_thrown_off_it_is_gone_and_may_be_thrown_off_again(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path, SIZE)
    ballast.make(lambda left: True)
    assert ballast.throw_off() == SIZE
    assert names(tmp_path) == []
    assert ballast.throw_off() == 0


def test_whoever_makes_it_can_end_that_and_nothing_is_left(tmp_path: Path) -> None:
    asked: list[int] = []

    def go_on(left: int) -> bool:
        asked.append(left)
        return len(asked) < 3

    assert not Ballast(tmp_path, SIZE).make(go_on)
    assert asked == [SIZE, SIZE - 1024**2, SIZE - 2 * 1024**2]
    assert names(tmp_path) == []


def test_while_another_process_makes_it_nothing_is_done(tmp_path: Path) -> None:
    with (tmp_path / "ballast.tmp").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not Ballast(tmp_path, SIZE).make(lambda left: True)
        assert names(tmp_path) == ["ballast.tmp"]


def test_what_a_killed_process_left_half_made_is_made_whole(tmp_path: Path) -> None:
    (tmp_path / "ballast.tmp").write_bytes(b"half")
    assert Ballast(tmp_path, SIZE).make(lambda left: True)
    assert names(tmp_path) == ["ballast"]


@pytest.mark.parametrize("short", [True, False])
def test_on_a_disk_that_does_not_take_it_nothing_is_left(tmp_path: Path, short: bool) -> None:
    class Full(Syscalls):
        def write_blank(self, fd: int, data: Data, offset: int) -> int:
            if offset and short:
                return 100
            if offset:
                raise OSError(errno.ENOSPC, "injected")
            return super().write_blank(fd, data, offset)

    with pytest.raises(OSError, match=r"injected|only 100"):
        Ballast(tmp_path, SIZE, syscalls=Full()).make(lambda left: True)
    assert names(tmp_path) == []
