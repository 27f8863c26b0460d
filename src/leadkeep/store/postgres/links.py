"""Connections, each with a thread and a loop of its own, and the transactions on them.

A transaction is plain code that runs statement after statement; each of them waits in its own
thread's loop, with a deadline on this side, because a server that hangs tells nobody. Invariants: a
connection on which anything went wrong in the transport is dropped, never used again; what a
transaction did is there only if the server said that it committed.
"""

import asyncio
import queue
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import asyncpg

from leadkeep.errors import StoreError
from leadkeep.store.engine.session import Work
from leadkeep.store.postgres.boundary import (
    FOREIGN,
    WORTH_REPEATING,
    foreign_errors_mapped,
    is_lost,
    uncertain,
)
from leadkeep.store.postgres.clock import DatabaseClock
from leadkeep.store.postgres.hosts import connect_to_any, is_outdated, urls_of
from leadkeep.store.postgres.session import PostgresSession

T = TypeVar("T")

_REPEATS = 5
_NOW_US = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_GRACE_SECONDS = 2.0
"""How much longer this side waits than the server is told to try."""


class Target(NamedTuple):
    """Where the database is, and how long it may take."""

    url: str
    connect_seconds: float = 5.0
    statement_ms: int = 30_000
    look_ms: int = 60_000
    lock_ms: int = 5_000
    prepares: bool = True
    """Statements are prepared once for each connection: not through a pooler of transactions."""

    def __repr__(self) -> str:
        # The url may have a password in it.
        return "Target(***)"

    async def connect(self) -> asyncpg.Connection:
        """A new connection, to whichever of its servers can be written to."""
        return await connect_to_any(
            urls_of(self.url),
            timeout=self.connect_seconds,
            command_timeout=max(self.statement_ms, self.look_ms) / 1_000 + _GRACE_SECONDS,
            statement_cache_size=256 if self.prepares else 0,
            max_cached_statement_lifetime=0,
        )

    def begin(self, *, looks: bool) -> str:
        """The statements that begin a transaction: nothing of it outlives the transaction."""
        limit_ms = self.look_ms if looks else self.statement_ms
        kind = "ISOLATION LEVEL REPEATABLE READ READ ONLY" if looks else ""
        return (
            f"BEGIN {kind}; SET LOCAL statement_timeout = {limit_ms}; "
            f"SET LOCAL lock_timeout = {self.lock_ms}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {limit_ms}"
        )


