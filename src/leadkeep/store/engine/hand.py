"""The half of the store that writes: what every verb has in common."""

from collections.abc import Awaitable, Callable, Sequence

from leadkeep.clock import Clock
from leadkeep.errors import UsageError
from leadkeep.models import Decision
from leadkeep.store.engine.session import Readers, Writer
from leadkeep.store.engine.sight import Sight

OnDecided = Callable[[Sequence[Decision]], Awaitable[None]]


class Hand(Sight):
    """The writer, the clock, and who is told of a person's decisions."""

    def __init__(
        self,
        clock: Clock,
        *,
        writer: Writer | None,
        readers: Readers,
        on_decided: OnDecided | None = None,
    ) -> None:
        super().__init__(clock, readers)
        self._on_decided = on_decided
        self._maybe_writer = writer

    @property
    def _writer(self) -> Writer:
        if self._maybe_writer is None:
            raise UsageError("the store was opened for looking only")
        return self._maybe_writer

    @property
    def _now_ms(self) -> int:
        return self._clock.now_us() // 1_000

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
        await self._readers.close()
        if self._maybe_writer is not None:
            await self._maybe_writer.close()


def distinct(destinations: Sequence[str]) -> tuple[str, ...]:
    """Each name once, in order.

    Raises:
        UsageError: there is none.
    """
    if not destinations:
        raise UsageError("at least one destination is needed")
    return tuple(dict.fromkeys(destinations))
