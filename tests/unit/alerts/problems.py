"""Looks at an installation where all is well, for tests that change one thing."""

from typing import Any

import msgspec

from leadkeep.alerts.signs import DoorSign, JournalSign, Limits, Signs
from leadkeep.disks.survey import Rooms, WorkerRoom
from leadkeep.models import DestinationView, Problem
from leadkeep.states import Status

NOW = 1_786_800_000_000
MINUTE = 60_000
NONE = dict.fromkeys(Status, 0)
LIMITS = Limits(late_ms=15 * MINUTE, down_ms=5 * MINUTE)
GIB = 1024**3


def view(**changes: Any) -> DestinationView:
    """A destination called crm with ten leads delivered."""
    calm = DestinationView(
        name="crm",
        held=False,
        hold_reason="",
        counts={**NONE, Status.COMPLETED: 10},
        oldest_waiting_at_ms=None,
    )
    return msgspec.structs.replace(calm, **changes)


def room(free_bytes: int) -> Rooms:
    """The worker's volume, with its ballast."""
    there = WorkerRoom(
        folder="/data", free_bytes=free_bytes, ballast_bytes=GIB, ballast_wanted_bytes=GIB
    )
    return Rooms(worker=(there,))


def signs(**changes: Any) -> Signs:
    """All is well."""
    calm = Signs(
        now_ms=NOW,
        destinations=(view(),),
        rooms=room(100 * GIB),
        door=DoorSign(journals=(JournalSign("/data/journal", in_use=True),)),
    )
    return msgspec.structs.replace(calm, **changes)


def problem(**changes: Any) -> Problem:
    """crm refuses leads."""
    one = Problem(
        kind="refused",
        subject="crm",
        urgent=True,
        what="crm refuses 3 leads, though it works",
        safe="Yes: each is stored.",
        since_ms=NOW - MINUTE,
        measured="3 leads refused",
        threshold="none should be",
        command=("leads", "list", "--destination", "crm"),
        newest_error="http_422",
    )
    return msgspec.structs.replace(one, **changes)
