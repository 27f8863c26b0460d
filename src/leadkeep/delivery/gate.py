"""How many claims a lane may make now: its destination's circuit and rates, asked in one place.

The gate shuts at once by what its own worker sees, and then makes it true for all workers by a move
in the store. It opens only by what the store says. A claim is barred in the store as well, so a
worker whose view is a second old gives no lead to a destination that is shut.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from leadkeep.clock import Clock
from leadkeep.delivery import breaker, circuit_log
from leadkeep.delivery.attempt import Finished
from leadkeep.delivery.board import Board
from leadkeep.delivery.breaker import Sign
from leadkeep.delivery.recent import Recent
from leadkeep.delivery.shared_circuit import SharedCircuit
from leadkeep.delivery.suspects import Suspects
from leadkeep.destinations.retry_after import retry_after_of
from leadkeep.errors import StoreUnavailable
from leadkeep.models import CircuitMove, Claim, Rate
from leadkeep.settings.model import DestinationSettings
from leadkeep.settings.steering import RateSettings
from leadkeep.states import CircuitState
from leadkeep.store.base import Store

PROBE_LEASE_BEYOND_TIMEOUT_MS = 5_000
"""A prober that is not heard of for so long after its attempt's deadline is taken for dead."""
SHORTEST_REST_SECONDS = 0.02

_COUNTED = frozenset({Sign.AWAY, Sign.FAILS, Sign.DOUBTFUL})

AskHealth = Callable[[], Awaitable[str]]
"""Says what is wrong with a destination; empty: it is well."""


def rates_of(settings: RateSettings) -> tuple[Rate, ...]:
    """The rates that are set."""
    spans = (
        (settings.per_second, 1_000),
        (settings.per_minute, 60_000),
        (settings.per_hour, 3_600_000),
    )
    return tuple(Rate(count, per_ms) for count, per_ms in spans if count)


