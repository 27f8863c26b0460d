"""Moves absorbed segments into the archive, and lets go of the oldest when nobody needs them.

Invariants: a segment leaves the journal only when its writer has left it, all of it is in the
store, no byte of it is damaged, and its tally for the ledger is written; it leaves the archive only
when the store's file holds all of it without its log, every lead in it is completed or cancelled,
it is too old or the archive too large, and nobody is copying. What may not go stays, whatever the
size.
"""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
import structlog

from leadkeep.absorber import metrics
from leadkeep.absorber.trouble import Troubles
from leadkeep.clock import DAY_US, Clock, rfc3339
from leadkeep.errors import JournalError, LeadkeepError, NotFound
from leadkeep.journal.archive import Archive, ArchivedSegment
from leadkeep.journal.archivelock import pruning
from leadkeep.journal.base import CountingReader, Damage, GroupHeads, SegmentInfo, SegmentState
from leadkeep.journal.syscalls import FULL
from leadkeep.models import RecordKind, SegmentProgress
from leadkeep.recovery.tallies import TallyBook
from leadkeep.recovery.tallying import TallyKeeper
from leadkeep.settings.model import JournalSettings
from leadkeep.store.base import Store
from leadkeep.walltime import WallTime

TIDY_EVERY_SECONDS = 60.0
TIDY_AGAIN_SECONDS = 5.0
"""At most so often, however often somebody asks for it."""

_log = structlog.get_logger("leadkeep.absorber")


class Tidied(msgspec.Struct):
    """What one round of tidying did."""

    archived: int = 0
    """Segments moved from a journal into the archive."""
    pruned: int = 0
    """Segments that left the archive."""
    kept_damaged: int = 0
    """Segments that stay in their journal because they hold what the store does not."""
    over_bytes: int = 0
    """How much the archive is larger than it should be, and may not be pruned."""


