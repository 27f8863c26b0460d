"""Keeping the database file: checkpoints, and recovery from poisoning."""

import apsw

from leadkeep.errors import StoreUnavailable
from leadkeep.store.sqlite.examining import damages
from leadkeep.store.sqlite.poison import PoisonMark, damaged_store


def checkpoint(connection: apsw.Connection, *, patience_ms: int, busy_timeout_ms: int) -> bool:
    """Write the whole log into the database file, sync it and empty the log.

    Args:
        patience_ms: how long to wait for readers and writers.
        busy_timeout_ms: what the connection goes back to.

    Returns:
        False: a reader or writer is in the way, and not everything was written.
    """
    connection.set_busy_timeout(patience_ms)
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.BusyError, apsw.LockedError):
        return False
    finally:
        connection.set_busy_timeout(busy_timeout_ms)
    return True


def recover(connection: apsw.Connection, mark: PoisonMark, *, busy_timeout_ms: int) -> None:
    """Checkpoint, and clear the mark of poisoning once everything has been written anew.

    A store that was marked is read whole before it is trusted again: whoever met a damaged page has
    marked it too, and writing on would bury under new leads what is wrong with the old ones.

    Raises:
        StoreDamaged: its file is not whole, and will not be written any more.
        StoreUnavailable: poisoned, and a reader is in the way.
    """
    mark.check_whole()
    try:
        done = checkpoint(connection, patience_ms=busy_timeout_ms, busy_timeout_ms=busy_timeout_ms)
    except apsw.FullError:
        if mark.is_set:
            raise
        return  # All of it is safe in the log: a full disk is no reason not to start.
    if not mark.is_set:
        return
    if not done:
        raise StoreUnavailable(
            "the store was hit by an I/O error and cannot be written anew: a reader is in the way",
            hint="end long-running queries on the store, then start again",
        )
    if damage := damages(connection):
        mark.set(damage[0], damaged=True)
        raise damaged_store(damage[0])
    mark.clear()
