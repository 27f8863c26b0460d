"""The queue of another system in a SQLite file."""

import sqlite3
from pathlib import Path
from typing import Any

COLUMNS = (
    "payload",
    "source",
    "status",
    "attempts",
    "error_message",
    "processed_at",
    "created_at",
)


class OldSqlite:
    """A table `lead_queue` in a file."""

    def __init__(self, path: Path, *, key: str = "INTEGER PRIMARY KEY") -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute(
            f"CREATE TABLE lead_queue (id {key}, payload, source TEXT, status TEXT, "
            "attempts INTEGER DEFAULT 0, error_message TEXT, processed_at TEXT, created_at TEXT, "
            "lead_name TEXT, phone TEXT)"
        )

    def add(self, payload: object = '{"n": 1}', status: object = "pending", **others: Any) -> None:
        """One row."""
        row = {
            "payload": payload,
            "source": "vendor",
            "status": status,
            "created_at": "2026-11-01 10:00:00",
            **others,
        }
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self._database.execute(
            f"INSERT INTO lead_queue ({names}) VALUES ({marks})", tuple(row.values())
        )

    def add_many(self, rows: int, *, size: int = 10) -> list[bytes]:
        """Pending rows that differ; their payloads."""
        bodies = [f'{{"n": {n}, "x": "{"x" * size}"}}'.encode() for n in range(rows)]
        self.change("BEGIN")
        for body in bodies:
            self.add(body.decode())
        self.change("COMMIT")
        return bodies

    def change(self, sql: str) -> None:
        """Do something else to it."""
        self._database.execute(sql)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
