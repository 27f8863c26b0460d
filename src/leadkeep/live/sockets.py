"""The Unix socket in the run folder on which a worker hears doors.

Invariant: either side speaks only with a process of its own user; and connecting never waits. A
socket that a dead worker left behind refuses at once, and the next worker takes its name over.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from leadkeep.errors import LeadkeepError

NAME = "live"
_BACKLOG = 64
_PEER = struct.Struct("3i")
"""pid, uid and gid, as the kernel knows them (SO_PEERCRED)."""


def listen(folder: Path) -> socket.socket:
    """A listening socket under the folder's name for it; takes the name over from whoever had it.

    Raises:
        LeadkeepError: it cannot be made there.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # Before it has a name: so there is no moment in which others may connect.
        os.fchmod(sock.fileno(), 0o600)
        folder.mkdir(parents=True, exist_ok=True)
        fresh = f".{NAME}.{os.getpid()}"
        with _short(folder) as short:
            with suppress(FileNotFoundError):
                (folder / fresh).unlink()
            sock.bind(f"{short}/{fresh}")
            sock.listen(_BACKLOG)
            # Renamed when it listens: whoever finds the name is heard.
            (folder / fresh).rename(folder / NAME)
    except OSError as error:
        sock.close()
        raise LeadkeepError(
            f"the socket for live answers in {folder} cannot be made: {error.strerror}",
            hint="Remove whatever stands there under the name `live`, then restart the worker.",
        ) from error
    return sock


def connect(folder: Path) -> socket.socket | None:
    """A connection to the worker; None if none listens, or it does not keep up. Never waits."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        with _short(folder) as short:
            sock.connect(f"{short}/{NAME}")
        if is_ours(sock):
            return sock
    except OSError:
        # Nobody there (ENOENT, ECONNREFUSED), or its queue of connections is full (EAGAIN).
        pass
    sock.close()
    return None


def is_ours(sock: socket.socket) -> bool:
    """Whether the process at the other end runs as the same user."""
    _, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return bool(uid == os.geteuid())


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """The folder under a name that is short enough for a socket's address (108 bytes)."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)
