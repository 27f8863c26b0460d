"""A folder in the making: beside the place it is for, under another name until it is complete.

Invariant: the final name is either not there or complete. A draft that a killed process left is
removed by the next one that works beside it; one that is worked on is locked.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leadkeep.errors import RecoveryError
from leadkeep.recovery.files import sync_folder, sync_folders

_PREFIX = ".leadkeep-unfinished-"


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Give a new folder to fill; when the block ends well, it gets the name `target`.

    Raises:
        RecoveryError: `target` is there already, or its folder cannot be written.
    """
    parent = target.absolute().parent
    refuse_existing(target)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(parent)
        draft = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        raise RecoveryError(
            f"nothing can be written beside {target}: {error.strerror}",
            hint="Name a folder whose parent this user may write to.",
        ) from error
    lock = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield draft
        sync_folders(draft)
        _publish(draft, target, parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def refuse_existing(target: Path) -> None:
    """Refuse a folder that has anything in it.

    Raises:
        RecoveryError: it has, or is no folder.
    """
    if target.is_symlink() or (target.exists() and not _is_empty(target)):
        raise RecoveryError(
            f"{target} is there already; nothing is overwritten",
            hint="Name a folder that does not exist yet.",
        )


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _publish(draft: Path, target: Path, parent: Path) -> None:
    try:
        # Takes the place of an empty folder, and of nothing else.
        draft.rename(target)
    except OSError as error:
        raise RecoveryError(
            f"{draft.name} cannot be renamed to {target}: {error.strerror}",
            hint="Name a folder that does not exist yet and is no mount point.",
        ) from error
    sync_folder(parent)


def _remove_abandoned(parent: Path) -> None:
    for draft in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            # One that cannot be looked at is another user's.
            lock = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(draft, ignore_errors=True)
            finally:
                os.close(lock)
