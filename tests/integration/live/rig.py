"""`leadkeep serve` as it is, a destination that answers as told, and vendors that wait for it."""

import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from click.testing import CliRunner, Result

from leadkeep.cli import main
from leadkeep.supervisor.presence import SupervisorState, read_state
from tests.integration.intake.rig import Answer, Client, request
from tests.integration.waiting import free_port, wait_until

LEADKEEP = (sys.executable, "-P", "-m", "leadkeep")


@dataclass
class Script:
    """What the destination answers, and when."""

    status: int = 200
    headers: dict[str, str] = field(
        default_factory=lambda: {"Content-Type": "application/json", "Server-Secret": "inside"}
    )
    body: bytes = b'{"lead_id": "app-1", "price": 4.5}'
    lies_in_chunks: bool = False
    """Send the body chunked, so that no length is told."""


class Brain(ThreadingHTTPServer):
    """A destination; keeps what it got, and answers by its script once it may."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.script = Script()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.lock = threading.Lock()
        self.keys: Counter[str] = Counter()
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.arrived = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/lead"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A worker that was killed hangs up: that is what is tried here."""


class _Take(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Brain

    def _answer(self) -> None:
        brain = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with brain.lock:
            brain.keys[self.headers["Idempotency-Key"]] += 1
            brain.requests.append((self.command, self.path, dict(self.headers.items()), body))
        brain.arrived.set()
        brain.may_answer.wait(30)
        script = brain.script
        self.send_response(script.status)
        for name, value in script.headers.items():
            self.send_header(name, value)
        if script.status == 204:
            self.end_headers()
        elif script.lies_in_chunks:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(script.body), script.body))
        else:
            self.send_header("Content-Length", str(len(script.body)))
            self.end_headers()
            self.wfile.write(script.body)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def a_brain() -> Iterator[Brain]:
    """A running destination."""
    brain = Brain()
    thread = threading.Thread(target=brain.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield brain
    finally:
        brain.may_answer.set()
        brain.shutdown()
        thread.join()
        brain.server_close()


class Served:
    """A whole installation in a folder."""

    def __init__(self, folder: Path, brain: Brain) -> None:
        self.folder = folder
        self.brain = brain
        self.port = free_port()
        self.admin = free_port()
        self.supervisor: subprocess.Popen[bytes] | None = None
        self._posts = itertools.count(1)
        self.configure()

    def configure(
        self,
        *,
        source: str = "",
        destination: str = "",
        more: str = "",
        timeout_ms: int = 10_000,
    ) -> None:
        """Write the configuration; what is given is added to the section of that name."""
        (self.folder / "leadkeep.toml").write_text(
            f'[intake]\nlisten = ["127.0.0.1:{self.port}"]\n'
            f'admin_listen = "127.0.0.1:{self.admin}"\n'
            'lame_duck_seconds = 0.5\ndrain_seconds = "1s"\n'
            '[worker]\nadmin_listen = "off"\nballast_bytes = 0\ndrain_seconds = "1s"\n'
            f'[destinations.brain]\nurl = "{self.brain.url}"\n{destination}\n'
            "[destinations.brain.retry]\nfirst_seconds = 0.05\nlongest_seconds = 0.2\n"
            '[sources.vendor]\npaths = "/lead"\nping_paths = "/ping"\nanswer = "live"\n'
            f"live_timeout_ms = {timeout_ms}\n{source}\n"
            "[sources.vendor.duplicates]\nsame_delivery = false\n"
            '[sources.other]\npaths = "/other"\n' + more
        )

    def start(self) -> Self:
        """Start it and wait until both children serve."""
        with (self.folder / "stderr").open("ab") as stderr:
            self.supervisor = subprocess.Popen([*LEADKEEP, "serve"], cwd=self.folder, stderr=stderr)
        wait_until("it serves", self.is_serving)
        return self

    def state(self) -> SupervisorState | None:
        """What the supervisor says."""
        return read_state(self.folder / "data/run")

    def is_serving(self) -> bool:
        """True once both children are ready."""
        state = self.state()
        return state is not None and all(
            child["ready"] and child["pid"] for child in state["children"].values()
        )

    def pid(self, role: str) -> int:
        """Process id of the child that serves."""
        state = self.state()
        assert state is not None
        pid = state["children"][role]["pid"]
        assert pid is not None
        return pid

    def signal(self, role: str, number: int) -> None:
        """Send a signal to one of the children."""
        os.kill(self.pid(role), number)

    def stop(self) -> None:
        """Stop it, in good order if it can."""
        supervisor = self.supervisor
        if supervisor is None:
            return
        state = self.state()
        pids = [child["pid"] for child in state["children"].values()] if state else []
        for pid in filter(None, pids):
            os.kill(pid, signal.SIGCONT)
        supervisor.terminate()
        try:
            supervisor.wait(30)
        finally:
            supervisor.kill()
            supervisor.wait()

    # ------------------------------------------------------------ vendors

    def client(self) -> Client:
        """A connection of a vendor's."""
        return Client(self.port)

    def post(self, path: str = "/lead", body: bytes | None = None, **more: Any) -> Answer:
        """Post one lead or ping over a connection of its own; unless told, one like no other."""
        if body is None:
            body = b'{"n": "post %d"}' % next(self._posts)
        with self.client() as client:
            return client.ask(request("POST", path, body, **more))

    # ------------------------------------------------------------ what people see

    def command(self, *words: str) -> Any:
        """Run a command with --json; what it told."""
        told = self._invoke(*words, "--json")
        assert told.exit_code in (0, 3), told.output
        return json.loads(told.stdout)

    def run(self, *words: str) -> None:
        """Run a command that must succeed."""
        told = self._invoke(*words)
        assert told.exit_code == 0, told.output

    def _invoke(self, *words: str) -> Result:
        where = (
            "--config",
            str(self.folder / "leadkeep.toml"),
            "--data",
            str(self.folder / "data"),
        )
        return CliRunner(env={"NO_COLOR": "1"}).invoke(main, [*where, *words])

    def statuses(self) -> Counter[str]:
        """How many deliveries stand where."""
        rows = self.command("sql", "SELECT status, COUNT(*) AS n FROM lead_queue GROUP BY status")
        return Counter({row["status"]: row["n"] for row in rows})

    def attempts(self) -> int:
        """How many tries are recorded."""
        (row,) = self.command("sql", "SELECT COUNT(*) AS n FROM attempts")
        count: int = row["n"]
        return count

    def live_answers(self) -> dict[str, int]:
        """How the door's live questions ended."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=20)
        connection.request("GET", "/details")
        details = json.loads(connection.getresponse().read())
        connection.close()
        found: dict[str, int] = details["live_answers"]
        return found

    def all_completed(self, count: int) -> bool:
        """True once so many leads are delivered and none waits."""
        return self.statuses() == Counter(completed=count)


def seconds_of(call: Any) -> float:
    """How long a call took."""
    began = time.monotonic()
    call()
    return time.monotonic() - began
