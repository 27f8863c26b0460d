"""One transaction on a PostgreSQL connection: statements by name, rows as they are.

Statements run one after another in the loop of the connection's own thread. What SQLite has by
letting one writer in at a time stands here in words: gates are advisory locks, rows that must keep
still are locked.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import asyncpg

from leadkeep.store.engine.session import Gate, Parameters, Row, Value
from leadkeep.store.postgres.statements import SQL, Statement

_GATES = {gate: number for number, gate in enumerate(Gate, 0x1EAD)}
_ROWS_AT_ONCE = 500
_BYTES_AT_ONCE = 64 * 1024 * 1024
"""A message to the server has less than 1 GiB."""


class PostgresSession:
    """Implements `Session`; valid while the connection's transaction lasts.

    Args:
        deadline: seconds that one statement may take, as this side counts them.
    """

    def __init__(
        self, connection: asyncpg.Connection, loop: asyncio.AbstractEventLoop, deadline: float
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._deadline = deadline

    def rows(self, statement: str, parameters: Parameters | None = None) -> list[Row]:
        """All rows of a statement."""
        one = SQL[statement]
        return self._fetch(one, one.arguments(parameters))

    def each_row(self, statement: str, parameters: Parameters | None = None) -> Iterator[Row]:
        """Rows one by one; the statement itself limits how much they are."""
        return iter(self.rows(statement, parameters))

    def row(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        """The first row; None if there is none."""
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None

    def value(self, statement: str, parameters: Parameters | None = None) -> Any:
        """The first value of the first row; None if there is no row."""
        rows = self.rows(statement, parameters)
        return rows[0][0] if rows else None

    def change(self, statement: str, parameters: Parameters | None = None) -> int:
        """Run a statement that changes rows; returns how many."""
        one = SQL[statement]
        said: str = self._wait(
            self._connection.execute(one.sql, *one.arguments(parameters), timeout=self._deadline)
        )
        return int(said.rpartition(" ")[2])

    def each(self, statement: str, parameters: Iterable[Parameters]) -> list[Row]:
        """Run a statement for each of these; returns all the rows that come of it."""
        one = SQL[statement]
        if one.takes_many:
            columns = one.columns(parameters)
            return self._fetch(one, columns) if columns else []
        return [row for some in parameters for row in self._fetch(one, one.arguments(some))]

    def insert(self, statement: str, values: Sequence[Value]) -> None:
        """Insert many rows, their values one row after the other."""
        one = SQL[statement]
        width = one.sql.count("[]")
        rows = [values[start : start + width] for start in range(0, len(values), width)]
        for some in _parted(rows):
            self._fetch(one, one.columns(some))

    def pass_gate(self, gate: Gate, name: str = "", *, together: bool = False) -> None:
        """Wait until nobody else is in there; ours until the transaction ends."""
        statement = "pass_gate_together" if together else "pass_gate_alone"
        self.rows(statement, {"gate": _GATES[gate], "name": name})

    def keep_still(self, statement: str, parameters: Parameters) -> None:
        """Let nobody else change these rows until the transaction ends."""
        self.rows(statement, parameters)

    def _fetch(self, one: Statement, arguments: Sequence[Any]) -> list[Row]:
        records = self._wait(self._connection.fetch(one.sql, *arguments, timeout=self._deadline))
        return [tuple(record) for record in records]

    def _wait(self, awaitable: Any) -> Any:
        return self._loop.run_until_complete(awaitable)


def _parted(rows: Sequence[Sequence[Value]]) -> Iterator[Sequence[Sequence[Value]]]:
    """The rows in parts that fit into one message."""
    part: list[Sequence[Value]] = []
    size = 0
    for row in rows:
        part.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(part) >= _ROWS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part
