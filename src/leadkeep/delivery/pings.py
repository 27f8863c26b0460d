"""Pings: put to a destination once, answered at once, and what came of them recorded.

Invariant: a ping is never queued, never repeated, and never delivered later. Whatever hinders it
(a hold, a destination that is busy or down, the end of the time) is told to the door at once.
"""

import asyncio
from collections import deque
from collections.abc import Mapping

import structlog

from leadkeep.clock import DAY_US, Clock
from leadkeep.delivery import metrics
from leadkeep.delivery.lane import Lane
from leadkeep.delivery.live import BUSY, NO_DESTINATION, STOPPING, STORE_AWAY, Asker
from leadkeep.delivery.relay import relayed
from leadkeep.destinations.base import Reply
from leadkeep.errors import StoreError, StoreUnavailable
from leadkeep.journal.identity import text as id_text
from leadkeep.live.frames import Answer, PingAsk
from leadkeep.models import Claim
from leadkeep.store.asked import PingOutcome
from leadkeep.store.base import Store
from leadkeep.walltime import WallTime

UNDER_WAY_MAX = 1_000
KEPT_OUTCOMES = 10_000
"""While the store cannot be written, so many outcomes wait; the oldest are forgotten first."""
RECORDED_AT_ONCE = 500
GATHER_SECONDS = 0.1
AGAIN_SECONDS = 1.0
PRUNE_EVERY_SECONDS = 3_600.0
ANSWERED = "answered"
CIRCUIT_OPEN = "circuit_open"
_SHARE = 0.95
"""Of the door's time: so that what is answered in time here is still in time there."""

_log = structlog.get_logger("leadkeep.delivery")


