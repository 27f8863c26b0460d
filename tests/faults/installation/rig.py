"""A whole installation to be killed, vendors who post to it, and the destination it delivers to.

Each keeps its own record; `Verdict` compares them.
"""

import http.client
import json
import os
import random
import signal
import socketserver
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LEADKEEP = (sys.executable, "-P", "-m", "leadkeep")
DEADLINE_SECONDS = 60.0


def wait_until(what: str, condition: Callable[[], bool]) -> None:
    """Poll until it is so.

    Raises:
        AssertionError: it was not so within the deadline.
    """
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < give_up_at, f"never: {what}"
        time.sleep(0.02)


class Brain(ThreadingHTTPServer):
    """The destination: counts each lead it was given, by number."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self) -> None:
        self.received: Counter[int] = Counter()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _BrainAnswer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where to deliver to."""
        return f"http://127.0.0.1:{self.server_address[1]}/webhook.php"

    def take(self, body: bytes) -> None:
        """Note one delivery."""
        with self._lock:
            self.received[json.loads(body)["number"]] += 1

    def handle_error(self, request: object, client_address: object) -> None:
        """A worker that was killed while it delivered is what this is for."""


class _BrainAnswer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Brain
    timeout = 30

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.take(body)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Vendor(threading.Thread):
    """Posts each lead exactly once and remembers which were answered 2xx."""

    def __init__(self, port: int, numbers: Iterator[int], pause_seconds: float = 0.002) -> None:
        super().__init__(daemon=True)
        self.answered: list[int] = []
        self.posted = 0
        self._port = port
        self._numbers = numbers
        self._pause = pause_seconds
        self._stopping = threading.Event()
        self.start()

    def run(self) -> None:
        """Post until stopped."""
        connection: http.client.HTTPConnection | None = None
        while not self._stopping.is_set():
            number = next(self._numbers)
            self.posted += 1
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request("POST", "/hooks/lqf?sub=1", payload(number))
                reply = connection.getresponse()
                reply.read()
                if 200 <= reply.status < 300:
                    self.answered.append(number)
            except (OSError, http.client.HTTPException):
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.01)
            time.sleep(self._pause)
        if connection is not None:
            connection.close()

    def stop(self) -> list[int]:
        """The numbers of all leads that were answered 2xx."""
        self._stopping.set()
        self.join()
        return self.answered


def payload(number: int) -> bytes:
    """The lead with this number: its bytes follow from it."""
    filling = random.Random(number).randbytes(40).hex()
    return json.dumps({"number": number, "name": "Marisol", "filling": filling}).encode()


class Installation:
    """`leadkeep serve` in a folder of its own; every process of it may be killed.

    Args:
        program: what to run as `leadkeep`.
    """

    def __init__(self, folder: Path, brain: Brain, program: Sequence[str] = LEADKEEP) -> None:
        self.folder = folder
        self.program = tuple(program)
        self.log_level = "warning"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.config = folder / "leadkeep.toml"
        self.config.write_text(
            f'data = "data"\n[intake]\nlisten = ["127.0.0.1:{self.port}"]\nadmin_listen = "off"\n'
            '[worker]\nadmin_listen = "off"\nlease_seconds = 2\n'
            f'[destinations.brain]\nurl = "{brain.url}"\n'
            "[destinations.brain.retry]\nfirst_seconds = 0.1\nlongest_seconds = 0.5\n"
            '[sources.lqf]\npaths = ["*"]\n'
        )

    @property
    def store(self) -> Path:
        """Its SQLite file."""
        return self.folder / "data" / "leadkeep.db"

    def start(self, processes: int = 2) -> None:
        """Start it; returns when so many of its processes serve: the door and the worker."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.program, "serve"],
                cwd=self.folder,
                stderr=log,
                env={**os.environ, "LEADKEEP_LOG_LEVEL": self.log_level},
            )
        self.wait_until_it_serves(processes)

    def wait_until_it_serves(self, processes: int = 2) -> None:
        """Until so many of its processes say that they are ready."""
        wait_until("it serves", lambda: len(self._ready_pids()) >= processes)

    def kill(self, *victims: str) -> None:
        """SIGKILL some of `supervisor`, `intake`, `worker`; a dead supervisor is started anew."""
        told = self._told()
        pids = {role: child["pid"] for role, child in told.get("children", {}).items()}
        pids["supervisor"] = told.get("pid")
        for victim in victims:
            if pids.get(victim):
                _kill(pids[victim])
        if "supervisor" in victims:
            assert self._process is not None
            self._process.wait()
            self.start()
        else:
            dead = {pids[victim] for victim in victims}
            wait_until(
                "it serves again",
                lambda: len(self._ready_pids()) == 2 and not dead & set(self._ready_pids()),
            )

    def stop(self) -> None:
        """End it in good order."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(timeout=DEADLINE_SECONDS) == 0

    def abandon(self) -> None:
        """End whatever of it still runs."""
        pids = self._ready_pids()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pid in pids:
            _kill(pid)

    def process_queue(self) -> None:
        """What a person would do at the end: absorb and deliver all that is due."""
        command = [*LEADKEEP, "process-queue", "--json"]
        subprocess.run(command, cwd=self.folder, check=False, capture_output=True, timeout=60)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the store behind Leadkeep's back."""
        with _opened(self.store) as db:
            return db.execute(sql).fetchall()

    def waiting(self) -> int:
        """Deliveries that are not completed."""
        ((waiting,),) = self.rows("SELECT COUNT(*) FROM lead_queue WHERE status <> 'completed'")
        return int(waiting)

    def _ready_pids(self) -> list[int]:
        told = self._told()
        if self._process is None or told.get("pid") != self._process.pid:
            return []
        return [child["pid"] for child in told["children"].values() if child["ready"]]

    def _told(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / "data/run/supervisor.json").read_text()))
        except (OSError, ValueError):
            return {}


class Verdict:
    """What became of the answered leads, from the store and from the destination."""

    def __init__(self, answered: Sequence[int], installation: Installation, brain: Brain) -> None:
        stored = [
            (json.loads(body)["number"], body)
            for (body,) in installation.rows("SELECT body FROM leads")
        ]
        times = Counter(number for number, _ in stored)
        self.answered = len(answered)
        self.lost = sorted(number for number in answered if not times[number])
        self.twice = sorted(number for number, count in times.items() if count > 1)
        self.changed = sorted(number for number, body in stored if body != payload(number))
        self.undelivered = sorted(set(answered) - set(brain.received))
        self.duplicates = sum(count - 1 for count in brain.received.values() if count > 1)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield db
    finally:
        db.close()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as probe:
        return int(probe.server_address[1])
