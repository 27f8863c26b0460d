"""The store on SQLite: each verb of the protocol becomes one transaction on the right thread.

Writes run one after another on the writer's thread; looking runs beside them. What a transaction
does is in the modules named after it: absorbing, delivering, operating, looking.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

import apsw
import msgspec

from leadkeep.clock import Clock
from leadkeep.errors import StoreFull, UsageError
from leadkeep.models import (
    AbsorbBatch,
    AbsorbReport,
    Claim,
    Decision,
    Outcome,
    Recorded,
    Replayed,
    Selection,
    Standing,
)
from leadkeep.states import Status, Verb
from leadkeep.store.sqlite import absorbing, delivering, keeping, operating, recovering
from leadkeep.store.sqlite.boundary import foreign_errors_mapped, refusals_mapped
from leadkeep.store.sqlite.connections import check_library, open_reader, open_writer
from leadkeep.store.sqlite.migrations import check_up_to_date, run_migrations
from leadkeep.store.sqlite.poison import PoisonMark
from leadkeep.store.sqlite.selecting import END, Picker
from leadkeep.store.sqlite.sight import Sight
from leadkeep.store.sqlite.threads import Readers, Writer

_READERS = 2
_PATIENCE_MS = 500
_CHUNKS_PER_ADOPTION = 4
_COUNTED_AT_ONCE = 5_000

OnDecided = Callable[[Sequence[Decision]], Awaitable[None]]


async def open_sqlite(
    path: Path,
    *,
    clock: Clock,
    busy_timeout_ms: int,
    migrate: bool = True,
    read_only: bool = False,
    recover: bool = False,
    on_full: Callable[[], None] = lambda: None,
    on_decided: OnDecided | None = None,
) -> "SqliteStore":
    """Open a store.

    Args:
        path: the database file; made if there is none, unless `read_only`.
        busy_timeout_ms: how long a write waits for another process's.
        migrate: bring the schema up to date first.
        read_only: only for looking: nothing is made or migrated.
        recover: first bring everything committed into the database file, which clears a mark of
            poisoning; for the worker, at its start.
        on_full: called, from any thread, when the disk has no room.
        on_decided: told what a person has decided, after each transaction and before `apply` goes
            on; must not raise.

    Raises:
        StoreUnavailable: it cannot be opened now, or there is none to read.
        StoreUnsafe: it must not be used: library, schema, or poisoned and not recovered.
        MigrationFailed: the schema could not be brought up to date.
    """
    try:
        return await asyncio.to_thread(
            _open,
            path,
            clock,
            busy_timeout_ms,
            migrate=migrate,
            read_only=read_only,
            recover=recover,
            on_full=on_full,
            on_decided=on_decided,
        )
    except StoreFull:
        on_full()
        raise


def _open(
    path: Path,
    clock: Clock,
    busy_timeout_ms: int,
    *,
    migrate: bool,
    read_only: bool,
    recover: bool,
    on_full: Callable[[], None],
    on_decided: OnDecided | None,
) -> "SqliteStore":
    check_library()
    mark = PoisonMark(path)
    connections: list[apsw.Connection] = []
    try:
        with foreign_errors_mapped(mark):
            if not read_only:
                writer = open_writer(path, busy_timeout_ms=busy_timeout_ms, create=migrate)
                connections.append(writer)
                if recover:
                    keeping.recover(writer, mark, busy_timeout_ms=busy_timeout_ms)
                if migrate:
                    run_migrations(writer, mark)
            for _ in range(_READERS):
                connections.append(open_reader(path, busy_timeout_ms=busy_timeout_ms))
            check_up_to_date(connections[-1])
    except BaseException:
        for connection in connections:
            connection.close(True)
        raise
    return SqliteStore(
        path,
        clock,
        writer=None if read_only else Writer(connections[0], mark, on_full=on_full),
        readers=Readers(connections[-_READERS:], mark),
        mark=mark,
        busy_timeout_ms=busy_timeout_ms,
        on_decided=on_decided,
    )


class SqliteStore(Sight):
    """The queue's truth in one SQLite file. Made by `open_sqlite`; implements `Store`."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        writer: Writer | None,
        readers: Readers,
        mark: PoisonMark,
        busy_timeout_ms: int,
        on_decided: OnDecided | None = None,
    ) -> None:
        super().__init__(path, readers, mark, busy_timeout_ms=busy_timeout_ms)
        self._clock = clock
        self._on_decided = on_decided
        self._maybe_writer = writer

    @property
    def _writer(self) -> Writer:
        if self._maybe_writer is None:
            raise UsageError("the store was opened for looking only")
        return self._maybe_writer

    @property
    def _now_ms(self) -> int:
        return self._clock.now_us() // 1_000

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
        await self._readers.close()
        if self._maybe_writer is not None:
            await self._maybe_writer.close()

    # ------------------------------------------------------------ absorbing

    async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
        """Write leads, notices and position in one transaction; see `Store.absorb`."""
        now_ms = self._now_ms

        def work(connection: apsw.Connection) -> AbsorbReport:
            with refusals_mapped():
                return absorbing.absorb(connection, batch, now_ms=now_ms)

        return await self._writer.transact(work)

    async def adopt_unrouted(self, destinations: Sequence[str]) -> int:
        """Give leads that came while no destination existed to these; returns how many."""
        names = _distinct(destinations)
        adopted = 0
        for _ in range(_CHUNKS_PER_ADOPTION):
            some = await self._writer.transact(
                partial(
                    operating.adopt_unrouted,
                    destinations=names,
                    limit=operating.CHUNK,
                    now_ms=self._now_ms,
                )
            )
            adopted += some
            if some < operating.CHUNK:
                break
        return adopted

    # ------------------------------------------------------------ delivering

    async def claim(
        self, destination: str, *, limit: int, lease_ms: int, longest_wait_ms: int, worker: str
    ) -> list[Claim]:
        """Lease up to `limit` due deliveries, oldest due first; see `Store.claim`."""
        return await self._writer.transact(
            partial(
                delivering.claim,
                destination=destination,
                limit=limit,
                lease_ms=lease_ms,
                longest_wait_ms=longest_wait_ms,
                worker=worker,
                clock=self._clock,
            )
        )

    async def record(self, outcomes: Sequence[Outcome]) -> list[Recorded]:
        """Record attempts and move their deliveries; see `Store.record`."""
        return await self._writer.transact(
            partial(delivering.record, outcomes=outcomes, now_ms=self._now_ms)
        )

    async def release(self, claims: Sequence[Claim]) -> int:
        """Return leases without having tried; returns how many were still ours."""
        return await self._writer.transact(
            partial(delivering.release, claims=claims, now_ms=self._now_ms)
        )

    async def renew(self, claims: Sequence[Claim], *, lease_ms: int) -> list[Claim]:
        """Prolong leases; returns the claims that are no longer ours."""
        return await self._writer.transact(
            partial(delivering.renew, claims=claims, lease_ms=lease_ms, clock=self._clock)
        )

    async def rescue(self) -> int:
        """Return leases that ran out, or are of another boot, to pending; returns how many."""
        rescued = 0
        while True:
            some = await self._writer.transact(
                partial(delivering.rescue, limit=operating.CHUNK, clock=self._clock)
            )
            rescued += some
            if some < operating.CHUNK:
                return rescued

    # ------------------------------------------------------------ a person's verbs

    async def apply(
        self,
        verb: Verb,
        selection: Selection,
        *,
        reason: str,
        actor: str,
        limit: int | None = None,
        dry_run: bool = False,
    ) -> int:
        """HOLD, RESUME, RETRY or CANCEL what is selected; see `Store.apply`."""
        statuses = operating.statuses_to_visit(verb, selection.statuses)
        routed_only = verb in {Verb.RESUME, Verb.RETRY}

        async def change(deliveries: list[int], status: Status) -> int:
            decided = await self._writer.transact(
                partial(
                    operating.apply,
                    verb=verb,
                    deliveries=deliveries,
                    before=status,
                    reason=reason,
                    actor=actor,
                    now_ms=self._now_ms,
                )
            )
            if decided and self._on_decided is not None:
                await self._on_decided(decided)
            return len(decided)

        if selection.is_empty:
            raise UsageError("nothing is selected")
        return await self._walk(
            selection, statuses, None if dry_run else change, limit, routed_only=routed_only
        )

    async def route(
        self,
        selection: Selection,
        destinations: Sequence[str],
        *,
        actor: str,
        limit: int | None = None,
        dry_run: bool = False,
    ) -> int:
        """Give selected deliveries without destination these ones; see `Store.route`."""
        names = _distinct(destinations)

        async def change(deliveries: list[int], _status: Status) -> int:
            return await self._writer.transact(
                partial(
                    operating.route,
                    deliveries=deliveries,
                    destinations=names,
                    actor=actor,
                    now_ms=self._now_ms,
                )
            )

        nowhere = msgspec.structs.replace(selection, destinations=("",))
        statuses = [s for s in operating.ROUTABLE if s in (selection.statuses or Status)]
        if selection.is_empty:
            raise UsageError("nothing is selected")
        return await self._walk(nowhere, statuses, None if dry_run else change, limit)

    async def hold_destination(self, name: str, *, reason: str, actor: str) -> None:
        """Let its leads wait, without using up tries, until it is resumed."""
        await self._set_destination_state(name, held=True, reason=reason, actor=actor)

    async def resume_destination(self, name: str, *, actor: str) -> None:
        """Deliver to it again."""
        await self._set_destination_state(name, held=False, reason="", actor=actor)

    async def _set_destination_state(
        self, name: str, *, held: bool, reason: str, actor: str
    ) -> None:
        await self._writer.transact(
            partial(
                operating.set_destination_state,
                name=name,
                held=held,
                reason=reason,
                actor=actor,
                now_ms=self._now_ms,
            )
        )

    async def _walk(
        self,
        selection: Selection,
        statuses: Sequence[Status],
        change: Callable[[list[int], Status], Awaitable[int]] | None,
        limit: int | None,
        *,
        routed_only: bool = False,
    ) -> int:
        """Pick page after page beside the writer, and change each; returns how many changed.

        Args:
            change: takes ids and the status they were seen in; None: only count.
        """
        picker = await self._readers.look(
            partial(Picker, selection=selection, routed_only=routed_only)
        )
        size = _COUNTED_AT_ONCE if change is None else operating.CHUNK
        done = 0
        for status in statuses:
            after = END
            while limit is None or done < limit:
                wanted = size if limit is None else min(size, limit - done)
                page = await self._readers.look(
                    partial(picker.page, status=status, after=after, limit=wanted)
                )
                if not page:
                    break
                after = page[-1]
                ids = [place.delivery for place in page]
                done += len(ids) if change is None else await change(ids, status)
        return done

    # ------------------------------------------------------------ recovering

    async def replay(self, standings: Sequence[Standing], *, lead_mark: int) -> Replayed:
        """Bring deliveries to where a log says they stood; see `Store.replay`."""
        return await self._writer.transact(
            partial(recovering.replay, standings=standings, lead_mark=lead_mark)
        )

    # ------------------------------------------------------------ keeping

    async def checkpoint(self) -> bool:
        """Bring everything committed into the database file; False: a reader is in the way."""

        def work(connection: apsw.Connection) -> bool:
            self._mark.check()
            return keeping.checkpoint(
                connection, patience_ms=_PATIENCE_MS, busy_timeout_ms=self._busy_timeout_ms
            )

        return await self._writer.run(work)

    async def recover(self) -> None:
        """Write everything anew and, once that is done, clear the mark of poisoning.

        Raises:
            StoreUnavailable: poisoned, and a reader is in the way.
            StoreUnsafe: an I/O error again.
        """
        await self._writer.run(
            partial(keeping.recover, mark=self._mark, busy_timeout_ms=self._busy_timeout_ms)
        )

    async def forget_segment(self, segment: UUID) -> None:
        """Note that a segment has left the archive; its counts stay."""
        await self._writer.transact(
            partial(keeping.forget_segment, segment=segment, now_ms=self._now_ms)
        )


def _distinct(destinations: Sequence[str]) -> tuple[str, ...]:
    if not destinations:
        raise UsageError("at least one destination is needed")
    return tuple(dict.fromkeys(destinations))
