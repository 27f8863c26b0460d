"""One supervisor per data folder: its lock, and the file that tells others who runs.

`run/supervisor.lock` is held as long as the supervisor lives, and by nobody else: children do not
inherit it. `run/supervisor.json` is true only while the lock is held.
"""

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypedDict, cast

from leadkeep.errors import AlreadyRunning, SettingsError

LOCK_FILE = "supervisor.lock"
STATE_FILE = "supervisor.json"

SERVING, REPLACING, STOPPING = "serving", "replacing", "stopping"


class ChildState(TypedDict):
    """One role in `supervisor.json`."""

    pid: int | None
    """None: it died and waits to be started again."""
    since: str | None
    ready: bool
    restarts: int
    last_exit: str


class SupervisorState(TypedDict):
    """`supervisor.json`."""

    pid: int
    state: str
    """`serving`, `replacing` (new settings are coming) or `stopping`."""
    since: str
    listen: list[str]
    generation: int
    """How often new settings have come into force."""
    children: dict[str, ChildState]


def read_state(run_folder: Path) -> SupervisorState | None:
    """What the running supervisor says; None if none runs, or it cannot say anything."""
    return _read(run_folder) if is_running(run_folder) else None


def is_running(run_folder: Path) -> bool:
    """Whether a supervisor runs on this data folder; on a full disk it may not be able to tell."""
    try:
        lock = os.open(run_folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try_lock(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def _read(run_folder: Path) -> SupervisorState | None:
    try:
        state = json.loads((run_folder / STATE_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return cast(SupervisorState, state) if isinstance(state, dict) else None


def _try_lock(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Presence:
    """The lock, held.

    Args:
        run_folder: made if it is missing.
        wait: called while another one is leaving or the lock is busy for a moment, with what to
            tell people; sleeps a little; returns False to give up.

    Raises:
        AlreadyRunning: another supervisor runs on this folder.
        SettingsError: the folder cannot be made or written.
    """

    def __init__(self, run_folder: Path, wait: Callable[[str, bool], bool]) -> None:
        self._folder = run_folder
        try:
            # What is in the data folder is personal: only its owner may look.
            run_folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            run_folder.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._lock = os.open(run_folder / LOCK_FILE, flags, 0o600)
        except OSError as error:
            raise SettingsError(
                f"data = {run_folder.parent}: cannot be used: {error.strerror}",
                hint="Give a folder that this user may write to, with --data or in leadkeep.toml.",
            ) from error
        while not _try_lock(self._lock, fcntl.LOCK_EX):
            other = _read(run_folder)
            leaving = other is not None and other.get("state") == STOPPING
            pid = f" (pid {other['pid']})" if other and "pid" in other else ""
            if not wait(f"another supervisor{pid} is still stopping; waiting for it", leaving):
                os.close(self._lock)
                raise AlreadyRunning(
                    f"another supervisor{pid} runs on {run_folder.parent}",
                    hint="Stop it first, or give another folder with --data.",
                )
        # What a killed one left there is no longer true.
        (run_folder / STATE_FILE).unlink(missing_ok=True)

    def tell(self, state: Mapping[str, object]) -> None:
        """Write `supervisor.json`, whole or not at all.

        Raises:
            OSError: it could not be written.
        """
        draft = self._folder / f"{STATE_FILE}.new"
        draft.write_text(json.dumps(state, indent=1) + "\n", "utf-8")
        draft.replace(self._folder / STATE_FILE)

    def leave(self) -> None:
        """Take the file away and let go of the lock."""
        (self._folder / STATE_FILE).unlink(missing_ok=True)
        os.close(self._lock)
