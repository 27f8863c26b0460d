"""An installation whose children are stand-ins: started, watched and ended by a test."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadkeep.supervisor.presence import SupervisorState, read_state
from tests.integration.waiting import free_port, wait_until

HERE = Path(__file__).parent

RUN = """
import sys
from leadkeep.supervisor.generation import load_again
from leadkeep.supervisor.supervise import Supervisor
import os
args = sys.argv[2:]
settings = load_again(args, os.environ)
program = (sys.executable, sys.argv[1])
sys.exit(Supervisor(settings, config_args=args, program=program).run())
"""


class Installation:
    """One configuration file, one data folder, and the supervisors started on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "leadkeep.toml"
        self.supervisors: list[subprocess.Popen[bytes]] = []
        self.configure()

    def configure(self, *, mark: str = "first", more: str = "", port: int | None = None) -> None:
        """Write the configuration; `mark` is what the door answers with."""
        self.config.write_text(
            f"# {mark}\n"
            'data = "data"\nlog_format = "json"\n'
            "[intake]\n"
            f'listen = ["127.0.0.1:{port or self.port}"]\n'
            'admin_listen = "127.0.0.1:0"\nlame_duck_seconds = 0.5\ndrain_seconds = 0\n'
            '[worker]\nadmin_listen = "off"\ndrain_seconds = 0\n' + more
        )

    def command(self) -> list[str]:
        """What starts a supervisor."""
        stand_in = str(HERE / "stand_in.py")
        return [sys.executable, "-c", RUN, stand_in, "--config", str(self.config)]

    def start(self, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a supervisor."""
        number = len(self.supervisors)
        environ = {**os.environ, "STAND_IN_FOLDER": str(self.folder), **variables}
        with (self.folder / f"stderr-{number}").open("wb") as stderr:
            supervisor = subprocess.Popen(
                self.command(),
                env=environ,
                stderr=stderr,
                cwd=self.folder,
            )
        self.supervisors.append(supervisor)
        return supervisor

    def start_and_wait(self) -> "subprocess.Popen[bytes]":
        """Start a supervisor and wait until its children serve."""
        supervisor = self.start()
        wait_until("intake and worker are ready", self.is_serving)
        return supervisor

    def is_serving(self) -> bool:
        """True once both children of the running supervisor are ready."""
        state = self.state()
        return state is not None and all(child["ready"] for child in state["children"].values())

    def state(self) -> SupervisorState | None:
        """What the supervisor says of itself."""
        return read_state(self.folder / "data/run")

    def pid(self, role: str) -> int | None:
        """Process id of the child that serves."""
        state = self.state()
        return state["children"][role]["pid"] if state else None

    def order(self, role: str, what: str, *, off: bool = False) -> None:
        """Tell stand-ins of a role how to behave from now on."""
        path = self.folder / f"{role}.{what}"
        if off:
            path.unlink()
        else:
            path.touch()

    def events(self) -> list[tuple[str, int, str]]:
        """What the stand-ins did: role, process id, what."""
        try:
            lines = (self.folder / "events").read_text().splitlines()
        except FileNotFoundError:
            return []
        words = (line.split(" ", 2) for line in lines)
        return [(role, int(pid), what) for role, pid, what in words]

    def happened(self, role: str, what: str) -> int:
        """How often stand-ins of a role did something."""
        return sum(1 for who, _, did in self.events() if (who, did) == (role, what))

    def said(self) -> list[dict[str, object]]:
        """What all supervisors said, in order."""
        files = sorted(self.folder.glob("stderr-*"))
        lines = [line for file in files for line in file.read_text().splitlines()]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def heard(self, part: str) -> bool:
        """True if the supervisor said something with this in it."""
        return any(part in json.dumps(line) for line in self.said())

    def ask(self, port: int | None = None) -> tuple[int, str]:
        """Post to the door: who answered, and with which configuration."""
        with socket.create_connection(("127.0.0.1", port or self.port), timeout=10) as sock:
            answer = b"".join(iter(lambda: sock.recv(4096), b"")).decode()
        pid, _, text = answer.partition("\n")
        return int(pid), text

    def clean_up(self) -> None:
        """End whatever a test left behind."""
        for order in self.folder.glob("*.stays"):
            order.unlink()
        for supervisor in self.supervisors:
            if supervisor.poll() is None:
                supervisor.kill()
            supervisor.wait()
        # Orphans drain by themselves; a stopped or stuck one is ended.
        for pid in {pid for _, pid, _ in self.events()}:
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and b"stand_in.py" in command.read_bytes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    try:
        yield made
    finally:
        made.clean_up()