class Gate:
    """One destination's gate in this worker.

    Args:
        destination: its name.
        settings: its breaker, rates, concurrency and timeout are read here.
        store, board, clock: shared by all gates of the worker.
        worker: who moves circuits, for people.
        ask_health: how it is probed; None: by a lead.
    """

    def __init__(
        self,
        destination: str,
        settings: DestinationSettings,
        *,
        store: Store,
        board: Board,
        clock: Clock,
        worker: str,
        ask_health: AskHealth | None = None,
    ) -> None:
        self._destination = destination
        self._concurrency = settings.concurrency
        self._policy = settings.breaker
        self._timeout_ms = round(settings.timeout_seconds * 1_000)
        self._store = store
        self._clock = clock
        self._worker = worker
        self._ask_health = ask_health
        self._asking: asyncio.Task[None] | None = None
        self.rates: Sequence[Rate] = rates_of(settings.rate)
        """What is claimed here is claimed under these."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when what may be claimed has changed."""
        self._recent = Recent(round(self._policy.window_seconds * 1_000))
        self._suspects = Suspects()
        self._probe: int | None = None
        """The version at which the probe is ours."""
        self._probe_claim: tuple[int, int] | None = None
        self._circuit = SharedCircuit(
            destination,
            store=store,
            board=board,
            clock=clock,
            on_decided=self._changed,
            on_news=self._has_moved,
        )
        self._limit = self._claims_at_once()

    @property
    def is_shut(self) -> bool:
        """True while no lead goes there; a probe is the one exception."""
        return self._limit == 0

    @property
    def probe(self) -> int | None:
        """What a claim names to be given the lead for the probe; None: it is no probe."""
        waits = self._probe_claim is None and self._ask_health is None
        return self._probe if waits else None

    # ------------------------------------------------------------ what the lane asks and tells

    def room(self, *, busy: int, ahead: int) -> int:
        """How many claims may be made now.

        Args:
            busy: attempts under way and claims that wait in the lane.
            ahead: how many claims may wait in the lane if nothing speaks against it.
        """
        if self._limit is None:
            return max(self._concurrency + ahead - busy, 0)
        if self.probe is not None:
            return 1
        return max(self._limit - busy, 0)

    def claimed(self, claims: Sequence[Claim]) -> None:
        """These were given; if a probe was to be made, the first of them is it."""
        if self.probe is None:
            return
        if claims:
            self._probe_claim = (claims[0].delivery_id, claims[0].fence)
        else:
            self._give_probe_back()

    def saw(self, finished: Finished) -> None:
        """An attempt has ended."""
        sign = breaker.sign_of(finished.outcome)
        if sign is Sign.WORKS and not self.is_shut:
            self._recent.works()
        elif self._policy.enabled:
            self._weigh(finished, sign)

    def rest_seconds(self, longest: float) -> float:
        """How long a lane that may claim nothing can rest before it looks again."""
        due_in_ms = self._circuit.due_in_ms
        if self._circuit.now.state is CircuitState.CLOSED or due_in_ms <= 0:
            return longest
        return min(max(due_in_ms / 1_000, SHORTEST_REST_SECONDS), longest)

    async def permits_in_seconds(self) -> float:
        """How long until the rates leave something; 0: they may now.

        Raises:
            StoreError: the store could not be read.
        """
        if not self.rates:
            return 0.0
        return await self._store.permits_in_ms(self._destination, self.rates) / 1_000

    # ------------------------------------------------------------ judging

    def _weigh(self, finished: Finished, sign: Sign) -> None:
        claim, outcome = finished
        asked = retry_after_of(outcome.response_headers, now_us=self._clock.now_us()) or 0.0
        counts = sign in _COUNTED
        if counts and sign is not Sign.AWAY:
            confirmed = self._recent.confirmed_ever
            if self._suspects.fails(claim.delivery_id, confirmed=confirmed):
                sign, counts = Sign.REFUSES, False
        if self._probe_claim == (claim.delivery_id, claim.fence):
            self._judge_probe(sign, outcome.error_message, asked)
            return
        now_ms = self._clock.boottime_ms()
        began_ms = now_ms - outcome.duration_ms
        if self.is_shut or not counts or began_ms < self._circuit.since_boot_ms:
            return
        self._recent.fails(claim.delivery_id, sign, outcome.error_message, now_ms=now_ms)
        seen = self._recent.seen()
        reason = breaker.why_open(seen, self._policy)
        if self._circuit.now.state is CircuitState.RAMPING:
            anew = breaker.works_meanwhile(self._circuit.now, seen)
            self._open(reason or outcome.error_message, asked, anew=anew)
        elif reason:
            self._open(reason, asked)

    def _judge_probe(self, sign: Sign, words: str, asked_seconds: float) -> None:
        if sign is Sign.NOTHING:
            self._give_probe_back()
        elif sign in {Sign.WORKS, Sign.REFUSES}:
            # It answered as it would in good days.
            confirmed = sign is Sign.WORKS and self._ask_health is None
            if confirmed:
                self._recent.works()
            self._circuit.decide(
                breaker.ramping(
                    self._circuit.now,
                    self._policy,
                    confirmed=confirmed,
                    concurrency=self._concurrency,
                    owner=self._worker,
                )
            )
        else:
            self._open(words, asked_seconds)

    def _open(self, reason: str, asked_seconds: float, *, anew: bool = False) -> None:
        self._circuit.decide(
            breaker.opened(
                self._circuit.now,
                reason,
                self._policy,
                anew=anew,
                asked_seconds=asked_seconds,
                owner=self._worker,
            )
        )

    def _give_probe_back(self) -> None:
        self._circuit.decide(
            breaker.not_probed(self._circuit.now, self._policy, owner=self._worker)
        )

    # ------------------------------------------------------------ moving

    async def look(self, *, busy: int) -> None:
        """Make own decisions true for all, learn those of others, and move what is due.

        To be called before each claim; most calls do nothing. While the store cannot be used,
        everything stays as it is.

        Args:
            busy: attempts under way here; a probe needs room beside them.
        """
        if not self._circuit.is_to_be_looked_at:
            return
        waits_for_probe = False
        # If the store cannot be used, the claim that follows says so aloud.
        with suppress(StoreUnavailable):
            await self._circuit.carry_out()
            await self._circuit.learn()
            self._recent.turn(self._clock.boottime_ms())
            if not self._policy.enabled:
                await self._keep_closed()
            elif self._circuit.now.state is CircuitState.RAMPING:
                await self._ramp_on(busy)
            elif self._circuit.is_shut and self._probe is None and self._circuit.due_in_ms <= 0:
                waits_for_probe = not await self._begin_probe(busy)
            if self._circuit.now.state is CircuitState.RAMPING:
                await self._hasten()
        self._circuit.rest(waits_for_probe=waits_for_probe)

    async def settle(self) -> None:
        """Attempts have ended: make true what is decided, and give back a probe not made."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        if self._probe is not None and self._circuit.is_undecided:
            self._give_probe_back()
        # If the store cannot: others will see for themselves, and a probe's lease runs out.
        with suppress(StoreUnavailable):
            await self._circuit.carry_out()

    async def _keep_closed(self) -> None:
        """Whoever switched the breaker off does not want leads to wait for it any longer."""
        if self._circuit.now.state is not CircuitState.CLOSED:
            await self._circuit.move(CircuitMove(CircuitState.CLOSED, owner=self._worker))

    async def _ramp_on(self, busy: int) -> None:
        move = breaker.step(
            self._circuit.now,
            self._recent.seen(),
            self._policy,
            due_in_ms=self._circuit.due_in_ms,
            idle=not busy,
            patience_ms=self._timeout_ms,
            concurrency=self._concurrency,
            owner=self._worker,
        )
        if move is not None:
            await self._circuit.move(move)

    async def _begin_probe(self, busy: int) -> bool:
        """Make the probe ours, if it can be made and nobody else was faster."""
        if busy >= self._concurrency:
            return False
        if self._ask_health is None and not await self._a_lead_waits():
            return False
        lease_ms = self._timeout_ms + PROBE_LEASE_BEYOND_TIMEOUT_MS
        move = breaker.probing(self._circuit.now, lease_ms=lease_ms, owner=self._worker)
        if not await self._circuit.move(move):
            return True  # by another worker
        self._probe = self._circuit.now.version
        if self._ask_health is not None:
            self._asking = asyncio.create_task(self._probe_by_health(self._ask_health))
        self.on_change()
        return True

    async def _a_lead_waits(self) -> bool:
        return await self._store.next_due_at_ms(self._destination) is not None

    async def _probe_by_health(self, ask_health: AskHealth) -> None:
        fault = await ask_health()
        self._asking = None
        if self._probe is not None:
            self._judge_probe(Sign.FAILS if fault else Sign.WORKS, fault, 0.0)

    async def _hasten(self) -> None:
        """It works again: what failed while it did not must not wait out its retry.

        Again and again while it ramps: tries that began before may end and be recorded later.
        """
        hastened = 0
        since_ms = self._circuit.now.since_ms
        while some := await self._store.hasten(self._destination, tried_before_ms=since_ms):
            hastened += some
        circuit_log.hastened(self._destination, hastened)

    def _has_moved(self, anew: bool) -> None:
        self._probe = self._probe_claim = None
        if anew:
            self._recent.forget()
        else:
            self._recent.next_step()
        self._changed()

    def _changed(self) -> None:
        self._limit = self._claims_at_once()
        self.on_change()

    def _claims_at_once(self) -> int | None:
        """0 while shut; None: as many as are useful."""
        if self._circuit.is_shut:
            return 0
        if self._circuit.now.state is CircuitState.RAMPING:
            return min(self._circuit.now.ramp_limit, self._concurrency)
        # Under a rate a claim counts as an attempt: it must begin at once.
        return self._concurrency if self.rates else None
