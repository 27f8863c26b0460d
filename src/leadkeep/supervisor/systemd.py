"""The two things systemd may offer: sockets that are already open, and being told how we are.

Protocols: sd_listen_fds(3) and sd_notify(3).
"""

import os
import socket
from collections.abc import Mapping

FIRST_DESCRIPTOR = 3
VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET")
"""Meant for the supervisor only: children must not see them."""


def activated_sockets(environ: Mapping[str, str]) -> list[socket.socket]:
    """The listening sockets that systemd opened for this process; none without activation."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = environ.get("LISTEN_FDS", "")
    if not count.isdecimal():
        return []
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count))
    sockets = [socket.socket(fileno=fd) for fd in descriptors]
    for sock in sockets:
        sock.set_inheritable(False)
    return sockets


def notify(environ: Mapping[str, str], state: str) -> None:
    """Tell systemd `READY=1`, `RELOADING=1` or `STOPPING=1`; without systemd nothing happens."""
    path = environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(state.encode(), address)
    except OSError:
        pass  # Being watched is a convenience; leads do not depend on it.
