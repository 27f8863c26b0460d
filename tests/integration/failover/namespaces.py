"""Machines for a test: network namespaces on one bridge. Needs root; all of it goes at the end."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_NOBODY = "02:00:00:00:00:99"
"""Nobody has this address: what is sent to it is silently lost."""
_runs = itertools.count()


def _ip(*words: str, namespace: str = "") -> None:
    inside = ["netns", "exec", namespace, "ip"] if namespace else []
    subprocess.run(["ip", *inside, *words], check=True, capture_output=True)


class Network:
    """A bridge with two addresses of this machine, and machines beside it.

    Args:
        name: begins the names of all that is made; at most six characters.
        number: which of the networks 10.77.0.0/24 and following it is.
    """

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._prefix = f"10.77.{number}"
        self._machines: list[str] = []
        self.address = f"{self._prefix}.1"
        """Where destinations and vendors are."""
        self.database = f"{self._prefix}.2"
        """Where the database is."""
        _ip("link", "add", name, "type", "bridge")
        _ip("link", "set", name, "up")
        for address in (self.address, self.database):
            _ip("addr", "add", f"{address}/24", "dev", name)

    def add(self) -> tuple[str, str]:
        """One more machine; returns its namespace and its address."""
        number = len(self._machines) + 10
        machine, inner = f"{self._name}{number}", f"{self._prefix}.{number}"
        _ip("netns", "add", machine)
        self._machines.append(machine)
        _ip("link", "add", machine, "type", "veth", "peer", "name", "eth0", "netns", machine)
        _ip("link", "set", machine, "master", self._name, "up")
        _ip("addr", "add", f"{inner}/24", "dev", "eth0", namespace=machine)
        for device in ("lo", "eth0"):
            _ip("link", "set", device, "up", namespace=machine)
        return machine, inner

    def part(self, machine: str, address: str) -> None:
        """What a machine sends to an address is silently lost from now on."""
        words = ("neigh", "replace", address, "lladdr", _NOBODY, "dev", "eth0", "nud", "permanent")
        _ip(*words, namespace=machine)

    def join(self, machine: str, address: str) -> None:
        """It arrives again."""
        _ip("neigh", "del", address, "dev", "eth0", namespace=machine)

    def remove(self) -> None:
        """Take away all that was made."""
        for machine in self._machines:
            _ip("netns", "del", machine)
        _ip("link", "del", self._name)


@contextmanager
def network() -> Iterator[Network]:
    """A network of its own."""
    number = (os.getpid() * 7 + next(_runs)) % 250
    made = Network(f"lk{number}n", number)
    try:
        yield made
    finally:
        made.remove()
