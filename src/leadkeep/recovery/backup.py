"""A backup beside a running installation: everything that must last, in one folder, verified.

The order makes it whole: first the store, of one moment; then the journals, in which every lead
accepted by then is that the store did not have; then the archive, to which a segment may have moved
meanwhile; then the log of outcomes. Invariant: every lead that was acknowledged before this began
is in it, and the folder has its final name only after all of it was read back and agrees.
"""

import asyncio
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from leadkeep.clock import Clock, rfc3339
from leadkeep.errors import BackupDamaged, JournalError, NotFound, RecoveryError
from leadkeep.journal.archive import Archive, ArchivedSegment
from leadkeep.journal.archivelock import unpruned
from leadkeep.journal.base import Damage, JournalReader, SegmentInfo, SegmentState
from leadkeep.journal.layout import BLOCK
from leadkeep.journal.survey import Survey
from leadkeep.recovery import manifest as made
from leadkeep.recovery.draft import drafted, refuse_existing
from leadkeep.recovery.examination import Examined, Finding, OpenStore, examine
from leadkeep.recovery.files import (
    Progress,
    check_room,
    copy_file,
    digest,
    files_below,
    size_below,
)
from leadkeep.recovery.manifest import Counts, FileEntry, Manifest
from leadkeep.recovery.places import Places

_log = structlog.get_logger("leadkeep.recovery")


class BackedUp(msgspec.Struct, frozen=True):
    """A backup that was made."""

    directory: str
    made_at: str
    bytes: int
    linked_bytes: int
    """Of these, shared with the backup before."""
    counts: Counts
    findings: list[Finding]
    """What was wrong with the installation already; the backup holds it as it is."""


