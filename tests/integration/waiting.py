"""Waiting for processes, and ports for them."""

import socket
import time
from collections.abc import Callable

DEADLINE_SECONDS = 40.0


def wait_until(what: str, holds: Callable[[], object]) -> None:
    """Poll until it is so, or fail saying what never was."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
