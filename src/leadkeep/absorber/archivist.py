"""Moves absorbed segments into the archive, and lets go of the oldest when nobody needs them.

Invariants: a segment leaves the journal only when its writer has left it, all of it is in the
store, no byte of it is damaged, and its tally for the ledger is written; it leaves the archive only
when the store's file holds all of it without its log, every lead in it is completed or cancelled,
and it is too old or the archive too large. What may not go stays, whatever the size.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from leadkeep.absorber import metrics
from leadkeep.absorber.trouble import Troubles
from leadkeep.clock import DAY_US, Clock, rfc3339
from leadkeep.errors import JournalError, LeadkeepError, NotFound
from leadkeep.journal.archive import Archive, ArchivedSegment
from leadkeep.journal.base import CountingReader, Damage, GroupHeads, SegmentInfo, SegmentState
from leadkeep.models import RecordKind, SegmentProgress
from leadkeep.recovery.tallies import TallyBook
from leadkeep.recovery.tallying import TallyKeeper
from leadkeep.settings.model import JournalSettings
from leadkeep.store.base import Store

TIDY_EVERY_SECONDS = 60.0
_JUMP_US = 3_600_000_000
"""Wall clock against boot clock: more than this is a jump, not a correction."""

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
        clock: wall clock for ages, boot clock to notice that the wall clock jumped.
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
    ) -> None:
        self._readers = tuple(readers)
        self._archive = archive
        self._store = store
        self._settings = settings
        self._clock = clock
        self._troubles = troubles
        self._unfit: dict[UUID, str] = {}
        self._ages = _Ages(clock, archive.folder / "tidied")
        self._tallies = TallyKeeper(archive, store, TallyBook(archive.folder, clock=clock))

    async def run(self, stop: asyncio.Event) -> None:
        """Tidy once a minute until `stop` is set."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                await self.tidy()
                await asyncio.wait([stopping], timeout=TIDY_EVERY_SECONDS)
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
        oldest_day = await asyncio.to_thread(
            self._ages.oldest_day_to_keep, self._settings.archive_days
        )
        if any(one.archived_on < oldest_day for one in kept) or over > 0:
            progress = await self._store.progress()
            # After the progress was read: what is finished in it is covered by this checkpoint.
            if await self._store.checkpoint():
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


class _Ages:
    """Which days are over, unless the wall clock cannot be believed.

    After a jump, or a gap since the last round that may be one, nothing is too old until the boot
    clock has counted a day.

    Args:
        path: file that keeps the wall time of the last round over restarts.
    """

    def __init__(self, clock: Clock, path: Path) -> None:
        self._clock = clock
        self._path = path
        self._offset_us: int | None = None
        self._believed_from_ms = 0

    def oldest_day_to_keep(self, days: int) -> str:
        """`YYYY-MM-DD`: what was archived on an earlier day is too old; empty: nothing is."""
        now_us, boot_ms = self._clock.now_us(), self._clock.boottime_ms()
        if self._has_jumped(now_us, boot_ms):
            self._believed_from_ms = boot_ms + DAY_US // 1_000
            _log.warning("the wall clock has jumped, or was not watched; nothing is pruned for age")
        self._remember(now_us)
        if boot_ms < self._believed_from_ms:
            return ""
        return rfc3339(max(now_us - days * DAY_US, 0))[:10]

    def _has_jumped(self, now_us: int, boot_ms: int) -> bool:
        offset_us, before_us = now_us - boot_ms * 1_000, self._offset_us
        self._offset_us = offset_us
        if before_us is not None:
            return abs(offset_us - before_us) > _JUMP_US
        return abs(now_us - self._last_round_us(now_us)) > DAY_US

    def _last_round_us(self, now_us: int) -> int:
        try:
            return int(self._path.read_text("ascii"))
        except (OSError, ValueError):
            return now_us

    def _remember(self, now_us: int) -> None:
        with contextlib.suppress(OSError):
            # Without it the next start believes the clock, as the first one did.
            self._path.write_text(f"{now_us}\n", "ascii")
