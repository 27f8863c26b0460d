"""One transaction on a SQLite connection: statements by name, rows as they are.

SQLite lets one writer in at a time: gates stand open here, and rows keep still by themselves.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import apsw

from leadkeep.store.engine.session import Gate, Parameters, Row, Value
from leadkeep.store.sqlite.connections import SQL

_ROWS_AT_ONCE = 100
"""Rows that one statement inserts; a lead has 29 columns, and SQLite takes 32,766 values."""


class _Insert(NamedTuple):
    """A statement that inserts one row, and the same for `_ROWS_AT_ONCE`."""

    one: str
    many: str
    columns: int


@cache
def _insert(statement: str) -> _Insert:
    head, values, row = SQL[statement].rstrip(";").rpartition("VALUES ")
    many = head + values + ", ".join([row] * _ROWS_AT_ONCE)
    return _Insert(SQL[statement], many, row.count("?"))


class SqliteSession:
    """Implements `Session`; valid while the connection's transaction lasts."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection

    def rows(self, statement: str, parameters: Parameters | None = None) -> list[Row]:
        """All rows of a statement."""
        rows: list[Row] = self.connection.execute(SQL[statement], parameters).fetchall()
        return rows

    def each_row(self, statement: str, parameters: Parameters | None = None) -> Iterator[Row]:
        """Rows as they are read; who stops early leaves the rest unread."""
        cursor = self.connection.execute(SQL[statement], parameters)
        try:
            yield from cursor
        finally:
            cursor.close(True)

    def row(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        """The first row; None if there is none."""
        rows: list[Row] = self.connection.execute(SQL[statement], parameters).fetchall()
        return rows[0] if rows else None

    def value(self, statement: str, parameters: Parameters | None = None) -> Any:
        """The first value of the first row; None if there is no row."""
        rows: list[Row] = self.connection.execute(SQL[statement], parameters).fetchall()
        return rows[0][0] if rows else None

    def change(self, statement: str, parameters: Parameters | None = None) -> int:
        """Run a statement that changes rows; returns how many."""
        self.connection.execute(SQL[statement], parameters)
        return self.connection.changes()

    def each(self, statement: str, parameters: Iterable[Parameters]) -> list[Row]:
        """Run a statement for each of these; returns all the rows that come of it."""
        return list(self.connection.executemany(SQL[statement], parameters))

    def insert(self, statement: str, values: Sequence[Value]) -> None:
        """Insert many rows, their values one row after the other.

        Each step of a statement lets go of the interpreter and has to get it back, which takes
        longer than inserting a row while another thread is busy.
        """
        insert = _insert(statement)
        many = _ROWS_AT_ONCE * insert.columns
        whole = len(values) // many * many
        for begin in range(0, whole, many):
            self.connection.execute(insert.many, values[begin : begin + many])
        for begin in range(whole, len(values), insert.columns):
            self.connection.execute(insert.one, values[begin : begin + insert.columns])

    def pass_gate(self, gate: Gate, name: str = "", *, together: bool = False) -> None:
        """Nobody else writes while this transaction does."""

    def keep_still(self, statement: str, parameters: Parameters) -> None:
        """Nobody else writes while this transaction does."""
