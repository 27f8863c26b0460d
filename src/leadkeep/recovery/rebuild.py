"""The store is lost or damaged: a new one out of journals, archive and the log of outcomes.

Invariant: killed at any point, the next run begins anew from the same sources, which are only read;
an old store is moved aside, never removed; and nothing starts while there is no store.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from leadkeep.clock import Clock, rfc3339
from leadkeep.errors import JournalError, NotFound, RecoveryError, StoreError, UsageError
from leadkeep.journal.archive import Archive
from leadkeep.journal.base import JournalReader
from leadkeep.journal.numbers import first_free_number, raise_first_free
from leadkeep.recovery.examination import Finding, OpenStore
from leadkeep.recovery.files import Progress, check_room
from leadkeep.recovery.newstore import (
    NUMBERS_KEPT_CLEAR,
    Absorb,
    clear_new_store,
    make_new_store,
    put_in_place,
)
from leadkeep.recovery.places import Places
from leadkeep.recovery.settling import Settled
from leadkeep.store.occupancy import replaced


class RebuildPlan(msgspec.Struct, frozen=True):
    """What a rebuild would do."""

    segments: int
    """In journals and archive."""
    replaces: bool
    """A store is there, and would be moved aside."""


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild came to."""

    settled: Settled
    moved_aside: str | None
    """Where the old store is now."""
    findings: list[Finding]


class Rebuild:
    """One run of `leadkeep rebuild`.

    Args:
        places: the installation.
        journals: a reader for each journal.
        look: opens a store's file to look only.
        clock: tells the time.
    """

    def __init__(
        self,
        places: Places,
        *,
        journals: Sequence[JournalReader],
        open_store: OpenStore,
        look: OpenStore,
        absorb: Absorb,
        clock: Clock,
        progress: Progress | None = None,
    ) -> None:
        self._look = look
        self._places = places
        self._journals = journals
        self._open_store = open_store
        self._absorb = absorb
        self._clock = clock
        self._progress = progress

    async def plan(self) -> RebuildPlan:
        """What it would do; changes nothing.

        Raises:
            RecoveryError: there is nothing to rebuild from, or no room.
        """
        archived = await asyncio.to_thread(Archive(self._places.archive).segments)
        infos = [info for journal in self._journals for info in journal.segments()]
        segments = {kept.segment for kept in archived} | {info.segment for info in infos}
        if not segments:
            raise RecoveryError(
                f"there is nothing to rebuild from: neither journals nor {self._places.archive} "
                "hold a segment",
                hint="Restore a backup. To begin anew instead, move the archive folder away.",
            )
        check_room(self._places.store, await asyncio.to_thread(self._size), "rebuilding")
        return RebuildPlan(segments=len(segments), replaces=await self._holds_something())

    async def run(self, *, replace: bool) -> Rebuilt:
        """Do it.

        Args:
            replace: a store that is there may be moved aside.

        Raises:
            UsageError: a store is there, and `replace` is false.
            RecoveryError: there is nothing to rebuild from, or it cannot be written.
            AlreadyRunning: somebody uses the store.
            StoreError, JournalError: something cannot be written or read.
        """
        plan = await self.plan()
        if plan.replaces and not replace:
            raise UsageError(
                f"there is a store at {self._places.store}",
                hint="--replace moves it aside and makes a new one; all that waits is then held.",
            )
        try:
            with replaced(self._places.run):
                return await self._rebuild()
        except OSError as error:
            raise RecoveryError(
                f"the store could not be rebuilt: {error.strerror or error}",
                hint="Nothing was delivered. Check room and permissions, then run it again.",
            ) from error

    async def _rebuild(self) -> Rebuilt:
        places = self._places
        clear_new_store(places)
        now = rfc3339(self._clock.now_us())
        new = await make_new_store(
            places,
            archive=Archive(places.archive, clock=self._clock),
            journals=self._journals,
            open_store=self._open_store,
            absorb=self._absorb,
            reason=f"the store was rebuilt on {now}; it may have been delivered before",
            actor="leadkeep rebuild",
            progress=self._progress,
        )
        least = new.highest_number + 1
        if not first_free_number(places.numbers):
            # Lost with the store: what doors have given beyond is not known.
            least = max(least, self._clock.now_us() // 1_000) + NUMBERS_KEPT_CLEAR
        raise_first_free(places.numbers, least)
        aside = put_in_place(places, self._clock)
        return Rebuilt(
            settled=new.settled,
            moved_aside=None if aside is None else str(aside),
            findings=new.examined.findings,
        )

    def _size(self) -> int:
        """About how large the new store may become."""
        archive = Archive(self._places.archive)
        size = 0
        for kept in archive.segments():
            try:
                size += archive.note(kept.segment).used
            except (JournalError, NotFound):
                continue  # what cannot be read takes no room either
        return size

    async def _holds_something(self) -> bool:
        """Whether there is a store that holds anything, or that cannot be looked at."""
        if not self._places.store.exists():
            return False
        try:
            async with self._look(self._places.store) as store:
                return bool(await store.progress())
        except StoreError:
            return True
