"""The listening sockets that the supervisor holds, so that children may come and go behind them."""

import errno
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from leadkeep.errors import SettingsError
from leadkeep.settings.model import Address, Settings

BACKLOG = 4096

DOOR = "intake.listen"
INTAKE_ADMIN = "intake.admin_listen"
WORKER_ADMIN = "worker.admin_listen"

Key = tuple[str, Address]


class AddressBusy(SettingsError):
    """Something else listens there; perhaps the children of a killed supervisor, not for long."""


@dataclass(frozen=True)
class Listening:
    """The sockets of one generation of settings; equal addresses share them."""

    sockets: Mapping[Key, tuple[socket.socket, ...]]
    given: tuple[socket.socket, ...] = ()
    """The door's sockets from systemd: they replace `intake.listen`."""

    def door(self) -> tuple[int, ...]:
        """Descriptors of the door."""
        own = (sock for (what, _), bound in self.sockets.items() if what == DOOR for sock in bound)
        return tuple(sock.fileno() for sock in (*self.given, *own))

    def admin(self, what: str) -> int | None:
        """Descriptor of an admin listener; None: it has none."""
        bound = (sock for (name, _), held in self.sockets.items() if name == what for sock in held)
        return next((sock.fileno() for sock in bound), None)

    def addresses(self) -> list[str]:
        """Where the door really listens (port 0 has become a port)."""
        names = (socket.socket(fileno=os.dup(fd)) for fd in self.door())
        return [_name(sock) for sock in names]

    def close_except(self, kept: "Listening") -> None:
        """Close what `kept` does not share."""
        for key, bound in self.sockets.items():
            if key not in kept.sockets:
                for sock in bound:
                    sock.close()

    def close(self) -> None:
        """Close everything."""
        self.close_except(Listening({}))
        for sock in self.given:
            sock.close()


def wanted(settings: Settings, what: str) -> tuple[Address, ...]:
    """The addresses that settings ask for.

    Args:
        what: DOOR, INTAKE_ADMIN or WORKER_ADMIN.
    """
    if what == DOOR:
        return settings.intake.listen
    admin = settings.intake.admin_listen if what == INTAKE_ADMIN else settings.worker.admin_listen
    return () if admin is None else (admin,)


def bind(what: str, address: Address) -> tuple[socket.socket, ...]:
    """Listen at an address; a name may stand for several.

    Raises:
        AddressBusy: something else listens there.
        SettingsError: it is not possible at all.
    """
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SettingsError(f"{what} = {address}: no such host ({error})") from error
    bound: list[socket.socket] = []
    failure: OSError | None = None
    for family, kind, protocol, _, where in found:
        try:
            bound.append(_listen(family, kind, protocol, where))
        except OSError as error:
            failure = error
            if error.errno == errno.EADDRINUSE:
                break
    if failure and (not bound or failure.errno == errno.EADDRINUSE):
        for sock in bound:
            sock.close()
        raise _explained(what, address, failure) from failure
    return tuple(bound)


def _listen(family: int, kind: int, protocol: int, where: "tuple[object, ...]") -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # `[::]` is IPv6 alone, so that `0.0.0.0` can stand beside it on every kernel.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _explained(what: str, address: Address, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return AddressBusy(
            f"{what} = {address}: another program listens there",
            hint=f"Stop it (`ss -ltnp sport = :{address.port}` shows it), or take another address.",
        )
    hint = ""
    if error.errno == errno.EACCES and address.port < 1024:
        hint = "Ports below 1024 need root, CAP_NET_BIND_SERVICE, or a systemd socket."
    return SettingsError(f"{what} = {address}: {error.strerror}", hint=hint)


def _name(sock: socket.socket) -> str:
    with sock:
        name = sock.getsockname()
    return str(Address(name[0], name[1])) if isinstance(name, tuple) else str(name)
