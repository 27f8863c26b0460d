"""A queue in another system's PostgreSQL, read in read-only transactions of one page each.

No setting is sent at the start and nothing stays prepared, so that PgBouncer may stand between.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

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

_TEXT = Wording(
    quote='"',
    text="CAST({} AS text)",
    size="octet_length(convert_to(CAST({} AS text), 'UTF8'))",
    start="left({0}, {1})",
)
_BYTES = _TEXT._replace(size="octet_length({})")
_TROUBLES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_FIND = """
SELECT c.oid, n.nspname, c.relname
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass($1)
"""
_COLUMNS = """
SELECT attname, CAST(atttypid AS regtype)::text FROM pg_attribute
WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


class PostgresQueue:
    """A table in a database. Made by `open`."""

    def __init__(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        queue: str,
        table: str,
        columns: Mapping[str, str],
        *,
        bytes_there: bool,
    ) -> None:
        wording = _BYTES if bytes_there else _TEXT
        self._connection = connection
        self._heads = wording.heads(table, columns)
        self._table = table
        self._id = wording.name(columns["id"])
        payload = wording.name(columns["payload"])
        self._body = payload if bytes_there else f"convert_to(CAST({payload} AS text), 'UTF8')"
        self.queue = queue
        self.missing: Sequence[str] = ()

    @classmethod
    async def open(
        cls, address: Address, table: str, renamed: Mapping[str, str]
    ) -> "PostgresQueue":
        """Connect and look at the table.

        Raises:
            QueueUnreadable: says why not, and what to do.
        """
        connection = await _connected(address)
        try:
            async with connection.transaction(readonly=True):
                return await cls._looked_at(connection, address, table, renamed)
        except BaseException as error:
            connection.terminate()
            if isinstance(error, _TROUBLES):
                raise _unreadable(address.shown, table, error) from error
            raise

    @classmethod
    async def _looked_at(
        cls,
        connection: "asyncpg.Connection[asyncpg.Record]",
        address: Address,
        table: str,
        renamed: Mapping[str, str],
    ) -> "PostgresQueue":
        written = ".".join(map(_TEXT.name, table.split(".")))
        found = await connection.fetchrow(_FIND, written)
        if found is None:
            raise no_table(address.shown, table)
        oid, schema, name = found
        kinds = {name: kind for name, kind in await connection.fetch(_COLUMNS, oid)}
        queue = f"{address.shown}/{schema}.{name}"
        columns, missing = columns_of(
            list(kinds), renamed, queue=f"{schema}.{name} in {address.shown}"
        )
        bytes_there = kinds[columns["payload"]] == "bytea"
        made = cls(connection, queue, written, columns, bytes_there=bytes_there)
        made.missing = missing
        return made

    async def size(self) -> tuple[int, int]:
        """See `QueueTable`."""
        sql = f"SELECT count(*), count(DISTINCT {self._id}) FROM {self._table}"  # noqa: S608 - names are quoted
        ((rows, ids),) = await self._ask(sql)
        return rows, ids

    async def heads(self, after: Any) -> list[Head]:
        """See `QueueTable`."""
        where, values = ("", ()) if after is None else (f"WHERE {self._id} > $1", (after,))
        sql = f"{self._heads} {where} ORDER BY {self._id} LIMIT {PAGE_ROWS}"
        return [Head(*row) for row in await self._ask(sql, *values)]

    async def payloads(self, ids: Sequence[Any]) -> list[bytes | None]:
        """See `QueueTable`."""
        sql = (
            f"SELECT {self._id}, {self._body} FROM {self._table} "  # noqa: S608 - names are quoted
            f"WHERE {self._id} = ANY($1)"
        )
        found: dict[Any, bytes | None] = {row[0]: row[1] for row in await self._ask(sql, ids)}
        return [found.get(each) for each in ids]

    async def close(self) -> None:
        """See `QueueTable`."""
        try:
            await self._connection.close(timeout=CONNECT_SECONDS)
        except _TROUBLES:
            self._connection.terminate()

    async def _ask(self, sql: str, *values: Any) -> "list[asyncpg.Record]":
        try:
            async with self._connection.transaction(readonly=True):
                rows: list[asyncpg.Record] = await self._connection.fetch(sql, *values)
                return rows
        except _TROUBLES as error:
            raise _unreadable(self.queue, self._table, error) from error


async def _connected(address: Address) -> "asyncpg.Connection[asyncpg.Record]":
    _, colon, rest = address.url.partition("://")
    try:
        return await asyncpg.connect(
            f"postgresql{colon}{rest}",
            timeout=CONNECT_SECONDS,
            command_timeout=ANSWER_SECONDS,
            statement_cache_size=0,
        )
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        OSError,
        TimeoutError,
        ValueError,
    ) as error:
        raise QueueUnreadable(
            f"{address.shown} cannot be reached: {_words(error)}",
            hint="Check host, port, user, password and database, and that the server lets this "
            "machine in (pg_hba.conf).",
        ) from None


def _unreadable(queue: str, table: str, error: Exception) -> QueueUnreadable:
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return not_allowed(queue, table)
    return QueueUnreadable(
        f"{queue} cannot be read: {_words(error)}",
        hint="Run the same command again: it goes on where it was.",
    )


def _words(error: Exception) -> str:
    """What a server said, or what happened to the way there; on one line, never with its detail,
    in which values may stand."""
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, asyncpg.PostgresError):
        return str(error.message or type(error).__name__)
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
