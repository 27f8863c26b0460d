"""The worker's socket: its owner's alone, found under any folder, and taken over in one step."""

import socket
import stat
from pathlib import Path

import pytest

from leadkeep.errors import LeadkeepError
from leadkeep.live.sockets import NAME, connect, is_ours, listen


def test_only_its_owner_may_use_it(tmp_path: Path) -> None:
    with listen(tmp_path):
        assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_a_folder_with_a_long_name_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    with listen(folder) as server, _connected(folder) as client:
        accepted, _ = server.accept()
        with accepted:
            assert is_ours(accepted)
            client.sendall(b"x")
            assert accepted.recv(1) == b"x"


def test_where_nobody_listens_connecting_says_so_at_once(tmp_path: Path) -> None:
    assert connect(tmp_path / "missing") is None
    assert connect(tmp_path) is None
    listen(tmp_path).close()
    assert (tmp_path / NAME).exists()
    assert connect(tmp_path) is None
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).write_text("no socket")
    assert connect(tmp_path) is None


def test_a_successor_takes_the_name_and_the_one_before_keeps_its_connections(
    tmp_path: Path,
) -> None:
    with listen(tmp_path) as old, _connected(tmp_path) as early:
        accepted, _ = old.accept()
        with listen(tmp_path) as new, _connected(tmp_path) as late, accepted:
            early.sendall(b"old")
            assert accepted.recv(3) == b"old"
            taken, _ = new.accept()
            with taken:
                late.sendall(b"new")
                assert taken.recv(3) == b"new"


def test_what_does_not_take_connections_does_not_hold_anybody_up(tmp_path: Path) -> None:
    with listen(tmp_path):
        held: list[socket.socket] = []
        while (one := connect(tmp_path)) is not None:
            held.append(one)
            assert len(held) < 1_000
        for one in held:
            one.close()


def test_a_place_that_is_taken_by_something_else_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(LeadkeepError) as caught:
        listen(tmp_path)
    assert caught.value.hint


def _connected(folder: Path) -> socket.socket:
    sock = connect(folder)
    assert sock is not None
    sock.settimeout(20)
    return sock
