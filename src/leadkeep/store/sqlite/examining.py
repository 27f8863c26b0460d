"""Whether the store is sound, and what it has of the leads that a journal names."""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import apsw

from leadkeep.models import StoredRequest
from leadkeep.store.sqlite.connections import SQL


def flaws(connection: apsw.Connection) -> list[str]:
    """What is wrong with the database itself, in words; nothing: an empty list.

    A damaged file is told, not raised: who only asks must not stop those who still write.
    """
    found = [f"the database file is damaged: {damage}" for damage in damages(connection)]
    try:
        # Whatever else is asked of a damaged file proves nothing.
        return found or _drift(connection)
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


def _drift(connection: apsw.Connection) -> list[str]:
    """What does not fit together in a whole file."""
    found = [
        f"a row of {table} names a row of {parent} that is not there"
        for table, _row, parent, _key in connection.execute(SQL["broken_references"])
    ]
    found += [
        f"the counter of {status} deliveries to {destination or 'nowhere yet'} says {counted:,}, "
        f"there are {there:,}"
        for destination, status, counted, there in connection.execute(SQL["drifted_counters"])
    ]
    found += [
        f"the counter of notices of the kind {kind} says {counted:,}, there are {there:,}"
        for kind, counted, there in connection.execute(SQL["drifted_notice_counters"])
    ]
    found += [
        f"the lead {lead_id} has no delivery"
        for (lead_id,) in connection.execute(SQL["leads_without_deliveries"])
    ]
    found += [
        f"a delivery of the lead {lead_id} is of a part that is not there"
        for (lead_id,) in connection.execute(SQL["parts_that_are_not_there"])
    ]
    found += [
        f"a part of the lead {lead_id} has no delivery"
        for (lead_id,) in connection.execute(SQL["parts_without_delivery"])
    ]
    found += [
        f"the lead {lead_id} waits in a line in which it will never be its turn"
        for statement in ("forgotten_in_line", "behind_nobody")
        for (lead_id,) in connection.execute(SQL[statement])
    ]
    return found


def requests(connection: apsw.Connection, lead_ids: Sequence[str]) -> dict[str, StoredRequest]:
    """What the store has of these leads' requests, by id."""
    rows: Iterator[tuple[Any, ...]] = connection.execute(
        SQL["requests"], {"lead_ids": json.dumps(lead_ids)}
    )
    return {lead_id: StoredRequest(*request) for lead_id, *request in rows}


def numbers_in_use(connection: apsw.Connection, numbers: Sequence[int]) -> set[int]:
    """Those of these lead numbers that some lead has."""
    rows = connection.execute(SQL["taken_numbers"], {"lead_numbers": json.dumps(numbers)})
    return {number for (number,) in rows}


def forgotten_segments(connection: apsw.Connection) -> set[UUID]:
    """Segments that have left the archive."""
    return {UUID(segment) for (segment,) in connection.execute(SQL["forgotten_segments"])}
