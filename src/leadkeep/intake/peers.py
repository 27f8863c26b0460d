"""The connections that are open now."""

import asyncio
from typing import Generic, TypeVar

Peer = TypeVar("Peer")


class Peers(Generic[Peer]):
    """All open connections of a door. Lives in the loop."""

    def __init__(self) -> None:
        self._open: set[Peer] = set()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._open)

    def snapshot(self) -> tuple[Peer, ...]:
        """The open connections; may be walked while some of them close."""
        return tuple(self._open)

    def add(self, connection: Peer) -> None:
        """One more is open."""
        self._open.add(connection)
        self._emptied.clear()

    def discard(self, connection: Peer) -> None:
        """It is closed."""
        self._open.discard(connection)
        if not self._open:
            self._emptied.set()

    async def gone(self, timeout_seconds: float) -> None:
        """Wait until none is open, but not longer than that."""
        try:
            await asyncio.wait_for(self._emptied.wait(), timeout_seconds)
        except TimeoutError:
            return