class Archivist:
    """Tidies journals and archive. `tidy` is called by one task at a time.

    Args:
        readers: one for each journal.
        archive: where absorbed segments go.
        settings: `archive_days` and `archive_max_bytes`.
        clock: for ages.
        wall: tells since when the wall clock can be believed for them; it is kept up to date here.
        troubles: the absorber's, to know which segments it read without fault; without it every
            segment is read once more before it is archived.
    """

    def __init__(
        self,
        *,
        readers: Sequence[CountingReader],
        archive: Archive,
        store: Store,
        settings: JournalSettings,
        clock: Clock,
        troubles: Troubles | None = None,
        wall: WallTime | None = None,
    ) -> None:
        self._readers = tuple(readers)
        self._archive = archive
        self._store = store
        self._settings = settings
        self._clock = clock
        self._troubles = troubles
        self._unfit: dict[UUID, str] = {}
        self._wall = wall or WallTime(clock)
        self._steady_since_us = self._wall.steady_since_us()
        self._asked = asyncio.Event()
        self._tallies = TallyKeeper(archive, store, TallyBook(archive.folder, clock=clock))

    def wake(self) -> None:
        """Tidy soon: room is scarce, and what is archived takes less of it. On the loop."""
        self._asked.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Tidy once a minute, and soon after `wake`, until `stop` is set."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                self._asked.clear()
                await self.tidy()
                await asyncio.wait([stopping], timeout=TIDY_AGAIN_SECONDS)
                asked = asyncio.ensure_future(self._asked.wait())
                await asyncio.wait(
                    [stopping, asked],
                    timeout=TIDY_EVERY_SECONDS - TIDY_AGAIN_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                asked.cancel()
        finally:
            stopping.cancel()

    async def tidy(self) -> Tidied:
        """Archive what is absorbed and prune what may go. Failures are logged, never raised."""
        done = Tidied()
        for step in (self._archive_finished, self._count_uncounted, self._prune):
            try:
                await step(done)
            except (LeadkeepError, OSError) as error:
                _log.warning("tidying the journals failed; trying again later", error=str(error))
        return done

    # ------------------------------------------------------------ journal → archive

    async def _archive_finished(self, done: Tidied) -> None:
        progress = await self._store.progress()
        for reader in self._readers:
            try:
                segments = await asyncio.to_thread(reader.segments)
            except JournalError as error:
                _log.warning("a journal cannot be listed now", error=str(error))
                continue
            for info in segments:
                absorbed = progress.get(info.segment)
                if absorbed is None or not absorbed.finished or info.state is SegmentState.LIVE:
                    continue
                try:
                    await self._archive_one(reader, info, absorbed, done)
                except (JournalError, OSError) as error:
                    _log.warning(
                        "a segment could not be archived; it stays in the journal",
                        segment=str(info.segment),
                        error=str(error),
                        hint=getattr(error, "hint", ""),
                    )
                    if getattr(error.__cause__, "errno", None) in FULL:
                        return  # The next one would be compressed in vain as well.

    async def _archive_one(
        self, reader: CountingReader, info: SegmentInfo, absorbed: SegmentProgress, done: Tidied
    ) -> None:
        reason = await asyncio.to_thread(self._why_unfit, reader, info, absorbed)
        reason = reason or await self._tallies.count(reader, info)
        if reason:
            self._say_unfit(info, reason)
            done.kept_damaged += 1
            return
        await asyncio.to_thread(self._archive.keep, info, absorbed)
        done.archived += 1
        metrics.ARCHIVED.inc()
        if self._troubles is not None:
            self._troubles.forget(info.segment)

    def _why_unfit(
        self, reader: CountingReader, info: SegmentInfo, absorbed: SegmentProgress
    ) -> str:
        """Why a segment must stay where it is; empty if it may be archived."""
        known = self._unfit.get(info.segment)
        if known is not None:
            return known
        if self._troubles is not None:
            if self._troubles.is_damaged(info.segment):
                return "the absorber found it damaged"
            if self._troubles.is_sound(info.segment):
                return ""
        leads = 0
        for entry in reader.heads(info, 0):
            if isinstance(entry, Damage):
                return f"damaged at offset {entry.offset}: {entry.reason}"
            if isinstance(entry, GroupHeads):
                leads += sum(1 for head in entry.heads if head.kind == RecordKind.LEAD)
        if leads != absorbed.leads:
            return f"it holds {leads} leads, of which {absorbed.leads} were absorbed"
        return ""

    def _say_unfit(self, info: SegmentInfo, reason: str) -> None:
        if info.segment not in self._unfit:
            self._unfit[info.segment] = reason
            _log.error(
                "a segment is kept in its journal for good: it holds what the store does not",
                segment=str(info.segment),
                path=str(info.path),
                reason=reason,
            )

    async def _count_uncounted(self, _done: Tidied) -> None:
        kept = await asyncio.to_thread(self._archive.segments)
        await self._tallies.count_archived(kept, await self._store.progress())

    # ------------------------------------------------------------ archive → nothing

    async def _prune(self, done: Tidied) -> None:
        kept = await asyncio.to_thread(self._archive.segments)
        over = sum(one.size for one in kept) - self._settings.archive_max_bytes
        oldest_day = await asyncio.to_thread(self._oldest_day_to_keep)
        if any(one.archived_on < oldest_day for one in kept) or over > 0:
            progress = await self._store.progress()
            # After the progress was read: what is finished in it is covered by this checkpoint.
            if await self._store.checkpoint():
                with pruning(self._archive.folder) as ours:
                    if not ours:
                        _log.info("nothing is pruned while a backup copies the archive")
                        return
                    over = await self._prune_covered(kept, over, oldest_day, progress, done)
        done.over_bytes = max(over, 0)
        metrics.ARCHIVE_OVER.set(done.over_bytes)
        if over > 0:
            _log.warning(
                "the archive is larger than archive_max_bytes: what is left holds leads that are "
                "not delivered, or that the store has not written back yet",
                over_bytes=over,
                hint="See `leadkeep status` for what waits, or raise journal.archive_max_bytes.",
            )

    def _oldest_day_to_keep(self) -> str:
        """`YYYY-MM-DD`: what was archived on an earlier day is too old; empty: nothing is.

        After a jump of the wall clock, or a gap that may have been one, nothing is for a day.
        """
        self._wall.remember()
        now_us, since_us = self._wall.moment()
        if since_us != self._steady_since_us:
            self._steady_since_us = since_us
            _log.warning("the wall clock has jumped; nothing is pruned for age for a day")
        if now_us - since_us < DAY_US:
            return ""
        return rfc3339(max(now_us - self._settings.archive_days * DAY_US, 0))[:10]

    async def _prune_covered(
        self,
        kept: Sequence[ArchivedSegment],
        over: int,
        oldest_day: str,
        progress: Mapping[UUID, SegmentProgress],
        done: Tidied,
    ) -> int:
        """Prune, the oldest first; returns by how much the archive is still too large."""
        for one in kept:
            if one.archived_on >= oldest_day and over <= 0:
                break
            absorbed = progress.get(one.segment)
            if absorbed is None or not absorbed.finished:
                continue
            if await self._store.unsettled(one.segment) > 0:
                continue
            if await asyncio.to_thread(self._holds_unread, one.segment):
                continue
            if not await self._tallies.has(one.segment):
                continue
            try:
                # First the note, then the file: after a crash in between it is pruned again.
                await self._store.forget_segment(one.segment)
                await asyncio.to_thread(self._archive.remove, one.segment)
            except (JournalError, NotFound) as error:
                _log.warning(
                    "a segment could not be pruned", segment=str(one.segment), error=str(error)
                )
                continue
            over -= one.size
            done.pruned += 1
            metrics.PRUNED.inc()
            _log.info(
                "a segment has left the archive", segment=str(one.segment), day=one.archived_on
            )
        return over

    def _holds_unread(self, segment: UUID) -> bool:
        """Whether an archived segment holds what the store does not: it came out of a backup."""
        try:
            return self._archive.note(segment).damaged
        except (JournalError, NotFound):
            return False  # its leads are in the store all the same
