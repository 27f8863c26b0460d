"""Reading requests off one connection: llhttp frames them, this gathers and bounds them.

llhttp (through httptools) does all the framing, with none of its leniencies. Invariant: `_take` is
called only when llhttp says that the message is complete, with exactly the bytes that it framed.
"""

from abc import ABC, abstractmethod

import httptools
import structlog

from leadkeep.intake.addresses import header_values
from leadkeep.intake.limits import PIPELINE_MAX
from leadkeep.intake.reception import Reception
from leadkeep.intake.replies import CLOSE, HEAD, KEEP_OLD, Reply
from leadkeep.intake.reply_table import BUSY, HEADERS_TOO_LARGE, MALFORMED, TOO_LARGE
from leadkeep.intake.upgrade import OrdinaryAgain

# Phases of a connection.
IDLE = 0
"""Between requests."""
IN_HEAD = 1
IN_BODY = 2
UPGRADING = 3
"""The head asked for another protocol; it is about to be read again as an ordinary request."""
DEAF = 4
"""No further request is read: the last answer is due, or written."""
TOO_MANY = 5
"""A connection over the limit: its first request, whatever it is, is answered 503."""

_SLACK = 256 * 1024
"""One reading of the socket: bounds are looked at after each."""

log = structlog.get_logger("leadkeep.intake")


class _Refused(Exception):
    """Raised inside a parser callback to stop parsing; the reason stands in the reader."""


_SPENT = httptools.HttpRequestParser(object())


