"""What the journal's tests are made of: numbered leads, failing system calls, whole readings."""

import errno
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from leadkeep.journal import layout
from leadkeep.journal.base import Damage, Group, SegmentInfo, TornTail
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.records import encode
from leadkeep.journal.syscalls import Data, Syscalls
from leadkeep.models import Record, RecordFlag, RecordKind

SEGMENT_BYTES = 64 * 1024


def lead(number: int, body: bytes = b'{"contact":{"phone":"6145550142"}}') -> Record:
    """A lead that is told from others by its number."""
    return Record(
        kind=RecordKind.LEAD,
        lead_id=number.to_bytes(16, "big"),
        lead_number=1_786_000_000_000 + number,
        received_at_us=1_786_802_449_000_000 + number,
        flags=RecordFlag.NONE,
        source="default",
        peer="192.0.2.7",
        method="POST",
        target=b"/webhook.php?n=%d" % number,
        headers=b"Content-Type: application/json\r\n",
        body=body,
        answer_status=200,
    )


def encoded(*numbers: int, body: bytes | None = None) -> list[bytes]:
    """Leads with these numbers, ready to commit."""
    return [encode(lead(number) if body is None else lead(number, body)) for number in numbers]


class Reading(NamedTuple):
    """All that a reader says of a journal."""

    groups: list[Group]
    damage: list[Damage]
    torn: list[TornTail]

    @property
    def numbers(self) -> list[int]:
        """The leads' numbers, in the order read."""
        return [number_of(record) for group in self.groups for record in group.records]

    @property
    def unacknowledged(self) -> list[int]:
        """Those that are known to have been acknowledged to nobody."""
        return [
            number_of(record)
            for group in self.groups
            if not group.acknowledged
            for record in group.records
        ]


def number_of(record: Record) -> int:
    """The number that `lead` was given."""
    return int.from_bytes(record.lead_id, "big")


def sorted_out(entries: Iterable[Group | Damage | TornTail]) -> Reading:
    """Entries by what they are."""
    reading = Reading([], [], [])
    for entry in entries:
        if isinstance(entry, Group):
            reading.groups.append(entry)
        elif isinstance(entry, Damage):
            reading.damage.append(entry)
        else:
            reading.torn.append(entry)
    return reading


def read_all(reader: DiskJournalReader) -> Reading:
    """Everything in a journal."""
    return sorted_out(entry for info in reader.segments() for entry in reader.read(info, 0))


def read_one(reader: DiskJournalReader, info: SegmentInfo) -> Reading:
    """Everything in one segment."""
    return sorted_out(reader.read(info, 0))


def segment_of(reader: DiskJournalReader, segment: UUID) -> SegmentInfo:
    """A segment as the reader finds it."""
    return next(info for info in reader.segments() if info.segment == segment)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that happens in another thread or process."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def abandon(journal: DiskJournal) -> None:
    """What a SIGKILL leaves: nothing sealed, the lock gone."""
    journal._supply.close()
    journal._home.release()


def set_mark(info: SegmentInfo, **changes: object) -> None:
    """Write another mark beside a segment."""
    path = info.path.with_name(layout.mark_name(info.segment))
    mark = layout.parse_mark(path.read_bytes(), info.segment)
    assert mark is not None
    mark = mark._replace(**changes)  # type: ignore[arg-type]  # names of the tuple's fields
    path.write_bytes(
        layout.pack_mark(info.segment, mark.boot, mark.session, mark.durable, mark.state)
    )


class FailingSyscalls(Syscalls):
    """Fails on demand; counts what it was asked."""

    def __init__(self) -> None:
        self.fail_group_writes = 0
        self.fail_group_syncs = 0
        self.fail_marks = 0
        self.disk_full = False
        self.short_write = False
        self.segments_tried = 0

    def write_group(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        if self.fail_group_writes:
            self.fail_group_writes -= 1
            raise OSError(errno.EIO, "injected")
        if self.short_write:
            self.short_write = False
            return os.pwrite(fd, b"".join(buffers)[:100], offset)
        return super().write_group(fd, buffers, offset)

    def sync_group(self, fd: int) -> None:
        if self.fail_group_syncs:
            self.fail_group_syncs -= 1
            raise OSError(errno.EIO, "injected")
        super().sync_group(fd)

    def write_mark(self, fd: int, data: bytes, offset: int) -> int:
        if self.fail_marks and offset:
            self.fail_marks -= 1
            raise OSError(errno.EIO, "injected")
        return super().write_mark(fd, data, offset)

    def write_blank(self, fd: int, data: Data, offset: int) -> int:
        self.segments_tried += offset == 0
        if self.disk_full and offset:
            raise OSError(errno.ENOSPC, "injected")
        return super().write_blank(fd, data, offset)


def files(folder: Path, suffix: str) -> list[Path]:
    """Files of all writers with this suffix."""
    return sorted(folder.glob(f"writer-*/*{suffix}"))
