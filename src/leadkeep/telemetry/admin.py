"""The admin listener of a process: `/metrics` for Prometheus, `/details` as JSON for people.

It runs in a thread of its own on a socket that is bound to loopback by default, so that a busy or
stuck process still answers, and asking never costs the door anything.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import make_wsgi_app

Details = Callable[[], Mapping[str, object]]


class _Quiet(WSGIRequestHandler):
    """wsgiref writes each request to stderr; ours are not worth a line."""

    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        pass


class AdminListener:
    """Serves `/metrics` and `/details` on a listening socket until stopped.

    Args:
        sock: bound and listening; owned from now on.
        details: called in the listener's thread for each `/details`; must be quick.
    """

    def __init__(self, sock: socket.socket, details: Details) -> None:
        self._details = details
        self._metrics: WSGIApplication = make_wsgi_app()
        server = WSGIServer(sock.getsockname()[:2], _Quiet, bind_and_activate=False)
        server.socket.close()
        server.socket = sock
        server.server_name, server.server_port = "leadkeep", sock.getsockname()[1]
        server.setup_environ()
        server.set_app(self._answer)
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.5}, name="admin", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and close the socket."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> "AdminListener":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return self._metrics(environ, start)
        if path == "/details":
            body = json.dumps(self._details(), default=str).encode()
            start("200 OK", [("Content-Type", "application/json")])
            return [body]
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"Here are /metrics and /details.\n"]
