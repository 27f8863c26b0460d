"""A person's own read-only statement, on a connection of its own that cannot write."""

import time
from typing import Any

import apsw

from leadkeep.errors import UsageError

QUERY_SECONDS = 60.0
"""A person's own statement may take so long; a long reader keeps the log from shrinking."""

_STEPS_BETWEEN_LOOKS = 10_000
_READ_ONLY_PRAGMAS = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"}
)
_READ_ONLY_ACTIONS = frozenset(
    {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
)


def query(
    connection: apsw.Connection, sql: str, *, limit: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one read-only statement of a person's on a reader's connection of its own.

    Raises:
        UsageError: it is wrong, would write, is not one statement, or takes too long.
    """
    columns: list[str] = []
    statements = 0

    def before_each(cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        nonlocal statements
        statements += 1
        columns[:] = [name for name, _ in cursor.get_description()]
        return statements == 1

    deadline = time.monotonic() + QUERY_SECONDS
    connection.authorizer = _authorize
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
    cursor = connection.cursor()
    cursor.exec_trace = before_each
    try:
        rows: list[tuple[Any, ...]] = []
        for row in cursor.execute(sql, can_cache=False):
            if len(rows) == limit:
                break
            rows.append(row)
    except apsw.InterruptError as error:
        raise UsageError(f"the statement took longer than {QUERY_SECONDS:g} s") from error
    except apsw.ExecTraceAbort as error:
        raise UsageError("only one statement at a time") from error
    except (apsw.AuthError, apsw.ReadOnlyError) as error:
        raise UsageError(
            "only reading is allowed here", hint="change leads with `leadkeep leads …`"
        ) from error
    except (apsw.SQLError, apsw.BindingsError, apsw.RangeError, apsw.MismatchError) as error:
        raise UsageError(f"the statement is wrong: {error}") from error
    if not columns:
        raise UsageError("there is no statement to run")
    return columns, rows


def _authorize(
    action: int, first: str | None, second: str | None, _database: str | None, _inner: str | None
) -> int:
    if action in _READ_ONLY_ACTIONS and second != "load_extension":
        return apsw.SQLITE_OK
    if action == apsw.SQLITE_PRAGMA and first in _READ_ONLY_PRAGMAS:
        return apsw.SQLITE_OK
    return apsw.SQLITE_DENY
