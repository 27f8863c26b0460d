"""Leads whose vendors wait: claimed by name, tried as every other, and what came of it told.

Invariant: this adds no try and takes none away. A lead is claimed here, before its turn, or by its
lane as usual, under the same lease and fence; it is attempted and recorded by the lane; and only
what the store has taken is told. Whoever asked and is told nothing has lost nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import structlog

from leadkeep.delivery.attempt import Finished
from leadkeep.delivery.lane import Lane
from leadkeep.delivery.relay import FAILED, relayed
from leadkeep.errors import StoreError, StoreUnsafe
from leadkeep.journal.identity import text as id_text
from leadkeep.live.frames import Answer, LeadAsk
from leadkeep.models import Recorded
from leadkeep.states import Status
from leadkeep.store.asked import LiveAsk, LiveStanding
from leadkeep.store.base import Store

WAITING_MAX = 2_000
LONGEST_SECONDS = 60.0
"""No source may wait longer."""
LOOKED_AT_ONCE = 100
"""Leads per call, so that each write transaction stays short."""
LOOK_EVERY_SECONDS = 0.2
"""Another process may absorb a lead, or finish it, without telling us."""
STORE_AWAY = "store_away"
STOPPING = "stopping"
BUSY = "busy"
NOT_DUE = "not_due"
NO_DESTINATION = "no_destination"

_log = structlog.get_logger("leadkeep.delivery")


class Asker(Protocol):
    """The door that asked."""

    @property
    def is_gone(self) -> bool:
        """True: it hears nothing any more."""

    def tell(self, answer: Answer) -> None:
        """Answer it; never raises, also when it is gone."""


_REFUSALS = 3
"""So often a claim is refused before it is believed: beside a claim that is being committed, a
database passes over what that one has."""
_REFUSED_SECONDS = 0.03


class _Waiting:
    """A door that waits for one lead's outcome."""

    __slots__ = ("ask", "asker", "delivery_id", "in_lane", "lead", "refusals", "timer")

    def __init__(self, ask: LeadAsk, asker: Asker) -> None:
        self.ask = ask
        self.asker = asker
        self.lead = LiveAsk(id_text(ask.lead_id), ask.destination)
        self.delivery_id = 0
        """0: the lead was not in the store when we looked."""
        self.in_lane = False
        """It was claimed here: its lane will say what came of it."""
        self.refusals = 0
        """How often it waited for its first try when we looked, and could not be claimed."""
        self.timer: asyncio.TimerHandle | None = None


