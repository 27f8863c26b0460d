"""One destination's deliveries in this worker: a few claims ahead, a fixed number under way.

Each destination has its own lane, so that a slow one delays no other. Its carriers take claims one
by one; its feeder claims as many ahead as the destination's own speed makes useful, and no more:
what waits here, no other worker can take. How much may be claimed at all is its gate's to say.
"""

import asyncio
from collections.abc import Sequence

import structlog

from leadkeep.clock import Clock
from leadkeep.delivery import metrics
from leadkeep.delivery.attempt import Attempter
from leadkeep.delivery.backlog import Errand
from leadkeep.delivery.carriers import Carriers
from leadkeep.delivery.gate import Gate
from leadkeep.delivery.leases import Leases
from leadkeep.delivery.recorder import Recorder
from leadkeep.destinations.base import Reply
from leadkeep.errors import StoreUnavailable
from leadkeep.models import Claim
from leadkeep.store.base import Store
from leadkeep.walltime import WallTime

AHEAD_SECONDS = 0.1
"""The backlog holds about what the destination takes in this time."""
AHEAD_MAX = 512
LONGEST_REST_SECONDS = 1.0
"""Another process may make a lead due without waking us: look this often."""
SHORTEST_REST_SECONDS = 0.02
UNRECORDED_MAX = 4_000

_log = structlog.get_logger("leadkeep.delivery")


