"""`leadkeep` with faults of its own, as RIG_FAULTS names them (a JSON object in the environment).

What the supervisor starts has the same faults. Keys:

- `boot_id`: the machine says that it was booted anew.
- `die_at`, `die_after`: SIGKILL itself when it comes to this point for the so-and-so-many-th time.
- `clock_file`: a file with seconds that are added to the wall clock.
- `bad_migration`: a file; while it is there, this version brings a migration that fails.
- `no_names`: a file; while it is there, no host's address is found.
- `node`: what this machine is called.
- `open_files`: so many files may each process have open.
- `careless`: a control, see `careless.py`: a promise that is not kept, which must be noticed.
"""

import asyncio
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leadkeep import clock
from leadkeep.absorber.writing import Writing
from leadkeep.cli import main
from leadkeep.delivery.recorder import Recorder
from leadkeep.destinations.resolving import CheckedResolver
from leadkeep.journal import syscalls
from leadkeep.journal.archive import Archive
from leadkeep.journal.segment import Segment
from leadkeep.store.sqlite import migrations
from leadkeep.store.sqlite.store import SqliteStore
from leadkeep.store.transactions import absorbing
from leadkeep.supervisor.supervise import Supervisor

# Faults, not designs: methods are replaced by functions that know only what they need.
# mypy: disable-error-code="assignment, misc, attr-defined"

_BOTH_CALLS = (syscalls.Syscalls, syscalls.SyncedWrites)

POINTS: dict[str, tuple[tuple[Any, ...], str, bool]] = {
    "before the write": (_BOTH_CALLS, "commit_group", False),
    "after the write, before the mark": (_BOTH_CALLS, "commit_group", True),
    "after the mark, before the answer": ((Segment,), "append", True),
    "before absorbing": ((Writing,), "_absorb", False),
    "while absorbing": ((absorbing,), "absorb", True),
    "after absorbing": ((Writing,), "_absorb", True),
    "after the claim": ((SqliteStore,), "claim", True),
    "after the delivery, before the record": ((Recorder,), "_record", False),
    "after the record": ((Recorder,), "_record", True),
    "before a segment leaves the journal": ((Archive,), "_copy", True),
}
"""Where it can die: whose function, and whether after it instead of before."""


def _die_at(point: str, after: int) -> None:
    """Let the process die at a point for the time that makes `after` zero."""
    owners, name, when_done = POINTS[point]
    left = after

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not when_done:
                step()
            result = real(*args, **kwargs)
            if when_done:
                step()
            return result

        async def wait(*args: Any, **kwargs: Any) -> Any:
            if not when_done:
                step()
            result = await real(*args, **kwargs)
            if when_done:
                step()
            return result

        return wait if asyncio.iscoroutinefunction(real) else call

    for owner in owners:
        setattr(owner, name, dying(getattr(owner, name)))


def _shift_clock(path: Path) -> None:
    def now_us(self: Any) -> int:
        try:
            shift = float(path.read_text() or 0)
        except (OSError, ValueError):
            shift = 0.0
        return time.time_ns() // 1_000 + int(shift * 1_000_000)

    clock.SystemClock.now_us = now_us


def _bring_a_bad_migration(path: Path) -> None:
    real = migrations.known_migrations

    def known_migrations() -> tuple[migrations.Migration, ...]:
        # Half of it runs before it fails.
        bad = "CREATE TABLE half_done (id INTEGER); CREATE TABLE leads (id INTEGER);"
        more = (migrations.Migration(9999, "bad", bad),) if path.exists() else ()
        return (*real(), *more)

    migrations.known_migrations = known_migrations


def _find_no_names(path: Path) -> None:
    real = CheckedResolver.resolve

    async def resolve(self: Any, host: str, *args: Any, **kwargs: Any) -> Any:
        if path.exists():
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return await real(self, host, *args, **kwargs)

    CheckedResolver.resolve = resolve


def _make_faulty(faults: dict[str, Any]) -> None:
    if boot_id := faults.get("boot_id"):
        clock._read_boot_id = lambda: boot_id
    if point := faults.get("die_at"):
        _die_at(point, faults["die_after"])
    if path := faults.get("clock_file"):
        _shift_clock(Path(path))
    if path := faults.get("bad_migration"):
        _bring_a_bad_migration(Path(path))
    if path := faults.get("no_names"):
        _find_no_names(Path(path))
    if node := faults.get("node"):
        socket.gethostname = lambda: node
    if files := faults.get("open_files"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if careless := faults.get("careless"):
        sys.path.append(str(Path(__file__).parents[3]))  # It runs outside of the project's folder.
        from tests.faults.rig.careless import CARELESS

        CARELESS[careless]()


if __name__ == "__main__":
    _make_faulty(json.loads(os.environ.get("RIG_FAULTS", "{}")))
    Supervisor.__init__.__kwdefaults__ = {"program": (sys.executable, "-P", __file__)}
    sys.argv[0] = "leadkeep"
    main()
