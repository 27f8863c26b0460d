"""Controls: promises of Leadkeep that are not kept, each of which an experiment must notice."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from leadkeep.delivery import attempt, retry
from leadkeep.disks import room
from leadkeep.intake.committer import Committer
from leadkeep.journal import syscalls
from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.outcomes import OutcomeLog
from leadkeep.states import Verb
from leadkeep.store.postgres.statements import SQL
from leadkeep.store.sqlite import keeping
from leadkeep.store.sqlite.store import SqliteStore
from leadkeep.walltime import Moment, WallTime

# Faults, not designs: methods are replaced by functions that know only what they need.
# mypy: disable-error-code="method-assign, assignment, misc, attr-defined"


def _answer_first() -> None:
    """The door answers, and commits a little later."""
    place, commit = Committer._place, DiskJournal.commit

    def place_and_settle(self: Any, batch: Any) -> None:
        place(self, batch)
        items, batch.items = batch.items, []
        self._settle(items, True)

    def commit_late(self: DiskJournal, records: Sequence[bytes]) -> Any:
        time.sleep(0.2)  # Between the answer and the disk there must be time to die in.
        return commit(self, records)

    Committer._place = place_and_settle
    DiskJournal.commit = commit_late


def _never_sync() -> None:
    """The page cache is taken for the disk."""

    def commit_group(self: Any, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        return os.pwritev(fd, buffers, offset)

    for calls in (syscalls.Syscalls, syscalls.SyncedWrites):
        calls.commit_group = commit_group


def _go_on_after_an_error() -> None:
    """What could not be synced is synced once more, and that success is believed."""

    def commit_group(self: Any, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        written = os.pwritev(fd, buffers, offset)
        try:
            os.fdatasync(fd)
        except OSError:
            # The kernel has told of the error once, and counts the pages as written.
            os.fdatasync(fd)
        return written

    for calls in (syscalls.Syscalls, syscalls.SyncedWrites):
        calls.commit_group = commit_group


def _believe_the_clock() -> None:
    """Wall time is taken to have been steady for ever."""
    WallTime.moment = lambda self: Moment(self._clock.now_us(), 0)


def _believe_any_reply() -> None:
    """Whatever a destination does counts as success."""
    attempt.decide = lambda reply, **details: retry.Completed()


def _leave_no_room() -> None:
    """The door uses up what absorbing and recording need."""
    room.Reserve.left_by_door = property(lambda self: 0)


def _wait_for_ever() -> None:
    """The door knows no deadline for a journal."""
    Committer._look = lambda self: None


def _forget_what_to_hold() -> None:
    """A rebuild leaves pending what may have been delivered."""
    apply = SqliteStore.apply

    async def apply_but_not_ours(self: Any, verb: Verb, *args: Any, **more: Any) -> int:
        return 0 if more["actor"] == "leadkeep rebuild" else await apply(self, verb, *args, **more)

    SqliteStore.apply = apply_but_not_ours


def _forget_the_outcomes() -> None:
    """A rebuild takes nothing for proved."""
    OutcomeLog.read = lambda self: iter(())


def _go_on_with_a_damaged_store() -> None:
    """A store that was marked is trusted again without being looked at."""
    keeping.damages = lambda connection: []


def _know_no_fence() -> None:
    """A report counts whoever has claimed the delivery since."""
    told = SQL["move_recorded"]
    fenced = told.sql.rindex("WHERE d.id = o.delivery")
    SQL["move_recorded"] = told._replace(sql=told.sql[:fenced] + "WHERE d.id = o.delivery")


CARELESS: dict[str, Callable[[], None]] = {
    "answers first": _answer_first,
    "leaves no room": _leave_no_room,
    "waits for ever": _wait_for_ever,
    "forgets what to hold": _forget_what_to_hold,
    "forgets the outcomes": _forget_the_outcomes,
    "goes on with a damaged store": _go_on_with_a_damaged_store,
    "knows no fence": _know_no_fence,
    "never syncs": _never_sync,
    "believes any reply": _believe_any_reply,
    "believes the clock": _believe_the_clock,
    "goes on after an error": _go_on_after_an_error,
}
"""What may be broken, by name."""
