"""Delivering all that is due now, each lead once, and then no more: for `process-queue`."""

from collections.abc import Callable

import msgspec

from leadkeep.delivery.attempt import Finished
from leadkeep.delivery.lane import Lane
from leadkeep.errors import StoreError
from leadkeep.models import Recorded
from leadkeep.states import Status
from leadkeep.store.base import Store

PERMIT_PATIENCE_SECONDS = 2.0
"""A run waits so long for a destination's rates to leave something, each time; then it ends."""


class DeliveryRun(msgspec.Struct, frozen=True):
    """What a run did, counted by attempts that the store has recorded."""

    completed: int = 0
    """Confirmed by their destination."""
    retry_later: int = 0
    """Not confirmed; another try is due later."""
    failed: int = 0
    """Given up: older than the retry policy's age."""
    set_aside: int = 0
    """Held because they cannot be sent; none of them is a try."""
    stale: int = 0
    """Of all these, recorded after the lease was lost: another worker may have them too."""
    rescued: int = 0
    """Taken back from workers that are not heard of, before the run."""

    @property
    def attempted(self) -> int:
        """All attempts of this run."""
        return self.completed + self.retry_later + self.failed


Progress = Callable[[DeliveryRun], None]
"""Called with the counts so far, after each recorded attempt."""


class Tally:
    """Counts what is recorded.

    Args:
        rescued: what was taken back before the run.
        progress: told after each.
    """

    def __init__(self, *, rescued: int, progress: Progress | None) -> None:
        ends = (Status.COMPLETED, Status.PENDING, Status.FAILED, Status.HELD)
        self._counts = dict.fromkeys(ends, 0)
        self._stale = 0
        self._rescued = rescued
        self._progress = progress

    def add(self, finished: Finished, recorded: Recorded) -> None:
        """Count one recorded outcome."""
        self._counts[finished.outcome.status] += 1
        self._stale += recorded.stale
        if self._progress is not None:
            self._progress(self.run())

    def run(self) -> DeliveryRun:
        """The counts so far."""
        return DeliveryRun(
            completed=self._counts[Status.COMPLETED],
            retry_later=self._counts[Status.PENDING],
            failed=self._counts[Status.FAILED],
            set_aside=self._counts[Status.HELD],
            stale=self._stale,
            rescued=self._rescued,
        )


class Budget:
    """How many leads a run may still try, over all lanes; None: any number."""

    def __init__(self, limit: int | None) -> None:
        self._left = limit

    def take(self, wanted: int) -> int:
        """Set some aside; returns how many."""
        if self._left is None:
            return wanted
        taken = min(wanted, self._left)
        self._left -= taken
        return taken

    def give_back(self, unused: int) -> None:
        """Return what was set aside and not used."""
        if self._left is not None:
            self._left += unused


async def feed_once(lane: Lane, store: Store, budget: Budget) -> StoreError | None:
    """Put everything due into the lane, each delivery once; returns what went wrong, if anything.

    A lead that failed in this run and is due again already is left for another time. What the
    destination's circuit or rates do not let through soon is left too.
    """
    tried: set[int] = set()
    lined_up = False
    while True:
        try:
            limit = budget.take(await lane.room_made())
            if not limit:
                return None
            claims = await lane.claim(limit)
            again = [claim for claim in claims if claim.delivery_id in tried]
            if again:
                await store.release(again)
            if not claims and await lane.permits_made(within_seconds=PERMIT_PATIENCE_SECONDS):
                budget.give_back(limit)
                continue
        except StoreError as error:
            return error
        fresh = [claim for claim in claims if claim.delivery_id not in tried]
        budget.give_back(limit - len(fresh))
        tried.update(claim.delivery_id for claim in fresh)
        lane.put(fresh)
        if fresh:
            lined_up = lined_up or any(claim.in_line for claim in fresh)
        elif lined_up:
            # What waited for these may be due once they are delivered.
            await lane.all_recorded()
            lined_up = False
        else:
            # Fewer than asked for is no sign of an end: a claim also stops at so many bytes.
            return None
