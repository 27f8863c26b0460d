"""One connection to the database, for one thread at a time, that never waits longer than it may.

Invariant: whatever goes wrong, the connection is dropped and nothing is believed to have been done.
A server that hangs tells nobody, so every wait has an end on this side.
"""

import asyncio
import threading
from typing import Any

import asyncpg

from leadkeep.errors import JournalUnavailable
from leadkeep.store.postgres.boundary import FOREIGN, mapped
from leadkeep.store.postgres.hosts import is_outdated
from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.statements import compiled
from leadkeep.store.statements import load_statements

STATEMENTS = {name: compiled(sql) for name, sql in load_statements("postgres", ["inbox"]).items()}


class _NotAsAsked(Exception):
    """The server has warned."""


class Wire:
    """Runs one statement after another, each by itself a transaction.

    Args:
        target: the database.
        stays: keep the connection from one use to the next.
    """

    def __init__(self, target: Target, *, stays: bool = True) -> None:
        self._target = target
        self._stays = stays
        self._busy = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: asyncpg.Connection | None = None
        self._warnings: list[str] = []

    def rows(
        self, statement: str, parameters: dict[str, Any] | None = None, *, seconds: float
    ) -> list[tuple[Any, ...]]:
        """All rows of a named statement.

        Args:
            seconds: after which it is given up, whatever became of it.

        Raises:
            JournalUnavailable: it may have been done, or not.
        """
        one = STATEMENTS[statement]
        arguments = one.arguments(parameters)
        with self._busy:
            return [tuple(row) for row in self._run(self._fetch(one.sql, arguments), seconds)]

    def let_go(self) -> None:
        """Close the connection unless it shall stay; the next use opens another."""
        if not self._stays:
            self.close()

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._busy:
            self._drop()
            if self._loop is not None:
                self._loop.close()
                self._loop = None

    def _run(self, work: Any, seconds: float) -> Any:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        try:
            return self._loop.run_until_complete(asyncio.wait_for(work, max(seconds, 0.001)))
        except _NotAsAsked as error:
            self._drop()
            raise JournalUnavailable(
                f"the inbox: the database did it, and warned ({error}): it may be on one disk only",
                hint="Look at its log, and whether its standby is connected.",
            ) from None
        except FOREIGN as error:
            self._drop()
            said = mapped(error)
            raise JournalUnavailable(f"the inbox: {said}", hint=said.hint) from None
        except BaseException:
            self._drop()
            raise

    async def _fetch(self, sql: str, arguments: Any) -> Any:
        # The loop has stood still since the last statement: now it hears of a server that hung up.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        connection = self._connection
        if connection is not None and is_outdated(connection):
            connection.terminate()
            connection = None
        if connection is None or connection.is_closed():
            connection = self._connection = await self._target.connect()
            connection.add_log_listener(self._heard)
        self._warnings.clear()
        rows = await connection.fetch(sql, *arguments)
        await asyncio.sleep(0)
        if self._warnings:
            # A commit that was not waited for as it should have been is called a success: the
            # server's limit on statements ended the wait for a standby, for instance.
            raise _NotAsAsked(self._warnings[0])
        return rows

    def _heard(self, _connection: object, message: Any) -> None:
        if getattr(message, "severity_en", "") == "WARNING":
            self._warnings.append(str(message.sqlstate))

    def _drop(self) -> None:
        """Hang up without a word: a server that hangs would not answer one."""
        connection, self._connection = self._connection, None
        if connection is None or self._loop is None:
            return
        connection.terminate()
        # The transport closes in the loop's next turn.
        self._loop.run_until_complete(asyncio.sleep(0))
