"""The verbs that steer what goes to a destination: its circuit, and what its rates leave."""

from collections.abc import Sequence
from functools import partial

from leadkeep.models import Circuit, CircuitEvent, CircuitMove, Rate
from leadkeep.store.engine.hand import Hand
from leadkeep.store.transactions import operating, permitting, steering

_HASTENED_PER_CALL = 10 * operating.CHUNK


class Helm(Hand):
    """Moves are compare-and-set, each one transaction; looking runs beside them."""

    async def circuits(self) -> dict[str, Circuit]:
        """The circuit of each destination whose circuit has ever moved."""
        return await self._readers.look(partial(steering.circuits, clock=self._clock))

    async def move_circuit(self, destination: str, expected_version: int, new: CircuitMove) -> bool:
        """Move a circuit if it is still at this version; see `Store.move_circuit`."""
        return await self._writer.transact(
            partial(
                steering.move_circuit,
                destination=destination,
                expected_version=expected_version,
                new=new,
                clock=self._clock,
            )
        )

    async def hasten(self, destination: str, *, tried_before_ms: int) -> int:
        """Make leads due now that wait because their destination did not work; see `Store`."""
        found = await self._readers.look(
            partial(
                steering.waiting_in_vain,
                destination=destination,
                tried_before_ms=tried_before_ms,
                now_ms=self._now_ms,
                limit=_HASTENED_PER_CALL,
            )
        )
        hastened = 0
        for start in range(0, len(found), operating.CHUNK):
            hastened += await self._writer.transact(
                partial(
                    steering.hasten,
                    deliveries=found[start : start + operating.CHUNK],
                    now_ms=self._now_ms,
                )
            )
        return hastened

    async def permits_in_ms(self, destination: str, rates: Sequence[Rate]) -> int:
        """How long until a claim under these rates may give something; 0: it may now."""
        return await self._readers.look(
            partial(permitting.wait_ms, destination=destination, rates=rates, clock=self._clock)
        )

    async def circuit_events(
        self, destination: str | None = None, *, limit: int = 100
    ) -> list[CircuitEvent]:
        """What opened and closed, newest first."""
        return await self._readers.look(
            partial(steering.events, destination=destination, limit=limit)
        )