class PingDesk:
    """Puts pings to destinations. Lives in the worker's loop.

    Args:
        lanes: by destination; a ping takes one of a lane's carriers.
        reply_max_bytes: by destination: how much of a reply is recorded.
        clock: wall time for what is recorded, boot time for what is measured.
        wall: tells since when wall time can be believed for an age.
        keep_days: how long pings are kept in the store.
    """

    def __init__(
        self,
        store: Store,
        lanes: Mapping[str, Lane],
        *,
        reply_max_bytes: Mapping[str, int],
        clock: Clock,
        wall: WallTime,
        keep_days: int,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._reply_max_bytes = reply_max_bytes
        self._clock = clock
        self._wall = wall
        self._keep_us = keep_days * DAY_US
        self._under_way: set[asyncio.Task[None]] = set()
        self._outcomes: deque[PingOutcome] = deque(maxlen=KEPT_OUTCOMES)
        self._something = asyncio.Event()
        self._is_stopping = False

    def ask(self, ask: PingAsk, asker: Asker) -> None:
        """A door wants a bid; it is told what came of it, or hears nothing in time."""
        if self._is_stopping or len(self._under_way) >= UNDER_WAY_MAX:
            self._end(ask, asker, STOPPING if self._is_stopping else BUSY, "nobody was free to ask")
            return
        task = asyncio.ensure_future(self._put(ask, asker))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def run(self, stop: asyncio.Event, *, drain_seconds: float) -> None:
        """Record outcomes until told to stop and every ping under way has ended.

        Raises:
            StoreUnsafe: the store must not be written any more.
        """
        keeping = asyncio.ensure_future(self._keep())
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait([keeping, stopping], return_when=asyncio.FIRST_COMPLETED)
            self._is_stopping = True
            if self._under_way:
                _, slow = await asyncio.wait(self._under_way, timeout=drain_seconds)
                for task in slow:
                    task.cancel()
            if keeping.done():
                keeping.result()
        finally:
            keeping.cancel()
            stopping.cancel()
            await asyncio.wait([keeping])
        await self._record()

    async def _put(self, ask: PingAsk, asker: Asker) -> None:
        began_at_ms, began = self._clock.now_us() // 1_000, self._clock.boottime_ms()
        lane = self._lanes.get(ask.destination)
        if lane is None:
            self._end(ask, asker, NO_DESTINATION, f"no destination is called {ask.destination!r}")
            return
        try:
            way = await self._store.ping_way(ask.destination)
        except StoreError:
            # Whether it is held cannot be told, and a hold must hold.
            self._end(ask, asker, STORE_AWAY, "the store cannot be read")
            return
        if way.held:
            self._end(ask, asker, "held", f"{ask.destination} is held")
            return
        if lane.is_shut:
            self._end(ask, asker, CIRCUIT_OPEN, f"the circuit of {ask.destination} is open")
            return
        reply = await lane.ask(
            _claim_for(ask, way.url), within_seconds=ask.within_ms * _SHARE / 1_000
        )
        if reply is None:
            self._end(ask, asker, BUSY, f"every delivery to {ask.destination} was still under way")
            return
        duration_ms = self._clock.boottime_ms() - began
        self._answered(ask, asker, reply, began_at_ms, duration_ms)

    def _answered(
        self, ask: PingAsk, asker: Asker, reply: Reply, began_at_ms: int, duration_ms: int
    ) -> None:
        answer = Answer(ask.ask, reason=reply.error_class)
        if reply.confirmed:
            answer = relayed(
                ask.ask,
                status=reply.status,
                headers=reply.headers,
                body=reply.body,
                reply_max_bytes=self._reply_max_bytes[ask.destination],
            )
        self._tell_and_note(
            ask,
            asker,
            answer,
            PingOutcome(
                ping_id=id_text(ask.ping_id),
                destination=ask.destination,
                started_at_ms=began_at_ms,
                duration_ms=duration_ms,
                result=answer.reason or ANSWERED,
                message=reply.error_message,
                response_status=reply.status,
                response_body=reply.body,
            ),
        )

    def _end(self, ask: PingAsk, asker: Asker, reason: str, words: str) -> None:
        """It was not put to anybody."""
        outcome = PingOutcome(
            ping_id=id_text(ask.ping_id),
            destination=ask.destination,
            started_at_ms=self._clock.now_us() // 1_000,
            duration_ms=0,
            result=reason,
            message=words,
        )
        self._tell_and_note(ask, asker, Answer(ask.ask, reason=reason), outcome)

    def _tell_and_note(
        self, ask: PingAsk, asker: Asker, answer: Answer, outcome: PingOutcome
    ) -> None:
        # Told first: a bid is worth something only now, and its record promises nothing.
        asker.tell(answer)
        known = ask.destination if ask.destination in self._lanes else ""
        metrics.PINGS.labels(known, metrics.error_label(outcome.result)).inc()
        self._outcomes.append(outcome)
        self._something.set()

    # ------------------------------------------------------------ recording

    async def _keep(self) -> None:
        """Record what comes of pings, in groups, and forget the old."""
        loop = asyncio.get_running_loop()
        prune_at = loop.time()
        while True:
            try:
                async with asyncio.timeout_at(prune_at):
                    await self._something.wait()
                    await asyncio.sleep(GATHER_SECONDS)
            except TimeoutError:
                prune_at = loop.time() + PRUNE_EVERY_SECONDS
                await self._prune()
            self._something.clear()
            if not await self._record():
                self._something.set()
                await asyncio.sleep(AGAIN_SECONDS)

    async def _record(self) -> bool:
        """Write what waits; False: the store could not take it."""
        while self._outcomes:
            group = [self._outcomes.popleft() for _ in range(self._next_group())]
            try:
                await self._store.record_pings(group)
            except StoreUnavailable as error:
                _log.warning(
                    "outcomes of pings cannot be recorded now",
                    waiting=len(self._outcomes) + len(group),
                    error=str(error),
                )
                room = KEPT_OUTCOMES - len(self._outcomes)
                self._outcomes.extendleft(reversed(group[len(group) - min(room, len(group)) :]))
                return False
        return True

    def _next_group(self) -> int:
        return min(len(self._outcomes), RECORDED_AT_ONCE)

    async def _prune(self) -> None:
        now_us, since_us = self._wall.moment()
        if now_us - since_us < DAY_US:
            return  # After a jump of the wall clock nothing is forgotten for its age.
        try:
            while await self._store.prune_pings(before_ms=(now_us - self._keep_us) // 1_000):
                pass
        except StoreUnavailable as error:
            _log.warning("old pings could not be forgotten", error=str(error))


def _claim_for(ask: PingAsk, url: str) -> Claim:
    """A ping as destinations take it: no delivery, so no number and no second try."""
    return Claim(
        delivery_id=0,
        fence=0,
        destination=ask.destination,
        attempt=1,
        first_attempt_at_ms=None,
        lead_id=id_text(ask.ping_id),
        lead_number=0,
        source=ask.source,
        received_at_ms=ask.received_at_ms,
        method=ask.method,
        target=ask.target,
        headers=ask.headers,
        body=ask.body,
        url=url,
        is_ping=True,
    )
