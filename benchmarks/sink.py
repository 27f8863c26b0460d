"""A destination that confirms everything, cheaply: `python -m benchmarks.sink PORT`.

A request whose target is `/count` is told how many have come so far.
"""

import asyncio
import sys
from typing import cast

import httptools
import uvloop

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    b'{"success":true}'
)
COUNT = b"HTTP/1.1 200 OK\r\nRequests: %d\r\nContent-Length: 0\r\n\r\n"


class Sink(asyncio.Protocol):
    """Reads each request to its end and answers 200."""

    requests = 0
    """Over all connections."""

    def __init__(self) -> None:
        self._target = b""
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, target: bytes) -> None:
        """Called by the parser."""
        self._target = target

    def on_message_complete(self) -> None:
        """Answer; called by the parser."""
        assert self._transport is not None
        Sink.requests += 1
        self._transport.write(COUNT % Sink.requests if self._target == b"/count" else ANSWER)


async def serve(port: int) -> None:
    """Listen on loopback until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
