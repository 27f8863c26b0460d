"""The handover: descriptors survive the way through the command line; each promise is kept once."""

import asyncio
import os
import socket

import pytest

from leadkeep.errors import UsageError
from leadkeep.supervisor.handover import Handover


def test_what_is_written_is_read_back_and_grandchildren_do_not_inherit_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        read, write = os.pipe()
        os.set_inheritable(write, True)
        given = Handover(listen=(door.fileno(),), admin=None, ready=write, parent=read)
        assert Handover.from_json(given.to_json()) == given
        assert not os.get_inheritable(write)
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"listen":[1],"admin":"x"}', "null"])
def test_a_handover_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        Handover.from_json(text)


def test_a_descriptor_that_is_not_open_is_a_usage_error() -> None:
    read, write = os.pipe()
    os.close(read)
    os.close(write)
    with pytest.raises(UsageError):
        Handover.from_json(Handover(ready=write).to_json())


def test_ready_is_said_once_and_never_raises() -> None:
    read, write = os.pipe()
    handover = Handover(ready=write)
    handover.say_ready()
    handover.say_ready()
    assert os.read(read, 10) == b"1"
    os.close(read)
    read, write = os.pipe()
    os.close(read)
    Handover(ready=write).say_ready()
    Handover().say_ready()


async def test_the_parents_death_is_noticed_once() -> None:
    read, write = os.pipe()
    died = asyncio.Event()
    times = [0]

    def noticed() -> None:
        times[0] += 1
        died.set()

    Handover(parent=read).when_parent_dies(asyncio.get_running_loop(), noticed)
    await asyncio.sleep(0)
    assert not died.is_set()
    os.close(write)
    await asyncio.wait_for(died.wait(), 10)
    await asyncio.sleep(0)
    assert times == [1]
    os.close(read)
