"""Opening SQLite the one way that is safe here: WAL, synchronous=FULL, a library without known
corruption, a schema that cannot run foreign code.
"""

import os
import time
from pathlib import Path
from typing import Any

import apsw

from leadkeep.errors import StoreUnavailable, StoreUnsafe
from leadkeep.store.sqlite.poison import sync_folder
from leadkeep.store.statements import load_statements

SQL = load_statements(
    "sqlite",
    [
        *("absorb", "deliver", "operate", "look", "keep", "recover", "examine", "count"),
        *("likeness", "steer", "deploy", "redirect", "live", "order", "parts", "alert"),
        *("lost_bytes", "import"),
    ],
)
"""Every statement, by name."""

Value = None | int | float | str | bytes
"""What SQLite keeps."""

Bindings = dict[str, Value]
"""Values for a statement's named parameters."""

OLDEST_SAFE_SQLITE = (3, 51, 3)
"""Before it, two connections that write or checkpoint can corrupt a WAL database."""

_CACHE_KIB = 16 * 1024
_PAUSE_SECONDS = 0.01
_WAL_PAGES = 4_000
_WAL_KEPT_BYTES = 64 * 1024 * 1024


def check_library() -> None:
    """Refuse a SQLite that can corrupt the store.

    Raises:
        StoreUnsafe: the library is older than 3.51.3.
    """
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < OLDEST_SAFE_SQLITE:
        oldest = ".".join(map(str, OLDEST_SAFE_SQLITE))
        raise StoreUnsafe(
            f"SQLite {version} can corrupt a database that two processes use; {oldest} is needed",
            hint="install the pinned apsw, which brings its own SQLite",
        )


def open_writer(path: Path, *, busy_timeout_ms: int, create: bool) -> apsw.Connection:
    """A connection that may write.

    Args:
        create: make the file, readable by its owner only, if there is none.

    Raises:
        StoreUnavailable: there is no file and `create` is false, or its folder cannot be written.
        StoreUnsafe: the file system does not allow a write-ahead log.
    """
    if create:
        make_private(path)
    elif not path.exists():
        raise _no_database(path)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    _harden(connection, busy_timeout_ms)
    connection.pragma("synchronous", "FULL")
    connection.pragma("cache_size", -_CACHE_KIB)
    if _switch_to_wal(connection, busy_timeout_ms) != "wal":
        connection.close()
        raise StoreUnsafe(
            f"the file system of {path} does not support SQLite's write-ahead log",
            hint="put the store on a local disk",
        )
    connection.pragma("wal_autocheckpoint", _WAL_PAGES)
    connection.pragma("journal_size_limit", _WAL_KEPT_BYTES)
    return connection


def open_reader(path: Path, *, busy_timeout_ms: int) -> apsw.Connection:
    """A connection that cannot write.

    Raises:
        StoreUnavailable: there is no file.
    """
    if not path.exists():
        raise _no_database(path)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    _harden(connection, busy_timeout_ms)
    connection.pragma("query_only", True)
    return connection


def first_row(
    connection: apsw.Connection, statement: str, bindings: Bindings | None = None
) -> tuple[Any, ...] | None:
    """The first row of a named statement, which is then over; None if there is none.

    The row's types are those of the statement's columns.
    """
    rows: list[tuple[Any, ...]] = connection.execute(SQL[statement], bindings).fetchall()
    return rows[0] if rows else None


def first_value(
    connection: apsw.Connection, statement: str, bindings: Bindings | None = None
) -> Any:
    """The first value of a named statement's first row; None if there is no row.

    Its type is that of the statement's column.
    """
    row = first_row(connection, statement, bindings)
    return None if row is None else row[0]


def _harden(connection: apsw.Connection, busy_timeout_ms: int) -> None:
    connection.set_busy_timeout(busy_timeout_ms)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)
    # The same plan for every value: SQLite prepares hot statements once, not at each value.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.pragma("cell_size_check", True)


def _switch_to_wal(connection: apsw.Connection, busy_timeout_ms: int) -> str:
    """Ask for a write-ahead log; SQLite does not itself wait here when several start at once."""
    deadline = time.monotonic() + busy_timeout_ms / 1_000
    while True:
        try:
            mode: str = connection.pragma("journal_mode", "WAL")
        except apsw.BusyError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return mode


def make_private(path: Path) -> None:
    """Make an empty database file that only its owner reads; its log files inherit the mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        sync_folder(path.parent)
    except FileExistsError:
        return
    except OSError as error:
        raise StoreUnavailable(
            f"the store {path} cannot be made: {error.strerror}",
            hint="check that its folder exists and can be written",
        ) from error


def _no_database(path: Path) -> StoreUnavailable:
    return StoreUnavailable(
        f"there is no store at {path} yet",
        hint="start `leadkeep serve` once, or check the data folder",
    )