class Backup:
    """One run of `leadkeep backup`.

    Args:
        places: the installation.
        journals: a reader for each journal.
        open_store: opens a store's file.
        clock: tells the time of the backup.
        since: a former backup on the same file system: archived segments that are in it are
            linked instead of copied.
    """

    def __init__(
        self,
        places: Places,
        *,
        journals: Sequence[JournalReader],
        open_store: OpenStore,
        clock: Clock,
        since: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._places = places
        self._journals = journals
        self._open_store = open_store
        self._clock = clock
        self._since = since
        self._former = _manifest_of(since)
        self._progress = progress or (lambda _what, _done, _total: None)
        self._files: dict[str, FileEntry] = {}
        self._linked_bytes = 0
        self._moment_us = 0

    async def make(self, directory: Path) -> BackedUp:
        """Make it.

        Raises:
            RecoveryError: the folder is there already, or there is no room or nothing to back up.
            StoreError: the store cannot be copied.
            JournalError: a journal or the archive cannot be copied.
            BackupDamaged: what was written does not read back.
        """
        refuse_existing(directory)
        await asyncio.to_thread(self._check_room, directory)
        try:
            with drafted(directory) as draft:
                manifest, findings = await self._fill(draft, directory)
        except OSError as error:
            raise RecoveryError(
                f"the backup could not be written: {error.strerror or error}",
                hint="Nothing was left behind. Check the room and the disk, then try again.",
            ) from error
        return BackedUp(
            directory=str(directory),
            made_at=manifest.made_at,
            bytes=manifest.bytes,
            linked_bytes=self._linked_bytes,
            counts=manifest.counts,
            findings=findings,
        )

    async def _fill(self, draft: Path, directory: Path) -> tuple[Manifest, list[Finding]]:
        with unpruned(self._places.archive):
            await self._copy_store(draft)
            archive = Archive(draft / made.ARCHIVE, clock=self._clock)
            await asyncio.to_thread(self._copy_journals, archive)
            await asyncio.to_thread(self._copy_archive, draft, archive)
        await asyncio.to_thread(self._copy_rest, draft)
        await asyncio.to_thread(self._enter_the_rest, draft)
        found, deliveries, leads = await self._examine(draft, archive)
        manifest = Manifest(
            format=made.FORMAT,
            program=version("leadkeep"),
            made_at=rfc3339(self._moment_us),
            counts=Counts(
                leads=leads,
                deliveries=deliveries,
                segments=found.segments,
                records=found.records,
                waiting=found.waiting,
            ),
            files=dict(sorted(self._files.items())),
        )
        await asyncio.to_thread(made.write_manifest, draft, manifest)
        return manifest, [_as_of(finding, draft, directory) for finding in found.findings]

    # ------------------------------------------------------------ the parts

    async def _copy_store(self, draft: Path) -> None:
        self._moment_us = self._clock.now_us()
        if not self._places.store.exists():
            return
        async with self._open_store(self._places.store) as store:
            await store.copy_to(
                draft / made.STORE,
                progress=lambda done, total: self._progress("copying the store", done, total),
            )

    def _copy_journals(self, archive: Archive) -> None:
        for reader in self._journals:
            for info in reader.segments():
                if not _never_used(info):
                    archive.copy(info, damaged=_is_damaged(reader, info))
                    self._progress("copying journals", 0, 0)

    def _copy_archive(self, draft: Path, archive: Archive) -> None:
        """Every archived segment; one that was copied out of its journal is whole only here."""
        partial = {copied.segment: copied for copied in archive.segments()}
        kept = Archive(self._places.archive).segments()
        for done, one in enumerate(kept):
            self._progress("copying the archive", done, len(kept))
            self._copy_archived(draft, one, partial)

    def _copy_archived(
        self, draft: Path, one: ArchivedSegment, partial: dict[UUID, ArchivedSegment]
    ) -> None:
        name = f"{made.ARCHIVE}/{one.path.relative_to(self._places.archive).as_posix()}"
        if one.segment in partial:
            partial.pop(one.segment).path.unlink()
        if not self._linked(draft, name, one.size):
            self._copy(one.path, draft, name)

    def _linked(self, draft: Path, name: str, size: int) -> bool:
        """Take a file over from the backup before, if it is there and still what it was."""
        entry = self._former.files.get(name) if self._former is not None else None
        if entry is None or self._since is None or entry.bytes != size:
            return False
        try:
            if FileEntry.of(digest(self._since / name)) != entry:
                return False
            (draft / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.link(self._since / name, draft / name)
        except OSError:
            return False  # another file system, or one without links
        self._files[name] = entry
        self._linked_bytes += size
        return True

    def _copy_rest(self, draft: Path) -> None:
        """The log of outcomes, as far as it is written now, and which numbers are reserved."""
        for path in files_below(self._places.outcomes):
            self._copy(path, draft, f"{made.ARCHIVE}/outcomes/{path.name}")
        if self._places.numbers.exists():
            self._copy(self._places.numbers, draft, made.NUMBERS)

    def _copy(self, source: Path, draft: Path, name: str) -> None:
        read = copy_file(source, draft / name)
        if digest(draft / name) != read:
            raise BackupDamaged(
                f"{name} was written and does not read back as it was",
                hint="The disk of the backup cannot be relied on.",
            )
        self._files[name] = FileEntry.of(read)

    def _enter_the_rest(self, draft: Path) -> None:
        """What was made here: the store's copy and the segments out of the journals."""
        for path in files_below(draft):
            name = path.relative_to(draft).as_posix()
            if name not in self._files:
                self._files[name] = FileEntry.of(digest(path))

    async def _examine(self, draft: Path, archive: Archive) -> tuple[Examined, dict[str, int], int]:
        """Read it as a restore would; returns what was found, and what is in its store."""
        survey = Survey((), archive)
        if made.STORE not in self._files:
            found = await examine(None, survey, self._progress)
            if not found.records:
                raise RecoveryError(
                    f"there is nothing to back up in {self._places.data}",
                    hint="Is it the right data folder?",
                )
            if self._places.has_history():
                found.add(f"the store {self._places.store} is gone: the backup has none", "")
            return found, {}, 0
        async with self._open_store(draft / made.STORE) as store:
            found = await examine(store, survey, self._progress)
            counts = await store.counts()
            leads = await store.lead_count()
        return found, {status.value: n for status, n in counts.items()}, leads

    def _check_room(self, directory: Path) -> None:
        needed = size_below(self._places.outcomes)
        if self._places.store.exists():
            needed += self._places.store.stat().st_size
        for reader in self._journals:
            needed += sum(_believed_bytes(info) for info in reader.segments())
        former = self._former.files if self._former is not None else {}
        for one in Archive(self._places.archive).segments():
            name = f"{made.ARCHIVE}/{one.path.relative_to(self._places.archive).as_posix()}"
            needed += 0 if name in former else one.size
        check_room(directory.absolute(), needed, "the backup")


def _manifest_of(former: Path | None) -> Manifest | None:
    """What a former backup holds; None if it cannot be used: tonight's must not fail for that."""
    if former is None:
        return None
    try:
        return made.read_manifest(former)
    except (NotFound, RecoveryError) as error:
        _log.warning("everything is copied, nothing is shared", error=str(error))
        return None


def _as_of(finding: Finding, draft: Path, directory: Path) -> Finding:
    """The finding in words that hold when the draft has its name."""
    return msgspec.structs.replace(
        finding,
        what=finding.what.replace(str(draft), str(directory)),
        path=finding.path.replace(str(draft), str(directory)),
        hint="It was so in the installation: `leadkeep verify` says what to do.",
    )


def _never_used(info: SegmentInfo) -> bool:
    """A spare, or one that was just opened."""
    return info.state is SegmentState.LIVE and info.durable is not None and info.durable <= BLOCK


def _is_damaged(reader: JournalReader, info: SegmentInfo) -> bool:
    try:
        return any(isinstance(entry, Damage) for entry in reader.read(info, 0))
    except JournalError:
        return False  # gone since it was listed, or it will fail to be copied and say so


def _believed_bytes(info: SegmentInfo) -> int:
    if info.state is SegmentState.LIVE and info.durable is not None:
        return info.durable
    try:
        return info.path.stat().st_size
    except FileNotFoundError:
        return 0
