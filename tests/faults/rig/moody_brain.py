"""A destination that treats each lead badly at first, in one of many ways, and then takes it."""

import json
import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable

BAD_TRIES = 2
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_HANG_SECONDS = 1.5
"""Longer than the destination's timeout in the rig."""

Mood = Callable[[socket.socket], None]
"""What is done with a connection on which a whole request has come; it is closed afterwards."""


def _says(*pieces: bytes, pause_seconds: float = 0.0) -> Mood:
    def act(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause_seconds)

    return act


def _status(code: int, *headers: bytes) -> Mood:
    lines = b"".join(header + b"\r\n" for header in headers)
    return _says(b"HTTP/1.1 %d No\r\n%sContent-Length: 2\r\n\r\nno" % (code, lines))


def _hang(connection: socket.socket) -> None:
    time.sleep(_HANG_SECONDS)


def _drip(connection: socket.socket) -> None:
    give_up_at = time.monotonic() + _HANG_SECONDS
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while time.monotonic() < give_up_at:
        connection.sendall(b".")
        time.sleep(0.02)


def _reset(connection: socket.socket, said: bytes = b"") -> None:
    connection.sendall(said)
    # Closing with this option sends RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


MOODS: dict[str, Mood] = {
    **{f"status {code}": _status(code) for code in (400, 401, 403, 404, 405, 408, 409, 410)},
    **{f"status {code}": _status(code) for code in (413, 415, 418, 422, 423, 425, 429, 451)},
    **{f"status {code}": _status(code) for code in (500, 501, 502, 503, 504, 507, 520, 599)},
    **{
        f"redirect {code}": _status(code, b"Location: http://127.0.0.1:1/")
        for code in (301, 302, 303, 307, 308)
    },
    "429 with Retry-After": _status(429, b"Retry-After: 0"),
    "503 with a nonsense Retry-After": _status(503, b"Retry-After: soon"),
    "no answer": _hang,
    "closes without an answer": _says(),
    "resets after the body": _reset,
    "resets in a 200's body": lambda c: _reset(c, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\no"),
    "drips a 200": _drip,
    "half a status line": _says(b"HTTP/1.1 20"),
    "half the headers": _says(b"HTTP/1.1 200 OK\r\nContent-Len"),
    "half the body": _says(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"),
    "half a chunk": _says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhalf"),
    "more body than it says": _says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more"),
    "a huge error page": _says(
        b"HTTP/1.1 500 No\r\nContent-Length: 4000000\r\n\r\n", b"x" * 4_000_000
    ),
    "endless headers": _says(b"HTTP/1.1 200 OK\r\n", *[b"X-More: %s\r\n" % (b"y" * 999)] * 500),
    "no HTTP": _says(b"SUCCESS: add_lead\r\n\r\n"),
    "interim replies for ever": _says(
        *[b"HTTP/1.1 102 Processing\r\n\r\n"] * 60, pause_seconds=0.02
    ),
    "a bad length": _says(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"),
    "two lengths": _says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    ),
}
"""Ways to treat a lead badly."""


class MoodyBrain(socketserver.ThreadingTCPServer):
    """The destination. Serves from the start until closed."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, mood: str) -> None:
        self.received: Counter[int] = Counter()
        self.misbehaved = 0
        self.status = 200
        self._mood = MOODS[mood]
        self._tries: Counter[int] = Counter()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Visit)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where to deliver to."""
        return f"http://127.0.0.1:{self.server_address[1]}/webhook.php"

    def judge(self, body: bytes) -> Mood | None:
        """How to treat this try; None: well."""
        number = json.loads(body)["number"]
        with self._lock:
            self._tries[number] += 1
            if self._tries[number] <= BAD_TRIES:
                self.misbehaved += 1
                return self._mood
            self.received[number] += 1
        return None

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever is treated like this may well have left."""

    def server_close(self) -> None:
        """Serve no longer; at the end of a `with` block, too."""
        self.shutdown()
        super().server_close()


class _Visit(socketserver.BaseRequestHandler):
    server: MoodyBrain

    def handle(self) -> None:
        connection: socket.socket = self.request
        connection.settimeout(30)
        stream = connection.makefile("rb")
        with stream:
            while (head := _head(stream.readline)) is not None:
                mood = self.server.judge(stream.read(head))
                if mood is not None:
                    mood(connection)
                    return
                connection.sendall(_OK)


def _head(readline: Callable[[], bytes]) -> int | None:
    """Read a request's head; returns the length of its body, None if there is no further one."""
    length = 0
    if not readline():
        return None
    while (line := readline()) not in {b"\r\n", b""}:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return length