class Lane:
    """Delivers to one destination.

    Args:
        attempter: makes the attempts.
        gate: says how many claims may be made, and is told what came of them.
        concurrency: attempts under way at once.
        store, clock, leases, recorder: shared by all lanes of the worker.
        lease_ms: how long a claim's lease lasts.
        worker: who claims, for people.
        wall: tells since when a lead's wait for others can be believed; None: always.
    """

    def __init__(
        self,
        attempter: Attempter,
        *,
        gate: Gate,
        concurrency: int,
        store: Store,
        clock: Clock,
        leases: Leases,
        recorder: Recorder,
        lease_ms: int,
        worker: str,
        wall: WallTime | None = None,
    ) -> None:
        self._wall = wall
        self._attempter = attempter
        self._gate = gate
        gate.on_change = self._gate_changed
        self._concurrency = concurrency
        self._store = store
        self._clock = clock
        self._leases = leases
        self._recorder = recorder
        self._lease_ms = lease_ms
        self._worker = worker
        self._carriers = Carriers(
            attempter,
            count=concurrency,
            leases=leases,
            recorder=recorder,
            on_finished=gate.saw,
            on_free=self._claim_if_room,
        )
        self._unwanted: list[Claim] = []
        """Claims that were taken out of the backlog and wait to be released."""
        self._awake = asyncio.Event()
        self._claims_trouble = False
        self._vain_rest = SHORTEST_REST_SECONDS / 2
        self._dry = False
        """The last claim got less than it asked for: room alone is no reason to claim again."""

    @property
    def destination(self) -> str:
        """The destination's name."""
        return self._attempter.destination

    def wake(self) -> None:
        """Something may be due: claim now."""
        self._awake.set()

    # ------------------------------------------------------------ feeding

    async def feed(self, stop: asyncio.Event) -> None:
        """Claim what is due, whenever there is room, until told to stop."""
        while not stop.is_set():
            self._awake.clear()
            await self._mind_gate()
            room = self.room()
            if not room or not self._recorder.store_ready.is_set():
                await self._rest(self._gate.rest_seconds(LONGEST_REST_SECONDS))
                continue
            claims = await self._claim(room)
            if claims is not None:
                self.put(claims)
            self._dry = claims is None or len(claims) < room
            if self._dry:
                await self._rest(await self._seconds_until_due(claimed=bool(claims)))

    def room(self) -> int:
        """How many claims are worth making now; 0 while enough wait or are unrecorded."""
        carriers = self._carriers
        ahead = min(int(self._concurrency * AHEAD_SECONDS / carriers.usual_seconds), AHEAD_MAX)
        if carriers.waiting > ahead // 2 or self._recorder.unrecorded > UNRECORDED_MAX:
            return 0
        return self._gate.room(busy=carriers.busy, ahead=ahead)

    def put(self, claims: Sequence[Claim]) -> None:
        """Have these delivered, unless the gate has shut since they were asked for."""
        self._leases.hold(claims)
        is_probe = self._gate.probe is not None
        self._gate.claimed(claims)
        if self._gate.is_shut and not is_probe:
            self._unwanted += claims
            self._awake.set()
            return
        self._carriers.put(claims)

    @property
    def is_shut(self) -> bool:
        """True while the destination's circuit lets nothing through."""
        return self._gate.is_shut

    async def claim_first(self, deliveries: Sequence[int]) -> set[int]:
        """Lease these, as far as they wait for their first try and may be tried now, and have
        them go before whatever waits.

        Returns:
            Those that were leased.

        Raises:
            StoreError: the store could not.
        """
        # What waits is passed by; what a circuit that ramps lets through at once is not.
        busy = self._carriers.busy
        room = self._gate.room(busy=busy, ahead=busy + len(deliveries))
        if self._carriers.is_closing or self._gate.is_shut or not room:
            return set()
        claims = await self.claim(min(room, len(deliveries)), among=deliveries)
        self._leases.hold(claims)
        if self._carriers.is_closing or self._gate.is_shut:  # Since they were asked for.
            await self.give_back(claims)
            return set()
        self._carriers.put_first(claims)
        return {claim.delivery_id for claim in claims}

    async def ask(self, claim: Claim, *, within_seconds: float) -> Reply | None:
        """Put to the destination what is no delivery, as soon as a carrier is free.

        Nothing is recorded and nothing repeated.

        Returns:
            The reply; None: no carrier was free in time, and the destination was not asked.
        """
        if self._carriers.is_closing or self.is_shut:
            return None
        busy = self._carriers.busy
        if not self._gate.room(busy=busy, ahead=busy + 1):
            return None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_seconds
        errand = Errand(claim, deadline, loop.create_future(), asyncio.Event())
        self._carriers.put_first([errand])
        try:
            async with asyncio.timeout_at(deadline):
                await errand.begun.wait()
        except TimeoutError:
            if not errand.begun.is_set():
                errand.reply.cancel()
                return None
        return None if errand.reply.cancelled() else await errand.reply

    async def claim(self, limit: int, *, among: Sequence[int] | None = None) -> list[Claim]:
        """Lease up to `limit` due leads of this destination.

        Args:
            among: only first tries of these deliveries; None: whatever is due.

        Raises:
            StoreError: the store could not.
        """
        # A probe is whatever is next, not what somebody waits for: it would wait in vain.
        probe = None if among is not None else self._gate.probe
        return await self._store.claim(
            self.destination,
            limit=limit,
            lease_ms=self._lease_ms,
            # A probe goes to the next lead there is, also if its own next try is not due yet.
            longest_wait_ms=self._attempter.longest_wait_ms if probe is None else 0,
            worker=self._worker,
            among=among,
            steady_since_ms=None if self._wall is None else self._wall.steady_since_us() // 1000,
            probe=probe,
            rates=self._gate.rates,
        )

    async def all_recorded(self) -> None:
        """Wait until everything that was put into the lane has an outcome that the store has."""
        await self._carriers.all_ended()
        await self._recorder.all_recorded()

    async def room_made(self) -> int:
        """Wait until there is room, and say how much; 0: there will be none soon.

        Raises:
            StoreError: claims could not be released.
        """
        while True:
            self._awake.clear()
            await self._mind_gate()
            if room := self.room():
                return room
            if self._gate.is_shut and not self._carriers.busy:
                return 0
            await self._rest(self._gate.rest_seconds(LONGEST_REST_SECONDS))

    async def permits_made(self, *, within_seconds: float) -> bool:
        """Wait for the rates to leave something; False: there is no need to, or it takes too long.

        Raises:
            StoreError: the store could not be asked.
        """
        seconds = await self._gate.permits_in_seconds()
        if not 0 < seconds <= within_seconds:
            return False
        await asyncio.sleep(seconds)
        return True

    async def settle(self) -> None:
        """Attempts have ended: have the gate finish its part."""
        await self._gate.settle()

    async def _mind_gate(self) -> None:
        """Let the gate look; what it does not let through any more goes back untried."""
        await self._gate.look(busy=self._carriers.under_way)
        if self._unwanted:
            unwanted, self._unwanted = self._unwanted, []
            await self.give_back(unwanted)

    def _claim_if_room(self) -> None:
        if not self._dry and self.room():
            self._awake.set()

    def _gate_changed(self) -> None:
        if self._gate.is_shut:
            self._unwanted = self.take_unstarted()
        self._awake.set()

    async def give_back(self, claims: Sequence[Claim]) -> None:
        """Release claims that were not tried; if the store cannot, their leases run out."""
        try:
            await self._store.release(claims)
        except StoreUnavailable as error:
            _log.warning("claims were not released", count=len(claims), error=str(error))
        for claim in claims:
            self._leases.let_go(claim)

    async def _claim(self, limit: int) -> list[Claim] | None:
        try:
            claims = await self.claim(limit)
        except StoreUnavailable as error:
            if not self._claims_trouble:
                _log.error("nothing can be claimed", destination=self.destination, error=str(error))
            self._claims_trouble = True
            return None
        self._claims_trouble = False
        return claims

    async def _seconds_until_due(self, *, claimed: bool) -> float:
        try:
            due_at_ms = await self._store.next_due_at_ms(self.destination)
            permits_in = await self._gate.permits_in_seconds()
        except StoreUnavailable:
            # The claim that follows says so aloud.
            return LONGEST_REST_SECONDS
        if due_at_ms is None:
            return LONGEST_REST_SECONDS
        seconds = (due_at_ms - self._clock.now_us() // 1000) / 1000
        if seconds <= 0 and permits_in:
            return min(permits_in, LONGEST_REST_SECONDS)
        if seconds <= 0 and not claimed:
            # It became due since, or another worker is faster: ask again, but ever less often.
            self._vain_rest = min(2 * self._vain_rest, LONGEST_REST_SECONDS)
            return self._vain_rest
        self._vain_rest = SHORTEST_REST_SECONDS / 2
        return min(max(seconds, SHORTEST_REST_SECONDS), LONGEST_REST_SECONDS)

    async def _rest(self, seconds: float) -> None:
        metrics.UNDER_WAY.labels(self.destination).set(self._carriers.under_way)
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            pass

    def start(self, crew: asyncio.TaskGroup) -> None:
        """Begin to deliver what is put into the lane."""
        self._carriers.start(crew)

    async def finish(self, *, within_seconds: float | None) -> None:
        """Let what is in the lane end; what has not ended in time is interrupted.

        Args:
            within_seconds: None: however long it takes.
        """
        await self._carriers.finish(within_seconds=within_seconds)

    def take_unstarted(self) -> list[Claim]:
        """Take out the claims whose attempt has not begun."""
        unstarted, self._unwanted = self._unwanted, []
        return unstarted + self._carriers.take_unstarted()
