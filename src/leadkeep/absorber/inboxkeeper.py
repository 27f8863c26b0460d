"""Keeps the inbox short, and its database in sight.

What nobody writes to any more is ended and counted, and whole parts are emptied.

Invariants: a part is emptied only when every segment in it is ended, absorbed and counted for the
ledger; a segment that holds what the store does not is moved aside and stays for good. The leads
themselves stand in the same database, so nothing else has to wait.
"""

import asyncio
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import structlog

from leadkeep.errors import LeadkeepError
from leadkeep.journal.base import SegmentInfo
from leadkeep.journal.inbox.reader import InboxReader
from leadkeep.journal.inbox.wire import Wire
from leadkeep.journal.inbox.worth import worth_of
from leadkeep.recovery.examining import StoredLeads, tally_of

KEEP_EVERY_SECONDS = 60.0
PARTS = (0, 1, 2, 3)
PART_BYTES = 128 * 1024**2
"""A part that is larger is left for another."""
PART_SECONDS = 3_600.0
"""So is one that has been written to for so long."""
IDLE_SECONDS = 15 * 60.0
"""Longer than a door that lives writes to one segment."""
_SECONDS = 10.0

_log = structlog.get_logger("leadkeep.absorber")


class Kept(msgspec.Struct):
    """What one round of keeping did."""

    sealed: int = 0
    """Segments ended for their doors."""
    counted: int = 0
    """Segments counted for the ledger."""
    set_aside: int = 0
    """Segments that stay for good."""
    emptied: int = 0
    """Parts that were emptied."""


class InboxKeeper:
    """Keeps one database's inbox; several may, on several nodes.

    Args:
        wire: its own connection.
        store: tells what was absorbed.
        part_bytes: see `PART_BYTES`; likewise the others.
    """

    def __init__(
        self,
        wire: Wire,
        store: StoredLeads,
        *,
        part_bytes: int = PART_BYTES,
        part_seconds: float = PART_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._wire = wire
        self._reader = InboxReader(wire)
        self._store = store
        self._part_bytes = part_bytes
        self._part_seconds = part_seconds
        self._idle_seconds = idle_seconds
        self._risks: tuple[str, ...] = ()

    @property
    def undurable(self) -> str:
        """How the database may lose what it took, as last seen; empty: it does not."""
        return "; ".join(self._risks)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep it once a minute until `stop` is set."""
        while not stop.is_set():
            await self.keep()
            try:
                await asyncio.wait_for(stop.wait(), KEEP_EVERY_SECONDS)
            except TimeoutError:
                continue
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        await asyncio.to_thread(self._wire.close)

    async def keep(self) -> Kept:
        """One round. Failures are logged, never raised."""
        done = Kept()
        try:
            await self._keep(done)
        except (LeadkeepError, OSError) as error:
            _log.warning("the inbox could not be tidied; trying again later", error=str(error))
        return done

    async def _keep(self, done: Kept) -> None:
        (said,) = await self._rows("what_a_commit_is_worth")
        self._risks = worth_of(said, first=True, falls_back=True).risks
        idle = await self._rows("inbox_seal_idle", seconds=self._idle_seconds)
        done.sealed += len(idle)
        infos = {info.segment: info for info in await asyncio.to_thread(self._reader.segments)}
        ((current, size, age),) = await self._rows("inbox_size")
        for part in PARTS:
            segments = await self._rows("inbox_finished", slot=part)
            if part == current:
                if segments and (size >= self._part_bytes or age >= self._part_seconds):
                    await self._turn(current)
            elif segments and await self._all_counted(part, segments, infos, done):
                ((emptied,),) = await self._rows("inbox_empty", slot=part)
                done.emptied += bool(emptied)

    async def _turn(self, current: int) -> None:
        """Have the next groups written to another part, if one is empty."""
        for part in (*PARTS[current + 1 :], *PARTS[:current]):
            if await self._rows("inbox_turn_to", slot=part):
                return

    async def _all_counted(
        self,
        part: int,
        segments: list[tuple[Any, ...]],
        infos: dict[UUID, SegmentInfo],
        done: Kept,
    ) -> bool:
        """Whether a part may go: count what is not counted, and move aside what must stay."""
        if not all(sealed and finished for _, sealed, finished, _ in segments):
            return False
        for segment, _, _, counted in segments:
            if counted or segment not in infos:
                continue
            because = await self._count(infos[segment])
            if because:
                await self._set_aside(part, segment, because)
                done.set_aside += 1
            else:
                done.counted += 1
        return True

    async def _count(self, info: SegmentInfo) -> str:
        """Write a segment's tally; returns why it must stay instead."""
        entries = partial(self._reader.heads, info, 0)
        tally, missing = await tally_of(entries, info.segment, info.journal, self._store)
        if tally.damage:
            return f"damaged at offset {tally.damage[0].offset}: {tally.damage[0].reason}"
        if missing:
            return f"{missing} of its leads are not in the store"
        written = msgspec.json.encode(tally).decode()
        await self._rows("inbox_tally", segment=info.segment, tally=written)
        return ""

    async def _set_aside(self, part: int, segment: UUID, because: str) -> None:
        _log.error(
            "a segment stays in the inbox for good: it holds what the store does not",
            segment=str(segment),
            reason=because,
        )
        await self._rows("inbox_set_aside", segment=segment, slot=part, because=because)

    async def _rows(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        call = partial(self._wire.rows, statement, parameters, seconds=_SECONDS)
        return await asyncio.to_thread(call)
