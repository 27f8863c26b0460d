"""The doorbell: wakes who listens, and never troubles who rings."""

import os
import select
from pathlib import Path

import pytest

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.doorbell import Doorbell


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "doorbell"


def _rings(fd: int) -> bool:
    return bool(select.select([fd], [], [], 5)[0])


def test_a_ring_wakes_the_listener_once_until_the_next(path: Path) -> None:
    listening = Doorbell(path).open_for_listening()
    door = Doorbell(path)
    door.ring()
    door.ring()
    assert _rings(listening)
    assert Doorbell.drain(listening)
    assert not Doorbell.drain(listening)
    door.ring()
    assert _rings(listening)
    door.close()
    os.close(listening)


def test_ringing_where_nobody_ever_listened_does_nothing(path: Path) -> None:
    Doorbell(path).ring()
    assert not path.exists()


def test_a_new_listener_is_heard_of_without_a_new_door(path: Path) -> None:
    door = Doorbell(path)
    first = Doorbell(path).open_for_listening()
    door.ring()
    os.close(first)
    door.ring()
    second = Doorbell(path).open_for_listening()
    door.ring()
    assert _rings(second)
    os.close(second)
    door.close()


def test_after_somebody_has_emptied_the_run_folder_the_first_ring_is_heard(path: Path) -> None:
    door = Doorbell(path)
    first = Doorbell(path).open_for_listening()
    door.ring()
    os.close(first)
    path.unlink()
    second = Doorbell(path).open_for_listening()
    door.ring()
    assert _rings(second)
    os.close(second)
    door.close()


def test_a_storm_of_rings_that_nobody_answers_never_block(path: Path) -> None:
    listening = Doorbell(path).open_for_listening()
    door = Doorbell(path)
    for _ in range(100_000):
        door.ring()
    assert Doorbell.drain(listening)
    assert not Doorbell.drain(listening)
    door.close()
    os.close(listening)


def test_a_plain_file_in_its_place_is_refused_and_never_written_to(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"precious")
    with pytest.raises(JournalUnavailable, match="no FIFO"):
        Doorbell(path).open_for_listening()
    Doorbell(path).ring()
    assert path.read_bytes() == b"precious"
