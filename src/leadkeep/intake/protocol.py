"""One connection: bytes in, answers back in their order, and an end in good time.

Invariant: a request that ends before it is whole becomes a rejection, never a lead; and whatever
the other side does or leaves undone, the connection is gone after a bounded time.
"""

import asyncio
from collections import deque
from typing import cast

from leadkeep.intake.addresses import socket_address
from leadkeep.intake.item import Awaited, Item
from leadkeep.intake.limits import LINGER_BYTES, PIPELINE_MAX
from leadkeep.intake.peers import Peers
from leadkeep.intake.reading import DEAF, IDLE, IN_BODY, IN_HEAD, TOO_MANY, UPGRADING, RequestReader
from leadkeep.intake.reception import Reception
from leadkeep.intake.replies import CLOSE, Reply
from leadkeep.intake.reply_table import (
    BUSY,
    CUT_OFF,
    STOPPING,
    TOO_SLOW,
)
from leadkeep.models import RecordFlag

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNFINISHED = frozenset({IN_HEAD, IN_BODY, UPGRADING})


class Connection(RequestReader, asyncio.Protocol):
    """A vendor's connection.

    Args:
        reception: takes whole requests and answers them.
        peers: all connections of the door; this one is in it while it is open.
    """

    __slots__ = (
        "_has_ended",
        "_lingered",
        "_lingers",
        "_paused",
        "_peers",
        "_stuck",
        "_transport",
        "flags",
        "held",
        "out",
        "peer",
        "peer_bytes",
        "peer_is_proxy",
    )

    def __init__(self, reception: Reception, peers: "Peers[Connection]") -> None:
        super().__init__(reception)
        self._peers = peers
        self._transport: asyncio.Transport | None = None
        self._stuck: int | None = None
        """The tick at which the sender stopped reading its answers."""
        self._paused = False
        self._has_ended = False
        """The sender has said that it sends no more."""
        self._lingers = False
        """The sender may still be sending what nobody reads."""
        self._lingered = 0
        self.peer = ""
        self.peer_bytes = b""
        self.peer_is_proxy = False
        self.flags = 0
        self.out: list[bytes] = []
        self.held: deque[Item | Awaited] | None = None

    # ------------------------------------------------------------ the transport speaks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open (and its TLS handshake done)."""
        reception = self._reception
        self._transport = cast(asyncio.Transport, transport)
        self._since = reception.tick
        self.peer = socket_address(transport.get_extra_info("peername"))
        self.peer_bytes = self.peer.encode()
        self.peer_is_proxy = reception.proxies.trusts(self.peer)
        if transport.get_extra_info("sslcontext") is not None:
            self.flags = int(RecordFlag.TLS)
        others = len(self._peers)
        self._peers.add(self)
        reception.counts.connections_seen += 1
        reception.counts.connections = others + 1
        if others >= reception.limits.connections:
            self._phase = TOO_MANY
            if others >= reception.limits.connections + reception.limits.refused:
                reception.counts.refused["connections"] += 1
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; what it began and did not finish is recorded as cut off."""
        if self._phase in _UNFINISHED:
            self._reject(CUT_OFF, "cut off", answers=False)
        self._phase = DEAF
        self._forget_body()
        self._transport = None
        self.let_go()
        self._peers.discard(self)
        self._reception.counts.connections = len(self._peers)

    def eof_received(self) -> bool:
        """The sender will send no more; it may still read."""
        self._has_ended = True
        if self._phase in _UNFINISHED:
            self._refuse(CUT_OFF, "cut off")
        self._phase = DEAF
        # TLS cannot be half closed: there, what is outstanding is stored and nobody hears it.
        return self.outstanding > 0 and not self.flags & RecordFlag.TLS

    def pause_writing(self) -> None:
        """The sender does not read its answers: read no more of its requests."""
        self._stuck = self._reception.tick
        self._pause()

    def resume_writing(self) -> None:
        """It reads again."""
        self._stuck = None
        self._resume()

    # ------------------------------------------------------------ the reader speaks

    def _take(self, flags: int) -> None:
        self._reception.take(
            self, self._method, self._target, self._headers, bytes(self._body), flags
        )

    def _pay_continue(self) -> None:
        if self._owes_continue and self.outstanding == 0 and self._transport is not None:
            self._owes_continue = False
            self._transport.write(_CONTINUE)

    def _refuse(self, reply: Reply, reason: str) -> None:
        """Record a rejection and answer it, after what is outstanding; then hear no more."""
        self._phase = DEAF
        self._lingers = True
        self._reject(reply, reason, answers=True)
        self._forget_body()
        self._body = b""

    def _reject(self, reply: Reply, reason: str, *, answers: bool) -> None:
        self._reception.reject(
            self,
            reply,
            reason,
            method=self._known_method(),
            target=self._target,
            headers=self._headers or b"".join(self._lines),
            answers=answers,
        )

    def _known_method(self) -> str:
        return self._parser.get_method().decode("ascii", "replace") if self._target else ""

    def _give_up(self, reply: Reply, reason: str) -> None:
        """Answer for a fault of ours: nothing is recorded, the sender shall try again."""
        self._phase = DEAF
        self._lingers = True
        self._forget_body()
        self._body = b""
        self._reception.answer(self, reply, CLOSE, reason=reason)

    def _hear_no_more(self, received: int) -> None:
        if self._phase == TOO_MANY:
            self._give_up(BUSY, "connections")
        self._lingered += received
        if self._lingered > LINGER_BYTES and self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ answering

    def last_words(self) -> bool:
        """True if the answer being rendered is the last that this connection gets."""
        if self.outstanding != 1:
            return False
        if self._phase == IDLE and self._reception.draining:
            self._phase = DEAF
        return self._phase == DEAF

    def flush(self) -> None:
        """Write the answers in `out`; close after the last one."""
        transport, out = self._transport, self.out
        if transport is None:
            out.clear()
            return
        if out:
            transport.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()
        if self.outstanding == 0:
            self._since = self._reception.tick
            if self._phase == DEAF:
                self._hang_up(transport)
            elif self._owes_continue:
                self._pay_continue()
        if self._paused and self.outstanding < PIPELINE_MAX // 2:
            self._resume()

    def _hang_up(self, transport: asyncio.Transport) -> None:
        """Close; but if the sender may still be sending, let it read the answer first.

        Closing with bytes unread makes the system send a reset, and a reset makes the other side
        forget an answer that it has not read yet.
        """
        if self._has_ended or not (self._lingers or self._lingered):
            transport.close()
        elif transport.can_write_eof():
            transport.write_eof()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._stuck is None and self._transport is not None:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    # ------------------------------------------------------------ time passes

    def sweep(self, tick: int) -> None:
        """Once per tick: end what takes too long."""
        limits = self._reception.limits
        transport = self._transport
        if transport is None:
            return
        age = tick - self._since
        phase = self._phase
        if self._stuck is not None and tick - self._stuck > limits.idle_ticks:
            transport.abort()
        elif phase == IN_HEAD:
            if age > limits.header_ticks:
                self._refuse(TOO_SLOW, "too slow")
        elif phase == IN_BODY:
            if age > limits.body_ticks:
                self._refuse(TOO_SLOW, "too slow")
        elif self.outstanding == 0:
            if phase >= DEAF:
                if age > limits.linger_ticks:
                    transport.abort()
            elif age > limits.idle_ticks:
                transport.close()

    def close_if_idle(self) -> None:
        """On stopping: nothing is under way here, so nothing more is expected."""
        if self._phase == IDLE and self.outstanding == 0 and self._transport is not None:
            self._transport.close()

    def stop_unfinished(self) -> None:
        """On stopping: the time for what is under way is over."""
        if self._phase in _UNFINISHED:
            self._give_up(STOPPING, "stopping")
        else:
            self.close_if_idle()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()
