"""Where SQLite's errors become ours; nothing above this package sees an `apsw.Error`.

No message here quotes a value: SQLite names columns and constraints, never what was in them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from leadkeep.errors import (
    LeadkeepError,
    RecordRefused,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreUnsafe,
)
from leadkeep.store.sqlite.poison import REBUILD_HINT, PoisonMark, damaged_store

_UNAVAILABLE: tuple[tuple[type[apsw.Error], str, str], ...] = (
    (apsw.BusyError, "another process is writing to the store", "try again"),
    (apsw.LockedError, "another process is writing to the store", "try again"),
    (apsw.CantOpenError, "the store's file cannot be opened", "check its folder and permissions"),
    (apsw.ReadOnlyError, "the store's file cannot be written", "check permissions and the disk"),
    (apsw.PermissionsError, "the store's file cannot be used", "check its permissions"),
    (apsw.NoMemError, "there is not enough memory for the store", ""),
    (apsw.InterruptError, "the store was interrupted", "try again"),
    (apsw.ProtocolError, "the store's locks are contended", "try again"),
)

_NOTHING_LOST = {
    apsw.SQLITE_IOERR_NOMEM: "there is not enough memory for the store",
    apsw.SQLITE_IOERR_SHMOPEN: "the index of the store's log cannot be opened",
    apsw.SQLITE_IOERR_SHMMAP: "the index of the store's log cannot be mapped",
    apsw.SQLITE_IOERR_SHMLOCK: "the index of the store's log cannot be locked",
    apsw.SQLITE_IOERR_GETTEMPPATH: "there is no folder for temporary files",
}
"""I/O errors that hit nothing that must last: the index (`-shm`) is made anew from the log."""

_REFUSALS = (
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.TooBigError,
    OverflowError,
    UnicodeEncodeError,
)


@contextmanager
def foreign_errors_mapped(mark: PoisonMark) -> Iterator[None]:
    """Let only our errors out; an I/O error or a damaged file poisons the store first."""
    try:
        yield
    except (apsw.IOError, apsw.CorruptError) as error:
        # The library's type stubs do not know the attribute.
        code = getattr(error, "extendedresult", 0)
        if code in _NOTHING_LOST:
            raise StoreUnavailable(f"{_NOTHING_LOST[code]} ({error})", hint="try again") from error
        if code == apsw.SQLITE_IOERR_SHMSIZE:
            # What SQLite says when it opens on a full disk: it makes its index larger by writing.
            raise _full(error) from error
        mark.set(str(error))
        if isinstance(error, apsw.CorruptError):
            raise damaged_store(str(error)) from error
        raise StoreUnsafe(
            f"an I/O error hit the store: {error}",
            hint="look at the disk and the kernel's log, then restart the worker",
        ) from error
    except apsw.Error as error:
        raise _mapped(error) from error


@contextmanager
def refusals_mapped() -> Iterator[None]:
    """What a constraint, or the shape of a value, refuses is the record's fault."""
    try:
        yield
    except UnicodeEncodeError:
        # Its object is the text itself, which may be personal: it must not travel along.
        raise RecordRefused("a text in a lead cannot be written as UTF-8") from None
    except _REFUSALS as error:
        raise RecordRefused(f"the store refuses a lead: {error}") from error


def _full(error: apsw.Error) -> StoreFull:
    return StoreFull(
        f"the store's disk is full ({error})", hint="free some space; it goes on by itself"
    )


def _mapped(error: apsw.Error) -> LeadkeepError:
    if isinstance(error, apsw.FullError):
        return _full(error)
    for kind, message, hint in _UNAVAILABLE:
        if isinstance(error, kind):
            return StoreUnavailable(f"{message} ({error})", hint=hint)
    if isinstance(error, apsw.NotADBError):
        return StoreDamaged(
            "the store's file is not a SQLite database",
            hint=f"check the setting store.path; if it is right, {REBUILD_HINT}",
        )
    return StoreError(f"the store refused: {error}")