class RequestReader(ABC):
    """Gathers requests; what is done with them, its heir says.

    Args:
        reception: whose limits hold, and who takes whole requests.
    """

    __slots__ = (
        "_body",
        "_counted",
        "_head_bytes",
        "_header_max",
        "_headers",
        "_is_old",
        "_lines",
        "_method",
        "_owes_continue",
        "_parser",
        "_phase",
        "_reception",
        "_refusal",
        "_since",
        "_target",
        "_unread",
        "outstanding",
    )

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._header_max = reception.limits.header_bytes
        self._parser = httptools.HttpRequestParser(self)
        self._phase = IDLE
        self._since = 0
        """The tick at which the phase began."""
        self._method = b""
        self._target = b""
        self._lines: list[bytes] = []
        """Pieces of the header lines that have come so far."""
        self._headers = b""
        """The header lines, once the head is whole."""
        self._body: bytes | bytearray = b""
        self._is_old: bool | None = None
        """The sender speaks HTTP/1.0; None: it has not spoken yet."""
        self._head_bytes = -1
        """Bytes of an unfinished head, roughly; -1: not looked at yet."""
        self._counted = -1
        """Bytes of this body that count as unfinished; -1: not looked at yet."""
        self._unread = 0
        """Bytes received since the body last grew."""
        self._owes_continue = False
        self.outstanding = 0
        """Requests taken and not answered."""
        self._refusal: tuple[Reply, str] | None = None

    def let_go(self) -> None:
        """Nothing more will come. (Reader and parser hold each other, so they are parted.)"""
        self._parser = _SPENT

    @abstractmethod
    def _take(self, flags: int) -> None:
        """A whole request stands in the fields."""

    @abstractmethod
    def _refuse(self, reply: Reply, reason: str) -> None:
        """Record a rejection and answer it, after what is outstanding; then hear no more."""

    @abstractmethod
    def _give_up(self, reply: Reply, reason: str) -> None:
        """Answer for a fault of ours: nothing is recorded, the sender shall try again."""

    @abstractmethod
    def _hear_no_more(self, received: int) -> None:
        """Bytes came that nobody reads."""

    @abstractmethod
    def _pause(self) -> None:
        """Read no further until answers have been written."""

    @abstractmethod
    def _pay_continue(self) -> None:
        """Say "100 Continue" if it is owed and nothing else has to be said first."""

    def data_received(self, data: bytes) -> None:
        """Bytes from the sender."""
        if self._phase >= DEAF:
            self._hear_no_more(len(data))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._continue_as_ordinary(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._stop_at_error(error)
        phase = self._phase
        if phase == IN_HEAD:
            self._head_is_unfinished(len(data))
        elif phase == IN_BODY:
            self._body_is_unfinished(len(data))
        if self.outstanding >= PIPELINE_MAX:
            self._pause()

    # ------------------------------------------------------------ the parser speaks

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._phase = IN_HEAD
        self._since = self._reception.tick
        self._target = b""
        self._head_bytes = -1

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, whole; after the body also a trailer, which is not kept."""
        self._lines.extend((name, b": ", value, b"\r\n"))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        parser = self._parser
        self._headers = headers = b"".join(self._lines)
        self._lines.clear()
        self._method = parser.get_method()
        self._body = b""
        if len(headers) + len(self._target) > self._header_max:
            self._stop(HEADERS_TOO_LARGE, "headers too large")
        if parser.should_upgrade():
            if self._method == b"CONNECT":
                self._stop(MALFORMED, "malformed")
            self._phase = UPGRADING
            return
        self._phase = IN_BODY
        self._counted = -1

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, as framed by length or chunks."""
        body = self._body
        if not body:
            self._body = body = piece
        elif isinstance(body, bytes):
            # Many small pieces would cost far more memory than their bytes.
            self._body = body = bytearray(body)
            body += piece
        else:
            body += piece
        if len(body) > self._reception.limits.body_bytes:
            self._stop(TOO_LARGE, "body too large")

    def on_message_complete(self) -> None:
        """The request is whole: this, and nothing else, makes it a lead."""
        if self._phase == UPGRADING:
            return
        self._phase = IDLE
        parser = self._parser
        is_old = self._is_old
        if is_old is None:
            # Asked once for each connection: nobody changes the version in between.
            self._is_old = is_old = parser.get_http_version() == "1.0"
        if not parser.should_keep_alive():
            flags = CLOSE
            self._phase = DEAF
        else:
            flags = KEEP_OLD if is_old else 0
        if self._method == b"HEAD":
            flags |= HEAD
        if self._counted > 0:
            self._forget_body()
        if self._lines:
            self._lines.clear()  # Trailers.
        self._owes_continue = False
        self._take(flags)
        self._body = b""

    # ------------------------------------------------------------ requests that are not whole yet

    def _head_is_unfinished(self, received: int) -> None:
        """Bound what the parser gathers of one head, of which it says nothing until a line ends."""
        if self._head_bytes < 0:
            self._head_bytes = len(self._target) + sum(map(len, self._lines))
        else:
            self._head_bytes += received
        if self._head_bytes > 2 * self._header_max:
            self._refuse(HEADERS_TOO_LARGE, "headers too large")

    def _body_is_unfinished(self, received: int) -> None:
        """Look at the head's promises once, and bound what unfinished bodies hold in memory."""
        reception = self._reception
        if self._counted < 0:
            self._counted = self._unread = 0
            self._since = reception.tick
            if self._announces_too_much():
                self._refuse(TOO_LARGE, "body too large")
                return
            if not self._body and self._waits_for_continue():
                self._owes_continue = True
                self._pay_continue()
        grown = len(self._body) - self._counted
        self._counted += grown
        reception.partial_bytes += grown
        # Chunk extensions and trailers go nowhere, but they must not go on for ever.
        self._unread = 0 if grown else self._unread + received
        if self._unread > self._header_max + _SLACK:
            self._refuse(HEADERS_TOO_LARGE, "headers too large")
        elif reception.partial_bytes > reception.limits.partial_bytes:
            self._give_up(BUSY, "busy")

    def _waits_for_continue(self) -> bool:
        expected = header_values(self._headers, b"expect")
        return (
            len(expected) == 1
            and expected[0].lower() == b"100-continue"
            and self._parser.get_http_version() != "1.0"
        )

    def _announces_too_much(self) -> bool:
        lengths = header_values(self._headers, b"content-length")
        # llhttp has read it as a number already, so it is one.
        return any(int(length) > self._reception.limits.body_bytes for length in lengths)

    def _forget_body(self) -> None:
        if self._counted > 0:
            self._reception.partial_bytes -= self._counted
            self._counted = 0

    # ------------------------------------------------------------ stopping the parser

    def _stop(self, reply: Reply, reason: str) -> None:
        """Stop the parser from inside a callback."""
        self._refusal = (reply, reason)
        raise _Refused

    def _stop_at_error(self, error: httptools.HttpParserError) -> None:
        """The parser has stopped: for a reason of ours, or because this is no HTTP."""
        if self._phase == DEAF:
            return  # Bytes after a request that asked to close: nobody waits for an answer.
        if self._refusal is not None:
            self._refuse(*self._refusal)
        elif isinstance(error, httptools.HttpParserCallbackError):
            # A bug of ours is no reason to tell a vendor that its request is wrong.
            log.error("a request could not be taken", exc_info=error.__context__)
            self._give_up(BUSY, "error")
        else:
            self._refuse(MALFORMED, "malformed")

    def _continue_as_ordinary(self, rest: bytes) -> None:
        """Read a request that offered another protocol as the ordinary request it also is."""
        while True:
            shim = OrdinaryAgain(self)
            version = self._parser.get_http_version()
            self._parser = httptools.HttpRequestParser(shim)
            self._phase = IN_BODY
            self._since = self._reception.tick
            self._counted = -1
            try:
                self._parser.feed_data(
                    shim.head_of(self._method, self._target, self._headers, version)
                )
                shim.replaying = False
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as another:
                rest = rest[another.args[0] :]
                continue
            except httptools.HttpParserError as error:
                self._stop_at_error(error)
            return
