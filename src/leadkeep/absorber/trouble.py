"""What is wrong with segments, remembered and said once: damage, doubt, files that cannot be read.

A segment with trouble that could not be resolved holds bytes which exist nowhere else; the
archivist asks here, and keeps it.
"""

from collections.abc import Container, Mapping
from uuid import UUID

import structlog

from leadkeep.absorber import metrics
from leadkeep.absorber.segments import OpenSegment
from leadkeep.clock import Clock
from leadkeep.errors import LeadkeepError
from leadkeep.journal.base import Damage
from leadkeep.models import SegmentProgress

TIMES_MET = 3
"""Damage is believed when it was met so often; until then it may be a disk's passing fault."""
DOUBT_PAUSE_MS = 250
_LONGEST_PAUSE_MS = 5_000
_MOST_SHOWN = 100

_log = structlog.get_logger("leadkeep.absorber")


class Troubles:
    """What this process has found wrong with segments since it started."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._damaged: dict[UUID, list[dict[str, object]]] = {}
        self._sound: set[UUID] = set()
        self._begun: set[UUID] = set()
        self._missing: set[UUID] = set()

    def is_sound(self, segment: UUID) -> bool:
        """Whether this process has read a segment from first to last byte without fault."""
        return segment in self._sound

    def is_damaged(self, segment: UUID) -> bool:
        """Whether this process has found a segment to hold what the store does not."""
        return segment in self._damaged

    def forget(self, segment: UUID) -> None:
        """The segment's bytes are gone or archived."""
        self._sound.discard(segment)

    def details(self) -> Mapping[str, object]:
        """Segment → what is wrong with it, for people."""
        return {str(segment): found for segment, found in self._damaged.copy().items()}

    def begins(self, segment: OpenSegment) -> None:
        """Reading begins, at the segment's position."""
        if segment.progress.offset == 0:
            self._begun.add(segment.info.segment)

    def interrupted(self, segment: OpenSegment) -> None:
        """Another process has read a part of it."""
        self._begun.discard(segment.info.segment)

    def believed(self, segment: OpenSegment) -> Container[int]:
        """The offsets of damage that was met often enough to be passed over."""
        return {offset for offset, met in segment.doubts.items() if met >= TIMES_MET}

    def doubtful(self, segment: OpenSegment, damage: Damage) -> None:
        """Damage was met that is not believed yet; the segment is read again a little later."""
        segment.doubts[damage.offset] = segment.doubts.get(damage.offset, 0) + 1
        segment.retry_at_ms = self._clock.boottime_ms() + DOUBT_PAUSE_MS
        _log.warning(
            "a journal segment cannot be read here; trying again before giving these bytes up",
            segment=str(segment.info.segment),
            path=str(segment.info.path),
            offset=damage.offset,
            reason=damage.reason,
        )

    def damaged(self, segment: OpenSegment, damage: Damage) -> None:
        """Acknowledged bytes are unreadable for good."""
        metrics.DAMAGE.inc()
        self._note(segment, {"offset": damage.offset, "end": damage.end, "reason": damage.reason})
        _log.error(
            "a journal segment is damaged: leads that were acknowledged may be in these bytes",
            segment=str(segment.info.segment),
            path=str(segment.info.path),
            offset=damage.offset,
            end=damage.end,
            reason=damage.reason,
        )

    def kept(self, segment: OpenSegment, records: int) -> None:
        """The store takes some records in no form."""
        self._note(segment, {"reason": "the store refused records in every form", "n": records})

    def finished(self, segment: OpenSegment, *, torn: bool) -> None:
        """The segment was read to its end."""
        uuid = segment.info.segment
        if uuid in self._begun and uuid not in self._damaged:
            self._sound.add(uuid)
        self._begun.discard(uuid)
        if torn:
            _log.info(
                "a journal segment ends in a write that was cut short; nobody was told 2xx for it",
                segment=str(uuid),
                path=str(segment.info.path),
            )

    def unreadable(self, segment: OpenSegment, error: Exception) -> None:
        """The segment cannot be read now; it is tried again, less and less often."""
        metrics.ERRORS.inc()
        segment.failures += 1
        pause_ms = min(DOUBT_PAUSE_MS * 2 ** min(segment.failures - 1, 10), _LONGEST_PAUSE_MS)
        segment.retry_at_ms = self._clock.boottime_ms() + pause_ms
        if pause_ms < _LONGEST_PAUSE_MS:
            foreseen = isinstance(error, (LeadkeepError, OSError))
            _log.error(
                "a journal segment cannot be read now",
                segment=str(segment.info.segment),
                path=str(segment.info.path),
                # What is unforeseen may quote what it was working on.
                error=str(error) if foreseen else type(error).__name__,
                exc_info=not foreseen,
            )

    def is_news(self, progress: SegmentProgress) -> bool:
        """Whether this segment was not known to be missing."""
        return progress.segment not in self._missing

    def missing(self, progress: SegmentProgress) -> None:
        """A segment that is not wholly absorbed is in no folder."""
        self._missing.add(progress.segment)
        _log.error(
            "a journal segment is not there, and not all of it was absorbed",
            segment=str(progress.segment),
            journal=progress.journal,
            absorbed_to=progress.offset,
            hint="Is the journal's disk mounted, and is its folder still in journal.folders?",
        )

    def unlistable(self, error: Exception) -> None:
        """A journal's folder cannot be listed now."""
        metrics.ERRORS.inc()
        _log.error("a journal cannot be listed now", error=str(error))

    def _note(self, segment: OpenSegment, found: dict[str, object]) -> None:
        uuid = segment.info.segment
        if len(self._damaged) < _MOST_SHOWN or uuid in self._damaged:
            notes = self._damaged.setdefault(uuid, [{"path": str(segment.info.path)}])
            if len(notes) < _MOST_SHOWN:
                notes.append(found)
