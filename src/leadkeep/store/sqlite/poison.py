"""The durable mark that says: an I/O error hit this database, do not trust it.

After one failed write the kernel may have dropped pages that SQLite believes written; later commits
then succeed, and are gone after a power cut. So the first I/O error, in whichever process, makes a
file beside the database; every write transaction of every process looks for it; and only a finished
checkpoint, which writes everything anew, takes it away.
"""

import contextlib
import os
from pathlib import Path

from leadkeep.errors import StoreUnsafe

_HINT = "look at the disk and the kernel's log, then restart the worker: it checks and recovers"


class PoisonMark:
    """The mark of one database, as one process sees it."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".poisoned")
        self._hit = False

    @property
    def is_set(self) -> bool:
        """True if this or another process was hit. A folder that cannot be read counts as hit."""
        if self._hit:
            return True
        try:
            os.stat(self.path)  # noqa: PTH116 - runs in each write transaction; half the price
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def check(self) -> None:
        """Refuse to go on if the database is poisoned.

        Raises:
            StoreUnsafe: it is.
        """
        if self.is_set:
            raise StoreUnsafe("an I/O error hit the store; it is not written any more", hint=_HINT)

    def set(self, reason: str) -> None:
        """Make the mark durable. If even that fails, this process at least keeps to it.

        Raises:
            StoreUnsafe: the mark could not be made, so other processes cannot know.
        """
        self._hit = True
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                with contextlib.suppress(OSError):
                    # For people, and there may be no room for it: the name alone counts.
                    os.write(descriptor, f"{reason}\n".encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_folder(self.path.parent)
        except OSError as error:
            raise StoreUnsafe(
                f"an I/O error hit the store ({reason}), and it could not be marked so: {error}",
                hint=_HINT,
            ) from error

    def clear(self) -> None:
        """Take the mark away, durably: everything has been written anew."""
        self.path.unlink(missing_ok=True)
        sync_folder(self.path.parent)
        self._hit = False


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
