"""One destination's circuit as this worker knows it, and the moves that it makes true for all.

A decision counts here from the moment it is made; for all others from when the store has it. If
another worker was faster, what the store says is what is true.
"""

from collections.abc import Callable

from leadkeep.clock import Clock
from leadkeep.delivery import circuit_log
from leadkeep.delivery.board import FRESH_MS, Board, Posted
from leadkeep.models import Circuit, CircuitMove
from leadkeep.states import CircuitState
from leadkeep.store.base import Store

_SHUT = frozenset({CircuitState.OPEN, CircuitState.HALF_OPEN})


class SharedCircuit:
    """The circuit of one destination.

    Args:
        destination: its name.
        store, board, clock: shared by all circuits of the worker.
        on_decided: called when this worker has decided on a move.
        on_news: called when the store has another version; True: in another state, or anew.
    """

    def __init__(
        self,
        destination: str,
        *,
        store: Store,
        board: Board,
        clock: Clock,
        on_decided: Callable[[], None],
        on_news: Callable[[bool], None],
    ) -> None:
        self._destination = destination
        self._store = store
        self._board = board
        self._clock = clock
        self._on_decided = on_decided
        self._on_news = on_news
        self._posted = Posted(Circuit(), clock.boottime_ms())
        self._decided: CircuitMove | None = None
        self._look_boot_ms = 0
        self.since_boot_ms = clock.boottime_ms()
        """What began before says nothing about the circuit as it is."""
        circuit_log.stands(destination, CircuitState.CLOSED)

    @property
    def now(self) -> Circuit:
        """As the store last said."""
        return self._posted.circuit

    @property
    def is_shut(self) -> bool:
        """No lead may go, by what the store said or by what was decided here."""
        decided = self._decided
        return self.now.state in _SHUT or (decided is not None and decided.state in _SHUT)

    @property
    def is_undecided(self) -> bool:
        """True if no decision of this worker waits to be made true."""
        return self._decided is None

    @property
    def due_in_ms(self) -> int:
        """`Circuit.due_in_ms` now, and not when it was read."""
        return self.now.due_in_ms - (self._clock.boottime_ms() - self._posted.read_boot_ms)

    @property
    def is_to_be_looked_at(self) -> bool:
        """True if something is decided or due, or may have been moved by others."""
        return self._decided is not None or self._clock.boottime_ms() >= self._look_boot_ms

    def decide(self, move: CircuitMove) -> None:
        """Decide on a move, unless one is decided on."""
        if self._decided is None:
            self._decided = move
            self._on_decided()

    async def carry_out(self) -> None:
        """Make true what was decided, or learn that others were faster.

        Raises:
            StoreError: the store could not be used; the decision stands.
        """
        if self._decided is not None:
            await self.move(self._decided)

    async def move(self, move: CircuitMove) -> bool:
        """Try to move the circuit; whatever came of it, learn where it stands.

        Returns:
            Whether it stands where this call moved it.

        Raises:
            StoreError: the store could not be used.
        """
        before = self.now
        moved = await self._store.move_circuit(self._destination, before.version, move)
        if moved:
            circuit_log.moved(self._destination, before, move, now_us=self._clock.now_us())
            self._decided = None
        await self._board.move_was_tried()
        await self.learn()
        return moved and self.now.version == before.version + 1

    async def learn(self) -> None:
        """Learn where it stands.

        Raises:
            StoreError: the store could not be read.
        """
        before = self.now
        self._posted = await self._board.circuit(self._destination)
        if self.now.version == before.version:
            return
        anew = (self.now.state, self.now.since_ms) != (before.state, before.since_ms)
        if anew:
            self.since_boot_ms = self._clock.boottime_ms()
        if anew or self.now.state is not CircuitState.RAMPING:
            # While it only ramps on, what was decided is still true and is tried again from here.
            self._decided = None
        circuit_log.stands(self._destination, self.now.state)
        self._on_news(anew)

    def rest(self, *, waits_for_probe: bool) -> None:
        """It was looked at: leave it alone until something is due or may be new.

        Args:
            waits_for_probe: a probe is due and could not be made: look at each occasion.
        """
        rest_ms = FRESH_MS
        if waits_for_probe:
            rest_ms = 0
        elif self.now.state is not CircuitState.CLOSED and self.due_in_ms > 0:
            rest_ms = min(self.due_in_ms, FRESH_MS)
        self._look_boot_ms = self._clock.boottime_ms() + rest_ms