class LiveLeads:
    """Answers doors that ask for a lead's outcome. Lives in the worker's loop.

    Args:
        lanes: by destination.
        reply_max_bytes: by destination: how much of a reply is recorded.
    """

    def __init__(
        self,
        store: Store,
        lanes: Mapping[str, Lane],
        *,
        reply_max_bytes: Mapping[str, int],
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._reply_max_bytes = reply_max_bytes
        self._waiting: dict[_Waiting, None] = {}
        self._by_lead: defaultdict[str, list[_Waiting]] = defaultdict(list)
        self._awake = asyncio.Event()
        self._none_waits = asyncio.Event()
        self._none_waits.set()
        self._is_stopping = False

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, ask: LeadAsk, asker: Asker) -> None:
        """A door wants to know what comes of a lead; it is told, or hears nothing in time."""
        if len(self._waiting) >= WAITING_MAX:
            self._forget_the_gone()
        if self._is_stopping or len(self._waiting) >= WAITING_MAX:
            asker.tell(Answer(ask.ask, reason=STOPPING if self._is_stopping else BUSY))
            return
        waiting = _Waiting(ask, asker)
        self._waiting[waiting] = None
        self._by_lead[waiting.lead.lead_id].append(waiting)
        self._none_waits.clear()
        loop = asyncio.get_running_loop()
        # Afterwards nobody listens; whatever is under way goes on as usual.
        seconds = min(ask.within_ms / 1_000, LONGEST_SECONDS)
        waiting.timer = loop.call_later(seconds, self._forget, waiting)
        self._awake.set()

    def wake(self) -> None:
        """Leads were absorbed: those that are waited for may be among them."""
        if self._waiting:
            self._awake.set()

    def recorded(self, finished: Finished, recorded: Recorded) -> None:
        """The store has taken an outcome: a listener of the worker's recorder."""
        claim, outcome = finished
        for waiting in tuple(self._by_lead.get(claim.lead_id, ())):
            if not waiting.delivery_id:
                self._awake.set()  # Tried before we looked: the store says how it went.
            elif waiting.delivery_id == claim.delivery_id:
                if outcome.status is not Status.COMPLETED:
                    self._tell(waiting, reason=FAILED)
                else:
                    self._relay(
                        waiting,
                        claim.destination,
                        outcome.response_status,
                        outcome.response_headers,
                        outcome.response_body,
                    )

    async def run(self, stop: asyncio.Event, *, drain_seconds: float) -> None:
        """Claim what is waited for until told to stop; then let what is under way be told.

        Args:
            drain_seconds: how long to wait for that.

        Raises:
            StoreUnsafe: the store must not be written any more.
        """
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._awake.set())
        try:
            while not stop.is_set():
                looks_at_all = False
                try:
                    async with asyncio.timeout(LOOK_EVERY_SECONDS if self._waiting else None):
                        await self._awake.wait()
                except TimeoutError:
                    looks_at_all = True
                self._awake.clear()
                if not stop.is_set():
                    await self._look(list(self._waiting) if looks_at_all else self._unclaimed())
        finally:
            stopping.cancel()
        self._is_stopping = True
        for waiting in self._unclaimed():
            self._tell(waiting, reason=STOPPING)
        try:
            async with asyncio.timeout(drain_seconds):
                await self._none_waits.wait()
        except TimeoutError:
            pass

    def _unclaimed(self) -> list[_Waiting]:
        return [waiting for waiting in self._waiting if not waiting.in_lane]

    async def _look(self, asking: Sequence[_Waiting]) -> None:
        """Claim what is there and due; tell where nothing will come."""
        for begin in range(0, len(asking), LOOKED_AT_ONCE):
            part = asking[begin : begin + LOOKED_AT_ONCE]
            try:
                standings = await self._store.standings([waiting.lead for waiting in part])
                await self._claim(self._heed(zip(part, standings, strict=True)))
            except StoreUnsafe:
                raise
            except StoreError as error:
                _log.warning("live leads could not be claimed", count=len(part), error=str(error))
                for waiting in part:
                    if not waiting.in_lane:
                        self._tell(waiting, reason=STORE_AWAY)

    def _heed(
        self, found: Iterable[tuple[_Waiting, LiveStanding]]
    ) -> dict[str, dict[int, _Waiting]]:
        """Tell what can be told; returns what may be claimed, by destination and delivery."""
        claimable: defaultdict[str, dict[int, _Waiting]] = defaultdict(dict)
        for waiting, standing in found:
            waiting.delivery_id = standing.delivery_id
            if standing.reason:
                self._tell(waiting, reason=standing.reason)
            elif standing.response_status is not None:
                self._relay(
                    waiting,
                    standing.destination,
                    standing.response_status,
                    standing.response_headers,
                    standing.response_body,
                )
            elif standing.is_claimable and standing.destination not in self._lanes:
                self._tell(waiting, reason=NO_DESTINATION)
            elif standing.is_claimable and (waiting.refusals >= _REFUSALS or waiting.in_lane):
                # Not to be tried now, or given back untried, because its circuit has opened.
                self._tell(waiting, reason=NOT_DUE)
            elif standing.is_claimable:
                claimable[standing.destination][standing.delivery_id] = waiting
        return claimable

    async def _claim(self, claimable: Mapping[str, Mapping[int, _Waiting]]) -> None:
        for destination, asked in claimable.items():
            claimed = await self._lanes[destination].claim_first(list(asked))
            for delivery, waiting in asked.items():
                waiting.in_lane = delivery in claimed
                # Its lane may have been faster, or it may not be tried now: the next look tells.
                waiting.refusals += not waiting.in_lane
            if len(claimed) < len(asked):
                # Not at once: a claim of its lane's may be about to be committed.
                asyncio.get_running_loop().call_later(_REFUSED_SECONDS, self._awake.set)

    def _relay(
        self,
        waiting: _Waiting,
        destination: str,
        status: int | None,
        headers: bytes,
        body: bytes,
    ) -> None:
        if not self._forget(waiting):
            return
        answer = relayed(
            waiting.ask.ask,
            status=status,
            headers=headers,
            body=body,
            reply_max_bytes=self._reply_max_bytes.get(destination, 0),
        )
        waiting.asker.tell(answer)

    def _tell(self, waiting: _Waiting, *, reason: str) -> None:
        if self._forget(waiting):
            waiting.asker.tell(Answer(waiting.ask.ask, reason=reason))

    def _forget_the_gone(self) -> None:
        for waiting in [one for one in self._waiting if one.asker.is_gone]:
            self._forget(waiting)

    def _forget(self, waiting: _Waiting) -> bool:
        """Nobody waits for this any more; False: nobody did."""
        if waiting not in self._waiting:
            return False
        del self._waiting[waiting]
        if waiting.timer is not None:
            waiting.timer.cancel()
        left = self._by_lead[waiting.lead.lead_id]
        left.remove(waiting)
        if not left:
            del self._by_lead[waiting.lead.lead_id]
        if not self._waiting:
            self._none_waits.set()
        return True
