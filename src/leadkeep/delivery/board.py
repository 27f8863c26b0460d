"""The circuits as the store has them, read once for all lanes of a worker."""

import asyncio
from typing import NamedTuple

from leadkeep.clock import Clock
from leadkeep.models import Circuit
from leadkeep.store.base import Store

FRESH_MS = 1_000
"""What other workers moved is known here after this time at the latest."""


class Posted(NamedTuple):
    """A circuit, and when it was read."""

    circuit: Circuit
    read_boot_ms: int
    """By the boot clock: the circuit's `due_in_ms` counts from here."""


class Board:
    """What is known of all circuits.

    Args:
        store: where they are.
        clock: its boot time says how old a reading is.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._circuits: dict[str, Circuit] = {}
        self._read_boot_ms: int | None = None
        self._reading = asyncio.Lock()

    async def circuit(self, destination: str) -> Posted:
        """One circuit, read anew if what is known is not fresh.

        Raises:
            StoreError: the store could not be read.
        """
        async with self._reading:
            now_ms = self._clock.boottime_ms()
            if self._read_boot_ms is None or now_ms - self._read_boot_ms >= FRESH_MS:
                self._circuits = await self._store.circuits()
                self._read_boot_ms = now_ms
            return Posted(self._circuits.get(destination, Circuit()), self._read_boot_ms)

    async def move_was_tried(self) -> None:
        """Something has changed, or had before: what is known is not fresh any more."""
        async with self._reading:
            self._read_boot_ms = None
