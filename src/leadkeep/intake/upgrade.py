"""Requests that offer another protocol (`Upgrade: h2c`, as Java's client does with every POST).

llhttp stops after such a head and would leave the body unread. A server that does not upgrade
treats the request as an ordinary one (RFC 9110, 7.8), so the head is fed to a second parser without
its Upgrade line, and that parser goes on with the body. What is kept are the headers as they came.
"""

from typing import Protocol


class Listener(Protocol):
    """Who listens to the parser's callbacks."""

    def on_message_begin(self) -> None: ...
    def on_url(self, url: bytes) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_body(self, piece: bytes) -> None: ...
    def on_message_complete(self) -> None: ...


class OrdinaryAgain:
    """Passes callbacks on, except those for the head that is read a second time."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.replaying = True
        self.on_body = listener.on_body
        self.on_message_complete = listener.on_message_complete

    @staticmethod
    def head_of(method: bytes, target: bytes, headers: bytes, version: str) -> bytes:
        """The head without its Upgrade lines."""
        lines = [
            line for line in headers.split(b"\r\n") if line.partition(b":")[0].lower() != b"upgrade"
        ]
        start = b"%b %b HTTP/%b\r\n" % (method, target, version.encode())
        # `headers` ends with a line break, so the last of its lines is the empty one.
        return start + b"\r\n".join(lines) + b"\r\n"

    def on_message_begin(self) -> None:
        """A request begins."""
        if not self.replaying:
            self._listener.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        if not self.replaying:
            self._listener.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        if not self.replaying:
            self._listener.on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        if not self.replaying:
            self._listener.on_headers_complete()
