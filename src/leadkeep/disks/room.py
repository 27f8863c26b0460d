"""How much room a volume has, how much must stay, and what to do about it: measured, then judged.

On a full disk nothing can be moved any more, not even out of the way: deleting needs room too. So a
file of ballast stands on each volume that the worker writes to. At low water the worker removes it,
and what becomes free is for absorbing, recording and pruning only. Invariant: the door, which would
fill any room with new leads, leaves free more than throwing off the ballast brings.
"""

import os
from collections.abc import Iterable
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from leadkeep.settings.model import Settings


class Reserve(NamedTuple):
    """How much must stay free, in bytes, as it follows from the size of the ballast."""

    ballast: int
    """0: nothing is kept."""

    @property
    def low_water(self) -> int:
        """With less than this free, the ballast is thrown off."""
        return self.ballast // 2

    @property
    def left_by_door(self) -> int:
        """The door makes no journal file that leaves less: more than low water and ballast."""
        return 2 * self.ballast

    @property
    def plenty(self) -> int:
        """With this much free, a new ballast may be made without crowding out the door."""
        return 3 * self.ballast


class Step(Enum):
    """What to do about a volume's ballast."""

    NOTHING = auto()
    THROW_OFF = auto()
    MAKE = auto()


def next_step(
    reserve: Reserve, *, free: int, ballast: int, met_full: bool, lied_lately: bool
) -> Step:
    """What to do now.

    Args:
        free: bytes that may be written to the volume.
        ballast: size of the ballast that stands there; 0: none.
        met_full: a write has been refused for want of room, whatever `free` says.
        lied_lately: that happened not long ago although `free` was enough.
    """
    if ballast and (reserve.ballast == 0 or met_full or free < reserve.low_water):
        return Step.THROW_OFF
    if ballast != reserve.ballast and free + ballast >= reserve.plenty and not lied_lately:
        return Step.MAKE
    return Step.NOTHING


def free_bytes(folder: Path) -> int:
    """What may still be written to the volume of a folder, or of its nearest parent that exists.

    Raises:
        OSError: that cannot be told.
    """
    found = os.statvfs(_existing(folder))
    return found.f_bavail * found.f_frsize


def one_per_volume(folders: Iterable[Path]) -> tuple[Path, ...]:
    """The first of the folders on each volume.

    Raises:
        OSError: a folder cannot be looked at.
    """
    first: dict[int, Path] = {}
    for folder in folders:
        first.setdefault(device_of(folder), folder)
    return tuple(first.values())


def device_of(folder: Path) -> int:
    """The volume of a folder, or of its nearest parent that exists.

    Raises:
        OSError: it cannot be looked at.
    """
    return _existing(folder).stat().st_dev


def worker_folders(settings: Settings) -> tuple[Path, ...]:
    """Where the worker writes: the store, and archive and log of outcomes."""
    return (settings.store_path.parent, settings.archive_folder)


def left_free(settings: Settings, journal: Path) -> int:
    """How much room new files of a journal must leave: none on volumes that are the journal's own.

    Raises:
        OSError: a folder cannot be looked at.
    """
    device = device_of(journal)
    if device not in map(device_of, worker_folders(settings)):
        return 0
    return Reserve(settings.worker.ballast_bytes).left_by_door


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
