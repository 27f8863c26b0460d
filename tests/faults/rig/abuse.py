"""Senders who mean no good, each for a second or two; what they send is on loopback only."""

import contextlib
import gzip
import random
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.rig.memory_group import memory_limited
from tests.integration.intake.test_door_smuggling import CASES

Abuse = Callable[[int, int, random.Random], int]
"""Called with the door's port, the intake's process id and chance; returns how much was done."""

_LEAD = b"POST /hooks/abuse HTTP/1.1\r\nHost: door\r\n"
_SECONDS = 1.5
_FLOODED_DOORS_BYTES = 192 * 1024**2
"""What a door may take for such a flood: 128 MiB of unfinished bodies, and a half for the rest."""


@contextlib.contextmanager
def _connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            with contextlib.suppress(OSError):
                made.append(socket.create_connection(("127.0.0.1", port), timeout=2))
        yield made
    finally:
        for connection in made:
            connection.close()


def _send(connection: socket.socket, data: bytes) -> None:
    # The door may well have hung up.
    with contextlib.suppress(OSError):
        connection.sendall(data)


def idle_connections(port: int, pid: int, chance: random.Random) -> int:
    """Nearly as many connections as the door takes, none of which says a word."""
    with _connections(port, 9_800) as made:
        time.sleep(_SECONDS)
        return len(made)


def slow_headers(port: int, pid: int, chance: random.Random) -> int:
    """One byte of a head at a time."""
    with _connections(port, 300) as made:
        for byte in _LEAD:
            for connection in made:
                _send(connection, bytes([byte]))
            time.sleep(_SECONDS / len(_LEAD))
        return len(made)


def slow_bodies(port: int, pid: int, chance: random.Random) -> int:
    """Large bodies are announced and come in drops."""
    with _connections(port, 300) as made:
        for connection in made:
            _send(connection, _LEAD + b"Content-Length: 9000000\r\n\r\n")
        give_up_at = time.monotonic() + _SECONDS
        while time.monotonic() < give_up_at:
            for connection in made:
                _send(connection, b"drop")
        return len(made)


def cut_bodies(port: int, pid: int, chance: random.Random) -> int:
    """Requests that end before they are whole."""
    done = 0
    give_up_at = time.monotonic() + _SECONDS
    while time.monotonic() < give_up_at:
        with _connections(port, 20) as made:
            for connection in made:
                _send(
                    connection,
                    _LEAD + b"Content-Length: 500\r\n\r\n" + bytes(chance.randint(0, 499)),
                )
                done += 1
    return done


def smuggling(port: int, pid: int, chance: random.Random) -> int:
    """Every request that two readers could read differently."""
    done = 0
    give_up_at = time.monotonic() + _SECONDS
    while time.monotonic() < give_up_at:
        for raw in CASES.values():
            with _connections(port, 1) as made:
                for connection in made:
                    _send(connection, raw)
                    done += 1
    return done


def random_bytes(port: int, pid: int, chance: random.Random) -> int:
    """Noise, and requests with noise in them."""
    done = 0
    give_up_at = time.monotonic() + _SECONDS
    while time.monotonic() < give_up_at:
        noise = bytearray(_LEAD + b"Content-Length: 40\r\nX: y\r\n\r\n" + bytes(40))
        for _ in range(chance.randint(1, 8)):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        data = bytes(noise) if chance.random() < 0.7 else chance.randbytes(chance.randint(1, 4_000))
        with _connections(port, 1) as made:
            for connection in made:
                _send(connection, data)
                done += 1
    return done


def gzip_bombs(port: int, pid: int, chance: random.Random) -> int:
    """Small bodies that unpack to a gigabyte."""
    bomb = gzip.compress(gzip.compress(bytes(100 * 1024**2), 9), 9)
    head = _LEAD + b"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d"
    done = 0
    for _ in range(50):
        with _connections(port, 1) as made:
            for connection in made:
                _send(connection, head % len(bomb) + b"\r\n\r\n" + bomb)
                with contextlib.suppress(OSError):
                    connection.recv(100)
                done += 1
    return done


def endless_headers(port: int, pid: int, chance: random.Random) -> int:
    """A hundred thousand headers in each request."""
    headers = b"".join(b"X-%d: y\r\n" % number for number in range(100_000))
    with _connections(port, 20) as made:
        for connection in made:
            _send(connection, _LEAD + headers + b"\r\n")
        return len(made)


def oversize(port: int, pid: int, chance: random.Random) -> int:
    """Bodies over the limit, with their length announced and in chunks."""
    with _connections(port, 6) as made:
        for number, connection in enumerate(made):
            if number % 2:
                _send(connection, _LEAD + b"Content-Length: 99000000\r\n\r\n" + bytes(100_000))
            else:
                _send(connection, _LEAD + b"Transfer-Encoding: chunked\r\n\r\n")
                for _ in range(120):
                    _send(connection, b"19000\r\n" + bytes(0x19000) + b"\r\n")
        return len(made)


def few_open_files(port: int, pid: int, chance: random.Random) -> int:
    """More knock than the door can let in with the files that it may open; see `FAULTS`."""
    with _connections(port, 300) as made:
        time.sleep(_SECONDS)
        return len(made)


def little_memory(port: int, pid: int, chance: random.Random) -> int:
    """The system gives the door no more memory, and large bodies come."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 64 * 1024**2
    before = resource.prlimit(pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        with _connections(port, 40) as made:
            for connection in made:
                connection.settimeout(0.5)
                _send(connection, _LEAD + b"Content-Length: 9000000\r\n\r\n" + bytes(4_000_000))
            return len(made)
    finally:
        resource.prlimit(pid, resource.RLIMIT_AS, before)


def limited_memory(port: int, pid: int, chance: random.Random) -> int:
    """A container's limit on memory, and a flood of large bodies that never end."""
    with memory_limited(pid, _FLOODED_DOORS_BYTES), _connections(port, 200) as made:
        for connection in made:
            connection.settimeout(0.5)
            _send(connection, _LEAD + b"Content-Length: 9000000\r\n\r\n" + bytes(8_000_000))
        return len(made)


ABUSES: dict[str, Abuse] = {
    "idle connections": idle_connections,
    "limited memory": limited_memory,
    "slow headers": slow_headers,
    "slow bodies": slow_bodies,
    "cut bodies": cut_bodies,
    "smuggling": smuggling,
    "random bytes": random_bytes,
    "gzip bombs": gzip_bombs,
    "endless headers": endless_headers,
    "oversize": oversize,
    "few open files": few_open_files,
    "little memory": little_memory,
}
"""Ways to abuse a door."""

FAULTS: dict[str, dict[str, object]] = {"few open files": {"open_files": 160}}
"""What an installation suffers from its start when it is abused so; of the others nothing."""
