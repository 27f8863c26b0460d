"""A backup becomes an installation again, in an empty data folder, and delivers nothing by itself.

Everything is first brought into `DATA/restoring` and `leadkeep.db.new`; once that is complete and
examined it is moved into place, the store last. Invariant: killed at any point, the folder has no
store until it is whole, nothing starts on it meanwhile, and the same command goes on.
"""

import asyncio
from collections.abc import Sequence, Set
from pathlib import Path
from uuid import UUID

import msgspec

from leadkeep.clock import Clock
from leadkeep.errors import BackupDamaged, RecoveryError
from leadkeep.journal.archive import Archive
from leadkeep.journal.base import JournalReader
from leadkeep.journal.numbers import first_free_number, raise_first_free
from leadkeep.recovery import manifest as made
from leadkeep.recovery.examination import Finding, OpenStore
from leadkeep.recovery.files import (
    Progress,
    check_room,
    copy_file,
    remove_folder,
    sync_folder,
    sync_folders,
    write_file,
)
from leadkeep.recovery.manifest import Manifest
from leadkeep.recovery.newstore import (
    NUMBERS_KEPT_CLEAR,
    Absorb,
    clear_new_store,
    make_new_store,
    put_in_place,
)
from leadkeep.recovery.places import Places
from leadkeep.recovery.settling import Settled
from leadkeep.store.occupancy import replaced

_READY = "ready.json"
_STORE_GROWS = 2
"""Absorbing needs room for a write-ahead log besides the store."""


class Restored(msgspec.Struct, frozen=True):
    """What a restore came to."""

    made_at: str
    """The moment of the backup."""
    sum: str
    """Tells the backup from others."""
    settled: Settled
    first_free_number: int
    findings: list[Finding]


