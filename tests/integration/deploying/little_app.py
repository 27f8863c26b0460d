"""A little application that is deployed: takes leads, notes each, and can be told to misbehave.

`little_app.py FOLDER NAME PORT` notes in `FOLDER/NAME.taken` a line for each lead that it
confirms. While `FOLDER/NAME.refuses` exists it answers the number in it to leads; while
`FOLDER/NAME.ill` does its health is 503; a lead with `poison` in it is always answered 422.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER, NAME, PORT = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self._status(body)
        if status == 200:
            line = f"{self.headers['Idempotency-Key']} {self.headers.get('X-Token', '-')}\n"
            with (FOLDER / f"{NAME}.taken").open("a") as taken:
                taken.write(line)
        self._answer(status)

    def do_GET(self) -> None:
        with (FOLDER / f"{NAME}.asked").open("a") as asked:
            asked.write(f"{self.path} {sorted(name.lower() for name in self.headers)}\n")
        self._answer(503 if (FOLDER / f"{NAME}.ill").exists() else 200)

    def _status(self, body: bytes) -> int:
        if b"poison" in body:
            return 422
        try:
            return int((FOLDER / f"{NAME}.refuses").read_text())
        except FileNotFoundError:
            return 200

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server = Server(("127.0.0.1", PORT), Answer)
# Only now: whoever waits for this file finds a door that is open.
(FOLDER / f"{NAME}.pid").write_text(str(os.getpid()))
server.serve_forever()
