"""How much room an installation has now, looked at from outside, whether it runs or not."""

from collections.abc import Iterator

import msgspec

from leadkeep.disks.ballast import standing
from leadkeep.disks.room import Reserve, free_bytes, left_free, one_per_volume, worker_folders
from leadkeep.journal.supply import QUICK_BYTES
from leadkeep.settings.model import Settings


class WorkerRoom(msgspec.Struct, frozen=True):
    """A volume that the worker writes to."""

    folder: str
    free_bytes: int
    ballast_bytes: int
    """What stands there now; 0: none."""
    ballast_wanted_bytes: int

    @property
    def is_scarce(self) -> bool:
        """True if there is less than low water, or no ballast and no room for a new one."""
        reserve = Reserve(self.ballast_wanted_bytes)
        if self.ballast_bytes:
            return self.free_bytes < reserve.low_water
        return self.free_bytes < reserve.plenty


class JournalRoom(msgspec.Struct, frozen=True):
    """The volume of a journal."""

    folder: str
    free_bytes: int
    left_free_bytes: int
    """The door makes no file that leaves less."""

    @property
    def is_full(self) -> bool:
        """True if not even a small file can be made."""
        return self.free_bytes - QUICK_BYTES < self.left_free_bytes


class Rooms(msgspec.Struct, frozen=True):
    """All of it."""

    worker: tuple[WorkerRoom, ...] = ()
    journals: tuple[JournalRoom, ...] = ()
    unseen: tuple[str, ...] = ()
    """Folders that could not be looked at, and why."""


def look(settings: Settings) -> Rooms:
    """Look at every volume; what cannot be looked at is noted. Changes nothing."""
    unseen: list[str] = []
    return Rooms(
        worker=tuple(_worker(settings, unseen)),
        journals=tuple(_journals(settings, unseen)),
        unseen=tuple(unseen),
    )


def _worker(settings: Settings, unseen: list[str]) -> Iterator[WorkerRoom]:
    folders = worker_folders(settings)
    try:
        for folder in one_per_volume(folders):
            yield WorkerRoom(
                folder=str(folder),
                free_bytes=free_bytes(folder),
                ballast_bytes=standing(folder),
                ballast_wanted_bytes=settings.worker.ballast_bytes,
            )
    except OSError as error:
        unseen.append(f"{settings.data}: {error.strerror}")


def _journals(settings: Settings, unseen: list[str]) -> Iterator[JournalRoom]:
    for folder in settings.journal_folders:
        try:
            yield JournalRoom(
                folder=str(folder),
                free_bytes=free_bytes(folder),
                left_free_bytes=left_free(settings, folder),
            )
        except OSError as error:
            unseen.append(f"{folder}: {error.strerror}")
