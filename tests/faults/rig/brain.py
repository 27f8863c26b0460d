"""The destination: keeps its own record of what it was given."""

import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from tests.faults.rig.leads import number_in


class Destination(Protocol):
    """What the rig wants of a destination: where it is, and its own record."""

    received: Counter[int]

    @property
    def url(self) -> str:
        """Where to deliver to."""


class Brain(ThreadingHTTPServer):
    """The destination: counts each lead it was given, by number."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, received: Counter[int] | None = None
    ) -> None:
        self.received: Counter[int] = Counter() if received is None else received
        self.status = 200
        """What it answers; a lead that it answers otherwise does not count as received."""
        self.gate: threading.Event | None = None
        """If there is one, what comes now waits for it, and is then answered 503."""
        self.waiting = 0
        self._lock = threading.Lock()
        super().__init__((host, port), _BrainAnswer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where to deliver to."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/webhook.php"

    def take(self, body: bytes) -> None:
        """Note one delivery."""
        number = number_in(body)
        if number is not None:
            with self._lock:
                self.received[number] += 1

    def handle_error(self, request: object, client_address: object) -> None:
        """A worker that was killed while it delivered is what this is for."""

    def server_close(self) -> None:
        """Serve no longer; at the end of a `with` block, too."""
        self.shutdown()
        super().server_close()


class _BrainAnswer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Brain
    timeout = 30

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Whatever the method: an abuser's lead is delivered as it came."""
        if name.startswith("do_"):
            return self._take
        raise AttributeError(name)

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, gate = self.server.status, self.server.gate
        if gate is not None:
            self.server.waiting += 1
            gate.wait()
            status = 503
        if status == 200:
            self.server.take(body)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass
