"""A whole installation to be killed, vendors who post to it, and the destination it delivers to.

Each keeps its own record; `Verdict` compares them.
"""

import http.client
import json
import os
import random
import signal
import socket
import socketserver
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

LEADKEEP = (sys.executable, "-P", "-m", "leadkeep")
DEADLINE_SECONDS = 60.0
FILLING = 40


def wait_until(
    what: str, condition: Callable[[], bool], possible: Callable[[], bool] = lambda: True
) -> None:
    """Poll until it is so.

    Raises:
        AssertionError: it was not so within the deadline, or is not possible any more.
    """
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert possible() and time.monotonic() < give_up_at, f"never: {what}"
        time.sleep(0.02)


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

    def __init__(self) -> None:
        self.received: Counter[int] = Counter()
        self.status = 200
        """What it answers; a lead that it answers otherwise does not count as received."""
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _BrainAnswer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where to deliver to."""
        return f"http://127.0.0.1:{self.server_address[1]}/webhook.php"

    def take(self, body: bytes) -> None:
        """Note one delivery."""
        number = number_in(body)
        if number is not None:
            with self._lock:
                self.received[number] += 1

    def handle_error(self, request: object, client_address: object) -> None:
        """A worker that was killed while it delivered is what this is for."""


class _BrainAnswer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Brain
    timeout = 30

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.status
        if status == 200:
            self.server.take(body)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Vendor(threading.Thread):
    """Posts each lead exactly once and remembers which were answered 2xx.


    Args:
        filling: random bytes in each lead, which makes it twice as long and more.
    """

    def __init__(
        self,
        port: int,
        numbers: Iterator[int],
        pause_seconds: float = 0.002,
        timeout_seconds: float = 10,
        *,
        filling: int = FILLING,
    ) -> None:
        super().__init__(daemon=True)
        self.answered: list[int] = []
        self.refused: list[int] = []
        """Those that were answered 503."""
        self.unanswered: list[int] = []
        self.posted = 0
        self._filling = filling
        self._port = port
        self._numbers = numbers
        self._pause = pause_seconds
        self._timeout = timeout_seconds
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
                    connection = http.client.HTTPConnection(
                        "127.0.0.1", self._port, timeout=self._timeout
                    )
                connection.request("POST", "/hooks/lqf?sub=1", payload(number, self._filling))
                reply = connection.getresponse()
                reply.read()
                if 200 <= reply.status < 300:
                    self.answered.append(number)
                elif reply.status == 503 and reply.headers["Retry-After"]:
                    self.refused.append(number)
                else:
                    self.unanswered.append(number)
            except (OSError, http.client.HTTPException):
                self.unanswered.append(number)
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


def payload(number: int, filling: int = FILLING) -> bytes:
    """The lead with this number: its bytes follow from it."""
    filled = random.Random(number).randbytes(filling).hex()
    return json.dumps({"number": number, "name": "Marisol", "filling": filled}).encode()


def number_in(body: bytes) -> int | None:
    """The number of the vendors' lead with this body; None: it is somebody else's."""
    try:
        return int(json.loads(body)["number"])
    except (ValueError, TypeError, KeyError):
        return None


class Installation:
    """`leadkeep serve` in a folder of its own; every process of it may be killed.

    Args:
        folder: where it is started; its log and configuration are there.
        program: what to run as `leadkeep`.
        data: its data folder; None: `data` in the folder.
        settings: more of them, by dotted key, written as in TOML.
    """

    def __init__(
        self,
        folder: Path,
        brain: Destination,
        program: Sequence[str] = LEADKEEP,
        *,
        data: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = data or folder / "data"
        self.program = tuple(program)
        told = (settings or {}).get("store.path")
        self.store = Path(told.strip('"')) if told else self.data / "leadkeep.db"
        """Its SQLite file."""
        self.faults: dict[str, object] = {}
        """For `faulty_leadkeep`, from the next start on."""
        self.held_socket: socket.socket | None = None
        """The door's, held open over restarts, as systemd's socket activation does."""
        self.restarts = 0
        """How often a supervisor that is gone now had to start a child again."""
        self.log_level = "warning"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.config = folder / "leadkeep.toml"
        self.config.write_text(self._configuration(brain, settings or {}))

    def _configuration(self, brain: Destination, settings: Mapping[str, str]) -> str:
        tables: dict[str, dict[str, str]] = {
            "intake": {"listen": f'["127.0.0.1:{self.port}"]', "admin_listen": '"off"'},
            "worker": {"admin_listen": '"off"', "lease_seconds": "2", "ballast_bytes": "0"},
            "destinations.brain": {"url": f'"{brain.url}"'},
            "destinations.brain.retry": {"first_seconds": "0.1", "longest_seconds": "0.5"},
            "sources.lqf": {"paths": '["*"]'},
        }
        for key, value in settings.items():
            table, _, name = key.rpartition(".")
            tables.setdefault(table, {})[name] = value
        lines = [f'data = "{self.data}"']
        for table, rows in tables.items():
            lines += [f"[{table}]", *(f"{name} = {value}" for name, value in rows.items())]
        return "\n".join(lines) + "\n"

    def start(self, roles: Sequence[str] = ("intake", "worker")) -> None:
        """Start it; returns when these of its processes serve."""
        command = [*self.program, "serve"]
        if self.held_socket is not None:
            # As systemd would: the open socket as descriptor 3, meant for this process alone.
            script = f"export LISTEN_FDS=1 LISTEN_PID=$$; exec 3<&{self.held_socket.fileno()}; "
            command = ["bash", "-c", script + 'exec "$@"', "activate", *command]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stderr=log,
                pass_fds=[self.held_socket.fileno()] if self.held_socket else [],
                env=self._environ(),
            )
        wait_until("it serves", lambda: len(self._ready_pids(roles)) == len(roles))

    def running(self) -> bool:
        """Whether its supervisor is there."""
        return self._process is not None and self._process.poll() is None

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
            self._note_restarts()
            assert self._process is not None
            self._process.wait()
            self.start()
        else:
            dead = {pids[victim] for victim in victims}
            wait_until(
                "it serves again",
                lambda: len(self._ready_pids()) == 2 and not dead & set(self._ready_pids()),
            )

    def reload(self) -> None:
        """Have it look at its configuration anew (SIGHUP)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def generation(self) -> int:
        """How often new settings have come into force."""
        return int(self._told().get("generation", -1))

    def said(self, text: str) -> int:
        """How often its log has this."""
        return self.log().count(text)

    def freeze(self, role: str) -> None:
        """Stop a child without ending it: what it has not done yet stays undone."""
        self.signal(role, signal.SIGSTOP)

    def signal(self, role: str, number: signal.Signals) -> None:
        """Send a child a signal."""
        pid = self.pid(role)
        assert pid is not None, f"there is no {role}"
        os.kill(pid, number)

    def stop(self) -> None:
        """End it in good order."""
        assert self._process is not None
        self._note_restarts()
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(timeout=DEADLINE_SECONDS) == 0

    def abandon(self) -> int:
        """Kill whatever of it still runs; returns how many processes that were."""
        self._note_restarts()
        pids = self._pids()
        killed = len(pids)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
            killed += 1
        for pid in pids:
            _kill(pid)
        wait_until("its processes are gone", lambda: not any(map(_runs, pids)))
        return killed

    def pid(self, role: str) -> int | None:
        """The process of `intake` or `worker`; None while there is none."""
        pid: int | None = self._told().get("children", {}).get(role, {}).get("pid")
        return pid

    def status(self) -> tuple[int, dict[str, Any]]:
        """Exit code and findings of `leadkeep status`."""
        ended = subprocess.run(
            [*LEADKEEP, "status", "--json"],
            cwd=self.folder,
            env=self._environ(),
            check=False,
            capture_output=True,
            timeout=DEADLINE_SECONDS,
        )
        return ended.returncode, json.loads(ended.stdout)

    def process_queue(self) -> None:
        """What a person would do at the end: absorb and deliver all that is due."""
        subprocess.run(
            [*self.program, "process-queue", "--json"],
            cwd=self.folder,
            env=self._environ(),
            check=False,
            capture_output=True,
            timeout=DEADLINE_SECONDS,
        )

    def unexplained(self) -> int:
        """What its own ledger cannot account for, in leads."""
        told = subprocess.run(
            [*self.program, "ledger", "--json"],
            cwd=self.folder,
            env=self._environ(),
            check=False,
            capture_output=True,
            timeout=DEADLINE_SECONDS,
        ).stdout
        return abs(int(json.loads(told)["unexplained"]))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the store behind Leadkeep's back."""
        with _opened(self.store) as db:
            return db.execute(sql).fetchall()

    def waiting(self) -> int:
        """Deliveries that are not over, with success or without."""
        ((waiting,),) = self.rows(
            "SELECT COUNT(*) FROM lead_queue WHERE status NOT IN ('completed', 'failed')"
        )
        return int(waiting)

    def _environ(self) -> dict[str, str]:
        environ = {
            **os.environ,
            "LEADKEEP_LOG_LEVEL": self.log_level,
            "RIG_FAULTS": json.dumps(self.faults),
        }
        environ.pop("LEADKEEP_WORKER__BALLAST_BYTES", None)  # The file says it.
        return environ

    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def _ready_pids(self, roles: Sequence[str] = ("intake", "worker")) -> list[int]:
        children = self._children().items()
        return [child["pid"] for role, child in children if child["ready"] and role in roles]

    def _pids(self) -> list[int]:
        pids = [child["pid"] for child in self._children().values()]
        return [pid for pid in pids if pid and _runs(pid)]

    def _children(self) -> dict[str, dict[str, Any]]:
        told = self._told()
        if self._process is None or told.get("pid") != self._process.pid:
            return {}
        return dict(told["children"])

    def _note_restarts(self) -> None:
        self.restarts += sum(child["restarts"] for child in self._children().values())

    def _told(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.data / "run/supervisor.json").read_text()))
        except (OSError, ValueError):
            return {}


class Verdict:
    """What became of the answered leads, from the store and from the destination."""

    def __init__(
        self,
        answered: Sequence[int],
        installation: Installation,
        brain: Destination,
        *,
        filling: int = FILLING,
    ) -> None:
        bodies = (body for (body,) in installation.rows("SELECT body FROM leads"))
        stored = [(number, body) for body in bodies if (number := number_in(body)) is not None]
        times = Counter(number for number, _ in stored)
        self.answered = len(answered)
        self.lost = sorted(number for number in answered if not times[number])
        self.twice = sorted(number for number, count in times.items() if count > 1)
        self.changed = sorted(number for number, body in stored if body != payload(number, filling))
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


def _runs(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as probe:
        return int(probe.server_address[1])
