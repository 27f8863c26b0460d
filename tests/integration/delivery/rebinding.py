"""Run in mount and network namespaces of its own: a name whose address changes as it is asked.

Prints what became of three deliveries, as JSON, with the addresses at which they arrived.
"""

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import uvloop

from leadkeep.clock import SystemClock
from leadkeep.destinations.http import HttpDestination
from leadkeep.settings.model import DestinationSettings
from tests.integration.delivery.leads import a_claim

PUBLIC, LOOPBACK = "93.184.216.34", "127.0.0.1"
A_RECORD = 1


class NameServer:
    """Answers every question for an IPv4 address with the next of these, then the last for ever."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            query, peer = self._socket.recvfrom(512)
            end = query.index(b"\0", 12) + 5
            question, kind = query[12:end], int.from_bytes(query[end - 4 : end - 2], "big")
            answer = b""
            if kind == A_RECORD:
                address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address)
            head = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if answer else b"\0\0") + b"\0\0\0\0"
            self._socket.sendto(head + question + answer, peer)


def make_the_place() -> None:
    """Loopback with a public address, and a resolver that asks nobody else."""
    for command in ("link set lo up", f"addr add {PUBLIC}/32 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    for path, text in (
        ("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n"),
        ("/etc/nsswitch.conf", "hosts: files dns\n"),
        ("/etc/hosts", "127.0.0.1 localhost\n"),
    ):
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        subprocess.run(["mount", "--bind", file.name, Path(path).resolve()], check=True)
        Path(file.name).unlink()


async def main() -> None:
    reached: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        reached.append(writer.get_extra_info("sockname")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "0.0.0.0", 8000)
    names = NameServer(PUBLIC, LOOPBACK)
    told = {}
    for what, allowed in (("first", False), ("second", False), ("allowed", True)):
        settings = DestinationSettings(
            url="http://rebinding.example:8000/", timeout_seconds=10, private_networks=allowed
        )
        destination = HttpDestination("brain", settings, clock=SystemClock())
        reply = await destination.attempt(a_claim())
        await destination.close()
        told[what] = {
            "confirmed": reply.confirmed,
            "error_class": reply.error_class,
            "reached": [*reached],
        }
        reached.clear()
    server.close()
    assert names.answers == [LOOPBACK]
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    make_the_place()
    uvloop.run(main())