class Link:
    """One connection and the loop it lives in; used by one thread at a time."""

    def __init__(self, target: Target, clock: DatabaseClock | None) -> None:
        self._target = target
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._connection: asyncpg.Connection | None = None

    def transact(self, work: Work[T], *, looks: bool) -> T:
        """Run `work` in one transaction.

        Raises:
            StoreUnavailable: nothing was changed.
            StoreUncertain: the server was lost while it committed.
        """
        deadline_ms = self._target.look_ms if looks else self._target.statement_ms
        deadline = deadline_ms / 1_000 + _GRACE_SECONDS
        with foreign_errors_mapped():
            for attempt in range(_REPEATS):
                was_open = self._connection is not None
                try:
                    return self._once(work, looks=looks, deadline=deadline)
                except asyncpg.PostgresError as error:
                    if attempt + 1 == _REPEATS or not (
                        error.sqlstate in WORTH_REPEATING or (was_open and is_lost(error))
                    ):
                        raise
                except (asyncpg.InterfaceError, ConnectionError):
                    # An idle connection may have been closed; a new one tells.
                    if attempt or not was_open:
                        raise
                time.sleep(random.uniform(0, 0.02) * attempt)  # noqa: S311 - only to part them
        raise AssertionError("unreachable")

    def run(self, errand: Callable[[asyncpg.Connection], Any]) -> Any:
        """Run a coroutine of the connection's, outside of any transaction."""
        with foreign_errors_mapped():
            try:
                return self._wait(errand(self._open()))
            except FOREIGN as error:
                if is_lost(error):
                    self.drop()
                raise

    def close(self) -> None:
        """End the connection politely, or else at once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                self._loop.run_until_complete(connection.close(timeout=1.0))
            except FOREIGN:
                connection.terminate()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def drop(self) -> None:
        """Never use this connection again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
            # The transport closes in the loop's next round.
            self._loop.run_until_complete(asyncio.sleep(0))

    def _once(self, work: Work[T], *, looks: bool, deadline: float) -> T:
        connection = self._open()
        session = PostgresSession(connection, self._loop, deadline)
        commits = False
        try:
            if self._clock is not None and self._clock.is_stale:
                began_ns = self._clock.ask_began_ns()
                now_us = self._wait(connection.fetchval(_NOW_US, timeout=deadline))
                self._clock.told(now_us, began_ns)
            self._wait(connection.execute(self._target.begin(looks=looks), timeout=deadline))
            result = work(session)
            commits = True
            # Without a standby that it should wait for, the server would wait for ever.
            said = self._wait(connection.execute("COMMIT", timeout=deadline))
            if said != "COMMIT":
                raise StoreError(f"the transaction did not last: the database said {said}")
        except BaseException as error:
            self._undo(connection, error)
            if commits and not looks and is_lost(error):
                raise uncertain(error) from error
            raise
        return result

    def _undo(self, connection: asyncpg.Connection, error: BaseException) -> None:
        """As if nothing had happened; the error under way matters more than one of this."""
        if connection.is_closed() or (isinstance(error, FOREIGN) and is_lost(error)):
            self.drop()
            return
        if connection.is_in_transaction():
            try:
                self._wait(connection.execute("ROLLBACK", timeout=_GRACE_SECONDS))
            except FOREIGN:
                self.drop()

    def _open(self) -> asyncpg.Connection:
        if self._connection is not None and (
            self._connection.is_closed() or is_outdated(self._connection)
        ):
            self.drop()
        if self._connection is None:
            self._connection = self._wait(self._target.connect())
        return self._connection

    def _wait(self, awaitable: Any) -> Any:
        return self._loop.run_until_complete(awaitable)


class Links:
    """A few threads, each with a connection when it needs one."""

    def __init__(
        self, target: Target, clock: DatabaseClock | None, *, size: int, name: str
    ) -> None:
        self._all = [Link(target, clock) for _ in range(size)]
        self._free: queue.LifoQueue[Link] = queue.LifoQueue()
        for link in self._all:
            self._free.put(link)
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=f"leadkeep-store-{name}")

    async def use(self, what: Callable[[Link], T]) -> T:
        """Run something on a link that nobody else has."""
        try:
            future = self._threads.submit(self._use, what)
        except RuntimeError as error:
            raise StoreError("the store has been closed") from error
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Finish what is queued, then end the connections."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.shutdown(wait=True)
        for link in self._all:
            with suppress(OSError):
                link.close()

    def _use(self, what: Callable[[Link], T]) -> T:
        link = self._free.get()
        try:
            return what(link)
        finally:
            self._free.put(link)


class PostgresWriter:
    """Write transactions, several at a time. Implements `Writer`."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def transact(self, work: Work[T]) -> T:
        """Run `work` in one write transaction; everything it did, or nothing."""
        return await self._links.use(lambda link: link.transact(work, looks=False))

    async def close(self) -> None:
        """Finish what is queued, then end the connections."""
        await self._links.close()


class PostgresReaders:
    """Looks at one moment each. Implements `Readers`."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def look(self, work: Work[T]) -> T:
        """Run `work` on one moment's view of the database."""
        return await self._links.use(lambda link: link.transact(work, looks=True))

    async def run(self, errand: Callable[[asyncpg.Connection], Any]) -> Any:
        """Run a coroutine of a connection's, outside of any transaction."""
        return await self._links.use(lambda link: link.run(errand))

    async def close(self) -> None:
        """Finish what is queued, then end the connections."""
        await self._links.close()
