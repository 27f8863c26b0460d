"""Is every lead that the journals and the archive hold in the store, byte for byte?

Reads everything and changes nothing, beside a running installation too: what was not yet absorbed
when this began counts as waiting, and a segment that moves meanwhile is found where it went.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import UUID

import msgspec

from leadkeep.errors import JournalError, NotFound
from leadkeep.journal.archive import Archive
from leadkeep.journal.base import Damage, Group, TornTail, is_elsewhere
from leadkeep.journal.identity import text as id_text
from leadkeep.journal.survey import Place, Survey
from leadkeep.models import REFUSED_BY_STORE, Record, RecordKind, SegmentProgress, StoredRequest
from leadkeep.recovery.files import Progress, files_below
from leadkeep.recovery.manifest import ARCHIVE, NAME, STORE, SUM_NAME, Manifest, differing
from leadkeep.settings.model import IN_STORE
from leadkeep.store.base import Store

OpenStore = Callable[[Path], AbstractAsyncContextManager[Store]]
"""Opens the store in a file."""

MOST_FINDINGS = 1_000
"""So many are kept; the others are counted."""
_COMPARED_AT_ONCE = 200
_COMPARED_BYTES = 8 * 1024**2

_FROM_BACKUP = "Take the file from a backup, or restore the whole."
_ANOTHER_BACKUP = "Use another backup; this one must not be relied on."
_REBUILD = "`leadkeep rebuild --replace` makes the store anew from journals and archive."


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, and what to do."""

    what: str
    hint: str
    lead_id: str = ""
    path: str = ""


