"""One HTTP/1.1 request and its reply over aiohttp's connector and reply parser.

Below `aiohttp.ClientSession` on purpose: the session rewrites header bytes, has cookies, follows
redirects and repeats some methods by itself on a dead connection. Here one call writes the request
exactly once, and whatever goes wrong is the caller's to know. docs/decisions/0004 tells the rest.
"""

import asyncio
import ssl

from aiohttp import ClientRequest, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

# The caller's deadline spans everything; aiohttp's own would only split it.
_NO_TIMEOUT = ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)

# Common servers close an idle connection after 2 to 5 seconds. Letting go earlier makes it rare
# that a request is written into a connection that is just being closed.
KEEPALIVE_SECONDS = 1.5
REPLY_HEADERS_MAX_BYTES = 16 * 1024
_READ_BUFFER_BYTES = 64 * 1024


class SpokeFirst(Exception):
    """The other side sent bytes before it was asked: what it says cannot be matched to a lead."""


class Exchange:
    """What has come back so far; valid also after `Wire.exchange` raised or was cancelled."""

    __slots__ = ("body", "complete", "connected", "cut", "head", "retry_after", "status")

    def __init__(self) -> None:
        self.connected = False
        self.status: int | None = None
        self.head = b""
        """The reply's headers as `Name: value\\r\\n` lines."""
        self.retry_after: str | None = None
        self.body = b""
        """The first bytes of the reply's body, as sent (never decompressed)."""
        self.cut = False
        """There was more of the body than is wanted."""
        self.complete = False
        """The whole reply came, or as much of it as is wanted."""


class Wire:
    """The connections to one origin. Create and use it within one running event loop.

    Args:
        origin: scheme, host and port.
        reply_max_bytes: this much of a reply's body is read; then the connection is cut.
        resolver: finds the host's addresses, which are connected to as they come; closed with this.
        tls: for https.
        server_name: the name that the certificate must have; None: the host.
    """

    def __init__(
        self,
        origin: URL,
        *,
        reply_max_bytes: int,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        self._origin = origin
        self._server_name = server_name
        self._resolver = resolver
        self._reply_max_bytes = reply_max_bytes
        self._host, self._port = origin.raw_host or "", origin.port or 0
        # No limit here: the worker bounds what is under way at once.
        # Proxies in the environment are the session's business, and there is none.
        self._connector = TCPConnector(
            limit=0, keepalive_timeout=KEEPALIVE_SECONDS, resolver=resolver
        )
        self.use_tls(tls)

    def use_tls(self, tls: ssl.SSLContext | None) -> None:
        """Make connections with this from now on; those that are open are not used again."""
        # The connector wants to know scheme, host, port and TLS; it sends nothing of this, and
        # keeps connections of one TLS context apart from those of another.
        self._peer = ClientRequest(
            "POST",
            self._origin,
            loop=asyncio.get_running_loop(),
            ssl=True if tls is None else tls,
            server_hostname=self._server_name,
        )

    async def exchange(self, seen: Exchange, *, head: bytes, body: bytes, is_head: bool) -> None:
        """Send one request and read its reply into `seen`.

        Args:
            seen: filled as things arrive.
            head: request line and headers with the closing empty line.
            body: exactly what follows.
            is_head: the method is HEAD, whose reply has no body.

        Raises:
            SpokeFirst: the other side sent something before it was asked.
            Exception: aiohttp's ClientErrors, HttpProcessingError or OSError, as it came.
        """
        protocol, connection = await self._connect()
        clean = False
        try:
            seen.connected = True
            transport = protocol.transport
            if transport is None:
                raise ConnectionResetError
            protocol.set_response_params(
                skip_payload=is_head,
                read_until_eof=True,
                auto_decompress=False,
                read_bufsize=_READ_BUFFER_BYTES,
            )
            transport.write(head + body if body else head)
            await self._read_reply(protocol, seen)
            # A reply that came before the request was read leaves bytes behind: not for reuse.
            clean = not transport.get_write_buffer_size()
        finally:
            if clean:
                connection.release()
            else:
                # Not `close`, which would first wait for the peer to take what is still unsent.
                protocol.abort()
                connection.close()

    async def reach(self, seen: Exchange) -> None:
        """Connect and say nothing.

        Raises:
            SpokeFirst: the other side sent something before it was asked.
            Exception: aiohttp's ClientErrors or OSError, as it came.
        """
        _, connection = await self._connect()
        seen.connected = True
        connection.release()

    async def close(self) -> None:
        """Close all connections."""
        await self._connector.close()
        if self._resolver is not None:
            await self._resolver.close()

    def forget_addresses(self) -> None:
        """Look the name up again for the next connection: the host may have moved."""
        self._connector.clear_dns_cache(self._host, self._port)

    async def _connect(self) -> tuple[ResponseHandler, Connection]:
        for _ in range(8):
            connection = await self._connector.connect(self._peer, [], _NO_TIMEOUT)
            protocol = connection.protocol
            if protocol is not None and not protocol.should_close:
                return protocol, connection
            # Bytes that came while it was idle would be read as the answer to this request.
            connection.close()
        raise SpokeFirst

    async def _read_reply(self, protocol: ResponseHandler, seen: Exchange) -> None:
        message, stream = await protocol.read()
        while 100 <= message.code < 200 and message.code != 101:
            message, stream = await protocol.read()
        head = b"".join([b"%b: %b\r\n" % pair for pair in message.raw_headers])
        seen.head = head[:REPLY_HEADERS_MAX_BYTES]
        seen.retry_after = message.headers.get("Retry-After")
        seen.status = message.code
        wanted = self._reply_max_bytes
        while True:
            chunk = await stream.readany()
            if not chunk:
                break
            seen.cut = len(chunk) > wanted - len(seen.body)
            seen.body += chunk[: wanted - len(seen.body)]
            if len(seen.body) >= wanted and not stream.is_eof():
                # Enough for the record. The rest would only cost us; the connection is cut.
                protocol.force_close()
                seen.cut = True
                break
        seen.complete = True
