"""A copy of the database of one moment, while others write to it.

The copy is read under one transaction, so that no writer waits for it and it never has to begin
again. Nothing that goes wrong here poisons the store: it may be the copy's disk that failed.
"""

import os
from collections.abc import Callable
from pathlib import Path

import apsw

from leadkeep.errors import StoreError, StoreUnavailable, StoreUnsafe
from leadkeep.store.sqlite.connections import SQL, make_private, open_reader
from leadkeep.store.sqlite.poison import PoisonMark, sync_folder

_PAGES_AT_ONCE = 1_000

Progress = Callable[[int, int], None]
"""Told how much is done, of how much."""


def copy_database(
    source: Path, target: Path, *, busy_timeout_ms: int, progress: Progress | None = None
) -> None:
    """Copy a store into a new file that needs no other beside it; returns once it is durable.

    Args:
        target: must not exist.
        progress: told the pages copied, and how many there are.

    Raises:
        StoreUnsafe: the store is poisoned: what is read may not be what is on its disk.
        StoreUnavailable: there is no store, or no room for the copy.
        StoreError: it cannot be copied.
    """
    mark = PoisonMark(source)
    _check(mark)
    make_private(target)
    try:
        reader = open_reader(source, busy_timeout_ms=busy_timeout_ms)
        try:
            _copy(reader, target, progress)
        finally:
            reader.close()
    except apsw.FullError as error:
        raise StoreUnavailable(
            f"there is no room for the copy {target}", hint="Free some space on that disk."
        ) from error
    except apsw.Error as error:
        raise StoreError(f"the store {source} cannot be copied to {target}: {error}") from error
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(target.parent)
    _check(mark)


def _check(mark: PoisonMark) -> None:
    if mark.is_set:
        raise StoreUnsafe(
            "an I/O error hit the store: a copy of it could hold what its disk does not",
            hint="Look at the disk, then restart the worker: it writes everything anew.",
        )


def _copy(reader: apsw.Connection, target: Path, progress: Progress | None) -> None:
    copy = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        copy.pragma("synchronous", "OFF")  # it is synced once, as a whole
        reader.execute(SQL["begin_reading"])
        # A transaction begins with its first look; the copy then stays at this moment.
        reader.execute(SQL["tables"]).fetchall()
        with copy.backup("main", reader, "main") as under_way:
            while not under_way.done:
                under_way.step(_PAGES_AT_ONCE)
                if progress is not None:
                    total = under_way.page_count
                    progress(total - under_way.remaining, total)
        reader.execute(SQL["rollback"])
        # Without a log beside it, and readable where nothing can be written.
        copy.pragma("journal_mode", "delete")
    finally:
        copy.close()
