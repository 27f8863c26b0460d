"""Where the worker hears doors: a Unix socket, and a bounded conversation with each.

Invariant: a door that is slow, silent, hostile or gone costs this worker a bounded amount of memory
and never a wait; and only processes of this worker's own user are heard at all.
"""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import cast

import structlog

from leadkeep.delivery.live import Asker
from leadkeep.errors import LeadkeepError
from leadkeep.live.frames import (
    ASK_MAX,
    ASKS,
    Answer,
    Ask,
    BadFrame,
    Incoming,
    LeadAsk,
    PingAsk,
    framed,
)
from leadkeep.live.sockets import is_ours, listen

DOORS_MAX = 64
UNREAD_MAX = 16 * 1024**2
"""Bytes of answers that a door has not read; beyond, it is hung up on."""

_log = structlog.get_logger("leadkeep.delivery")


class Listener:
    """Hears doors while it runs.

    Args:
        run_folder: where its socket is.
        take_lead: takes questions about leads, and who asks; `take_ping` likewise.
    """

    def __init__(
        self,
        run_folder: Path,
        *,
        take_lead: Callable[[LeadAsk, Asker], None],
        take_ping: Callable[[PingAsk, Asker], None],
    ) -> None:
        self._run_folder = run_folder
        self._take_lead = take_lead
        self._take_ping = take_ping
        self._doors: set[_Door] = set()
        self._server: asyncio.AbstractServer | None = None

    async def open(self) -> None:
        """Begin to hear. Where the socket cannot be made that is said, and nobody is heard."""
        try:
            sock = listen(self._run_folder)
        except LeadkeepError as error:
            _log.error(
                "no live answers: leads are answered as queued, and pings with no bid",
                error=str(error),
                hint=error.hint,
            )
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Door(self), sock=sock)

    def close_to_new(self) -> None:
        """Hear no new door."""
        if self._server is not None:
            self._server.close()

    def hang_up(self) -> None:
        """End all conversations: doors answer whoever waits as if nobody had been asked."""
        self.close_to_new()
        for door in tuple(self._doors):
            door.hang_up()

    def admit(self, door: "_Door", transport: asyncio.BaseTransport) -> bool:
        """Whether to hear this door."""
        sock = cast(socket.socket, transport.get_extra_info("socket"))
        if not is_ours(sock):
            _log.warning("another user's process wanted live answers, and was hung up on")
            return False
        if len(self._doors) >= DOORS_MAX:
            return False
        self._doors.add(door)
        return True

    def forget(self, door: "_Door") -> None:
        """It is gone."""
        self._doors.discard(door)

    def take(self, ask: Ask, asker: Asker) -> None:
        """A question has come."""
        if isinstance(ask, LeadAsk):
            self._take_lead(ask, asker)
        else:
            self._take_ping(ask, asker)


class _Door(asyncio.Protocol):
    """The conversation with one door."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._incoming: Incoming[Ask] = Incoming(ASKS, longest=ASK_MAX)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._listener.admit(self, transport):
            self.hang_up()

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        try:
            for ask in self._incoming.take(data):
                self._listener.take(ask, self)
        except BadFrame as error:
            _log.error("a door's line is cut: it sent what is no question", error=str(error))
            self.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._listener.forget(self)

    def hang_up(self) -> None:
        if self._transport is not None:
            transport, self._transport = self._transport, None
            # What was answered is still sent; nothing more is heard.
            transport.close()

    @property
    def is_gone(self) -> bool:
        """It hears nothing any more."""
        return self._transport is None

    def tell(self, answer: Answer) -> None:
        """Answer it."""
        transport = self._transport
        if transport is None:
            return
        frame = framed(answer)
        if transport.get_write_buffer_size() + len(frame) > UNREAD_MAX:
            _log.error("a door does not read its answers, and is hung up on")
            self._transport = None
            transport.abort()
            return
        transport.write(frame)
