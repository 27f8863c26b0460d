"""Questions to all journals together that only reading them answers."""

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

import msgspec

from leadkeep.journal.base import Group, JournalReader
from leadkeep.models import RecordKind, SegmentProgress


class JournalWaiting(msgspec.Struct, frozen=True):
    """What was accepted and is not yet absorbed."""

    leads: int
    bytes: int
    """In whole groups, as they stand in the journal."""
    oldest_at_us: int | None
    """When the oldest of these leads was received."""


def count_waiting(
    readers: Iterable[JournalReader], progress: Mapping[UUID, SegmentProgress]
) -> JournalWaiting:
    """Count what lies behind the absorber's positions. Blocks on the disk.

    Args:
        progress: how far the store has absorbed each segment.

    Raises:
        JournalError: a journal cannot be read.
    """
    leads = size = 0
    oldest: int | None = None
    for group in _groups(readers, progress):
        size += group.end - group.offset
        for record in group.records:
            if record.kind is RecordKind.LEAD:
                leads += 1
                oldest = min(oldest or record.received_at_us, record.received_at_us)
    return JournalWaiting(leads=leads, bytes=size, oldest_at_us=oldest)


def highest_lead_number(readers: Iterable[JournalReader]) -> int:
    """The highest number in any journal; 0 if there is none. Blocks on the disk.

    Raises:
        JournalError: a journal cannot be read.
    """
    numbers = (record.lead_number for group in _groups(readers, {}) for record in group.records)
    return max(numbers, default=0)


def _groups(
    readers: Iterable[JournalReader], progress: Mapping[UUID, SegmentProgress]
) -> Iterator[Group]:
    for reader in readers:
        for info in reader.segments():
            known = progress.get(info.segment)
            if known is None or not known.finished:
                start = 0 if known is None else known.offset
                yield from (found for found in reader.read(info, start) if isinstance(found, Group))
