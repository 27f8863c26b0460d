"""A journal on a real disk, a real SQLite store, and absorbers between them."""

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from leadkeep.absorber.absorber import Absorber
from leadkeep.clock import Clock, SystemClock
from leadkeep.journal.archive import Archive
from leadkeep.journal.archivereader import ArchiveReader
from leadkeep.journal.base import Damage, Group, JournalReader, SegmentInfo, TornTail
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.records import encode
from leadkeep.journal.syscalls import Syscalls
from leadkeep.models import AbsorbBatch, AbsorbReport, Record
from leadkeep.settings.model import DestinationSettings, Settings
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.routes import SourceTable
from leadkeep.store.base import Store
from leadkeep.store.sqlite.store import SqliteStore

SEGMENT_BYTES = 256 * 1024
A_PATH = SourceTable.of(Settings(destinations={"default": DestinationSettings()}))


class Bench:
    """One installation's folders, and what tests do with them."""

    def __init__(self, folder: Path, store: SqliteStore) -> None:
        self.folder = folder
        self.store = store
        self.archive = Archive(folder / "archive")
        self.woken = 0
        self._absorbers: list[Absorber] = []

    def journal(self, name: str = "journal", *, calls: Syscalls | None = None) -> DiskJournal:
        """A writer; the caller closes it or leaves it alive."""
        return DiskJournal(
            self.folder / name, segment_bytes=SEGMENT_BYTES, clock=SystemClock(), syscalls=calls
        )

    def reader(self, name: str = "journal") -> DiskJournalReader:
        """Reads a journal."""
        return DiskJournalReader(self.folder / name)

    def absorber(
        self,
        *readers: JournalReader,
        store: Store | None = None,
        contacts: ContactReader | None = None,
        clock: Clock | None = None,
        lock: str = "absorber.lock",
        archive: bool = True,
    ) -> Absorber:
        """An absorber of the given journals, or of the one named `journal`."""

        def woken() -> None:
            self.woken += 1

        made = Absorber(
            readers=readers or (self.reader(),),
            store=store or self.store,
            sources=A_PATH,
            contacts=contacts or ContactReader("US"),
            clock=clock or SystemClock(),
            lock_path=self.folder / "run" / lock,
            on_absorbed=woken,
            archive=ArchiveReader(self.archive) if archive else None,
        )
        self._absorbers.append(made)
        return made

    def close(self) -> None:
        """Let go of the absorbers' threads."""
        for absorber in self._absorbers:
            absorber.close()

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a statement finds in the store."""
        return (await self.store.query(sql, limit=100_000))[1]

    async def lead_ids(self) -> list[str]:
        """The ids of all leads in the store, in the order of absorbing."""
        return [row[0] for row in await self.rows("SELECT lead_id FROM leads ORDER BY id")]


def write(journal: DiskJournal, *groups: Sequence[Record]) -> list[Record]:
    """Commit groups of records; returns all of them."""
    for group in groups:
        journal.commit([encode(record) for record in group])
    return [record for group in groups for record in group]


class SyncFails(Syscalls):
    """A disk whose syncs of groups fail while `failing`."""

    failing = False

    def sync_group(self, fd: int) -> None:
        if self.failing:
            raise OSError(errno.EIO, "injected")
        super().sync_group(fd)


class Reading:
    """A journal reader that passes everything on; tests override a part."""

    def __init__(self, inner: JournalReader) -> None:
        self.inner = inner

    def segments(self) -> list[SegmentInfo]:
        return self.inner.segments()

    def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
        return self.inner.read(info, offset)

    def refresh(self, info: SegmentInfo) -> SegmentInfo | None:
        return self.inner.refresh(info)


class Storing:
    """A store that passes everything on; tests override a part.

    Only `absorb` and `progress` are what an absorber needs; the rest goes through unseen.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
        return await self.inner.absorb(batch)