class Examined(msgspec.Struct):
    """What was looked at, and what was found wrong with it."""

    segments: int = 0
    records: int = 0
    leads: int = 0
    """Leads compared with the store, byte for byte."""
    waiting: int = 0
    """Leads that were accepted and are not yet in the store."""
    findings: list[Finding] = msgspec.field(default_factory=list)
    more: int = 0
    """Findings beyond those that are kept."""

    @property
    def ok(self) -> bool:
        """True if nothing is wrong."""
        return not self.findings

    def add(self, what: str, hint: str, *, lead_id: str = "", path: str = "") -> None:
        """Note something wrong."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(what, hint, lead_id=lead_id, path=path))
        else:
            self.more += 1


async def examine(
    store: Store | None, survey: Survey, progress: Progress | None = None, *, node: str = ""
) -> Examined:
    """Examine a store against the segments that it came from.

    Args:
        store: None: there is none yet, and every lead waits.
        survey: the journals and the archive.
        node: this machine, among those that share the store; empty: none does.

    Raises:
        JournalUnavailable: a folder cannot be listed.
        StoreUnavailable: the store cannot be read now.
    """
    return await Examination(store, survey, progress, node).run()


async def examine_backup(
    directory: Path,
    manifest: Manifest,
    open_store: OpenStore,
    progress: Progress | None = None,
) -> Examined:
    """Examine a backup: its files against the manifest, then its leads against its store.

    Raises:
        StoreUnavailable: its store is of another version.
    """
    damaged = await asyncio.to_thread(lambda: dict(differing(directory, manifest, progress)))
    survey = Survey((), Archive(directory / ARCHIVE))
    if STORE in manifest.files and STORE not in damaged:
        async with open_store(directory / STORE) as store:
            found = await examine(store, survey, progress)
    else:
        found = await examine(None, survey, progress)
    names = {path.relative_to(directory).as_posix() for path in files_below(directory)}
    strangers = sorted(names - {*manifest.files, NAME, SUM_NAME})
    wrong = [*damaged.values(), *(f"{name} is no part of it" for name in strangers)]
    of_files = [Finding(f"{directory}: {what}", _ANOTHER_BACKUP) for what in wrong]
    of_leads = [
        msgspec.structs.replace(finding, hint=_ANOTHER_BACKUP) for finding in found.findings
    ]
    found.findings = [*of_files, *of_leads]
    return found


class Examination:
    """One run of it."""

    def __init__(
        self, store: Store | None, survey: Survey, progress: Progress | None, node: str = ""
    ) -> None:
        self._node = node
        self._store = store
        self._survey = survey
        self._progress = progress or (lambda _what, _done, _total: None)
        self._absorbed: Mapping[UUID, SegmentProgress] = {}
        self._seen: set[UUID] = set()
        self.found = Examined()

    async def run(self) -> Examined:
        """Look at everything."""
        if self._store is not None:
            self._progress("checking the database", 0, 1)
            for flaw in await self._store.flaws():
                self.found.add(f"the store is not sound: {flaw}", _REBUILD)
            # Before the segments are read: what lies behind this point waits, and is no finding.
            self._absorbed = await self._store.progress()
        places = await asyncio.to_thread(lambda: list(self._survey.places(archive=True)))
        for done, place in enumerate(places):
            self._progress("comparing leads", done, len(places))
            await self._compare_segment(place)
        self._progress("comparing leads", len(places), len(places))
        for path in await asyncio.to_thread(self._survey.unreadable):
            self.found.add(f"{path}: its note is damaged", _FROM_BACKUP, path=str(path))
        await self._look_for_missing()
        return self.found

    # ------------------------------------------------------------ segments

    async def _compare_segment(self, place: Place) -> None:
        self._seen.add(place.info.segment)
        self.found.segments += 1
        entries = self._survey.entries(place)
        try:
            while chunk := await asyncio.to_thread(self._next_records, place, entries):
                await self._compare(place, chunk)
        except NotFound:
            return  # it has left the archive since it was listed: nobody needs it any more
        except JournalError as error:
            path = str(place.info.path)
            self.found.add(f"{path}: {error}", _FROM_BACKUP, path=path)

    def _next_records(
        self, place: Place, entries: Iterator[Group | Damage | TornTail]
    ) -> list[Record]:
        """The next leads that must be in the store; none left: an empty list."""
        records: list[Record] = []
        size = 0
        absorbed = self._absorbed.get(place.info.segment)
        for entry in entries:
            if isinstance(entry, Damage):
                self._note_damage(place, entry)
            if not isinstance(entry, Group):
                continue
            self.found.records += len(entry.records)
            leads = [record for record in entry.records if record.kind is RecordKind.LEAD]
            if _must_be_stored(entry, absorbed):
                records += leads
                size += entry.end - entry.offset
            else:
                self.found.waiting += len(leads)
            if len(records) >= _COMPARED_AT_ONCE or size >= _COMPARED_BYTES:
                break
        return records

    def _note_damage(self, place: Place, damage: Damage) -> None:
        self.found.add(
            f"{place.info.path}: from {damage.offset} to {damage.end}: {damage.reason}: leads "
            "that were acknowledged may be in these bytes",
            "`leadkeep journal cat --segment` shows what can still be read. " + _FROM_BACKUP,
            path=str(place.info.path),
        )

    # ------------------------------------------------------------ leads

    async def _compare(self, place: Place, records: Sequence[Record]) -> None:
        assert self._store is not None
        self.found.leads += len(records)
        stored = await self._store.requests([id_text(record.lead_id) for record in records])
        renumbered = []
        for record in records:
            lead_id = id_text(record.lead_id)
            found = stored.get(lead_id)
            if found is None:
                self.found.add(
                    f"the lead {lead_id} in {place.info.path} is not in the store",
                    _REBUILD,
                    lead_id=lead_id,
                    path=str(place.info.path),
                )
                continue
            differing = differences(record, found)
            if differing:
                self.found.add(
                    f"the lead {lead_id} is not stored as it came: {', '.join(differing)}",
                    _REBUILD,
                    lead_id=lead_id,
                    path=str(place.info.path),
                )
            if found.lead_number != record.lead_number != 0:
                renumbered.append(record)
        await self._check_renumbered(renumbered)

    async def _check_renumbered(self, records: Sequence[Record]) -> None:
        """A lead may have another number than it came with only if that one was taken."""
        if not records:
            return
        assert self._store is not None
        taken = await self._store.numbers_in_use([record.lead_number for record in records])
        for record in records:
            if record.lead_number not in taken:
                lead_id = id_text(record.lead_id)
                self.found.add(
                    f"the lead {lead_id} has another number than it came with, and nobody has that",
                    _REBUILD,
                    lead_id=lead_id,
                )

    async def _look_for_missing(self) -> None:
        """Segments that the store knows and no folder has."""
        if self._store is None:
            return
        gone = [
            one
            for uuid, one in self._absorbed.items()
            if uuid not in self._seen
            and not is_elsewhere(one.journal, self._node)
            # What is absorbed leaves the inbox, which is the store's own.
            and not (one.journal == IN_STORE and one.finished)
        ]
        if not gone:
            return
        # Asked after the folders were read: what has left the archive meanwhile is no finding.
        forgotten = await self._store.forgotten_segments()
        for one in gone:
            if one.finished and one.segment not in forgotten:
                self.found.add(
                    f"the segment {one.segment} ({one.leads:,} leads, all in the store) is neither "
                    "in a journal nor in the archive",
                    "Its leads are safe while the store is. " + _FROM_BACKUP,
                )
            elif not one.finished:
                self.found.add(
                    f"the segment {one.segment} of {one.journal} is gone, and not all of it was "
                    "absorbed",
                    "Is the journal's disk mounted, and is its folder still in journal.folders?",
                )


def _must_be_stored(group: Group, absorbed: SegmentProgress | None) -> bool:
    return absorbed is not None and (absorbed.finished or group.end <= absorbed.offset)


def differences(record: Record, stored: StoredRequest) -> list[str]:
    """Names of the parts of a request that the store has otherwise than the journal."""
    if stored.erased:
        return []
    pairs: list[tuple[str, object, object]] = [
        ("target", record.target, stored.target),
        ("headers", record.headers, stored.headers),
        ("body", record.body, stored.body),
    ]
    if not stored.quarantine_reason.startswith(REFUSED_BY_STORE):
        pairs += [
            ("method", record.method, stored.method),
            ("peer", record.peer, stored.peer),
            ("source", record.source, stored.source),
            ("flags", int(record.flags), stored.flags),
            ("answer", record.answer_status, stored.answer_status),
            ("time", record.received_at_us // 1_000, stored.received_at_ms),
        ]
    return [name for name, came, kept in pairs if came != kept]
