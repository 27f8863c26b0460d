"""The verbs of circuits and rates."""

from collections.abc import Sequence
from typing import Protocol

from leadkeep.models import Circuit, CircuitEvent, CircuitMove, Rate


class SteeringStore(Protocol):
    """How much a destination is given, as all workers share it."""

    async def circuits(self) -> dict[str, Circuit]:
        """The circuit of each destination whose circuit has ever moved."""

    async def move_circuit(self, destination: str, expected_version: int, new: CircuitMove) -> bool:
        """Move a circuit if it is still at this version (0: it has never moved).

        The version grows by one. What opens or closes becomes an event, in the same transaction.

        Returns:
            False: somebody else has moved it; nothing was changed, look again.
        """

    async def hasten(self, destination: str, *, tried_before_ms: int) -> int:
        """Make leads due now that wait for another try because their destination did not work.

        Those whose last try began before `tried_before_ms` and was no refusal of the lead
        itself (a 4xx other than 408, 425, 429). Returns how many; at most a few thousand per
        call, the earliest due first: call again until it returns 0.
        """

    async def permits_in_ms(self, destination: str, rates: Sequence[Rate]) -> int:
        """How long until a claim under these rates may give something; 0: it may now."""

    async def circuit_events(
        self, destination: str | None = None, *, limit: int = 100
    ) -> list[CircuitEvent]:
        """What opened and closed, newest first. The last thousand of each destination are kept."""
