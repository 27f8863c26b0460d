"""A child program for the supervisor's tests: keeps the handover and does nothing else.

It is run as `python stand_in.py intake|worker|check …`. Its behaviour is ordered by files in the
folder STAND_IN_FOLDER, and it tells what it does in `events` there, one line each.
"""

import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

from leadkeep.supervisor.handover import Handover

FOLDER = Path(os.environ["STAND_IN_FOLDER"])


def tell(what: str) -> None:
    line = f"{sys.argv[1]} {os.getpid()} {what}\n".encode()
    with (FOLDER / "events").open("ab", buffering=0) as file:
        file.write(line)


def ordered(what: str) -> bool:
    return (FOLDER / f"{sys.argv[1]}.{what}").exists()


def serve() -> None:
    handover = Handover.from_json(sys.argv[sys.argv.index("--handover") + 1])
    asked: list[int] = []

    def leave(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    signal.signal(signal.SIGTERM, leave)
    tell("starts")
    if ordered("dies"):
        sys.exit(3)
    configuration = Path(os.environ["LEADKEEP_CONFIG_COPY"]).read_text()
    doors = handover.listen_sockets()
    for door in doors:
        door.setblocking(False)
    assert handover.parent is not None
    if not ordered("never-ready"):
        tell("ready")
        handover.say_ready()
    watched: list[socket.socket | int] = [*doors, handover.parent]
    while not asked:
        readable, _, _ = select.select(watched, [], [], 0.05)
        if handover.parent in readable:
            tell("orphaned")
            break
        answer(readable, configuration)
    tell("leaves")
    for door in doors:
        door.close()
    while ordered("stays"):
        time.sleep(0.02)
    tell("left")


def answer(doors: list[socket.socket | int], configuration: str) -> None:
    for door in doors:
        if isinstance(door, socket.socket):
            try:
                connection, _ = door.accept()
            except BlockingIOError:
                continue  # Another child took it.
            with connection:
                connection.sendall(f"{os.getpid()}\n{configuration}".encode())


def check() -> None:
    tell("checks")
    if ordered("refuses"):
        sys.exit("the stars are not right")


if __name__ == "__main__":
    if sys.argv[1] == "check":
        check()
    else:
        serve()
