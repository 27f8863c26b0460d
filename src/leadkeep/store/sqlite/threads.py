"""The threads that use SQLite: one that writes, a few that read.

One writer per process means that its write transactions queue here, fairly, and not at SQLite's
lock. Readers never wait for it, so a long look at the queue delays no claim.
"""

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import apsw

from leadkeep.errors import StoreError, StoreFull
from leadkeep.store.engine.session import Work
from leadkeep.store.sqlite.boundary import foreign_errors_mapped
from leadkeep.store.sqlite.connections import SQL
from leadkeep.store.sqlite.poison import PoisonMark
from leadkeep.store.sqlite.session import SqliteSession

T = TypeVar("T")
Errand = Callable[[apsw.Connection], T]
"""Work on the connection itself, outside of the verbs."""


class SqliteWriter:
    """The one thread and connection of this process that write.

    Args:
        on_full: called from the thread, at once, when the disk has no room.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        mark: PoisonMark,
        *,
        on_full: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._session = SqliteSession(connection)
        self._mark = mark
        self._on_full = on_full
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="leadkeep-store-writer")

    async def transact(self, work: Work[T]) -> T:
        """Run `work` in one write transaction; everything it did, or nothing.

        Raises:
            StoreUnavailable: nothing was changed.
            StoreUnsafe: the database is poisoned; if that happened during the commit, it is not
                known whether the transaction will last.
        """
        return await self._run(lambda: self._transact(work))

    async def run(self, work: Errand[T]) -> T:
        """Run `work` on the writer's connection outside of any transaction."""

        def mapped() -> T:
            with foreign_errors_mapped(self._mark):
                return work(self._connection)

        return await self._run(mapped)

    async def close(self) -> None:
        """Finish what is queued, then close the connection."""

        def close() -> None:
            with foreign_errors_mapped(self._mark):
                self._connection.close()

        try:
            await asyncio.wrap_future(self._thread.submit(close))
        finally:
            self._thread.shutdown(wait=False)

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            future = self._thread.submit(self._noticing, call)
        except RuntimeError as error:
            raise StoreError("the store has been closed") from error
        return await asyncio.wrap_future(future)

    def _noticing(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except StoreFull:
            self._on_full()
            raise

    def _transact(self, work: Work[T]) -> T:
        connection = self._connection
        with foreign_errors_mapped(self._mark):
            connection.execute(SQL["begin"])
            try:
                # After the lock is ours: whoever was hit while holding it has set the mark by now,
                # or does so within microseconds, which the second look below is for.
                self._mark.check()
                result = work(self._session)
                connection.execute(SQL["commit"])
            except BaseException:
                if connection.in_transaction:
                    # The error under way matters more; an unfinished transaction never lasts.
                    with suppress(apsw.Error):
                        connection.execute(SQL["rollback"])
                raise
            self._mark.check()
        return result


class SqliteReaders:
    """A few threads, each with a connection of its own that cannot write."""

    def __init__(self, connections: list[apsw.Connection], mark: PoisonMark) -> None:
        self._mark = mark
        self._all = connections
        self._free: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        for connection in connections:
            self._free.put(connection)
        self._threads = ThreadPoolExecutor(
            len(connections), thread_name_prefix="leadkeep-store-reader"
        )

    async def look(self, work: Work[T]) -> T:
        """Run `work` on one moment's view of the database."""
        return await self.run(lambda connection: work(SqliteSession(connection)))

    async def run(self, work: Errand[T]) -> T:
        """The same on the connection itself."""
        try:
            future = self._threads.submit(self._look, work)
        except RuntimeError as error:
            raise StoreError("the store has been closed") from error
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Finish what is queued, then close the connections."""
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        with foreign_errors_mapped(self._mark):
            for connection in self._all:
                connection.close()

    def _look(self, work: Errand[T]) -> T:
        connection = self._free.get()
        try:
            with foreign_errors_mapped(self._mark):
                connection.execute(SQL["begin_reading"])
                try:
                    return work(connection)
                finally:
                    if connection.in_transaction:
                        connection.execute(SQL["rollback"])
        finally:
            self._free.put(connection)
