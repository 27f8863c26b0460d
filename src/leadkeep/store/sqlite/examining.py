"""Whether the database file is whole, and what is in it fits together."""

import apsw

from leadkeep.store.sqlite.connections import SQL
from leadkeep.store.sqlite.session import SqliteSession
from leadkeep.store.transactions.examining import drift


def flaws(connection: apsw.Connection) -> list[str]:
    """What is wrong with the database itself, in words; nothing: an empty list.

    A damaged file is told, not raised: who only asks must not stop those who still write.
    """
    found = [f"the database file is damaged: {damage}" for damage in damages(connection)]
    try:
        # Whatever else is asked of a damaged file proves nothing.
        return found or _broken(connection) + drift(SqliteSession(connection))
    except apsw.CorruptError as error:
        return [f"the database file is damaged: {error}"]


def damages(connection: apsw.Connection) -> list[str]:
    """Where the file is not whole, in words, after reading all of it; nothing: an empty list."""
    found: list[str] = []
    try:
        for (verdict,) in connection.execute(SQL["integrity"]):
            if verdict != "ok":
                found.append(verdict)
    except apsw.CorruptError as error:
        found.append(str(error))
    return found


def _broken(connection: apsw.Connection) -> list[str]:
    return [
        f"a row of {table} names a row of {parent} that is not there"
        for table, _row, parent, _key in connection.execute(SQL["broken_references"])
    ]
