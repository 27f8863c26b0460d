"""An application that remembers by its hash what it was given, and a vendor that posts anything."""

import hashlib
import http.client
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class Remembering(ThreadingHTTPServer):
    """The application: counts the hash of each body with the number of its lead."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        self.received: Counter[int] = Counter()
        """Deliveries of each lead, by its number."""
        self.hashes: dict[int, str] = {}
        """SHA-256 of the body that came, by the lead's number."""
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Take)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Where to deliver to."""
        return f"http://127.0.0.1:{self.server_address[1]}/in"

    def take(self, number: int, body: bytes) -> None:
        """Note one delivery."""
        with self._lock:
            self.received[number] += 1
            self.hashes[number] = hashlib.sha256(body).hexdigest()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Take(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Remembering
    timeout = 30

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.take(int(self.headers["Leadkeep-Lead-Number"]), body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def post(port: int, target: bytes, headers: bytes, body: bytes) -> tuple[int, bytes]:
    """Post bytes exactly as they are; status and body of the answer.

    Args:
        headers: further header lines, each with its end.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    assert connection.sock is not None
    length = b"Content-Length: %d\r\n" % len(body)
    connection.sock.sendall(
        b"POST " + target + b" HTTP/1.1\r\nHost: door\r\n" + headers + length + b"\r\n" + body
    )
    answer = http.client.HTTPResponse(connection.sock, method="POST")
    answer.begin()
    told = answer.read()
    connection.close()
    return answer.status, told
