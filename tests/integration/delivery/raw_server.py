"""Servers over loopback that misbehave to order, and keep every byte that they were sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Answer = Callable[["Visit"], Awaitable[None]]


class Visit:
    """One connection, as a scripted answer sees it."""

    def __init__(
        self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Read one whole request, exactly as it came; empty when the client has gone."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = await self._reader.readexactly(length)
        self._server.requests.append(head + body)
        return head + body

    async def first_byte(self) -> None:
        """Wait until something comes, and read no further."""
        await self._reader.read(1)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def client_name(self) -> str:
        """The common name in the client's certificate."""
        certificate = self._writer.get_extra_info("peercert")
        names = dict(pair for (pair,) in certificate["subject"])
        return str(names["commonName"])

    def reset(self) -> None:
        """Close with RST."""
        self._writer.transport.abort()


class RawServer:
    """Answers each connection by a script.

    Attributes:
        requests: every whole request, byte for byte, in the order received.
        connections: how many were accepted.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._answer(Visit(self, reader, writer))
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


@asynccontextmanager
async def raw_server(
    answer: Answer, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """A running server; gone, with all its connections, when the block is left."""
    server = RawServer(answer)
    listener = await asyncio.start_server(server._serve, "127.0.0.1", port, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        tasks = list(server._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await listener.wait_closed()


def replies(data: bytes, *, then_close: bool = False) -> Answer:
    """Answer every request with the same bytes."""

    async def answer(visit: Visit) -> None:
        while await visit.request():
            await visit.send(data)
            if then_close:
                return

    return answer
