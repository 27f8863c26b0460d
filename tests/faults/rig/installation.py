"""A whole installation in a folder of its own: its configuration, processes, commands and store."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.faults.rig.brain import Destination
from tests.faults.rig.processes import Processes, free_port
from tests.faults.rig.waiting import DEADLINE_SECONDS

LEADKEEP = (sys.executable, "-P", "-m", "leadkeep")
FAULTY = (sys.executable, "-P", str(Path(__file__).with_name("faulty_leadkeep.py")))
"""The same with the faults that `Processes.faults` names."""


class Installation(Processes):
    """`leadkeep serve` and the commands beside it; at the end of a `with` block nothing runs.

    Args:
        folder: where it is started; its log and configuration are there.
        brain: where it delivers to.
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
        super().__init__(folder, data or folder / "data", program)
        told = (settings or {}).get("store.path")
        self.store = Path(told.strip('"')) if told else self.data / "leadkeep.db"
        """Its SQLite file."""
        self.port = free_port()
        self.config = folder / "leadkeep.toml"
        self.config.write_text(self._configuration(brain, settings or {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.abandon()

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
        lines += [f"{name} = {value}" for name, value in tables.pop("", {}).items()]
        for table, rows in tables.items():
            lines += [f"[{table}]", *(f"{name} = {value}" for name, value in rows.items())]
        return "\n".join(lines) + "\n"

    # ------------------------------------------------------------ commands

    def command(
        self, *words: str, program: Sequence[str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command of it and wait for its end.

        Args:
            program: instead of its own.
        """
        return subprocess.run(
            [*(program or self.program), *words],
            cwd=self.folder,
            env=self.environ(),
            check=False,
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE_SECONDS,
        )

    def done(self, *words: str, program: Sequence[str] | None = None) -> Any:
        """Run a command that must succeed; what it told."""
        ended = self.command(*words, "--json", program=program)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return json.loads(ended.stdout)

    def status(self) -> tuple[int, dict[str, Any]]:
        """Exit code and findings of `leadkeep status`."""
        ended = self.command("status", "--json", program=LEADKEEP)
        return ended.returncode, json.loads(ended.stdout)

    def risks(self) -> str:
        """Why `leadkeep status` says that leads are at risk; empty: they are not."""
        code, told = self.status()
        assert code == (0 if told["safe"] else 3)
        return "; ".join(reason["what"] for reason in told["reasons"])

    def process_queue(self) -> None:
        """What a person would do at the end: absorb and deliver all that is due."""
        self.command("process-queue", "--json")

    def unexplained(self) -> int:
        """What its own ledger cannot account for, in leads."""
        return abs(int(json.loads(self.command("ledger", "--json").stdout)["unexplained"]))

    # ------------------------------------------------------------ the store, behind its back

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the store's file itself."""
        db = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def waiting(self) -> int:
        """Deliveries that are not over; the copy of a delivered lead, cancelled, is."""
        ((waiting,),) = self.rows(
            "SELECT COUNT(*) FROM lead_queue WHERE status IN ('pending', 'processing', 'held')"
        )
        return int(waiting)
