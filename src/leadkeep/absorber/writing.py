"""Puts chunks into the store and counts what came of it."""

from collections.abc import Callable
from time import perf_counter

import msgspec
import structlog

from leadkeep.absorber import metrics
from leadkeep.absorber.reading import Chunk
from leadkeep.absorber.refused import absorb_refused
from leadkeep.absorber.segments import OpenSegment
from leadkeep.absorber.trouble import Troubles
from leadkeep.clock import Clock
from leadkeep.errors import RecordRefused
from leadkeep.models import AbsorbBatch, AbsorbReport
from leadkeep.store.base import Store

_log = structlog.get_logger("leadkeep.absorber")


class Absorbed(msgspec.Struct):
    """What a pass did."""

    leads: int = 0
    """Leads that are new in the store."""
    already_known: int = 0
    """Leads that were in the store already."""
    renumbered: int = 0
    """Leads whose number was missing or taken, and that got another."""
    refused: int = 0
    """Leads that the store refused and that were quarantined."""
    unacknowledged: int = 0
    """Leads read whose vendor was told no 2xx."""
    notices: int = 0
    """Probes, rejections, handshakes and pings."""
    damage: int = 0
    """Places that were acknowledged and cannot be read."""
    finished: int = 0
    """Segments that are now wholly absorbed."""
    failed: int = 0
    """Segments and journals that could not be read this time."""
    busy: bool = False
    """Another process was absorbing; nothing was done."""
    more: bool = False
    """The limit was reached and something may be left."""


class Writing:
    """The way into the store.

    Args:
        on_absorbed: called after each transaction that brought leads.
    """

    def __init__(
        self, store: Store, troubles: Troubles, clock: Clock, on_absorbed: Callable[[], None]
    ) -> None:
        self._store = store
        self._troubles = troubles
        self._clock = clock
        self._on_absorbed = on_absorbed
        self.totals = Absorbed()

    async def take(self, segment: OpenSegment, chunk: Chunk, done: Absorbed) -> bool:
        """Put a chunk into the store; False if the segment's position was not the store's.

        Args:
            done: is added to.

        Raises:
            StoreError: nothing is known to have been written; read the segment again.
        """
        batch = chunk.batch
        if batch.progress != segment.progress:
            report = await self._absorb(segment, batch, done)
            if not report.moved:
                return False
            segment.progress = batch.progress
            self._count(batch, report, done)
        for damage in chunk.damage:
            done.damage += 1
            self.totals.damage += 1
            self._troubles.damaged(segment, damage)
        if chunk.doubt is not None:
            done.failed += 1
            self._troubles.doubtful(segment, chunk.doubt)
        if batch.progress.finished:
            done.finished += 1
            self.totals.finished += 1
            self._troubles.finished(segment, torn=chunk.torn)
        return True

    async def _absorb(
        self, segment: OpenSegment, batch: AbsorbBatch, done: Absorbed
    ) -> AbsorbReport:
        started = perf_counter()
        try:
            return await self._store.absorb(batch)
        except RecordRefused as error:
            _log.warning(
                "the store refused a batch; looking for the lead that it does not take",
                segment=str(batch.progress.segment),
                offset=batch.expected_offset,
                reason=str(error),
            )
            refused = await absorb_refused(self._store, batch, segment.progress)
            for sums in (done, self.totals):
                sums.refused += refused.quarantined
            if refused.kept:
                self._troubles.kept(segment, refused.kept)
            return refused.report
        finally:
            metrics.BATCH_SECONDS.observe(perf_counter() - started)

    def _count(self, batch: AbsorbBatch, report: AbsorbReport, done: Absorbed) -> None:
        unacknowledged = sum(1 for lead in batch.leads if not lead.acknowledged)
        for sums in (done, self.totals):
            sums.leads += report.absorbed
            sums.already_known += report.already_known
            sums.renumbered += report.renumbered
            sums.unacknowledged += unacknowledged
            sums.notices += len(batch.notices)
        metrics.LEADS.inc(report.absorbed)
        metrics.KNOWN.inc(report.already_known)
        metrics.RENUMBERED.inc(report.renumbered)
        metrics.UNACKNOWLEDGED.inc(unacknowledged)
        for notice in batch.notices:
            metrics.NOTICES.labels(notice.kind.name.lower()).inc()
        if report.renumbered:
            _log.warning(
                "leads came without a number, or with one that was taken, and got another",
                segment=str(batch.progress.segment),
                leads=report.renumbered,
            )
        if batch.leads:
            self._note_age(batch)
            self._on_absorbed()

    def _note_age(self, batch: AbsorbBatch) -> None:
        """How long the latest lead has waited; one that another system received tells nothing."""
        latest = next((lead for lead in reversed(batch.leads) if lead.origin is None), None)
        if latest is not None:
            age_us = self._clock.now_us() - latest.record.received_at_us
            metrics.AGE_SECONDS.set(max(age_us, 0) / 1e6)
