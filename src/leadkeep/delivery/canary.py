"""One lead ahead of all others: claimed by a deployment, attempted and recorded as any lead is.

The claim is fenced and leased in the store and the outcome goes through the recorder, so a canary
is a delivery like every other: confirmed, it is done; failed, it waits for its next try.
"""

import asyncio

from leadkeep.delivery.announce import Announcer
from leadkeep.delivery.attempt import Attempter, Finished
from leadkeep.delivery.leases import Leases
from leadkeep.delivery.recorder import Recorder
from leadkeep.delivery.scribe import Scribe
from leadkeep.journal.outcomes import OutcomeLog
from leadkeep.states import Status
from leadkeep.store.base import Store

AT_MOST = 5
"""A lead that failed before may be one that the application never takes: others are asked too."""


class Canary:
    """Sends leads of one destination, one after the other, for a deployment.

    Args:
        store: the queue.
        lease_ms: how long a claim's lease lasts.
        worker: who claims, for people.
        outcome_log: what is recorded is appended to it; None: nowhere.
    """

    def __init__(
        self, store: Store, *, lease_ms: int, worker: str, outcome_log: OutcomeLog | None
    ) -> None:
        self._store = store
        self._lease_ms = lease_ms
        self._worker = worker
        self._outcome_log = outcome_log

    async def send(self, attempter: Attempter, *, deployment: int) -> Finished | None:
        """Send the lead that waits longest; if it had failed before, up to four more.

        Returns:
            The attempt that was confirmed, else the last that was not; None: no lead could be
            claimed.

        Raises:
            StoreError: the store could not; what was attempted will be delivered again.
        """
        leases = Leases(self._store, lease_ms=self._lease_ms)
        scribe = Scribe(self._outcome_log)
        recorder = Recorder(self._store, leases, Announcer(scribe))
        recording = asyncio.create_task(recorder.run())
        background = [
            recording,
            asyncio.create_task(leases.keep()),
            asyncio.create_task(scribe.run()),
        ]
        try:
            return await self._send(attempter, leases, recorder, recording, deployment)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

    async def _send(
        self,
        attempter: Attempter,
        leases: Leases,
        recorder: Recorder,
        recording: asyncio.Task[None],
        deployment: int,
    ) -> Finished | None:
        finished: Finished | None = None
        tried: set[int] = set()
        while len(tried) < AT_MOST:
            # No wait counts here: what failed under the old version is for the new one to try.
            claims = await self._store.claim(
                attempter.destination,
                limit=1,
                lease_ms=self._lease_ms,
                longest_wait_ms=0,
                worker=self._worker,
                deployment=deployment,
            )
            if not claims:
                break
            if claims[0].delivery_id in tried:
                await self._store.release(claims)
                break
            tried.add(claims[0].delivery_id)
            leases.hold(claims)
            finished = await attempter.attempt(claims[0])
            recorder.take(finished)
            await _recorded(recorder, recording)
            if not _tells_nothing(finished):
                break
        return finished


def is_confirmed(finished: Finished) -> bool:
    """The application has taken it."""
    return finished.outcome.status is Status.COMPLETED


def _tells_nothing(finished: Finished) -> bool:
    """It was answered no, but this lead was answered no before: it may be the lead."""
    return (
        not is_confirmed(finished)
        and finished.claim.attempt > 1
        and finished.outcome.response_status is not None
    )


async def _recorded(recorder: Recorder, recording: asyncio.Task[None]) -> None:
    """Wait until the store has the outcome; then let a stop that came meanwhile be one."""
    waiting = asyncio.create_task(recorder.all_recorded())
    try:
        await asyncio.wait({waiting, recording}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if recording.done():
        recording.result()
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        # The attempt took the cancellation for its outcome.
        raise asyncio.CancelledError
