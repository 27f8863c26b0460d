"""Migrates a database and is killed at each statement in turn; then the next one migrates it.

Run as a program: FOLDER. Prints a JSON line for each kill: the number of the statement, whether it
was killed there, and a fingerprint of the schema afterwards.
"""

import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import apsw

from leadkeep.store.sqlite import migrations

_real = migrations.open_writer  # type: ignore[attr-defined]  # as it is used there


def _dies_at(number: int) -> Any:
    def open_writer(*args: Any, **kwargs: Any) -> apsw.Connection:
        connection = _real(*args, **kwargs)
        left = number

        def trace(_cursor: object, _sql: str, _bindings: object) -> bool:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return True

        connection.exec_trace = trace
        return connection

    return open_writer


def _schema(path: Path) -> str:
    with apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY) as db:
        rows = db.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()
        rows += db.execute("SELECT number FROM schema_migrations ORDER BY number").fetchall()
        rows += db.execute("PRAGMA integrity_check").fetchall()
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def main() -> None:
    """One kill after the other, until a migration runs to its end unharmed."""
    folder = Path(sys.argv[1])
    number, killed = 0, True
    while killed:
        number += 1
        path = folder / f"{number}.db"
        child = os.fork()
        if child == 0:
            migrations.open_writer = _dies_at(number)  # type: ignore[attr-defined]  # a fault
            migrations.migrate(path)
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        migrations.migrate(path)
        found = {"statement": number, "killed": killed, "schema": _schema(path)}
        os.write(1, json.dumps(found).encode() + b"\n")


if __name__ == "__main__":
    main()
