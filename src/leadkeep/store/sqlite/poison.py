"""The durable mark that says: an I/O error hit this database, do not trust it.

After one failed write the kernel may have dropped pages that SQLite believes written; later commits
then succeed, and are gone after a power cut. So the first I/O error, in whichever process, makes a
file beside the database; every write transaction of every process looks for it; and only a finished
checkpoint, which writes everything anew, takes it away. If the file then is found damaged, the mark
says so and stays: nothing writes there again.
"""

import contextlib
import os
from pathlib import Path

from leadkeep.errors import StoreDamaged, StoreUnsafe

_HINT = "look at the disk and the kernel's log, then restart the worker: it checks and recovers"
REBUILD_HINT = (
    "look at the disk, then run `leadkeep rebuild --replace`: it makes the store anew from "
    "journals and archive; until then leads wait in the journal"
)
_DAMAGED = b"damaged: "
_SHOWN_BYTES = 500


def damaged_store(damage: str) -> StoreDamaged:
    """The error that says what is wrong with a store's file, and what to do."""
    return StoreDamaged(f"the store's file is damaged: {damage}", hint=REBUILD_HINT)


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

    @property
    def damage(self) -> str:
        """What is wrong with the file, if it was found not to be whole; else empty."""
        try:
            with self.path.open("rb") as file:
                said = file.read(_SHOWN_BYTES)
        except OSError:
            return ""
        found = said.removeprefix(_DAMAGED).decode("utf-8", "replace").strip()
        return found if said.startswith(_DAMAGED) else ""

    def check(self) -> None:
        """Refuse to go on if the database is poisoned.

        Raises:
            StoreDamaged: it is, and its file is not whole.
            StoreUnsafe: it is.
        """
        if self.is_set:
            self.check_whole()
            raise StoreUnsafe("an I/O error hit the store; it is not written any more", hint=_HINT)

    def check_whole(self) -> None:
        """Refuse to go on with a file that was found damaged.

        Raises:
            StoreDamaged: it was.
        """
        if damage := self.damage:
            raise damaged_store(damage)

    def set(self, reason: str, *, damaged: bool = False) -> None:
        """Make the mark durable. If even that fails, this process at least keeps to it.

        Args:
            reason: what happened, for people.
            damaged: the whole file was looked at, and is not whole; nothing clears that.

        Raises:
            StoreUnsafe: the mark could not be made, so other processes cannot know.
        """
        self._hit = True
        if self.damage:
            return
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                with contextlib.suppress(OSError):
                    # For people, and there may be no room for it: the name alone counts.
                    os.write(descriptor, (_DAMAGED if damaged else b"") + f"{reason}\n".encode())
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
