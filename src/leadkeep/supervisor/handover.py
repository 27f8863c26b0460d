"""What the supervisor gives a child: sockets that stay open while children come and go.

The supervisor starts `leadkeep intake|worker --handover JSON`, where the JSON names inherited file
descriptors. The child owes two things: a byte on `ready` once it serves, and a drain when `parent`
reaches its end, because then the supervisor is gone.
"""

import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

from leadkeep.errors import UsageError


class ReadLoop(Protocol):
    """The two calls of an asyncio loop that are needed here."""

    def add_reader(self, fd: int, callback: Callable[[], None], /) -> object:
        """Call back whenever `fd` can be read."""

    def remove_reader(self, fd: int, /) -> object:
        """Stop that."""


@dataclass
class Handover:
    """Inherited file descriptors; a field is empty when the child has no such thing."""

    listen: tuple[int, ...] = ()
    """Listening sockets of the door, bound; shared with a child that is being replaced."""
    admin: int | None = None
    """Listening socket for metrics and details, bound."""
    ready: int | None = None
    """Write end of a pipe: one byte says "I serve"."""
    parent: int | None = None
    """Read end of a pipe whose write end only the supervisor holds: its end says "I am gone"."""

    def to_json(self) -> str:
        """The value of `--handover`."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Handover":
        """Read `--handover` in the child; grandchildren will not inherit the descriptors.

        Raises:
            UsageError: not what `to_json` writes, or a descriptor is not open.
        """
        try:
            given = json.loads(text)
            handover = cls(
                listen=tuple(int(fd) for fd in given["listen"]),
                admin=_optional(given["admin"]),
                ready=_optional(given["ready"]),
                parent=_optional(given["parent"]),
            )
            for fd in handover.descriptors():
                os.set_inheritable(fd, False)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise UsageError(
                f"--handover is not usable: {error}",
                hint="Only the supervisor (`leadkeep serve`) gives this option.",
            ) from error
        return handover

    def descriptors(self) -> tuple[int, ...]:
        """Every descriptor in it."""
        single = (fd for fd in (self.admin, self.ready, self.parent) if fd is not None)
        return (*self.listen, *single)

    def listen_sockets(self) -> list[socket.socket]:
        """The door's listening sockets, as socket objects that own their descriptor."""
        return [socket.socket(fileno=fd) for fd in self.listen]

    def admin_socket(self) -> socket.socket | None:
        """The admin listening socket, as a socket object that owns its descriptor."""
        return None if self.admin is None else socket.socket(fileno=self.admin)

    def say_ready(self) -> None:
        """Tell the supervisor, once, that this child serves. Never raises."""
        fd, self.ready = self.ready, None
        if fd is None:
            return
        try:
            os.write(fd, b"1")
        except OSError:
            pass  # The supervisor is gone: `parent` tells so, and better.
        finally:
            os.close(fd)

    def when_parent_dies(self, loop: ReadLoop, callback: Callable[[], None]) -> None:
        """Call `callback` once, in `loop`, when the supervisor is gone.

        Does nothing without a supervisor.
        """
        fd = self.parent
        if fd is None:
            return

        def gone() -> None:
            # Nobody writes to this pipe, so readable means that it has reached its end.
            loop.remove_reader(fd)
            callback()

        loop.add_reader(fd, gone)


def _optional(fd: object) -> int | None:
    return None if fd is None else int(str(fd))
