"""A person's own read-only statement, in a transaction that cannot write."""

from decimal import Decimal
from typing import Any

import asyncpg

from leadkeep.errors import UsageError

QUERY_SECONDS = 60.0
"""A person's own statement may take so long."""

_BEGIN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {ms}; "
    "SET LOCAL lock_timeout = 5000"
)


_WRONG = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.DataError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.InvalidTransactionStateError,
)


async def query(
    connection: asyncpg.Connection, sql: str, *, limit: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one read-only statement; returns column names and at most `limit` rows.

    Raises:
        UsageError: it is wrong, would write, is not one statement, or takes too long.
    """
    if not sql.strip().strip(";").strip():
        raise UsageError("there is no statement to run")
    await connection.execute(_BEGIN.format(ms=round(QUERY_SECONDS * 1_000)))
    try:
        statement = await connection.prepare(sql)
        columns = [attribute.name for attribute in statement.get_attributes()]
        cursor = await statement.cursor(timeout=QUERY_SECONDS + 2)
        rows = [tuple(map(plain, record)) for record in await cursor.fetch(limit)]
    except asyncpg.QueryCanceledError as error:
        raise UsageError(f"the statement took longer than {QUERY_SECONDS:g} s") from error
    except asyncpg.ReadOnlySQLTransactionError as error:
        raise UsageError(
            "only reading is allowed here", hint="change leads with `leadkeep leads …`"
        ) from error
    except _WRONG as e:
        raise UsageError(f"the statement is wrong: {e}") from e
    finally:
        await connection.execute("ROLLBACK")
    if not columns:
        raise UsageError("only reading is allowed here")
    return columns, rows


def plain(value: Any) -> Any:
    """A value as SQLite would give it: number, text, bytes or nothing."""
    if value is None or isinstance(value, int | float | str | bytes):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
