"""What waits for a lane's carriers: claims in their order, and in front of them what is urgent."""

import asyncio
from collections import deque
from typing import NamedTuple

from leadkeep.delivery.attempt import INTERRUPTED, Attempter
from leadkeep.destinations.base import Reply
from leadkeep.models import Claim


class Errand(NamedTuple):
    """Something that a destination is asked at once and that is no delivery: a ping."""

    claim: Claim
    deadline: float
    """By the loop's clock: then its reply is worth nothing any more."""
    reply: "asyncio.Future[Reply]"
    """Cancelled: nobody waits, or the lane ends; it is not run."""
    begun: asyncio.Event
    """A carrier has it."""

    async def run(self, attempter: Attempter) -> None:
        """Ask, within the deadline. Never raises, as a carrier's attempt never does."""
        self.begun.set()
        if self.reply.cancelled():
            return
        async with asyncio.timeout_at(self.deadline) as limit:
            reply = await attempter.put(self.claim)
        if limit.expired() and reply.error_class == INTERRUPTED:
            reply = Reply(
                confirmed=False,
                error_class="timeout",
                error_message=f"{self.claim.destination} had not answered when the time was over",
            )
        if not self.reply.cancelled():
            self.reply.set_result(reply)

    def refuse(self) -> None:
        """The lane ends before its turn."""
        self.reply.cancel()
        self.begun.set()


class Backlog(asyncio.Queue[Claim | Errand | None]):
    """A queue with a way to its front."""

    _queue: deque[Claim | Errand | None]

    def put_first(self, item: Claim | Errand) -> None:
        """Let this be the next to be taken."""
        self._is_urgent = True
        try:
            self.put_nowait(item)
        finally:
            self._is_urgent = False

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._is_urgent = False

    def _put(self, item: Claim | Errand | None) -> None:
        # `asyncio.Queue` offers these as the place to change the order; see its PriorityQueue.
        if self._is_urgent:
            self._queue.appendleft(item)
        else:
            super()._put(item)
