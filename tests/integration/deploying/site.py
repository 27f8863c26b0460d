"""A place where Leadkeep and an application run: real processes, a vendor who never rests."""

import contextlib
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leadkeep.supervisor.presence import read_state
from tests.integration.waiting import DEADLINE_SECONDS, free_port, wait_until

HERE = Path(__file__).parent
LEADKEEP = (sys.executable, "-P", "-m", "leadkeep")


class Site:
    """One folder with a configuration, a data folder and what is started there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.ports = {"blue": free_port(), "green": free_port()}
        self._numbers = itertools.count(1)
        self.posted: list[str] = []
        """Lead ids, in the order of their answers."""
        self._serving: subprocess.Popen[bytes] | None = None
        self._posting = threading.Event()
        self._vendor: threading.Thread | None = None
        self._apps: list[subprocess.Popen[bytes]] = []
        self._commands: list[subprocess.Popen[str]] = []
        self.configure(self.url("blue"))

    def configure(self, url: str) -> None:
        """Write the configuration; what runs has read it already."""
        (self.folder / "leadkeep.toml").write_text(
            f'data = "data"\n[intake]\nlisten = ["127.0.0.1:{self.port}"]\nadmin_listen = "off"\n'
            '[worker]\nadmin_listen = "off"\nballast_bytes = 0\nlease_seconds = 10\n'
            f'[destinations.brain]\nurl = "{url}"\ntimeout_seconds = 5\n'
            'headers = { X-Token = "secret" }\n'
            "[destinations.brain.retry]\nfirst_seconds = 0.1\nlongest_seconds = 0.5\n"
        )

    def url(self, name: str, path: str = "/webhook") -> str:
        """An address of an application."""
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    # ------------------------------------------------------------ what runs

    def start_app(self, name: str, port: int | None = None) -> None:
        """Start an application and wait until it listens."""
        words = [HERE / "little_app.py", self.folder, name, port or self.ports[name]]
        self._apps.append(
            subprocess.Popen([sys.executable, *map(str, words)], start_new_session=True)
        )
        self.wait_for_app(name)

    def wait_for_app(self, name: str) -> None:
        wait_until(f"{name} listens", (self.folder / f"{name}.pid").exists)

    def serve(self) -> None:
        """Start Leadkeep and wait until it serves."""
        with (self.folder / "log").open("ab") as log:
            self._serving = subprocess.Popen(
                [*LEADKEEP, "serve"], cwd=self.folder, stderr=log, env=self._environ()
            )
        wait_until("intake and worker are ready", self._is_serving)

    def _is_serving(self) -> bool:
        state = read_state(self.folder / "data" / "run")
        return state is not None and all(
            role in state["children"] and state["children"][role]["ready"]
            for role in ("intake", "worker")
        )

    def stop_serving(self) -> None:
        """Stop Leadkeep in good order."""
        if self._serving is not None:
            self._serving.send_signal(signal.SIGTERM)
            self._serving.wait(DEADLINE_SECONDS)
            self._serving = None

    def post(self, body: bytes | None = None) -> str:
        """Post a lead as a vendor, unless told one like no other; its lead number."""
        if body is None:
            body = b'{"name": "Ada %d"}' % next(self._numbers)
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/hook", data=body)
        with urllib.request.urlopen(request, timeout=10) as answer:
            number = str(json.loads(answer.read())["lead_id"])
        self.posted.append(number)
        return number

    @contextmanager
    def posting(self) -> Iterator[None]:
        """A vendor posts all the time while the block runs, from before its first statement."""

        def post() -> None:
            while not self._posting.is_set():
                self.post()
                time.sleep(0.01)

        self._posting.clear()
        vendor = threading.Thread(target=post)
        vendor.start()
        try:
            before = len(self.posted)
            wait_until("some leads are posted", lambda: len(self.posted) >= before + 5)
            yield
        finally:
            self._posting.set()
            vendor.join()

    # ------------------------------------------------------------ commands

    def start(self, *words: object) -> "subprocess.Popen[str]":
        """Start a command."""
        command = subprocess.Popen(
            [*LEADKEEP, *map(str, words)],
            cwd=self.folder,
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._commands.append(command)
        return command

    def run(self, *words: object) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        command = self.start(*words)
        stdout, stderr = command.communicate(timeout=DEADLINE_SECONDS)
        return subprocess.CompletedProcess(command.args, command.returncode, stdout, stderr)

    def deploy(self, *words: object) -> "subprocess.CompletedProcess[str]":
        """Deploy the one destination that there is."""
        return self.run("deploy", *words)

    def restart(self, old: str, new: str, port: int | None = None) -> list[str]:
        """The command that puts one application into the place of another."""
        words = [sys.executable, HERE / "restart.py", self.folder, old, new]
        return [*map(str, words), str(port or self.ports["blue"])]

    def gate(self, code: int = 0) -> list[str]:
        """A command that says that it runs, and ends once `open_gate` was called."""
        script = f"touch running; while [ ! -e gate ]; do sleep 0.02; done; exit {code}"
        return ["sh", "-c", script]

    def wait_for_gate(self) -> None:
        wait_until("the command runs", (self.folder / "running").exists)

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    @staticmethod
    def _environ() -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if "LEADKEEP" not in key}
        return {**kept, "NO_COLOR": "1"}

    # ------------------------------------------------------------ what is so

    def taken(self, name: str) -> list[str]:
        """The lead ids that an application has confirmed."""
        try:
            lines = (self.folder / f"{name}.taken").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line.split()[0] for line in lines]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the store says."""
        uri = f"file:{self.folder / 'data/leadkeep.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
            return connection.execute(sql).fetchall()

    def count(self, status: str) -> int:
        counted: int = self.rows(f"SELECT count(*) FROM deliveries WHERE status = '{status}'")[0][0]
        return counted

    def is_something_due(self) -> bool:
        """A lead waits whose next try might begin."""
        now_ms = time.time_ns() // 1_000_000
        return bool(
            self.rows(
                "SELECT 1 FROM deliveries "
                f"WHERE status = 'pending' AND next_attempt_at_ms <= {now_ms}"
            )
        )

    def failed_attempts(self) -> int:
        """Attempts that were not confirmed."""
        counted: int = self.rows("SELECT count(*) FROM attempts WHERE outcome <> 'completed'")[0][0]
        return counted

    def deployments(self) -> list[dict[str, Any]]:
        """As the command lists them, newest first."""
        found: list[dict[str, Any]] = json.loads(self.run("deploy", "list", "--json").stdout)
        return found

    def view(self) -> dict[str, Any]:
        """What `status` says of the destination."""
        told = json.loads(self.run("status", "--json").stdout)
        nothing = {"held": False, "switched_url": ""}
        return next((one for one in told["destinations"] if one["name"] == "brain"), nothing)

    def wait_until_delivered(self) -> None:
        """Every lead that was answered has been confirmed by the application."""
        wait_until("all leads are delivered", lambda: self.count("completed") == len(self.posted))

    def assert_each_arrived_once(self, *names: str) -> None:
        """Every lead that was answered is at one of these applications, once."""
        self.wait_until_delivered()
        arrived = Counter(lead for name in names for lead in self.taken(name))
        assert max(arrived.values()) == 1
        known = {lead for (lead,) in self.rows("SELECT lead_id FROM leads")}
        assert set(arrived) == known
        assert len(known) == len(self.posted)

    def clean_up(self) -> None:
        """End whatever was started here."""
        self._posting.set()
        for command in self._commands:
            if command.poll() is None:
                command.kill()
                command.communicate()
            for stream in (command.stdout, command.stderr):
                if stream is not None:
                    stream.close()
        self.stop_serving()
        for pid_file in self.folder.glob("*.pid"):
            pid = int(pid_file.read_text() or 0)
            line = Path(f"/proc/{pid}/cmdline")
            if line.exists() and b"little_app.py" in line.read_bytes():
                os.kill(pid, signal.SIGKILL)
        for app in self._apps:
            app.kill()
            app.wait()
