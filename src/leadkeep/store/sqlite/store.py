"""The store on SQLite: each verb of the protocol becomes one transaction on the right thread.

Writes run one after another on the writer's thread; looking runs beside them. Most verbs are those
of every engine; here is what only a SQLite file needs.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from leadkeep.clock import Clock
from leadkeep.errors import UsageError
from leadkeep.models import AbsorbBatch, AbsorbReport
from leadkeep.store.engine.hand import OnDecided
from leadkeep.store.engine.session import Session
from leadkeep.store.engine.verbs import CommonVerbs
from leadkeep.store.sqlite import examining, keeping, querying
from leadkeep.store.sqlite.boundary import foreign_errors_mapped, refusals_mapped
from leadkeep.store.sqlite.connections import open_reader
from leadkeep.store.sqlite.copying import Progress, copy_database
from leadkeep.store.sqlite.poison import PoisonMark
from leadkeep.store.sqlite.threads import SqliteReaders, SqliteWriter
from leadkeep.store.transactions import absorbing

_PATIENCE_MS = 500


class SqliteStore(CommonVerbs):
    """The queue's truth in one SQLite file. Made by `open_sqlite`; implements `Store`."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        writer: SqliteWriter | None,
        readers: SqliteReaders,
        mark: PoisonMark,
        busy_timeout_ms: int,
        on_decided: OnDecided | None = None,
    ) -> None:
        super().__init__(clock, writer=writer, readers=readers, on_decided=on_decided)
        self._path = path
        self._mark = mark
        self._busy_timeout_ms = busy_timeout_ms
        self._file_writer = writer
        self._file_readers = readers

    async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
        """Write leads, notices and position in one transaction; see `Store.absorb`."""
        now_ms = self._now_ms

        def work(session: Session) -> AbsorbReport:
            with refusals_mapped():
                return absorbing.absorb(session, batch, now_ms=now_ms)

        return await self._writer.transact(work)

    async def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one read-only SQL statement; see `Store.query`."""

        def run() -> tuple[list[str], list[tuple[Any, ...]]]:
            with foreign_errors_mapped(self._mark):
                connection = open_reader(self._path, busy_timeout_ms=self._busy_timeout_ms)
                try:
                    return querying.query(connection, sql, limit=limit)
                finally:
                    connection.close(True)

        return await asyncio.to_thread(run)

    async def flaws(self) -> list[str]:
        """What is wrong with the database itself, in words; nothing: an empty list."""
        found = await self._file_readers.run(examining.flaws)
        if self._mark.is_set:
            found.append(
                "an I/O error hit it, and nothing is written any more (look at the disk, then "
                "restart the worker: it writes everything anew)"
            )
        return found

    async def copy_to(self, target: Path, *, progress: Progress | None = None) -> None:
        """Copy the store as it is at one moment into a new file; see `Store.copy_to`."""
        await asyncio.to_thread(
            copy_database,
            self._path,
            target,
            busy_timeout_ms=self._busy_timeout_ms,
            progress=progress,
        )

    async def checkpoint(self) -> bool:
        """Bring everything committed into the database file; False: a reader is in the way."""

        def work(connection: apsw.Connection) -> bool:
            self._mark.check()
            return keeping.checkpoint(
                connection, patience_ms=_PATIENCE_MS, busy_timeout_ms=self._busy_timeout_ms
            )

        return await self._only_writer.run(work)

    async def recover(self) -> None:
        """Write everything anew and, once that is done, clear the mark of poisoning.

        Raises:
            StoreUnavailable: poisoned, and a reader is in the way.
            StoreUnsafe: an I/O error again.
        """
        await self._only_writer.run(
            partial(keeping.recover, mark=self._mark, busy_timeout_ms=self._busy_timeout_ms)
        )

    @property
    def _only_writer(self) -> SqliteWriter:
        if self._file_writer is None:
            raise UsageError("the store was opened for looking only")
        return self._file_writer