class Restore:
    """One run of `leadkeep restore`.

    Args:
        directory: the backup.
        places: where the installation shall be.
        journals: a reader for each journal; what other disks have kept is absorbed too.
        clock: tells the time.
    """

    def __init__(
        self,
        directory: Path,
        places: Places,
        *,
        journals: Sequence[JournalReader],
        open_store: OpenStore,
        absorb: Absorb,
        clock: Clock,
        progress: Progress | None = None,
    ) -> None:
        self._directory = directory
        self._places = places
        self._journals = journals
        self._open_store = open_store
        self._absorb = absorb
        self._clock = clock
        self._progress = progress or (lambda _what, _done, _total: None)

    async def check(self) -> Manifest:
        """See whether it could be done, without changing anything; returns what would be restored.

        Raises:
            BackupDamaged: names each file that is missing or differs.
            RecoveryError: an installation is there already, or there is no room.
        """
        manifest = await asyncio.to_thread(made.read_manifest, self._directory)
        self._refuse_occupied()
        await asyncio.to_thread(made.check_files, self._directory, manifest, self._progress)
        store = manifest.files.get(made.STORE)
        needed = manifest.bytes + (_STORE_GROWS * store.bytes if store else 0)
        for folder in (self._places.data, self._places.store):
            check_room(folder, needed, "restoring")
        return manifest

    async def run(self) -> Restored:
        """Do it, or finish what a former run has begun.

        Raises:
            BackupDamaged: a file of the backup is not what was written; nothing was restored.
            RecoveryError: it cannot be done here.
            AlreadyRunning: somebody uses this data folder.
            StoreError, JournalError: something cannot be written or read.
        """
        if not self._is_ready():
            manifest = await self.check()
        try:
            with replaced(self._places.run):
                if not self._is_ready():
                    self._refuse_occupied()
                    await self._prepare(manifest)
                restored = await asyncio.to_thread(self._finish)
        except OSError as error:
            raise RecoveryError(
                f"the backup could not be restored: {error.strerror or error}",
                hint="Nothing was delivered. Check room and permissions, then run it again.",
            ) from error
        return restored

    # ------------------------------------------------------------ preparing

    async def _prepare(self, manifest: Manifest) -> None:
        """Bring everything beside its place; the last step says that it is complete."""
        places = self._places
        remove_folder(places.restoring)
        clear_new_store(places)
        places.restoring.mkdir(mode=0o700, parents=True)
        sync_folder(places.data)
        await asyncio.to_thread(self._copy, manifest)
        archive = Archive(places.restoring / made.ARCHIVE, clock=self._clock)
        new = await make_new_store(
            places,
            archive=archive,
            journals=self._journals,
            open_store=self._open_store,
            absorb=self._absorb,
            reason=f"restored from the backup of {manifest.made_at}; "
            "it may have been delivered since",
            actor="leadkeep restore",
            progress=self._progress,
        )
        await asyncio.to_thread(self._let_journals_keep, archive, new.rather_archived)
        known = max(
            new.highest_number + 1,
            first_free_number(self._directory / made.NUMBERS),
            self._clock.now_us() // 1_000,
        )
        restored = Restored(
            made_at=manifest.made_at,
            sum=self._sum(),
            settled=new.settled,
            first_free_number=known + NUMBERS_KEPT_CLEAR,
            findings=new.examined.findings,
        )
        await asyncio.to_thread(sync_folders, places.restoring)
        write_file(places.restoring / _READY, msgspec.json.encode(restored))
        sync_folder(places.restoring)

    def _copy(self, manifest: Manifest) -> None:
        done = 0
        for name, entry in manifest.files.items():
            target = self._places.restoring / name
            if name == made.STORE:
                target = self._places.new_store
            if name != made.NUMBERS:
                read = copy_file(self._directory / name, target)
                if (read.size, read.sha256) != (entry.bytes, entry.sha256):
                    raise BackupDamaged(
                        f"{name} has changed while it was read",
                        hint="The disk of the backup cannot be relied on; use another backup.",
                    )
            done += entry.bytes
            self._progress("copying the backup", done, manifest.bytes)
        (self._places.restoring / made.ARCHIVE).mkdir(mode=0o700, exist_ok=True)

    def _let_journals_keep(self, archive: Archive, rather_archived: Set[UUID]) -> None:
        """A segment that a journal still has goes into the archive from there, whole."""
        for journal in self._journals:
            for info in journal.segments():
                if info.segment not in rather_archived:
                    archive.remove(info.segment)

    # ------------------------------------------------------------ finishing

    def _finish(self) -> Restored:
        """Move everything into place, the store last. Repeated after a crash, it goes on."""
        places = self._places
        restored = msgspec.json.decode((places.restoring / _READY).read_bytes(), type=Restored)
        if restored.sum != self._sum():
            raise RecoveryError(
                f"a restore of another backup, of {restored.made_at}, into {places.data} was not "
                "finished",
                hint=f"Run `leadkeep restore` with that one again, or remove {places.restoring}.",
            )
        places.archive.mkdir(mode=0o700, exist_ok=True)
        for part in sorted((places.restoring / made.ARCHIVE).iterdir()):
            part.rename(places.archive / part.name)
        sync_folder(places.archive)
        raise_first_free(places.numbers, restored.first_free_number)
        if places.new_store.exists() and places.store.exists():
            raise RecoveryError(
                f"a store has appeared at {places.store} meanwhile",
                hint="Move it away, then run the restore again.",
            )
        put_in_place(places, self._clock)
        remove_folder(places.restoring)
        sync_folder(places.data)
        return restored

    def _is_ready(self) -> bool:
        return (self._places.restoring / _READY).exists()

    def _sum(self) -> str:
        made.read_manifest(self._directory)
        return (self._directory / made.SUM_NAME).read_text("ascii").split()[0]

    def _refuse_occupied(self) -> None:
        places = self._places
        found = places.store if places.store.exists() else places.archive
        if places.store.exists() or places.has_history():
            raise RecoveryError(
                f"there is an installation in {places.data} already: {found}",
                hint="Name an empty folder with --data, or move that one away.",
            )
