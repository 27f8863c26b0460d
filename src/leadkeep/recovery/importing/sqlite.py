"""A queue in a SQLite file of another system, opened to read only."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from leadkeep.errors import QueueUnreadable
from leadkeep.recovery.importing.address import Address
from leadkeep.recovery.importing.table import (
    PAGE_ROWS,
    Head,
    Wording,
    columns_of,
    no_table,
)

_WORDING = Wording(
    quote='"',
    text="CAST({} AS TEXT)",
    size="length(CAST({} AS BLOB))",
    start="substr({0}, 1, {1})",
)
_BUSY_SECONDS = 30.0
_T = TypeVar("_T")


class SqliteQueue:
    """A table in a file. Made by `open`."""

    def __init__(
        self, connection: sqlite3.Connection, queue: str, table: str, columns: Mapping[str, str]
    ) -> None:
        self._connection = connection
        self._heads = _WORDING.heads(table, columns)
        self._table = table
        self._id = _WORDING.name(columns["id"])
        self._payload = _WORDING.name(columns["payload"])
        self.queue = queue
        self.missing: Sequence[str] = ()

    @classmethod
    async def open(cls, address: Address, table: str, renamed: Mapping[str, str]) -> "SqliteQueue":
        """Open the file and look at the table.

        Raises:
            QueueUnreadable: says why not, and what to do.
        """
        return await asyncio.to_thread(cls._open, address, table, renamed)

    @classmethod
    def _open(cls, address: Address, table: str, renamed: Mapping[str, str]) -> "SqliteQueue":
        if not Path(address.database).is_file():
            raise QueueUnreadable(
                f"there is no file {address.database}",
                hint="sqlite:///relative/path or sqlite:////absolute/path; is it on this machine?",
            )
        connection = _reading(
            address.shown,
            lambda: sqlite3.connect(
                f"file:{quote(address.database)}?mode=ro",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            ),
        )
        try:
            connection.text_factory = _readable
            there = _reading(
                address.shown,
                lambda: connection.execute(
                    "SELECT name FROM pragma_table_info(?)", (table,)
                ).fetchall(),
            )
            if not there:
                raise no_table(address.shown, table)
            columns, missing = columns_of(
                [name for (name,) in there], renamed, queue=f"{table!r} in {address.shown}"
            )
        except BaseException:
            connection.close()
            raise
        # The table's name as it is, however it was typed: SQLite does not mind its case.
        made = cls(connection, f"{address.shown}/{table.lower()}", _WORDING.name(table), columns)
        made.missing = missing
        return made

    async def size(self) -> tuple[int, int]:
        """See `QueueTable`."""
        sql = f"SELECT count(*), count(DISTINCT {self._id}) FROM {self._table}"  # noqa: S608 - names are quoted
        ((rows, ids),) = await self._ask(sql, ())
        return rows, ids

    async def heads(self, after: Any) -> list[Head]:
        """See `QueueTable`."""
        where, values = ("", ()) if after is None else (f"WHERE {self._id} > ?", (after,))
        sql = f"{self._heads} {where} ORDER BY {self._id} LIMIT {PAGE_ROWS}"
        return [Head(*row) for row in await self._ask(sql, values)]

    async def payloads(self, ids: Sequence[Any]) -> list[bytes | None]:
        """See `QueueTable`."""
        return await asyncio.to_thread(_reading, self.queue, lambda: list(map(self._body, ids)))

    def _body(self, row: Any) -> bytes | None:
        sql = f"SELECT {self._payload} FROM {self._table} WHERE {self._id} = ?"  # noqa: S608 - names are quoted
        self._connection.text_factory = bytes
        try:
            found = self._connection.execute(sql, (row,)).fetchone()
        finally:
            self._connection.text_factory = _readable
        if found is None or found[0] is None:
            return None
        value = found[0]
        return value if isinstance(value, bytes) else str(value).encode()

    async def close(self) -> None:
        """See `QueueTable`."""
        await asyncio.to_thread(self._connection.close)

    async def _ask(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        return await asyncio.to_thread(
            _reading, self.queue, lambda: self._connection.execute(sql, values).fetchall()
        )


def _readable(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _reading(queue: str, work: Callable[[], _T]) -> _T:
    try:
        return work()
    except sqlite3.Error as error:
        raise QueueUnreadable(
            f"{queue} cannot be read: {error}",
            hint="This user must be able to read the file and, while it is in use, to write into "
            "its folder. A copy made with `sqlite3 FILE .backup` will do as well.",
        ) from error
