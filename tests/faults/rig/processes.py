"""The processes of one `leadkeep serve`: started, asked about, frozen, killed.

Whatever happens to them, `abandon` leaves none of them behind.
"""

import contextlib
import json
import os
import signal
import socket
import socketserver
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.rig.waiting import DEADLINE_SECONDS, wait_until

ROLES = ("intake", "worker")


class Processes:
    """One supervisor and its children.

    Args:
        folder: where they are started, and where their log is.
        data: their data folder.
        program: what to run as `leadkeep`.
    """

    def __init__(self, folder: Path, data: Path, program: Sequence[str]) -> None:
        self.folder = folder
        self.data = data
        self.program = tuple(program)
        self.faults: dict[str, object] = {}
        """For `faulty_leadkeep`, from the next start on."""
        self.held_socket: socket.socket | None = None
        """The door's, held open over restarts, as systemd's socket activation does."""
        self.restarts = 0
        """How often a supervisor that is gone now had to start a child again."""
        self.log_level = "warning"
        self._process: subprocess.Popen[bytes] | None = None

    # ------------------------------------------------------------ starting and ending

    def start(self, roles: Sequence[str] = ROLES) -> None:
        """Start them; returns when those of these roles serve."""
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
                env=self.environ(),
            )
        self.wait_until_they_serve(roles)

    def wait_until_they_serve(self, roles: Sequence[str] = ROLES) -> None:
        """Until each of these says that it is ready."""
        wait_until("it serves", lambda: len(self._ready_pids(roles)) == len(roles))

    def stop(self) -> None:
        """End them in good order."""
        assert self._process is not None
        self._note_restarts()
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(timeout=DEADLINE_SECONDS) == 0

    def abandon(self) -> int:
        """Kill whatever of them still runs; returns how many processes that were."""
        self._note_restarts()
        pids = [pid for child in self._children().values() if (pid := child["pid"]) and _runs(pid)]
        killed = len(pids)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
            killed += 1
        for pid in pids:
            _kill(pid)
        wait_until("its processes are gone", lambda: not any(map(_runs, pids)))
        return killed

    # ------------------------------------------------------------ what is done to them

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

    def signal(self, role: str, number: signal.Signals) -> None:
        """Send a child a signal."""
        pid = self.pid(role)
        assert pid is not None, f"there is no {role}"
        os.kill(pid, number)

    def freeze(self, role: str) -> None:
        """Stop a child without ending it: what it has not done yet stays undone."""
        self.signal(role, signal.SIGSTOP)

    def thaw(self, role: str) -> None:
        """Let a child that was frozen go on."""
        self.signal(role, signal.SIGCONT)

    def reload(self) -> None:
        """Have the supervisor look at the configuration anew (SIGHUP)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    # ------------------------------------------------------------ asking

    def pid(self, role: str) -> int | None:
        """The process of `intake` or `worker`; None while there is none."""
        pid: int | None = self._told().get("children", {}).get(role, {}).get("pid")
        return pid

    def generation(self) -> int:
        """How often new settings have come into force."""
        return int(self._told().get("generation", -1))

    def log(self) -> str:
        """What they have said so far."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def said(self, text: str) -> int:
        """How often their log has this."""
        return self.log().count(text)

    def environ(self) -> dict[str, str]:
        """Their variables."""
        environ = {
            **os.environ,
            "LEADKEEP_LOG_LEVEL": self.log_level,
            "RIG_FAULTS": json.dumps(self.faults),
        }
        environ.pop("LEADKEEP_WORKER__BALLAST_BYTES", None)  # The file says it.
        return environ

    def _ready_pids(self, roles: Sequence[str] = ROLES) -> list[int]:
        children = self._children().items()
        return [child["pid"] for role, child in children if child["ready"] and role in roles]

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


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as probe:
        return int(probe.server_address[1])


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _runs(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
