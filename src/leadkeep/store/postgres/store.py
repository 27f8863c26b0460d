"""The store on PostgreSQL: each verb of the protocol becomes one transaction.

Transactions of one node and of others run beside each other. Most verbs are those of every engine;
here is what only this one needs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from leadkeep.clock import Clock
from leadkeep.errors import UsageError
from leadkeep.models import AbsorbBatch, AbsorbReport
from leadkeep.store.engine.hand import OnDecided
from leadkeep.store.engine.session import Session
from leadkeep.store.engine.verbs import CommonVerbs
from leadkeep.store.postgres import querying
from leadkeep.store.postgres.boundary import refusals_mapped
from leadkeep.store.postgres.links import PostgresReaders, PostgresWriter
from leadkeep.store.transactions import absorbing, examining


class PostgresStore(CommonVerbs):
    """The queue's truth in one database. Made by `open_postgres`; implements `Store`."""

    def __init__(
        self,
        clock: Clock,
        *,
        writer: PostgresWriter | None,
        readers: PostgresReaders,
        on_decided: OnDecided | None = None,
    ) -> None:
        super().__init__(clock, writer=writer, readers=readers, on_decided=on_decided)
        self._links = readers

    async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
        """Write leads, notices and position in one transaction; see `Store.absorb`."""
        now_ms = self._now_ms

        def work(session: Session) -> AbsorbReport:
            with refusals_mapped():
                report = absorbing.absorb(session, batch, now_ms=now_ms)
                if report.absorbed:
                    session.rows("tell_of_leads")
                return report

        return await self._writer.transact(work)

    async def rescue(self) -> int:
        """Return leases that ran out to pending; changes of counters become part of them."""
        rescued = await super().rescue()
        await self._writer.transact(lambda session: session.rows("fold_the_counters"))
        return rescued

    async def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one read-only SQL statement; see `Store.query`."""

        async def run(connection: asyncpg.Connection) -> tuple[list[str], list[tuple[Any, ...]]]:
            return await querying.query(connection, sql, limit=limit)

        found: tuple[list[str], list[tuple[Any, ...]]] = await self._links.run(run)
        return found

    async def flaws(self) -> list[str]:
        """What does not fit together in the database, in words; nothing: an empty list."""

        def work(session: Session) -> list[str]:
            homeless = [
                f"the delivery {delivery} is of a lead that is not there"
                for (delivery,) in session.rows("deliveries_without_lead")
            ]
            return homeless + examining.drift(session)

        return await self._readers.look(work)

    async def copy_to(
        self, target: Path, *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Not here: a database server has better ways.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"a store on PostgreSQL cannot be copied into the file {target}",
            hint="Back it up with pg_basebackup and its WAL, or with pg_dump.",
        )

    async def checkpoint(self) -> bool:
        """What is committed is in the server's log, and durable: there is nothing to do."""
        return True
