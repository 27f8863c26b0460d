"""Takes the rows of another system's queue, page by page, each exactly once.

Invariant: a row whose lead is in the store is not taken again, and one whose lead is only in the
journal is known by its id when it is absorbed. So an import may be stopped, killed and begun anew
at any point; what is not here yet is the whole of what is left to do.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from leadkeep.clock import Clock
from leadkeep.errors import QueueUnreadable
from leadkeep.recovery.importing.reading import (
    Reading,
    Refusal,
    Wishes,
    content_type_of,
    read,
)
from leadkeep.recovery.importing.survey import Survey, Surveyor
from leadkeep.recovery.importing.table import PAGE_ROWS, QueueTable

GROUP_BYTES = 4 * 1024**2
"""Payloads read and made durable at once, unless a single one is larger."""
ABSORB_EVERY = 2_000
"""Leads that wait in the journal at most: those of vendors shall not wait behind more."""
ABSORB_EVERY_BYTES = 16 * 1024**2

Take = Callable[[Sequence[tuple[Reading, str, bytes]]], Awaitable[None]]
"""Makes rows durable, each with its content type and payload."""
Absorb = Callable[[], Awaitable[None]]
"""Puts what waits in the journal into the store."""
Progress = Callable[[str, int, int], None]
"""Told what is being done, how much is done, of how much."""


class Known(Protocol):
    """Of a store, only this: which leads it has."""

    async def whereabouts(self, lead_ids: Sequence[bytes]) -> Mapping[bytes, UUID]: ...


class Taken(msgspec.Struct):
    """What an import did."""

    taken: int = 0
    here_already: int = 0
    unreadable: int = 0
    gone: int = 0
    """Rows that were deleted while it ran."""
    stopped: bool = False
    """Somebody stopped it before the end."""


class Import:
    """One import.

    Args:
        known: tells which leads are here.
        knows_source: whether a source is configured here.
    """

    def __init__(
        self,
        table: QueueTable,
        wishes: Wishes,
        known: Known,
        clock: Clock,
        *,
        knows_source: Callable[[str], bool],
        progress: Progress | None = None,
    ) -> None:
        self._table = table
        self._wishes = wishes
        self._known = known
        self._clock = clock
        self._knows_source = knows_source
        self._progress = progress or (lambda *_: None)

    async def survey(self) -> Survey:
        """Look at every row without its payload; changes nothing.

        Raises:
            QueueUnreadable: the table cannot be read, or its ids are not different ones.
        """
        rows, ids = await self._table.size()
        if ids != rows:
            raise QueueUnreadable(
                f"of the {rows:,} rows of {self._table.queue} only {ids:,} have an id of their own",
                hint="Name a column that is different in each row: --column id=ITS_NAME.",
            )
        surveyor, seen = Surveyor(self._knows_source), 0
        async for page in self._pages():
            known = await self._which_are_here(page)
            for found in page:
                surveyor.add(found, known)
            seen += len(page)
            self._progress("reading", seen, max(rows, seen))
        return surveyor.survey(self._table.queue, rows, list(self._table.missing))

    async def run(self, *, total: int, take: Take, absorb: Absorb, stop: asyncio.Event) -> Taken:
        """Take what is not here yet, until all is, or `stop` is set; not all need be absorbed.

        Args:
            total: how many that are, for the progress.

        Raises:
            QueueUnreadable, JournalUnavailable, StoreError: run it again; it goes on.
        """
        done, waiting, waiting_bytes = Taken(), 0, 0
        async for page in self._pages():
            here = await self._which_are_here(page)
            wanted = []
            for found in page:
                if isinstance(found, Refusal):
                    done.unreadable += bool(found.why)
                elif found.lead_id in here:
                    done.here_already += 1
                else:
                    wanted.append(found)
            for group in _groups(wanted):
                if stop.is_set():
                    done.stopped = True
                    break
                size = await self._take(group, take, done)
                waiting, waiting_bytes = waiting + len(group), waiting_bytes + size
                self._progress("importing", done.taken, max(total, done.taken))
                if waiting >= ABSORB_EVERY or waiting_bytes >= ABSORB_EVERY_BYTES:
                    await absorb()
                    waiting = waiting_bytes = 0
            if done.stopped:
                break
        return done

    async def _pages(self) -> AsyncIterator[list[Reading | Refusal]]:
        after: Any = None
        while True:
            heads = await self._table.heads(after)
            if heads:
                now_us = self._clock.now_us()
                queue = self._table.queue
                yield [read(head, queue, self._wishes, now_us=now_us) for head in heads]
                after = heads[-1].id
            if len(heads) < PAGE_ROWS:
                return

    async def _which_are_here(self, page: Sequence[Reading | Refusal]) -> Mapping[bytes, UUID]:
        ids = [found.lead_id for found in page if isinstance(found, Reading)]
        return await self._known.whereabouts(ids) if ids else {}

    async def _take(self, group: Sequence[Reading], take: Take, done: Taken) -> int:
        """Read the payloads of some rows and make them durable; returns their size in bytes."""
        bodies = await self._table.payloads([found.head.id for found in group])
        rows = []
        for found, body in zip(group, bodies, strict=True):
            if body is None:
                done.gone += 1
            elif len(body) > self._wishes.max_body_bytes:
                done.unreadable += 1  # it has grown since its size was asked
            else:
                rows.append((found, content_type_of(body), body))
        if rows:
            await take(rows)
        done.taken += len(rows)
        return sum(len(body) for _, _, body in rows)


def _groups(wanted: Sequence[Reading]) -> list[list[Reading]]:
    """Rows that are read and made durable together."""
    groups: list[list[Reading]] = []
    size = GROUP_BYTES
    for found in wanted:
        own = found.head.payload_bytes or 0
        if size + own > GROUP_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(found)
        size += own
    return groups
