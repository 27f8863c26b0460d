"""A queue in another system's MySQL or MariaDB, read in read-only transactions of one page each."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from leadkeep.errors import QueueUnreadable
from leadkeep.recovery.importing.address import Address
from leadkeep.recovery.importing.table import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    PAGE_ROWS,
    Head,
    Wording,
    columns_of,
    no_table,
    not_allowed,
)

_WORDING = Wording(
    quote="`",
    text="CAST({} AS CHAR)",
    size="OCTET_LENGTH({})",
    start="LEFT({0}, {1})",
)
_NOT_ALLOWED = frozenset({1142, 1143, 1044, 1227})
_NO_TABLE = frozenset({1146, 1049})
_COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position
"""


class MysqlQueue:
    """A table in a database. Made by `open`."""

    def __init__(
        self,
        connection: "pymysql.Connection[Cursor]",
        queue: str,
        table: str,
        columns: Mapping[str, str],
    ) -> None:
        self._connection = connection
        self._heads = _WORDING.heads(table, columns)
        self._table = table
        self._id = _WORDING.name(columns["id"])
        self._payload = _WORDING.name(columns["payload"])
        self._zoned: frozenset[str] = frozenset()
        self.queue = queue
        self.missing: Sequence[str] = ()

    @classmethod
    async def open(cls, address: Address, table: str, renamed: Mapping[str, str]) -> "MysqlQueue":
        """Connect and look at the table.

        Raises:
            QueueUnreadable: says why not, and what to do.
        """
        return await asyncio.to_thread(cls._open, address, table, renamed)

    @classmethod
    def _open(cls, address: Address, table: str, renamed: Mapping[str, str]) -> "MysqlQueue":
        connection = _connected(address)
        try:
            schema, _, name = table.rpartition(".")
            schema = schema or address.database
            there: dict[str, str] = {
                str(column): str(kind)
                for column, kind in _fetch(connection, _COLUMNS, (schema, name))
            }
            written = f"{_WORDING.name(schema)}.{_WORDING.name(name)}"
            # Whoever may not read a table does not find its columns: asking it tells them apart.
            _fetch(connection, f"SELECT 1 FROM {written} LIMIT 0", ())  # noqa: S608 - names are quoted
            columns, missing = columns_of(
                list(there), renamed, queue=f"{schema}.{name} in {address.shown}"
            )
        except pymysql.MySQLError as error:
            connection.close()
            raise _unreadable(address.shown, table, error) from error
        except BaseException:
            connection.close()
            raise
        made = cls(connection, f"{address.shown}/{schema}.{name}", written, columns)
        made.missing = missing
        made._zoned = frozenset(
            ours for ours, theirs in columns.items() if there[theirs].lower() == "timestamp"
        )
        return made

    async def size(self) -> tuple[int, int]:
        """See `QueueTable`."""
        sql = f"SELECT count(*), count(DISTINCT {self._id}) FROM {self._table}"  # noqa: S608 - names are quoted
        ((rows, ids),) = await self._ask(sql, ())
        return rows, ids

    async def heads(self, after: Any) -> list[Head]:
        """See `QueueTable`."""
        where, values = ("", ()) if after is None else (f"WHERE {self._id} > %s", (after,))
        # A percent sign in a column's name is one, once there are values.
        asked = self._heads if after is None else self._heads.replace("%", "%%")
        sql = f"{asked} {where} ORDER BY {self._id} LIMIT {PAGE_ROWS}"
        return [self._head(row) for row in await self._ask(sql, values)]

    async def payloads(self, ids: Sequence[Any]) -> list[bytes | None]:
        """See `QueueTable`."""
        marks = ", ".join(["%s"] * len(ids))
        sql = (
            f"SELECT {self._id}, {self._payload} FROM {self._table} "  # noqa: S608 - names are quoted
            f"WHERE {self._id} IN ({marks})"
        )
        found = {row: _bytes(body) for row, body in await self._ask(sql, tuple(ids))}
        return [found.get(each) for each in ids]

    async def close(self) -> None:
        """See `QueueTable`."""
        await asyncio.to_thread(self._connection.close)

    def _head(self, row: Sequence[Any]) -> Head:
        head = Head(*row)
        zoned: dict[str, Any] = {
            ours: value.replace(tzinfo=UTC)
            for ours in self._zoned
            # A TIMESTAMP is a moment, and this session's zone is UTC; a DATETIME is as written.
            if isinstance(value := getattr(head, ours, None), datetime)
        }
        return head._replace(**zoned)

    async def _ask(self, sql: str, values: tuple[Any, ...]) -> Sequence[Any]:
        try:
            return await asyncio.to_thread(_fetch, self._connection, sql, values)
        except (pymysql.MySQLError, OSError) as error:
            raise _unreadable(self.queue, self._table, error) from error


def _connected(address: Address) -> "pymysql.Connection[Cursor]":
    options = address.options
    more: dict[str, Any] = {}
    if socket := options.get("unix_socket"):
        more["unix_socket"] = socket
    if authority := options.get("ssl_ca"):
        more["ssl"] = {"ca": authority}
    try:
        connection = pymysql.connect(
            host=address.host or "localhost",
            port=address.port,
            user=address.user or None,
            password=address.password,
            database=address.database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=int(CONNECT_SECONDS),
            read_timeout=ANSWER_SECONDS,
            **more,
        )
        _fetch(connection, "SET SESSION TRANSACTION READ ONLY", ())
        _fetch(connection, "SET time_zone = '+00:00'", ())
    except (pymysql.MySQLError, OSError, ValueError) as error:
        raise QueueUnreadable(
            f"{address.shown} cannot be reached: {_words(error)}",
            hint="Check host, port, user, password and database; ?unix_socket=/path and "
            "?ssl_ca=/path may stand behind it.",
        ) from None
    return connection


def _fetch(
    connection: "pymysql.Connection[Cursor]", sql: str, values: tuple[Any, ...]
) -> Sequence[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())


def _bytes(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return str(value).encode()


def _unreadable(queue: str, table: str, error: Exception) -> QueueUnreadable:
    number = error.args[0] if error.args else 0
    if number in _NO_TABLE:
        return no_table(queue, table)
    if number in _NOT_ALLOWED:
        return not_allowed(queue, table)
    return QueueUnreadable(
        f"{queue} cannot be read: {_words(error)}",
        hint="Run the same command again: it goes on where it was.",
    )


def _words(error: Exception) -> str:
    """What a server said, or what happened to the way there."""
    return str(error.args[1]) if len(error.args) > 1 else type(error).__name__
